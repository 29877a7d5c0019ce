"""ShuffleNetV2 at width 1 (Ma et al. 2018, table 5): channels split, filtered by half, and shuffled. At most three
units a stage: the next convert as the third."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from networks.layers import conv_norm, images

# Channels and blocks of the stages.
STAGES = ((116, 3), (232, 3), (464, 3))


def shuffled(x: Tensor) -> Tensor:
    """The two halves of the channels, interleaved."""
    batch, channels, height, width = x.shape
    return x.reshape(batch, 2, channels // 2, height, width).transpose(1, 2).reshape(batch, channels, height, width)


def branch(inputs: int, outputs: int, stride: int) -> nn.Module:
    return nn.Sequential(
        conv_norm(inputs, outputs, 1, activation=nn.ReLU),
        conv_norm(outputs, outputs, 3, stride, groups=outputs),
        conv_norm(outputs, outputs, 1, activation=nn.ReLU),
    )


class Unit(nn.Module):
    """Half of the channels pass, the other half is filtered."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.branch = branch(channels // 2, channels // 2, 1)

    def forward(self, x: Tensor) -> Tensor:
        kept, changed = x.chunk(2, dim=1)
        return shuffled(torch.cat([kept, self.branch(changed)], dim=1))


class DownUnit(nn.Module):
    """Both halves are made from all channels, at half the size."""

    def __init__(self, inputs: int, channels: int) -> None:
        super().__init__()
        self.plain = nn.Sequential(
            conv_norm(inputs, inputs, 3, 2, groups=inputs), conv_norm(inputs, channels // 2, 1, activation=nn.ReLU)
        )
        self.branch = branch(inputs, channels // 2, 2)

    def forward(self, x: Tensor) -> Tensor:
        return shuffled(torch.cat([self.plain(x), self.branch(x)], dim=1))


def network() -> nn.Module:
    layers: list[nn.Module] = [conv_norm(3, 24, 3, 2, activation=nn.ReLU), nn.MaxPool2d(3, 2, 1)]
    before = 24
    for channels, count in STAGES:
        layers += [DownUnit(before, channels), *(Unit(channels) for _ in range(count - 1))]
        before = channels
    layers += [conv_norm(before, 1024, 1, activation=nn.ReLU), nn.AdaptiveAvgPool2d(1), nn.Flatten()]
    return nn.Sequential(*layers, nn.Linear(1024, 1000))


def inputs(batch: int, generator: torch.Generator) -> tuple[Tensor, ...]:
    return images(batch, generator)
