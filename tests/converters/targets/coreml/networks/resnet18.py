"""ResNet-18 (He et al. 2016, table 1)."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from networks.layers import conv_norm, images


class BasicBlock(nn.Module):
    """Two 3 by 3 convolutions and a shortcut, projected where the shape changes."""

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            conv_norm(inputs, outputs, 3, stride, activation=nn.ReLU), conv_norm(outputs, outputs, 3)
        )
        same = stride == 1 and inputs == outputs
        self.shortcut = nn.Identity() if same else conv_norm(inputs, outputs, 1, stride)

    def forward(self, x: Tensor) -> Tensor:
        return torch.relu(self.layers(x) + self.shortcut(x))


def network() -> nn.Module:
    stem = (conv_norm(3, 64, 7, 2, activation=nn.ReLU), nn.MaxPool2d(3, 2, 1))
    widths = (64, 128, 256, 512)
    stages = []
    for before, width in zip((64, *widths), widths, strict=False):
        stages += [BasicBlock(before, width, 1 if width == 64 else 2), BasicBlock(width, width, 1)]
    return nn.Sequential(*stem, *stages, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(512, 1000))


def inputs(batch: int, generator: torch.Generator) -> tuple[Tensor, ...]:
    return images(batch, generator)
