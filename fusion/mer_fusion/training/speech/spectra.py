"""Speech for training: clips as log-mel spectrograms in one padded tensor, with labels, speakers and teacher scores.

Spectra are made once; a training batch is cut, stretched and masked from them. The chunks that the device encodes are
frames of the same grid (a step is 20 frames), so that training and the exported graph see the same numbers.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from mer_fusion.encoders.audio import HOP_SAMPLES, LogMel

STEP_FRAMES = 20
WINDOW_STEPS = 16
_SILENCE = (float(np.log(LogMel.floor)) + 9.0) * 0.25
_LEFT, _RIGHT = 240, 60


@dataclass(frozen=True)
class SpeechSet:
    """Clips of speech.

    Attributes:
        mel: (N, frames, mels) float32; `_LEFT` frames of silence before every clip, silence after it.
        lengths: (N,) frames of each clip, without the silence around it.
        labels: (N,) index into the bundle's labels.
        speakers: (N,) speaker number.
        teacher: (N, K) log probabilities of a published teacher; NaN rows where it has none.
        names: N clip names.
    """

    mel: Tensor
    lengths: Tensor
    labels: Tensor
    speakers: Tensor
    teacher: Tensor
    names: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.labels)

    def subset(self, keep: Tensor) -> SpeechSet:
        """The clips where the boolean `keep` (N,) is true."""
        index = torch.nonzero(keep).flatten()
        names = tuple(self.names[i] for i in index.tolist())
        return SpeechSet(
            self.mel[index], self.lengths[index], self.labels[index], self.speakers[index], self.teacher[index], names
        )

    def steps(self) -> Tensor:
        """(N,) steps that each clip takes on the device, the last one filled up with silence."""
        return (self.lengths + STEP_FRAMES) // STEP_FRAMES


def make_speech_set(
    waves: Sequence[np.ndarray],
    labels: Sequence[int],
    speakers: Sequence[int],
    names: Sequence[str],
    teacher: Mapping[str, np.ndarray],
    classes: int,
    mels: int = 64,
) -> SpeechSet:
    """Spectra of 16 kHz mono waves. `teacher` maps clip names to K log probabilities, where there are any."""
    frontend = LogMel(mels)
    spectra = []
    for wave in waves:
        whole = torch.as_tensor(wave[: len(wave) // HOP_SAMPLES * HOP_SAMPLES], dtype=torch.float32)
        with torch.no_grad():
            spectra.append(frontend(whole[None])[0])
    longest = max(len(spectrum) for spectrum in spectra)
    mel = torch.full((len(spectra), _LEFT + longest + _RIGHT, mels), _SILENCE)
    for row, spectrum in zip(mel, spectra, strict=True):
        row[_LEFT : _LEFT + len(spectrum)] = spectrum
    missing = np.full(classes, np.nan, np.float32)
    return SpeechSet(
        mel,
        torch.tensor([len(spectrum) for spectrum in spectra]),
        torch.tensor(list(labels)),
        torch.tensor(list(speakers)),
        torch.tensor(np.stack([np.asarray(teacher.get(name, missing), np.float32) for name in names])),
        tuple(names),
    )


def device_chunks(speech: SpeechSet, index: int, frames: int) -> Tensor:
    """The chunks that the device encodes for a clip: (steps, frames, mels)."""
    steps = int(speech.steps()[index])
    # Step s ends at frame boundary 20 (s + 1); its last whole frame starts two hops before that.
    first = _LEFT + STEP_FRAMES - 1 - frames
    return (
        speech.mel[index, first : first + frames + STEP_FRAMES * (steps - 1)]
        .unfold(0, frames, STEP_FRAMES)
        .transpose(1, 2)
    )


@dataclass(frozen=True)
class SpeechAugmentation:
    """How a training window differs from the recording. All ranges are symmetric about "unchanged"."""

    gain_db: float = 4.0
    stretch: float = 0.12
    warp: float = 0.08
    noise: float = 0.5
    bands_masked: int = 8
    frames_masked: int = 24


def training_windows(
    speech: SpeechSet, index: Tensor, frames: int, generator: torch.Generator, augmentation: SpeechAugmentation
) -> tuple[Tensor, Tensor]:
    """Augmented windows of clips: chunks (B, 16, frames, mels) and mask (B, 16), newest step last.

    A window ends somewhere in the last part of its clip, as windows of a live stream do; steps before the clip's
    first are missing.
    """
    count, mels = len(index), speech.mel.shape[2]
    length = frames + STEP_FRAMES * (WINDOW_STEPS - 1)

    def uniform(low: float, high: float) -> Tensor:
        return low + (high - low) * torch.rand(count, generator=generator)

    stretch = 1.0 + uniform(-augmentation.stretch, augmentation.stretch)
    warp = 1.0 + uniform(-augmentation.warp, augmentation.warp)
    clip = speech.lengths[index].float()
    # Windows hold most of the clip: its last 35 % at the earliest, up to a little silence after it.
    end = clip * uniform(0.65, 1.0) + uniform(0.0, STEP_FRAMES)
    source = speech.mel[index]
    total = source.shape[1]
    position = torch.arange(length).float()[None] - (length - 1)
    times = _LEFT + end[:, None] + position * stretch[:, None]
    bands = torch.arange(mels).float()[None] * warp[:, None]
    grid = torch.stack(
        torch.broadcast_tensors(
            (bands / (mels - 1) * 2 - 1)[:, None, :].expand(count, length, mels),
            (times / (total - 1) * 2 - 1)[:, :, None].expand(count, length, mels),
        ),
        dim=-1,
    )
    window = F.grid_sample(source[:, None], grid, mode="bilinear", padding_mode="border", align_corners=True)[:, 0]
    power = window * 4.0 + uniform(-augmentation.gain_db, augmentation.gain_db)[:, None, None] * 0.2303
    level = torch.where(
        torch.rand(count, generator=generator) < augmentation.noise, uniform(-5.5, -1.0), torch.tensor(-9.0)
    )
    tilt = uniform(-2.0, 2.0)[:, None, None] * torch.linspace(-0.5, 0.5, mels)[None, None]
    window = torch.logaddexp(power, level[:, None, None] + tilt) * 0.25
    window = _masked(window, augmentation, generator)
    chunks = window.unfold(1, frames, STEP_FRAMES).transpose(2, 3)
    held = torch.ceil(end / stretch / STEP_FRAMES).clamp(min=4)
    mask = (torch.arange(WINDOW_STEPS)[None] >= (WINDOW_STEPS - held)[:, None]).float()
    return chunks, mask


def _masked(window: Tensor, augmentation: SpeechAugmentation, generator: torch.Generator) -> Tensor:
    """Two stripes of bands and two of frames set to the window's mean (Park et al. 2019, SpecAugment)."""
    count, length, mels = window.shape
    mean = window.mean(dim=(1, 2), keepdim=True)
    keep = torch.ones(count, length, mels, dtype=torch.bool)
    for size, axis, widest in ((mels, 2, augmentation.bands_masked), (length, 1, augmentation.frames_masked)):
        for _ in range(2):
            width = torch.rand(count, generator=generator) * widest
            first = torch.rand(count, generator=generator) * (size - width)
            place = torch.arange(size)[None].float()
            stripe = (place >= first[:, None]) & (place < (first + width)[:, None])
            keep &= ~(stripe[:, None, :] if axis == 2 else stripe[:, :, None])
    return torch.where(keep, window, mean)
