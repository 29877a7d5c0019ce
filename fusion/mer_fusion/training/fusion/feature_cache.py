"""Features of all clips and stills through one pair of encoders, made once before the fusion network learns."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path

import torch
from torch import Tensor, nn

from mer_fusion.encoders.audio import AudioEncoder
from mer_fusion.encoders.face import FaceEncoder
from mer_fusion.training.faces.encoder import FaceOptions, FaceSet, augmented
from mer_fusion.training.fusion.data import Sources
from mer_fusion.training.fusion.task import FeatureBank
from mer_fusion.training.speech.conditions import SoundConditions
from mer_fusion.training.speech.encoder import device_features
from mer_fusion.training.speech.spectra import training_windows

AUDIO_COPIES, FACE_COPIES = 4, 4
_STILLS_PER_LABEL = 1500
_CLEAR_VOTE = 0.6
# A talking face is at rest more than half of the time; the population's mean is that of such a face.
_SHARE_AT_REST = 0.6
# Every window of the bank has a label, so that somebody speaks in it.
_SPOKEN = SoundConditions(no_speech=0.0)
_MILD = FaceOptions(rotation_degrees=10.0, zoom=(0.85, 1.12), shift=0.06)


@torch.no_grad()
def make_bank(
    audio: AudioEncoder, face: FaceEncoder, sources: Sources, frames: int, neutral: int, seed: int, device: torch.device
) -> FeatureBank:
    """Run both encoders over augmented copies of everything.

    Args:
        frames: frames of the longest chunk among the encoders that will be compared; the augmentations drawn with one
            seed are then the same for each of them.
        neutral: index of the neutral label.
    """
    generator = torch.Generator().manual_seed(seed)
    # On CPUs convolutions of this layout take half the time.
    audio = audio.eval().to(device, memory_format=torch.channels_last)
    face = face.eval().to(device, memory_format=torch.channels_last)
    speech = sources.speech
    features, masks = [], []
    for _ in range(AUDIO_COPIES):
        parts = []
        for rows in torch.arange(len(speech)).split(48):
            chunks, mask, _ = training_windows(speech, rows, frames, generator, _SPOKEN)
            mine = chunks[:, :, -audio.config.frames :].flatten(0, 1).to(device)
            parts.append((audio.encode(mine).float().cpu().reshape(*mask.shape, -1), mask))
        features.append(torch.cat([part[0] for part in parts]))
        masks.append(torch.cat([part[1] for part in parts]))
    stills, labels = _clear_stills(sources.faces, generator)
    copies = []
    for _ in range(FACE_COPIES):
        changed = (augmented(part, _MILD, generator) for part in stills.split(256))
        copies.append(torch.cat([face.encode(part.to(device)).float().cpu() for part in changed]))
    faces = torch.stack(copies, dim=1)
    heard = torch.cat(device_features(audio, speech))
    at_rest = faces[labels == neutral].flatten(0, 1).mean(dim=0)
    moved = torch.stack([faces[labels == k].flatten(0, 1).mean(dim=0) for k in torch.unique(labels)]).mean(dim=0)
    spread = torch.cov(faces[labels == neutral].mean(dim=1).T)
    voices = torch.stack(features, dim=1)
    return FeatureBank(
        voices,
        torch.stack(masks, dim=1),
        speech.labels,
        speech.speakers,
        sources.heldout,
        faces,
        labels,
        heard.mean(dim=0),
        _SHARE_AT_REST * at_rest + (1 - _SHARE_AT_REST) * moved,
        voices.std(dim=(0, 1, 2)),
        torch.linalg.cholesky(spread + 1e-4 * spread.diagonal().mean() * torch.eye(len(spread))),
    )


def cached_bank(
    run_dir: Path,
    encoders: tuple[nn.Module, ...],
    sources: Sources,
    settings: str,
    make: Callable[[], FeatureBank],
) -> FeatureBank:
    """The bank that `make` gives, kept in `run_dir`, so that every fusion over the same encoders finds it there.

    Args:
        encoders: their weights are part of the file's name, as are labels and speakers of the sources.
        settings: everything else on which the bank depends.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load_file, save_file

    mark = hashlib.sha256(settings.encode())
    speech = sources.speech
    inputs = [speech.lengths, speech.labels, speech.speakers, sources.heldout, sources.faces.targets]
    for encoder in encoders:
        inputs += encoder.state_dict().values()
    for value in inputs:
        mark.update(value.detach().cpu().contiguous().numpy().tobytes())
    path = run_dir / f"bank-{mark.hexdigest()[:16]}.safetensors"
    if path.exists():
        try:
            return FeatureBank(**load_file(str(path)))
        except (SafetensorError, TypeError):  # cut off while it was written, or of another version: made again
            path.unlink()
    bank = make()
    run_dir.mkdir(parents=True, exist_ok=True)
    aside = path.with_suffix(".part")
    save_file({field.name: getattr(bank, field.name).contiguous() for field in fields(bank)}, str(aside))
    aside.replace(path)
    return bank


def _clear_stills(faces: FaceSet, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Stills on whose label most voters agree, at most `_STILLS_PER_LABEL` of each: (M, size, size) and labels (M,)."""
    vote, label = faces.targets.max(dim=1)
    chosen = []
    for k in range(faces.targets.shape[1]):
        mine = torch.nonzero((label == k) & (vote >= _CLEAR_VOTE)).flatten()
        chosen.append(mine[torch.randperm(len(mine), generator=generator)[:_STILLS_PER_LABEL]])
    index = torch.cat(chosen)
    return faces.images[index], label[index]
