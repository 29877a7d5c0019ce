"""Audio encoders: a PCM chunk in, a feature vector out, the log-mel front end inside the graph.

The front end computes a 400-point DFT as one stage of 25-point and one of 16-point DFTs with twiddle factors between
them (Cooley and Tukey, 1965), so that its constants are a few thousand numbers and not a 402 x 400 matrix, and every
target needs nothing but reshape, transpose, linear and multiply. Sound is real: of the 25 values of the first stage the
13 that are no other's conjugate are computed, and what they lead to is every bin or its mirror image. The mel filters
are a band matrix, and are applied as a few small dense ones, each to its own range of bins.

The level of the recording is no part of what is said: microphones differ by 20 dB and more. So a chunk is read relative
to its own mean energy. Frames are scaled one by one before the transform and in logarithms after it, so that sound from
-100 dB to full scale fits half precision, and a frame's spectrum depends on that frame alone.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from mer_fusion.encoders.backbone import EncoderConfig, convolution_backbone, leave_doing_nothing
from mer_fusion.encoders.mel_scale import hertz_of, mel_of
from mer_fusion.encoders.speech_embedding import BANDS, embedding_backbone, pooled_statistics, wide_bands
from mer_sdk.errors import OptionError

FRAME_SAMPLES = 400
HOP_SAMPLES = 200
# Points of the first stage, whose sums run over every 16th sample, and of the second. Of the ways to factor 400 that
# were timed with LiteRT (8, 10, 16, 20, 25) this one is the quickest: its matrices fill the vectors best.
_FIRST, _SECOND = 25, 16
_HALF = _FIRST // 2 + 1
# XNNPACK joins at most five tensors at once.
_GROUPS = 5
LEVELS = ("absolute", "chunk")
BACKBONES = ("residual", "speech_embedding")
_LOWEST_HERTZ, _HIGHEST_HERTZ = 50.0, 8000.0
QUIETEST_LEVEL = -23.0
RELATIVE_FLOOR = 1e-4
LEVEL_SCALE = 0.25
# Added to the embedding's spectra, so that what convolutions are padded with, 0, is the quietest of all.
_ABOVE_PADDING = 2.75


@dataclass(frozen=True)
class AudioEncoderConfig(EncoderConfig):
    """Shape of an audio encoder.

    Attributes:
        frames: log-mel frames in a chunk, 12.5 ms each; a chunk has `200 * (frames + 1)` samples at 16 kHz.
        mels: mel bands between 50 Hz and 8 kHz.
        level: one of `LEVELS`: "chunk" reads a chunk relative to its own mean energy, so that gain changes nothing;
            "absolute" reads it as it was recorded.
        backbone: one of `BACKBONES`: "residual" reads all bands through residual blocks; "speech_embedding" reads 32
            wider ones through the published layers of `mer_fusion.encoders.speech_embedding`, whose `blocks` are pairs
            of convolutions; it takes no `stem` or `separable`.
    """

    blocks: tuple[int, ...] = (1, 2, 2)
    frames: int = 80
    mels: int = 64
    level: str = "absolute"
    backbone: str = "residual"

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.level not in LEVELS:
            raise OptionError(f"level {self.level!r} is unknown; allowed: {', '.join(LEVELS)}")
        if self.backbone not in BACKBONES:
            raise OptionError.unknown("backbone", self.backbone, BACKBONES)
        if self.frames < 20:
            raise OptionError(f"a chunk of {self.frames} frames is shorter than a step of 20: give 20 or more")

    @property
    def bands(self) -> int:
        """Bands of the spectrum that the backbone reads."""
        return BANDS if self.backbone == "speech_embedding" else self.mels

    @property
    def chunk_samples(self) -> int:
        """Samples of PCM that one chunk holds."""
        return HOP_SAMPLES * (self.frames + 1)


def mel_filterbank(
    mels: int, sample_rate: int = 16000, low: float = _LOWEST_HERTZ, high: float = _HIGHEST_HERTZ
) -> Tensor:
    """Triangular filters on the HTK mel scale over the 201 bins of a 400-point DFT; shape (mels, 201)."""
    edges = hertz_of(torch.linspace(mel_of(low), mel_of(high), mels + 2, dtype=torch.float64))
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
    """PCM (B, 200 * (frames + 1)) in [-1, 1] -> natural logarithms of mel energies (B, frames, mels).

    With `wider` (bands, mels), whose rows have the sum 1, those of weighted means of the bands, (B, frames, bands).

    Hann window of 25 ms, hop 12.5 ms, no padding: the last frame ends where the chunk ends. Energies are those of the
    periodogram: white noise of power p has the energy p times the sum of a band's weights. A frame's own floor lies 60
    to 80 dB below its loudest band; that of digital silence is `silence`.
    """

    # In half precision the energies of a frame whose peak is 1 lie between this and about 3e4.
    floor = 1e-4
    # A frame is scaled to a peak of 1, one below -80 dB (full scale) by as much as that one.
    quietest_peak = 1e-4
    energy = 0.375 * FRAME_SAMPLES  # of the window: the sum of its squares
    silence = math.log(floor / energy) + 2 * math.log(quietest_peak)

    def __init__(self, mels: int, wider: Tensor | None = None) -> None:
        super().__init__()
        n = torch.arange(FRAME_SAMPLES, dtype=torch.float64)
        window = 0.5 - 0.5 * torch.cos(2 * math.pi * n / FRAME_SAMPLES)
        # Sample a * 16 + b, and bin c * 25 + d.
        a, b = (torch.arange(size, dtype=torch.float64) for size in (_FIRST, _SECOND))
        d = a[:_HALF]
        bank = mel_filterbank(mels) if wider is None else wider @ mel_filterbank(mels)
        order = _bin_order(bank)
        self.columns = len(order)
        first = 2 * math.pi * d[:, None] * a[None, :] / _FIRST
        twiddle = 2 * math.pi * d[:, None] * b[None, :] / FRAME_SAMPLES
        second = 2 * math.pi * order[:, None] * b[None, :] / _SECOND
        cosine, sine = torch.cos(second), torch.sin(second)
        filters = _filters_of_columns(bank, order)
        groups = band_groups(filters)
        self.bins = tuple((bins.start, bins.stop) for _, bins in groups)
        constants = {
            "window": window,
            # A division by tensors: the reciprocal that is made of `1 / x` has 1e-4 added to x in Core ML.
            "one": torch.ones(1),
            # exp(-i a) with the sign of the imaginary part left positive: only the power is read.
            "first": torch.cat([torch.cos(first), torch.sin(first)]),
            "twiddle_cosine": torch.cos(twiddle),
            "twiddle_sine": torch.sin(twiddle),
            "second": torch.cat([torch.cat([cosine, -sine], dim=1), torch.cat([sine, cosine], dim=1)]),
            **{f"bank_{number}": filters[bands, bins] for number, (bands, bins) in enumerate(groups)},
        }
        for name, value in constants.items():
            self.register_buffer(name, value.float(), persistent=False)

    def forward(self, pcm: Tensor) -> Tensor:
        blocks = pcm.reshape(pcm.shape[0], -1, HOP_SAMPLES)
        loudest = blocks.abs().amax(dim=-1, keepdim=True)
        peak = torch.maximum(loudest[:, :-1], loudest[:, 1:]).clamp(min=self.quietest_peak)
        frames = torch.cat([blocks[:, :-1], blocks[:, 1:]], dim=-1) * (self.one / peak) * self.window
        x = frames.reshape(-1, _FIRST, _SECOND).transpose(1, 2)
        y = F.linear(x, self.first).transpose(1, 2)
        real, imaginary = y[:, :_HALF], y[:, _HALF:]
        turned_real = real * self.twiddle_cosine - imaginary * self.twiddle_sine
        turned_imaginary = real * self.twiddle_sine + imaginary * self.twiddle_cosine
        z = F.linear(torch.cat([turned_real, turned_imaginary], dim=-1), self.second)
        real, imaginary = z[..., : self.columns], z[..., self.columns :]
        power = real * real + imaginary * imaginary
        spectrum = power.transpose(1, 2).reshape(pcm.shape[0], -1, self.columns * _HALF)
        banks = [self.get_buffer(f"bank_{number}") for number in range(len(self.bins))]
        bands = [F.linear(spectrum[..., low:high], bank) for (low, high), bank in zip(self.bins, banks, strict=True)]
        mel = torch.cat(bands, dim=-1)
        return torch.log(mel + self.floor) + (2.0 * torch.log(peak) - math.log(self.energy))


def _bin_order(filters: Tensor) -> Tensor:
    """The second stage's outputs c in the order in which their bins, or the mirror images of these, rise: float64.

    Those whose bins no filter (mels, 201) reads are left out.
    """
    read = filters.any(dim=0)
    places = [c for c in range(_SECOND) if any(read[_mirrored(c * _FIRST + d)] for d in range(_HALF))]
    middle = _HALF // 2
    return torch.tensor(sorted(places, key=lambda c: _mirrored(c * _FIRST + middle)), dtype=torch.float64)


def _mirrored(bin_: int) -> int:
    """The bin from 0 to 200 that has the same power in the spectrum of real input."""
    return min(bin_, FRAME_SAMPLES - bin_)


def _filters_of_columns(filters: Tensor, order: Tensor) -> Tensor:
    """Filters over the 201 bins (mels, 201) -> over what the two stages give, 13 bins for each c of `order`.

    Bins that come twice count half each time.
    """
    bins = torch.tensor([_mirrored(int(c) * _FIRST + d) for c in order for d in range(_HALF)])
    return filters[:, bins] / torch.bincount(bins)[bins]


def absolute_level(log_mel: Tensor) -> Tensor:
    """Log-mel energies (B, frames, mels) as recorded, floored at -60 dB and scaled into about [-2, 2]."""
    return (torch.log(torch.exp(log_mel) + 1e-6) + 9.0) * 0.25


def relative_level(log_mel: Tensor) -> Tensor:
    """Log-mel energies (B, frames, mels) relative to the chunk's mean energy, scaled into about [-2, 2].

    Any gain gives the same. What lies 40 dB below the mean (about 60 dB below the loudest cells) is floor. The mean of
    a chunk counts as at least -100 dB, so that silence is read as silence and not as noise.
    """
    return above_level(log_mel, log_mean(log_mel, (1, 2)).clamp(min=QUIETEST_LEVEL))


def above_level(log_mel: Tensor, level: Tensor) -> Tensor:
    """Log-mel energies (B, frames, mels) relative to a level (B, 1, 1), floored and scaled into about [-2, 2]."""
    return torch.log(torch.exp(log_mel - level) + RELATIVE_FLOOR) * LEVEL_SCALE


def log_mean(values: Tensor, axes: tuple[int, ...]) -> Tensor:
    """The logarithm of the mean of exp(values) over some axes, which stay with a length of 1."""
    peak = values.amax(dim=axes, keepdim=True)
    return peak + torch.log(torch.exp(values - peak).mean(dim=axes, keepdim=True))


class AudioEncoder(nn.Module):
    """PCM chunk (B, chunk_samples) at 16 kHz in [-1, 1] -> features (B, features).

    No state is kept between chunks, so streaming and offline use give the same numbers.
    """

    wider: Tensor
    correction: Tensor

    def __init__(self, config: AudioEncoderConfig) -> None:
        super().__init__()
        self.config = config
        self.standardise: nn.Module = nn.Identity()
        if config.backbone == "speech_embedding":
            wider, correction = wide_bands(config.mels, _LOWEST_HERTZ, _HIGHEST_HERTZ)
            self.register_buffer("wider", wider.float(), persistent=False)
            correction = (correction - correction.mean()).float() * LEVEL_SCALE + _ABOVE_PADDING
            self.register_buffer("correction", correction, persistent=False)
            self.frontend = LogMel(config.mels, wider)
            self.backbone = embedding_backbone(config.channels, config.blocks)
            pooled = 4 * config.channels[-1]
            self.standardise = nn.BatchNorm1d(pooled)
        else:
            self.frontend = LogMel(config.mels)
            self.backbone = convolution_backbone(config)
            pooled = 2 * config.channels[-1]
        self.dropout = nn.Dropout(config.dropout)
        self.project = nn.Linear(pooled, config.features)

    def encode(self, log_mel: Tensor) -> Tensor:
        """Features (B, features) of chunks of `LogMel` (B, frames, mels): what training uses, its spectra made once."""
        return self.encode_bands(self.bands(log_mel))

    def bands(self, log_mel: Tensor) -> Tensor:
        """What the front end of this encoder gives where that of `config.mels` bands gives `log_mel`."""
        if self.config.backbone != "speech_embedding":
            return log_mel
        peak = log_mel.amax(dim=2, keepdim=True)
        return peak + torch.log(F.linear(torch.exp(log_mel - peak), self.wider))

    def encode_bands(self, bands: Tensor) -> Tensor:
        """Features (B, features) of what the front end gives of chunks, (B, frames, bands)."""
        return self.pooled(self.backbone(self.spectrum(bands).unsqueeze(1)))

    def spectrum(self, bands: Tensor) -> Tensor:
        """What the backbone reads of what the front end gives, (B, frames, bands)."""
        spectrum = relative_level(bands) if self.config.level == "chunk" else absolute_level(bands)
        return spectrum + self.correction if self.config.backbone == "speech_embedding" else spectrum

    def pooled(self, maps: Tensor) -> Tensor:
        """Features (B, features) of the backbone's maps (B, channels, frames, bands)."""
        features: Tensor = self.project(self.dropout(self.standardise(self.pooled_values(maps))))
        return features

    def pooled_values(self, maps: Tensor) -> Tensor:
        """What the last layer reads of the backbone's maps: means and maxima, of the embedding's deviations too."""
        if self.config.backbone == "speech_embedding":
            return pooled_statistics(maps)
        return torch.cat([maps.mean(dim=(2, 3)), maps.amax(dim=(2, 3))], dim=1)

    def forward(self, pcm: Tensor) -> Tensor:
        return self.encode_bands(self.frontend(pcm))

    def prepare_for_export(self) -> AudioEncoder:
        """This encoder, without the norm that standardises pooled values, which is folded into the last layer."""
        self.fold_standardisation()
        self.standardise = nn.Identity()
        return self

    @torch.no_grad()
    def fold_standardisation(self) -> None:
        """Put what standardises pooled values into the last layer, in place, and leave it doing nothing.

        In evaluation mode the output is the same.
        """
        norm = self.standardise
        if not isinstance(norm, nn.BatchNorm1d):
            return
        assert norm.running_mean is not None
        assert norm.running_var is not None
        scale = norm.weight / torch.sqrt(norm.running_var + norm.eps)
        self.project.bias += self.project.weight @ (norm.bias - norm.running_mean * scale)
        self.project.weight *= scale
        leave_doing_nothing(norm)
