"""U-Net (Ronneberger et al. 2015, figure 1) with half its channels, padded convolutions and batch normalization."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from networks.layers import conv_norm, images

WIDTHS = (32, 64, 128, 256, 512)


def pair(inputs: int, outputs: int) -> nn.Module:
    return nn.Sequential(
        conv_norm(inputs, outputs, 3, activation=nn.ReLU), conv_norm(outputs, outputs, 3, activation=nn.ReLU)
    )


class UNet(nn.Module):
    """Scores [B, 2, H, W] of the pixels."""

    def __init__(self) -> None:
        super().__init__()
        self.down = nn.ModuleList(pair(a, b) for a, b in zip((3, *WIDTHS), WIDTHS, strict=False))
        self.up = nn.ModuleList(nn.ConvTranspose2d(a, a // 2, 2, 2) for a in WIDTHS[:0:-1])
        self.join = nn.ModuleList(pair(a, a // 2) for a in WIDTHS[:0:-1])
        self.halve = nn.MaxPool2d(2)
        self.head = nn.Conv2d(WIDTHS[0], 2, 1)

    def forward(self, x: Tensor) -> Tensor:
        kept = []
        for index, stage in enumerate(self.down):
            x = stage(x if index == 0 else self.halve(x))
            kept.append(x)
        for up, join, skip in zip(self.up, self.join, kept[-2::-1], strict=True):
            x = join(torch.cat([skip, up(x)], dim=1))
        return self.head(x)


def network() -> nn.Module:
    return UNet()


def inputs(batch: int, generator: torch.Generator) -> tuple[Tensor, ...]:
    return images(batch, generator)
