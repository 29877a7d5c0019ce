"""Audio encoders: a PCM chunk in, a feature vector out, the log-mel front end inside the graph.

The front end computes a 400-point DFT as two stages of 20-point DFTs with twiddle factors between them (Cooley and
Tukey, 1965), so that its constants are a few thousand numbers and not a 402 x 400 matrix, and every target needs
nothing but reshape, transpose, linear and multiply. The mel filters are a band matrix, and are applied as a few small
dense ones, each to its own range of bins.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from mer_fusion.encoders.backbone import EncoderConfig, convolution_backbone
from mer_sdk.errors import OptionError

FRAME_SAMPLES = 400
HOP_SAMPLES = 200
_RADIX = 20
_COLUMNS = 11  # 20 x 11 bins cover 0 to 219; real input needs 0 to 200
# XNNPACK joins at most five tensors at once.
_GROUPS = 5


@dataclass(frozen=True)
class AudioEncoderConfig(EncoderConfig):
    """Shape of an audio encoder.

    Attributes:
        frames: log-mel frames in a chunk, 12.5 ms each; a chunk has `200 * (frames + 1)` samples at 16 kHz.
        mels: mel bands between 50 Hz and 8 kHz.
    """

    blocks: tuple[int, ...] = (1, 2, 2)
    frames: int = 80
    mels: int = 64

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.frames < 20:
            raise OptionError(f"a chunk of {self.frames} frames is shorter than a step of 20: give 20 or more")

    @property
    def chunk_samples(self) -> int:
        """Samples of PCM that one chunk holds."""
        return HOP_SAMPLES * (self.frames + 1)


def mel_filterbank(mels: int, sample_rate: int = 16000, low: float = 50.0, high: float = 8000.0) -> Tensor:
    """Triangular filters on the HTK mel scale over the 201 bins of a 400-point DFT; shape (mels, 201)."""
    to_mel = [2595.0 * math.log10(1.0 + hertz / 700.0) for hertz in (low, high)]
    points = torch.linspace(to_mel[0], to_mel[1], mels + 2, dtype=torch.float64)
    edges = 700.0 * (10.0 ** (points / 2595.0) - 1.0)
    bins = torch.arange(FRAME_SAMPLES // 2 + 1, dtype=torch.float64) * sample_rate / FRAME_SAMPLES
    rising = (bins - edges[:-2, None]) / (edges[1:-1] - edges[:-2])[:, None]
    falling = (edges[2:, None] - bins) / (edges[2:] - edges[1:-1])[:, None]
    return torch.clamp(torch.minimum(rising, falling), min=0.0)


def band_groups(filters: Tensor, groups: int = _GROUPS) -> list[tuple[slice, slice]]:
    """(bands, bins) of neighbouring filters that are read as one matrix; no other choice has fewer values in all.

    Args:
        filters: (mels, bins), the filters' ranges rising.
        groups: how many, at most; every band is in one of them.
    """
    ranges = [row.nonzero().flatten().tolist() or [0] for row in filters]
    # Cheapest way to have the first `end` bands in `count` groups: (values, where the last group starts).
    ways: list[list[tuple[float, int]]] = [[(0, 0), *[(math.inf, 0)] * len(ranges)]]
    for _ in range(min(groups, len(ranges))):
        before, row = ways[-1], [(math.inf, 0)]
        for end in range(1, len(ranges) + 1):
            costs = []
            low, high = len(filters[0]), 0
            for start in range(end - 1, -1, -1):
                low, high = min(low, ranges[start][0]), max(high, ranges[start][-1] + 1)
                costs.append((before[start][0] + (end - start) * (high - low), start))
            row.append(min(costs))
        ways.append(row)
    found, end = [], len(ranges)
    for row in ways[:0:-1]:
        start = row[end][1]
        low = min(item[0] for item in ranges[start:end])
        high = max(item[-1] for item in ranges[start:end]) + 1
        found.append((slice(start, end), slice(low, high)))
        end = start
    return found[::-1]


class LogMel(nn.Module):
    """PCM (B, 200 * (frames + 1)) in [-1, 1] -> log-mel energies (B, frames, mels), within about [-2, 2].

    Hann window of 25 ms, hop 12.5 ms, no padding: the last frame ends where the chunk ends.
    """

    floor = 1e-6

    def __init__(self, mels: int) -> None:
        super().__init__()
        n = torch.arange(FRAME_SAMPLES, dtype=torch.float64)
        window = 0.5 - 0.5 * torch.cos(2 * math.pi * n / FRAME_SAMPLES)
        r = torch.arange(_RADIX, dtype=torch.float64)
        inner = 2 * math.pi * r[:, None] * r[None, :] / _RADIX
        twiddle = 2 * math.pi * r[:, None] * r[None, :] / FRAME_SAMPLES
        filters = mel_filterbank(mels) / float((window**2).sum())
        groups = band_groups(filters)
        self.bins = tuple((bins.start, bins.stop) for _, bins in groups)
        constants = {
            "window": window,
            "cosine": torch.cos(inner),
            "sine": torch.sin(inner),
            "twiddle_cosine": torch.cos(twiddle),
            "twiddle_sine": torch.sin(twiddle),
            **{f"bank_{number}": filters[bands, bins] for number, (bands, bins) in enumerate(groups)},
        }
        for name, value in constants.items():
            self.register_buffer(name, value.float(), persistent=False)

    def forward(self, pcm: Tensor) -> Tensor:
        blocks = pcm.reshape(pcm.shape[0], -1, HOP_SAMPLES)
        frames = torch.cat([blocks[:, :-1], blocks[:, 1:]], dim=-1) * self.window
        count = frames.shape[1]
        x = frames.reshape(-1, _RADIX, _RADIX).transpose(1, 2)
        real, imaginary = F.linear(x, self.cosine), F.linear(x, self.sine)
        # exp(-i a) with the sign of the imaginary part left positive: only the power is read.
        turned_real = real * self.twiddle_cosine - imaginary * self.twiddle_sine
        turned_imaginary = real * self.twiddle_sine + imaginary * self.twiddle_cosine
        a, b = turned_real.transpose(1, 2), turned_imaginary.transpose(1, 2)
        cosine, sine = self.cosine[:_COLUMNS], self.sine[:_COLUMNS]
        out_real = F.linear(a, cosine) - F.linear(b, sine)
        out_imaginary = F.linear(a, sine) + F.linear(b, cosine)
        power = out_real * out_real + out_imaginary * out_imaginary
        # Bin k1 + 20 k2 stands in row k1 and column k2.
        spectrum = power.transpose(1, 2).reshape(-1, count, _RADIX * _COLUMNS)
        banks = [self.get_buffer(f"bank_{number}") for number in range(len(self.bins))]
        bands = [F.linear(spectrum[..., low:high], bank) for (low, high), bank in zip(self.bins, banks, strict=True)]
        mel = torch.cat(bands, dim=-1)
        return (torch.log(mel + self.floor) + 9.0) * 0.25


class AudioEncoder(nn.Module):
    """PCM chunk (B, chunk_samples) at 16 kHz in [-1, 1] -> features (B, features).

    No state is kept between chunks, so streaming and offline use give the same numbers.
    """

    def __init__(self, config: AudioEncoderConfig) -> None:
        super().__init__()
        self.config = config
        self.frontend = LogMel(config.mels)
        self.body = convolution_backbone(config)
        self.dropout = nn.Dropout(config.dropout)
        self.project = nn.Linear(config.channels[-1] * 2, config.features)

    def encode(self, log_mel: Tensor) -> Tensor:
        """Features (B, features) of log-mel chunks (B, frames, mels): what training uses, its spectra made once."""
        maps = self.body(log_mel.unsqueeze(1))
        pooled = torch.cat([maps.mean(dim=(2, 3)), maps.amax(dim=(2, 3))], dim=1)
        features: Tensor = self.project(self.dropout(pooled))
        return features

    def forward(self, pcm: Tensor) -> Tensor:
        return self.encode(self.frontend(pcm))
