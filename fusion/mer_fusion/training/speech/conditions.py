"""How a training window of speech differs from the recording: gain, room, noise, line and masks, on log-mel energies.

All works on natural logarithms of mel energies (B, frames, mels), as `mer_fusion.encoders.audio.LogMel` gives them, so
that corpora published as spectra learn under the same conditions as those of sound:

- room: energies decay exponentially after each frame (Polack 1988), a share of the sound reaches the microphone so;
- noise: bands of random tilt whose cells fluctuate as the energies of Gaussian noise do, at a level relative to the
  window's mean energy; in a few windows there is nothing else ("no speech");
- line: a random slope and curve of the frequency response, or a telephone's band, 300 to 3400 or 4000 Hz;
- masks: stripes of bands and of frames (Park and others 2019, SpecAugment).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from mer_fusion.encoders.audio import LogMel, mel_filterbank
from mer_fusion.encoders.mel_scale import hertz_of, mel_of

_NATS = math.log(10) / 10  # of a decibel of energy
_FRAME_SECONDS = 0.0125
_TAIL_FRAMES = 56
# What a band outside the line's keeps: a codec's or a microphone's own noise.
_BLOCKED_DB = 60.0


@dataclass(frozen=True)
class SoundConditions:
    """How a training window differs from the recording.

    Attributes:
        untouched: probability that only gain, stretch and warp change a window, so that clean sound is learned too.
        gain_db: the level is changed by up to so much either way.
        stretch, warp: time and frequency are stretched by up to this share either way.
        noise: probability of noise; noise_db: its range of signal-to-noise ratios.
        no_speech: probability that noise is all there is; the wanted answer is then the uniform distribution.
        room: probability of a room; room_seconds: its range of reverberation times (60 dB).
        line: probability of a coloured line; slope_db: its greatest slope, and curve, over all bands.
        telephone: probability of a telephone's band.
        bands_masked, frames_masked: widest stripe, two of each.
    """

    untouched: float = 0.35
    gain_db: float = 10.0
    stretch: float = 0.12
    warp: float = 0.08
    noise: float = 0.6
    noise_db: tuple[float, float] = (0.0, 35.0)
    no_speech: float = 0.02
    room: float = 0.3
    room_seconds: tuple[float, float] = (0.15, 0.9)
    line: float = 0.5
    slope_db: float = 8.0
    telephone: float = 0.2
    bands_masked: int = 8
    frames_masked: int = 24


UNCHANGED = SoundConditions(0, 0, 0, 0, 0, (0, 0), 0, 0, (0.15, 0.9), 0, 0, 0, 0, 0)


def changed_windows(
    window: Tensor, inside: Tensor, conditions: SoundConditions, generator: torch.Generator
) -> tuple[Tensor, Tensor]:
    """Windows under random conditions, and which of them hold speech still, bool (B,).

    Args:
        window: (B, frames, mels) log-mel energies.
        inside: (B, frames) bool, frames that hold the clip: its level is their mean energy.
    """
    count, mels = len(window), window.shape[2]

    def uniform(low: float, high: float) -> Tensor:
        return (low + (high - low) * torch.rand(count, generator=generator))[:, None, None]

    def chosen(probability: float) -> Tensor:
        return (torch.rand(count, generator=generator) < probability)[:, None, None]

    level, recorded, same = _mean_level(window, inside), window, chosen(conditions.untouched)
    seconds, share, roomy = uniform(*conditions.room_seconds), uniform(0.15, 0.7), chosen(conditions.room)[:, 0, 0]
    if roomy.any():
        window = window.clone()
        window[roomy] = _in_room(window[roomy], seconds[roomy], share[roomy])
    silent = chosen(conditions.no_speech)
    snr = torch.where(silent, torch.tensor(0.0), uniform(*conditions.noise_db) * _NATS)
    place = torch.linspace(-0.5, 0.5, mels)
    hiss = level - snr + uniform(-3.0, 3.0) * place + _fluctuation(window.shape, generator)
    window = torch.where(silent, torch.tensor(LogMel.silence), window)
    window = torch.where(chosen(conditions.noise) | silent, torch.logaddexp(window, hiss), window)
    slope, curve = uniform(-1, 1) * place, uniform(-1, 1) * (6 * place**2 - 0.5)
    coloured = window + conditions.slope_db * _NATS * (slope + curve)
    window = torch.where(chosen(conditions.line), coloured, window)
    window = window + torch.where(chosen(conditions.telephone), telephone_band(mels, uniform(0, 1)), torch.tensor(0.0))
    window = torch.where(same, recorded, _masked(window, conditions, generator))
    window = window + uniform(-conditions.gain_db, conditions.gain_db) * _NATS
    return window.clamp(min=LogMel.silence), ~(silent & ~same)[:, 0, 0]


def _mean_level(window: Tensor, inside: Tensor) -> Tensor:
    """The logarithm of the mean energy over the clip's frames, (B, 1, 1)."""
    held = torch.where(inside[:, :, None], window, torch.tensor(-torch.inf))
    count = inside.sum(dim=1).clamp(min=1) * window.shape[2]
    return (torch.logsumexp(held.flatten(1), dim=1) - torch.log(count.float()))[:, None, None].clamp(min=LogMel.silence)


def _in_room(window: Tensor, seconds: Tensor, share: Tensor) -> Tensor:
    """The sound with an exponential tail: `share` of the energy arrives late, decaying by 60 dB in `seconds`."""
    count, length, mels = window.shape
    decay = torch.exp(-torch.arange(1, _TAIL_FRAMES + 1) * 60 * _NATS * _FRAME_SECONDS / seconds)[:, 0]
    tail = decay / decay.sum(dim=1, keepdim=True)
    kernel = torch.cat([torch.zeros(count, _TAIL_FRAMES), 1 - share[:, 0], share[:, 0] * tail], dim=1)[:, None]
    kernel = kernel[:, :, _TAIL_FRAMES:].flip(-1)
    energy = torch.exp(window).transpose(1, 2).reshape(1, count * mels, length)
    kernels = kernel.repeat_interleave(mels, dim=0)
    late = F.conv1d(F.pad(energy, (_TAIL_FRAMES, 0)), kernels, groups=count * mels)
    late = late.reshape(count, mels, length).transpose(1, 2)
    return torch.log(late + math.exp(LogMel.silence))


def _fluctuation(shape: torch.Size, generator: torch.Generator) -> Tensor:
    """Logarithms of energies of Gaussian noise with mean 1: chi-squared with two degrees a bin that a band holds."""
    bins = (mel_filterbank(shape[2]).sum(dim=1)).clamp(min=1.0).float()
    # The logarithm of a gamma variable of shape k is near normal, with variance 1/k and mean log k - 1/(2k).
    spread = torch.randn(shape, generator=generator) * bins.rsqrt()
    return spread - 0.5 / bins


def telephone_band(mels: int, choice: Tensor) -> Tensor:
    """(B, 1, mels) what bands lose in a telephone: below 300 Hz in half of them, above 3.4 to 4 kHz in all."""
    top, bottom = mel_of(8000.0), mel_of(50.0)
    hertz = hertz_of(bottom + (top - bottom) * torch.arange(1, mels + 1) / (mels + 1))
    blocked = (hertz > 3400 + 600 * choice) | ((hertz < 300) & (choice < 0.5))
    return torch.where(blocked, torch.tensor(-_BLOCKED_DB * _NATS), torch.tensor(0.0))


def _masked(window: Tensor, conditions: SoundConditions, generator: torch.Generator) -> Tensor:
    """Two stripes of bands and two of frames set to the window's mean logarithm."""
    count, length, mels = window.shape
    mean = window.mean(dim=(1, 2), keepdim=True)
    keep = torch.ones(count, length, mels, dtype=torch.bool)
    for size, axis, widest in ((mels, 2, conditions.bands_masked), (length, 1, conditions.frames_masked)):
        for _ in range(2):
            width = torch.rand(count, generator=generator) * widest
            first = torch.rand(count, generator=generator) * (size - width)
            place = torch.arange(size)[None].float()
            stripe = (place >= first[:, None]) & (place < (first + width)[:, None])
            keep &= ~(stripe[:, None, :] if axis == 2 else stripe[:, :, None])
    return torch.where(keep, window, mean)
