"""The lower layers of Google's speech embedding as a backbone (Lin and others 2020, arXiv 2002.01322).

That network was trained on the speech of very many people to tell words apart. Its lower and middle layers carry over
to feelings; its last ones do not, and are not here. Kernels alternate between bands (1 x 3) and time (3 x 1), nothing
is padded in time, and every stage ends in a pool. It reads 32 bands between 60 and 3800 Hz.

Here each convolution has a batch norm behind it and a plain ReLU, which every runtime computes inside the convolution,
in place of the leaky one with a floor. `mer_fusion.training.speech.speech_embedding` gives it the published weights.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from mer_fusion.encoders.mel_scale import hertz_of, mel_of

BANDS = 32
LOWEST_HERTZ, HIGHEST_HERTZ = 60.0, 3800.0
# Pools at the end of each stage: time, bands.
POOLS = ((2, 2), (1, 2), (2, 2), (1, 2))


def embedding_backbone(channels: Sequence[int], pairs: Sequence[int]) -> nn.Sequential:
    """Spectra (B, 1, frames, 32) -> maps (B, channels[-1], T', bands'), the last stage without its pool.

    Args:
        channels: width of each stage, of at most four.
        pairs: how many pairs of convolutions, 1 x 3 and 3 x 1, each has; the first begins with one of 3 x 3.
    """
    layers, width = _convolution(1, channels[0], (3, 3)), channels[0]
    for stage, (outputs, count) in enumerate(zip(channels, pairs, strict=True)):
        if stage:
            layers.append(nn.MaxPool2d(POOLS[stage - 1]))
        for _ in range(count):
            layers += _convolution(width, outputs, (1, 3)) + _convolution(outputs, outputs, (3, 1))
            width = outputs
    return nn.Sequential(*layers)


def _convolution(inputs: int, outputs: int, kernel: tuple[int, int]) -> list[nn.Module]:
    padding = (0, kernel[1] // 2)
    return [nn.Conv2d(inputs, outputs, kernel, 1, padding, bias=False), nn.BatchNorm2d(outputs), nn.ReLU()]


def wide_bands(mels: int, low: float, high: float) -> tuple[Tensor, Tensor]:
    """The 32 bands as weighted means of `mels` narrower ones between `low` and `high` Hz, and each one's correction.

    Returns:
        Weights (32, mels), float64, each row with the sum 1; and (32,) what is added to the logarithm of such a mean so
        that white noise has the same energy in every band, as the published front end has it.
    """
    narrow = torch.linspace(mel_of(low), mel_of(high), mels + 2, dtype=torch.float64)
    wide = torch.linspace(mel_of(LOWEST_HERTZ), mel_of(HIGHEST_HERTZ), BANDS + 2, dtype=torch.float64)
    # A triangle that is as wide as a band of either kind, so that none falls between two narrow ones.
    reach = max(float(wide[1] - wide[0]), float(narrow[1] - narrow[0]))
    weights = torch.clamp(1 - (wide[1:-1, None] - narrow[None, 1:-1]).abs() / reach, min=0.0)
    weights = weights / weights.sum(dim=1, keepdim=True)
    hertz = hertz_of(narrow)
    widths = (hertz[2:] - hertz[:-2]) / 2
    return weights, -torch.log(weights @ widths)


def pooled_statistics(maps: Tensor) -> Tensor:
    """(B, 4 C) of maps (B, C, T, bands): mean, maximum, and deviations of the course in time and of the profile."""
    course, profile = maps.mean(dim=3), maps.mean(dim=2)
    parts = (course.mean(dim=2), maps.amax(dim=(2, 3)), _deviation(course), _deviation(profile))
    return torch.cat(parts, dim=1)


def _deviation(values: Tensor) -> Tensor:
    difference = values - values.mean(dim=2, keepdim=True)
    return torch.sqrt((difference * difference).mean(dim=2) + 1e-4)
