"""ViT-Tiny (Dosovitskiy et al. 2021, width of DeiT-Ti), four of its twelve blocks, patches of 16 pixels."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from networks.layers import Attention, images


class Block(nn.Module):
    """Attention and a multi-layer perceptron, normalized before."""

    def __init__(self, width: int, heads: int, fused: bool) -> None:
        super().__init__()
        self.attend = nn.Sequential(nn.LayerNorm(width, eps=1e-6), Attention(width, heads, fused))
        self.think = nn.Sequential(
            nn.LayerNorm(width, eps=1e-6), nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width)
        )

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.attend(x)
        return x + self.think(x)


class VisionTransformer(nn.Module):
    """Class of an image from its first token."""

    def __init__(self, fused: bool, size: int = 96, width: int = 192, heads: int = 3, depth: int = 4) -> None:
        super().__init__()
        self.patches = nn.Conv2d(3, width, 16, 16)
        self.token = nn.Parameter(torch.randn(1, 1, width) * 0.02)
        self.position = nn.Parameter(torch.randn(1, (size // 16) ** 2 + 1, width) * 0.02)
        self.blocks = nn.Sequential(*(Block(width, heads, fused) for _ in range(depth)))
        self.head = nn.Sequential(nn.LayerNorm(width, eps=1e-6), nn.Linear(width, 1000))

    def forward(self, x: Tensor) -> Tensor:
        tokens = self.patches(x).flatten(2).transpose(1, 2)
        first = self.token.expand(x.shape[0], -1, -1)
        return self.head(self.blocks(torch.cat([first, tokens], dim=1) + self.position)[:, 0])


def network() -> nn.Module:
    return VisionTransformer(fused=False)


def inputs(batch: int, generator: torch.Generator) -> tuple[Tensor, ...]:
    return images(batch, generator, 96)
