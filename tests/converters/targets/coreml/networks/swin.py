"""Two blocks of Swin-T's first stage (Liu et al. 2021): windows of 7, one shifted, with a bias of relative position."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from networks.layers import images

WIDTH, HEADS, WINDOW, SIDE = 96, 3, 7, 14


def windows(x: Tensor) -> Tensor:
    """[B, 14, 14, C] as windows [B * 4, 49, C]."""
    count = SIDE // WINDOW
    x = x.reshape(-1, count, WINDOW, count, WINDOW, x.shape[-1]).transpose(2, 3)
    return x.reshape(-1, WINDOW * WINDOW, x.shape[-1])


def joined(x: Tensor) -> Tensor:
    """What `windows` undoes."""
    count = SIDE // WINDOW
    x = x.reshape(-1, count, count, WINDOW, WINDOW, x.shape[-1]).transpose(2, 3)
    return x.reshape(-1, SIDE, SIDE, x.shape[-1])


class WindowAttention(nn.Module):
    """Attention within windows, shifted or not; shifted windows do not look across the image's edge."""

    def __init__(self, shift: int) -> None:
        super().__init__()
        self.shift = shift
        self.qkv, self.project = nn.Linear(WIDTH, 3 * WIDTH), nn.Linear(WIDTH, WIDTH)
        self.table = nn.Parameter(torch.randn((2 * WINDOW - 1) ** 2, HEADS) * 0.02)
        place = torch.stack(torch.meshgrid(torch.arange(WINDOW), torch.arange(WINDOW), indexing="ij")).flatten(1)
        apart = place[:, :, None] - place[:, None, :] + WINDOW - 1
        self.register_buffer("index", apart[0] * (2 * WINDOW - 1) + apart[1])
        region = torch.zeros(SIDE)
        region[SIDE - WINDOW : SIDE - shift] = 1.0
        region[SIDE - shift :] = 2.0
        regions = windows((3 * region[:, None] + region[None, :])[None, :, :, None])[..., 0]
        mask = (regions[:, None, :] != regions[:, :, None]).float() * -100.0 if shift else torch.zeros(4, 49, 49)
        self.register_buffer("mask", mask[None, :, None])

    def forward(self, x: Tensor) -> Tensor:
        if self.shift:
            x = torch.roll(x, (-self.shift, -self.shift), (1, 2))
        parts = self.qkv(windows(x)).reshape(-1, WINDOW * WINDOW, 3, HEADS, WIDTH // HEADS)
        q, k, v = parts.permute(2, 0, 3, 1, 4).unbind(0)
        bias = self.table[self.index.flatten()].reshape(WINDOW**2, WINDOW**2, HEADS).permute(2, 0, 1)
        scores = q @ k.transpose(-2, -1) * (WIDTH // HEADS) ** -0.5 + bias
        apart = scores.reshape(-1, len(self.mask[0]), *scores.shape[1:]) + self.mask
        mixed = torch.softmax(apart, dim=-1).reshape(scores.shape) @ v
        x = joined(self.project(mixed.transpose(1, 2).flatten(2)))
        return torch.roll(x, (self.shift, self.shift), (1, 2)) if self.shift else x


class SwinBlock(nn.Module):
    """Window attention and a perceptron, normalized before."""

    def __init__(self, shift: int) -> None:
        super().__init__()
        self.attend = nn.Sequential(nn.LayerNorm(WIDTH), WindowAttention(shift))
        self.think = nn.Sequential(
            nn.LayerNorm(WIDTH), nn.Linear(WIDTH, 4 * WIDTH), nn.GELU(), nn.Linear(4 * WIDTH, WIDTH)
        )

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.attend(x)
        return x + self.think(x)


class Patches(nn.Module):
    """Patches of 4 pixels, channels last."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.norm = nn.Conv2d(3, WIDTH, 4, 4), nn.LayerNorm(WIDTH)

    def forward(self, x: Tensor) -> Tensor:
        return self.norm(self.conv(x).permute(0, 2, 3, 1))


def network() -> nn.Module:
    return nn.Sequential(Patches(), SwinBlock(0), SwinBlock(WINDOW // 2))


def inputs(batch: int, generator: torch.Generator) -> tuple[Tensor, ...]:
    return images(batch, generator, 4 * SIDE)
