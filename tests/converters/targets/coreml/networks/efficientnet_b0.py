"""EfficientNet-B0 (Tan and Le 2019, table 1), with SiLU and squeeze-and-excite in every block; at most two blocks a
stage: a third converts as the second."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from networks.layers import SqueezeExcite, conv_norm, images

# Expansion, channels, blocks, stride of the first, kernel.
STAGES = (
    (1, 16, 1, 1, 3),
    (6, 24, 2, 2, 3),
    (6, 40, 2, 2, 5),
    (6, 80, 2, 2, 3),
    (6, 112, 2, 1, 5),
    (6, 192, 2, 2, 5),
    (6, 320, 1, 1, 3),
)


class MBConv(nn.Module):
    """Inverted residual whose gate is a quarter of the block's input wide."""

    def __init__(self, inputs: int, outputs: int, stride: int, expansion: int, kernel: int) -> None:
        super().__init__()
        hidden = inputs * expansion
        self.adds = stride == 1 and inputs == outputs
        widen = [conv_norm(inputs, hidden, 1, activation=nn.SiLU)] if expansion > 1 else []
        self.layers = nn.Sequential(
            *widen,
            conv_norm(hidden, hidden, kernel, stride, groups=hidden, activation=nn.SiLU),
            SqueezeExcite(hidden, inputs // 4, activation=nn.SiLU),
            conv_norm(hidden, outputs, 1),
        )

    def forward(self, x: Tensor) -> Tensor:
        return x + self.layers(x) if self.adds else self.layers(x)


def network() -> nn.Module:
    layers: list[nn.Module] = [conv_norm(3, 32, 3, 2, activation=nn.SiLU)]
    channels = 32
    for expansion, outputs, count, stride, kernel in STAGES:
        for index in range(count):
            layers.append(MBConv(channels, outputs, stride if index == 0 else 1, expansion, kernel))
            channels = outputs
    layers += [conv_norm(320, 1280, 1, activation=nn.SiLU), nn.AdaptiveAvgPool2d(1), nn.Flatten()]
    return nn.Sequential(*layers, nn.Linear(1280, 1000))


def inputs(batch: int, generator: torch.Generator) -> tuple[Tensor, ...]:
    return images(batch, generator)
