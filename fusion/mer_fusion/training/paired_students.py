"""What P1's students read: features of raw sound from a fold's student encoder, and action units, step by step."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from mer_fusion.encoders.audio import AudioEncoder
from mer_fusion.training.audio import device_features, right_aligned
from mer_fusion.training.episodes import PRIOR_STEPS
from mer_fusion.training.paired import PairedClips
from mer_fusion.training.speech import SpeechAugmentation, SpeechSet, training_windows
from mer_fusion.training.utterances import Modality, UtteranceTable

COPIES = 4
_PART = 48


def student_table(encoder: AudioEncoder, speech: SpeechSet, paired: PairedClips, folder: Path) -> UtteranceTable:
    """Windows of 16 steps of every take: encoded sound, and the root of the take's action units in every step.

    Version 0 of a window is what the device sees at the end of the take, the `COPIES` after it are augmented sound.
    Action units come as the take's mean, so they are the same in each step and at hand where the sound is; a live front
    end would give a course instead.

    Args:
        encoder: of a fold; frozen.
        speech: the takes of `paired` in the same order.
        folder: where encoded sound is kept, under a name made from the encoder's weights.
    """
    voice, mask, sums, counts = _kept_sound(encoder, speech, folder)
    units = torch.from_numpy(np.sqrt(paired.action_units))
    face = units[:, None, None].expand(*mask.shape, -1) * mask[..., None]
    return UtteranceTable(
        (
            Modality("audio", voice, mask, sums, counts, PRIOR_STEPS),
            Modality("face", face, mask, units * counts[:, None], counts, PRIOR_STEPS),
        ),
        torch.from_numpy(paired.labels),
        torch.from_numpy(paired.speakers),
    )


def _kept_sound(encoder: AudioEncoder, speech: SpeechSet, folder: Path) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Windows, masks, sums and counts of a `Modality`, from `folder` where this encoder's are there."""
    total = hashlib.sha256(" ".join(speech.names).encode())
    for value in encoder.state_dict().values():
        total.update(value.cpu().contiguous().numpy().tobytes())
    path = folder / f"sound-{total.hexdigest()[:20]}.npz"
    names = ("windows", "mask", "sums", "counts")
    if not path.exists():
        folder.mkdir(parents=True, exist_ok=True)
        aside = path.with_suffix(".part.npz")
        np.savez(aside, **{n: x.numpy() for n, x in zip(names, _encoded_sound(encoder, speech), strict=True)})
        aside.replace(path)
    with np.load(path) as kept:
        windows, mask, sums, counts = (torch.from_numpy(kept[name]) for name in names)
    return windows, mask, sums, counts


@torch.no_grad()
def _encoded_sound(encoder: AudioEncoder, speech: SpeechSet) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    encoder.eval()
    recorded = device_features(encoder, speech)
    windows, masks = zip(*[right_aligned(features) for features in recorded], strict=True)
    generator = torch.Generator().manual_seed(0)
    copies, copy_masks = [torch.stack(windows)], [torch.stack(masks)]
    for _ in range(COPIES):
        parts = [_augmented(encoder, speech, rows, generator) for rows in torch.arange(len(speech)).split(_PART)]
        copies.append(torch.cat([features for features, _ in parts]))
        copy_masks.append(torch.cat([mask for _, mask in parts]))
    voice, mask = torch.stack(copies, dim=1), torch.stack(copy_masks, dim=1)
    sums = torch.stack([features.sum(dim=0) for features in recorded])
    counts = torch.tensor([float(len(features)) for features in recorded])
    return voice * mask[..., None], mask, sums, counts


def _augmented(
    encoder: AudioEncoder, speech: SpeechSet, rows: Tensor, generator: torch.Generator
) -> tuple[Tensor, Tensor]:
    chunks, mask = training_windows(speech, rows, encoder.config.frames, generator, SpeechAugmentation())
    return encoder.encode(chunks.flatten(0, 1)).float().reshape(*mask.shape, -1), mask
