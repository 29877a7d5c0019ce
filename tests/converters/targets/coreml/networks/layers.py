"""Layers that several of the networks share."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn


def conv_norm(
    inputs: int,
    outputs: int,
    kernel: int,
    stride: int = 1,
    groups: int = 1,
    activation: Callable[[], nn.Module] = nn.Identity,
) -> nn.Sequential:
    """Convolution of half-kernel padding, batch normalization and an activation."""
    conv = nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, groups=groups, bias=False)
    return nn.Sequential(conv, nn.BatchNorm2d(outputs), activation())


class SqueezeExcite(nn.Module):
    """Channel gates from the mean over the image (Hu et al. 2018)."""

    def __init__(
        self,
        channels: int,
        hidden: int,
        activation: Callable[[], nn.Module] = nn.ReLU,
        gate: Callable[[], nn.Module] = nn.Sigmoid,
    ) -> None:
        super().__init__()
        self.gates = nn.Sequential(
            nn.AdaptiveAvgPool2d(1),
            nn.Conv2d(channels, hidden, 1),
            activation(),
            nn.Conv2d(hidden, channels, 1),
            gate(),
        )

    def forward(self, x: Tensor) -> Tensor:
        return x * self.gates(x)


class Attention(nn.Module):
    """Multi-head self-attention of tokens [B, N, D] (Vaswani et al. 2017), written out or as torch's operation."""

    def __init__(self, width: int, heads: int, fused: bool = False) -> None:
        super().__init__()
        self.heads, self.fused = heads, fused
        self.qkv = nn.Linear(width, 3 * width)
        self.project = nn.Linear(width, width)

    def forward(self, x: Tensor) -> Tensor:
        batch, tokens, width = x.shape
        size = width // self.heads
        q, k, v = self.qkv(x).reshape(batch, tokens, 3, self.heads, size).permute(2, 0, 3, 1, 4).unbind(0)
        if self.fused:
            mixed = nn.functional.scaled_dot_product_attention(q, k, v)
        else:
            mixed = torch.softmax(q @ k.transpose(-2, -1) * size**-0.5, dim=-1) @ v
        return self.project(mixed.transpose(1, 2).reshape(batch, tokens, width))


def images(batch: int, generator: torch.Generator, size: int = 64) -> tuple[Tensor]:
    """Normalized colour images [B, 3, size, size]: noise that is smooth over a few pixels."""
    noise = torch.randn(batch, 3, size // 4, size // 4, generator=generator)
    return (nn.functional.interpolate(noise, size=(size, size), mode="bicubic"),)
