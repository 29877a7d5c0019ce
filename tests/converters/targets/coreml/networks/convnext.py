"""ConvNeXt (Liu et al. 2022, figure 4) at the width and depth of its "atto" form."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from networks.layers import images

WIDTHS, DEPTHS = (40, 80, 160, 320), (2, 2, 6, 2)


class ChannelNorm(nn.Module):
    """Layer normalization over the channels of [B, C, H, W]."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(channels, eps=1e-6)

    def forward(self, x: Tensor) -> Tensor:
        return self.norm(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)


class Block(nn.Module):
    """Depthwise 7 by 7, then a perceptron over channels, scaled."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.depthwise = nn.Conv2d(width, width, 7, padding=3, groups=width)
        self.layers = nn.Sequential(
            nn.LayerNorm(width, eps=1e-6), nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width)
        )
        self.scale = nn.Parameter(torch.rand(width))

    def forward(self, x: Tensor) -> Tensor:
        y = self.layers(self.depthwise(x).permute(0, 2, 3, 1)) * self.scale
        return x + y.permute(0, 3, 1, 2)


def network() -> nn.Module:
    layers: list[nn.Module] = [nn.Conv2d(3, WIDTHS[0], 4, 4), ChannelNorm(WIDTHS[0])]
    for stage, (width, depth) in enumerate(zip(WIDTHS, DEPTHS, strict=True)):
        if stage:
            layers += [ChannelNorm(WIDTHS[stage - 1]), nn.Conv2d(WIDTHS[stage - 1], width, 2, 2)]
        layers += [Block(width) for _ in range(depth)]
    layers += [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.LayerNorm(WIDTHS[-1], eps=1e-6), nn.Linear(WIDTHS[-1], 1000)]
    return nn.Sequential(*layers)


def inputs(batch: int, generator: torch.Generator) -> tuple[Tensor, ...]:
    return images(batch, generator)
