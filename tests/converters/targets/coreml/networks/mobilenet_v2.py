"""MobileNetV2 at width 1 (Sandler et al. 2018, table 2), at most two blocks a stage: a third converts as the second."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from networks.layers import conv_norm, images

# Expansion, channels, blocks, stride of the first.
STAGES = ((1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 2, 2), (6, 64, 2, 2), (6, 96, 2, 1), (6, 160, 2, 2), (6, 320, 1, 1))


class InvertedResidual(nn.Module):
    """Widen, filter each channel, narrow without an activation."""

    def __init__(self, inputs: int, outputs: int, stride: int, expansion: int) -> None:
        super().__init__()
        hidden = inputs * expansion
        self.adds = stride == 1 and inputs == outputs
        widen = [] if expansion == 1 else [conv_norm(inputs, hidden, 1, activation=nn.ReLU6)]
        self.layers = nn.Sequential(
            *widen,
            conv_norm(hidden, hidden, 3, stride, groups=hidden, activation=nn.ReLU6),
            conv_norm(hidden, outputs, 1),
        )

    def forward(self, x: Tensor) -> Tensor:
        return x + self.layers(x) if self.adds else self.layers(x)


def network() -> nn.Module:
    blocks, channels = [conv_norm(3, 32, 3, 2, activation=nn.ReLU6)], 32
    for expansion, outputs, count, stride in STAGES:
        for index in range(count):
            blocks.append(InvertedResidual(channels, outputs, stride if index == 0 else 1, expansion))
            channels = outputs
    head = (conv_norm(320, 1280, 1, activation=nn.ReLU6), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(1280, 1000))
    return nn.Sequential(*blocks, *head)


def inputs(batch: int, generator: torch.Generator) -> tuple[Tensor, ...]:
    return images(batch, generator)
