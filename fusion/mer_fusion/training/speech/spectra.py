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
from mer_fusion.training.speech.conditions import SoundConditions, changed_windows

STEP_FRAMES = 20
WINDOW_STEPS = 16
_LEFT, _RIGHT = 240, 60


@dataclass(frozen=True)
class SpeechSet:
    """Clips of speech, of one corpus or of several.

    Attributes:
        mel: (N, frames, mels) log-mel energies; `_LEFT` frames of silence before every clip, silence after it.
        lengths: (N,) frames of each clip, without the silence around it.
        labels: (N,) index into the bundle's labels.
        speakers: (N,) speaker number; speakers of two corpora have two numbers.
        teacher: (N, K) log probabilities of a published teacher; NaN rows where it has none.
        names: N clip names.
        targets: (N, K) what is learned: the label, or the shares of listeners' votes.
        corpora: (N,) number of the corpus.
        shares: (corpora, K) share of each class in each corpus; 0 where the corpus lacks it.
    """

    mel: Tensor
    lengths: Tensor
    labels: Tensor
    speakers: Tensor
    teacher: Tensor
    names: tuple[str, ...]
    targets: Tensor
    corpora: Tensor
    shares: Tensor

    def __len__(self) -> int:
        return len(self.labels)

    def subset(self, keep: Tensor) -> SpeechSet:
        """The clips where the boolean `keep` (N,) is true. Classes that a corpus had it still has."""
        return self.rows(torch.nonzero(keep).flatten())

    def rows(self, index: Tensor) -> SpeechSet:
        """The clips of the given rows, in that order."""
        return SpeechSet(
            self.mel[index],
            self.lengths[index],
            self.labels[index],
            self.speakers[index],
            self.teacher[index],
            tuple(self.names[i] for i in index.tolist()),
            self.targets[index],
            self.corpora[index],
            self.shares,
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
    return spectra_set([log_mel(wave, mels) for wave in waves], labels, speakers, names, teacher, classes)


@torch.no_grad()
def log_mel(wave: np.ndarray, mels: int = 64) -> Tensor:
    """Log-mel energies (frames, mels) of a 16 kHz mono wave, on the grid that the device's chunks are cut from."""
    whole = torch.as_tensor(wave[: len(wave) // HOP_SAMPLES * HOP_SAMPLES], dtype=torch.float32)
    spectrum: Tensor = LogMel(mels)(whole[None])[0]
    return spectrum


def spectra_set(
    spectra: Sequence[Tensor],
    labels: Sequence[int],
    speakers: Sequence[int],
    names: Sequence[str],
    teacher: Mapping[str, np.ndarray],
    classes: int,
    targets: Tensor | None = None,
) -> SpeechSet:
    """One corpus of log-mel energies (frames, mels) each. `targets` (N, classes): None takes the labels."""
    longest = max(len(spectrum) for spectrum in spectra)
    mel = torch.full((len(spectra), _LEFT + longest + _RIGHT, spectra[0].shape[1]), LogMel.silence)
    for row, spectrum in zip(mel, spectra, strict=True):
        row[_LEFT : _LEFT + len(spectrum)] = spectrum
    missing = np.full(classes, np.nan, np.float32)
    index = torch.tensor(list(labels))
    shares = torch.bincount(index, minlength=classes).float() / len(index)
    return SpeechSet(
        mel,
        torch.tensor([len(spectrum) for spectrum in spectra]),
        index,
        torch.tensor(list(speakers)),
        torch.tensor(np.stack([np.asarray(teacher.get(name, missing), np.float32) for name in names])),
        tuple(names),
        F.one_hot(index, classes).float() if targets is None else targets,
        torch.zeros(len(index), dtype=torch.long),
        shares[None],
    )


def joined(sets: Sequence[SpeechSet]) -> SpeechSet:
    """Corpora as one set: corpora and speakers are numbered on, the first set's keep their numbers."""
    longest = max(item.mel.shape[1] for item in sets)
    speakers, corpora, next_speaker, next_corpus = [], [], 0, 0
    for item in sets:
        speakers.append(item.speakers + next_speaker)
        corpora.append(item.corpora + next_corpus)
        next_speaker = int(speakers[-1].max()) + 1
        next_corpus += len(item.shares)
    return SpeechSet(
        torch.cat([F.pad(s.mel, (0, 0, 0, longest - s.mel.shape[1]), value=LogMel.silence) for s in sets]),
        torch.cat([s.lengths for s in sets]),
        torch.cat([s.labels for s in sets]),
        torch.cat(speakers),
        torch.cat([s.teacher for s in sets]),
        sum((s.names for s in sets), ()),
        torch.cat([s.targets for s in sets]),
        torch.cat(corpora),
        torch.cat([s.shares for s in sets]),
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


def inside_takes(speech: SpeechSet) -> Tensor:
    """(N, frames) bool, the frames that hold each clip, without the silence around it."""
    place = torch.arange(speech.mel.shape[1])[None] - _LEFT
    return (place >= 0) & (place < speech.lengths[:, None])


def training_windows(
    speech: SpeechSet, index: Tensor, frames: int, generator: torch.Generator, conditions: SoundConditions
) -> tuple[Tensor, Tensor, Tensor]:
    """Windows of clips under random conditions: chunks (B, 16, frames, mels), mask (B, 16), newest step last, and
    which windows hold speech (B,).

    A window ends somewhere in the last part of its clip, as windows of a live stream do; steps before the clip's
    first are missing.
    """
    count, mels = len(index), speech.mel.shape[2]
    length = frames + STEP_FRAMES * (WINDOW_STEPS - 1)

    def uniform(low: float, high: float) -> Tensor:
        return low + (high - low) * torch.rand(count, generator=generator)

    stretch = 1.0 + uniform(-conditions.stretch, conditions.stretch)
    warp = 1.0 + uniform(-conditions.warp, conditions.warp)
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
    inside = (times >= _LEFT) & (times < _LEFT + clip[:, None])
    window, speaks = changed_windows(window, inside, conditions, generator)
    chunks = window.unfold(1, frames, STEP_FRAMES).transpose(2, 3)
    held = torch.ceil(end / stretch / STEP_FRAMES).clamp(min=4)
    mask = (torch.arange(WINDOW_STEPS)[None] >= (WINDOW_STEPS - held)[:, None]).float()
    return chunks, mask, speaks
