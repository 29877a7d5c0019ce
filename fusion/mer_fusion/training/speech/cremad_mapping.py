"""CREMA-D's published spectra as the audio encoder's own: a linear map that is learned from sound.

The published spectra have other bands (128, Slaney's scale), longer windows (64 ms) and another grid (16 ms) than the
encoder's front end. Both are computed of the same sound, and ridge regression from five columns around each frame gives
the encoder's log-mel energies. Sound of RAVDESS speakers that are learned from is enough; its level is of no account.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from mer_fusion.encoders.audio import HOP_SAMPLES
from mer_fusion.training.speech.spectra import log_mel
from mer_sdk.cli.progress import with_progress
from mer_sdk.evaluation.datasets.cremad_logmel import BANDS, COLUMN_SAMPLES, FRAME_SAMPLES

_CONTEXT = 2
_RANGE = 80.0
_DECIBEL = np.log(10) / 10
_RIDGE = 10.0
# Where a clip's loudest cell comes to lie, in natural logarithms of energy: that of speech at about -25 dB.
_LOUDEST = -2.0


class CremadMapping:
    """The map, learned from 16 kHz mono waves.

    Attributes:
        correlation, decibels: of mapped and true log-mel energies on sound that the map was not learned from: Pearson's
            correlation over all cells, and the root mean square of the difference, each clip's mean removed.
    """

    def __init__(self, waves: Sequence[np.ndarray], tested: Sequence[np.ndarray] = ()) -> None:
        gram = np.zeros((BANDS * (2 * _CONTEXT + 1) + 1,) * 2)
        cross: np.ndarray | None = None
        for wave in with_progress(waves, "mapping CREMA-D's spectra"):
            inputs, wanted = _pair(wave)
            gram += inputs.T @ inputs
            product = inputs.T @ wanted
            cross = product if cross is None else cross + product
        assert cross is not None, "there is sound to learn from"
        self._weights = np.linalg.solve(gram + _RIDGE * np.eye(len(gram)), cross)
        self.correlation, self.decibels = self._tested(tested) if tested else (float("nan"),) * 2

    def __call__(self, decibels: np.ndarray) -> Tensor:
        """Log-mel energies (frames, 64) of a published spectrum [columns, 128] in decibels above its floor, 0-80."""
        energies = _inputs(decibels) @ self._weights
        return torch.from_numpy((energies + _LOUDEST).astype(np.float32))

    def _tested(self, waves: Sequence[np.ndarray]) -> tuple[float, float]:
        given, true = [], []
        for wave in waves:
            inputs, wanted = _pair(wave)
            got = inputs @ self._weights
            given.append((got - got.mean()).ravel())
            true.append((wanted - wanted.mean()).ravel())
        one, other = np.concatenate(given), np.concatenate(true)
        rms = float(np.sqrt(((one - other) ** 2).mean())) / _DECIBEL
        return float(np.corrcoef(one, other)[0, 1]), rms


def published_spectrum(wave: np.ndarray) -> np.ndarray:
    """The spectrum that CREMA-D's publishers made of a wave: [columns, 128] whole decibels above its floor, 0-80."""
    padded = np.pad(wave.astype(np.float64), FRAME_SAMPLES // 2)
    rows = np.lib.stride_tricks.sliding_window_view(padded, FRAME_SAMPLES)[::COLUMN_SAMPLES]
    window = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(FRAME_SAMPLES) / FRAME_SAMPLES)
    power = np.abs(np.fft.rfft(rows * window, axis=1)) ** 2
    decibels = 10 * np.log10(np.maximum(power @ _slaney_filters().T, 1e-10))
    return np.round(np.clip(decibels - decibels.max() + _RANGE, 0, _RANGE))


def _pair(wave: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(inputs, wanted log-mel energies above the clip's loudest published cell) of the frames of a wave."""
    wanted = log_mel(wave).numpy().astype(np.float64)
    inputs = _inputs(published_spectrum(wave))
    count = min(len(wanted), len(inputs))
    wanted = wanted[:count]
    # What lies 80 dB below the loudest cell is floor in the published spectra.
    wanted = np.maximum(wanted - wanted.max(), -_RANGE * _DECIBEL)
    return inputs[:count], wanted


def _inputs(decibels: np.ndarray) -> np.ndarray:
    """Five columns around the middle of each frame of the encoder's grid, in natural logarithms, and a constant."""
    columns = (np.asarray(decibels, np.float64) - _RANGE) * _DECIBEL
    frames = max(1, (len(columns) - 1) * COLUMN_SAMPLES // HOP_SAMPLES - 1)
    middle = (np.arange(frames) + 1) * HOP_SAMPLES / COLUMN_SAMPLES
    parts = []
    for offset in range(-_CONTEXT, _CONTEXT + 1):
        place = np.clip(middle + offset, 0, len(columns) - 1)
        low = np.minimum(place.astype(int), len(columns) - 2) if len(columns) > 1 else np.zeros(frames, int)
        share = (place - low)[:, None]
        parts.append(columns[low] * (1 - share) + columns[np.minimum(low + 1, len(columns) - 1)] * share)
    return np.concatenate([*parts, np.ones((frames, 1))], axis=1)


def _slaney_filters() -> np.ndarray:
    """Triangular filters with area normalisation on Slaney's mel scale (Auditory Toolbox, 1998), [128, 513]."""
    linear, logarithmic = 200.0 / 3, np.log(6.4) / 27
    border = 1000.0 / linear
    top = border + np.log(8000.0 / 1000.0) / logarithmic
    mels = np.linspace(0, top, BANDS + 2)
    hertz = np.where(mels < border, linear * mels, 1000.0 * np.exp(logarithmic * (mels - border)))
    bins = np.arange(FRAME_SAMPLES // 2 + 1) * 16000.0 / FRAME_SAMPLES
    rising = (bins - hertz[:-2, None]) / (hertz[1:-1] - hertz[:-2])[:, None]
    falling = (hertz[2:, None] - bins) / (hertz[2:] - hertz[1:-1])[:, None]
    triangles = np.maximum(np.minimum(rising, falling), 0)
    filters: np.ndarray = triangles * (2.0 / (hertz[2:] - hertz[:-2]))[:, None]
    return filters
