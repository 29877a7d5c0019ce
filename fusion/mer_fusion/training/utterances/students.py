"""P1's students: features of raw sound from a fold's student encoder, action units step by step, and their checkpoints.

Action units come as features: a student's checkpoint has a sound encoder and a fusion network, and no face encoder.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from mer_fusion.checkpoint import Card
from mer_fusion.encoders.audio import AudioEncoder
from mer_fusion.network import EmotionNetwork, NetworkConfig
from mer_fusion.training.episodes import PRIOR_STEPS
from mer_fusion.training.fusion.data import SOURCES
from mer_fusion.training.held_out import right_aligned
from mer_fusion.training.speech.conditions import SoundConditions
from mer_fusion.training.speech.encoder import device_features
from mer_fusion.training.speech.spectra import SpeechSet, training_windows
from mer_fusion.training.utterances.networks import network_configuration
from mer_fusion.training.utterances.paired_clips import PairedClips
from mer_fusion.training.utterances.table import Modality, UtteranceTable, population_means
from mer_sdk.contract.manifest import AudioContract, BaselineContract, DialogueContract
from mer_sdk.contract.output_files import atomic_output
from mer_sdk.evaluation.datasets.ravdess import LABELS

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
    return _table(_kept_sound(encoder, speech, folder), paired, np.arange(len(paired)))


def device_table(features: Sequence[Tensor], paired: PairedClips, rows: np.ndarray) -> UtteranceTable:
    """As `student_table`, of the takes `rows` alone, from sound that was encoded elsewhere; without augmented versions.

    Args:
        features: of each of these takes (steps, D), every step.
        rows: (R,) places in `paired`.
    """
    windows, mask, sums, counts = _recorded(features)
    return _table((windows[:, None], mask[:, None], sums, counts), paired, rows)


def student_network(
    model: str, encoder: AudioEncoder, table: UtteranceTable, width: int, dropout: float, weights: Mapping[str, Tensor]
) -> EmotionNetwork:
    """A fold's encoder and a fusion network that was trained on its features, in evaluation mode.

    Args:
        table: what the fusion network was trained on; width, dropout: as it was trained.
        weights: what `mer_fusion.training.utterances.runs.Answers.weights` holds.

    Raises:
        OptionError: a model that the project does not have.
        RuntimeError: the weights are of another network.
    """
    steps = table.modalities[0].windows.shape[2]
    fusion = network_configuration(model, table.names, table.dims, steps, len(LABELS), width, dropout)
    network = EmotionNetwork(NetworkConfig(model, encoder.config, None, fusion))
    network.audio.load_state_dict(encoder.state_dict())
    # AMB-DSGDN is trained as a dialogue of one utterance, inside a module that pools the steps.
    prefix = "network." if model == "amb_dsgdn" else ""
    network.fusion.load_state_dict({name.removeprefix(prefix): value for name, value in weights.items()})
    return network.eval()


def student_card(
    network: EmotionNetwork, table: UtteranceTable, learning: Tensor, name: str, training: Mapping[str, Any]
) -> Card:
    """The card of a student.

    Args:
        learning: rows of the table that it learned from; their means are the cold baseline.
        training: what it was trained with.
    """
    means = population_means(table, learning)
    assert network.config.audio is not None  # `student_network` gives one
    card = Card(
        name=name,
        role="student",
        network=network.config,
        labels=LABELS,
        baseline=BaselineContract(
            PRIOR_STEPS, {m: tuple(mean.tolist()) for m, mean in zip(table.names, means, strict=True)}
        ),
        data=tuple(source for source in SOURCES if "RAVDESS" in source.name),
        parameters=network.parameters_by_part(),
        audio=AudioContract(chunk_samples=network.config.audio.chunk_samples),
        training=dict(training),
        notes=("Face features are the roots of RAVDESS's 35 action units, the same in every step of a take.",),
    )
    if network.config.model == "amb_dsgdn":
        return replace(card, dialogue=DialogueContract(utterances=1, speakers=1))
    return card


def _table(sound: tuple[Tensor, Tensor, Tensor, Tensor], paired: PairedClips, rows: np.ndarray) -> UtteranceTable:
    """The table of the takes `rows`.

    Args:
        sound: windows, masks, sums and counts of a `Modality`, of these takes.
    """
    voice, mask, sums, counts = sound
    units = torch.from_numpy(np.sqrt(paired.action_units[rows]))
    face = units[:, None, None].expand(*mask.shape, -1) * mask[..., None]
    return UtteranceTable(
        (
            Modality("audio", voice, mask, sums, counts, PRIOR_STEPS),
            Modality("face", face, mask, units * counts[:, None], counts, PRIOR_STEPS),
        ),
        torch.from_numpy(paired.labels[rows]),
        torch.from_numpy(paired.speakers[rows]),
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
        encoded = {n: x.numpy() for n, x in zip(names, _encoded_sound(encoder, speech), strict=True)}
        with atomic_output(path) as aside, aside.open("wb") as file:
            np.savez(file, **encoded)
    with np.load(path) as kept:
        windows, mask, sums, counts = (torch.from_numpy(kept[name]) for name in names)
    return windows, mask, sums, counts


@torch.no_grad()
def _encoded_sound(encoder: AudioEncoder, speech: SpeechSet) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    encoder.eval()
    recorded = device_features(encoder, speech)
    windows, window_mask, sums, counts = _recorded(recorded)
    generator = torch.Generator().manual_seed(0)
    copies, copy_masks = [windows], [window_mask]
    for _ in range(COPIES):
        parts = [_augmented(encoder, speech, rows, generator) for rows in torch.arange(len(speech)).split(_PART)]
        copies.append(torch.cat([features for features, _ in parts]))
        copy_masks.append(torch.cat([mask for _, mask in parts]))
    voice, mask = torch.stack(copies, dim=1), torch.stack(copy_masks, dim=1)
    return voice * mask[..., None], mask, sums, counts


def _recorded(features: Sequence[Tensor]) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Last windows (N, T, D), masks (N, T), sums (N, D) and counts (N,) of takes (steps, D)."""
    windows, masks = zip(*[right_aligned(take) for take in features], strict=True)
    sums = torch.stack([take.sum(dim=0) for take in features])
    return torch.stack(windows), torch.stack(masks), sums, torch.tensor([float(len(take)) for take in features])


def _augmented(
    encoder: AudioEncoder, speech: SpeechSet, rows: Tensor, generator: torch.Generator
) -> tuple[Tensor, Tensor]:
    chunks, mask, _ = training_windows(speech, rows, encoder.config.frames, generator, SoundConditions(no_speech=0.0))
    return encoder.encode(chunks.flatten(0, 1)).float().reshape(*mask.shape, -1), mask
