"""A block of Conformer-S (Gulati et al. 2020): relative attention of Transformer-XL, gates, depthwise convolution."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

WIDTH, HEADS, KERNEL, FRAMES = 144, 4, 31, 50


class RelativeAttention(nn.Module):
    """Scores of content and of distance, each with its own bias (Dai et al. 2019, section 3.3)."""

    def __init__(self) -> None:
        super().__init__()
        self.query, self.key, self.value = (nn.Linear(WIDTH, WIDTH) for _ in range(3))
        self.distance = nn.Linear(WIDTH, WIDTH, bias=False)
        self.project = nn.Linear(WIDTH, WIDTH)
        self.content_bias = nn.Parameter(torch.randn(HEADS, 1, WIDTH // HEADS) * 0.1)
        self.distance_bias = nn.Parameter(torch.randn(HEADS, 1, WIDTH // HEADS) * 0.1)
        distances = torch.arange(FRAMES - 1, -FRAMES, -1.0)[:, None]
        rates = torch.exp(torch.arange(0, WIDTH, 2.0) * -(math.log(10000.0) / WIDTH))
        waves = torch.stack([torch.sin(distances * rates), torch.cos(distances * rates)], dim=-1)
        self.register_buffer("waves", waves.flatten(1)[None])

    def heads(self, x: Tensor) -> Tensor:
        return x.reshape(x.shape[0], -1, HEADS, WIDTH // HEADS).transpose(1, 2)

    def forward(self, x: Tensor) -> Tensor:
        q, k, v = self.heads(self.query(x)), self.heads(self.key(x)), self.heads(self.value(x))
        p = self.heads(self.distance(self.waves))
        content = (q + self.content_bias) @ k.transpose(-2, -1)
        distance = shifted((q + self.distance_bias) @ p.transpose(-2, -1))
        weights = torch.softmax((content + distance) / math.sqrt(WIDTH // HEADS), dim=-1)
        return self.project((weights @ v).transpose(1, 2).reshape(x.shape[0], -1, WIDTH))


def shifted(scores: Tensor) -> Tensor:
    """Scores [B, H, T, 2T - 1] by distance as scores [B, H, T, T] by key."""
    batch, heads, frames, distances = scores.shape
    scores = nn.functional.pad(scores, (1, 0)).reshape(batch, heads, distances + 1, frames)
    return scores[:, :, 1:].reshape(batch, heads, frames, distances)[..., :frames]


def feed_forward() -> nn.Module:
    return nn.Sequential(nn.LayerNorm(WIDTH), nn.Linear(WIDTH, 4 * WIDTH), nn.SiLU(), nn.Linear(4 * WIDTH, WIDTH))


class ConvolutionModule(nn.Module):
    """Gated pointwise, depthwise, and pointwise convolution over time."""

    def __init__(self) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(WIDTH)
        self.layers = nn.Sequential(
            nn.Conv1d(WIDTH, 2 * WIDTH, 1),
            nn.GLU(dim=1),
            nn.Conv1d(WIDTH, WIDTH, KERNEL, padding=KERNEL // 2, groups=WIDTH),
            nn.BatchNorm1d(WIDTH),
            nn.SiLU(),
            nn.Conv1d(WIDTH, WIDTH, 1),
        )

    def forward(self, x: Tensor) -> Tensor:
        return self.layers(self.norm(x).transpose(1, 2)).transpose(1, 2)


class ConformerBlock(nn.Module):
    """Half a feed-forward step, attention, convolution, and the other half."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.last = feed_forward(), feed_forward()
        self.attend = nn.Sequential(nn.LayerNorm(WIDTH), RelativeAttention())
        self.convolve = ConvolutionModule()
        self.norm = nn.LayerNorm(WIDTH)

    def forward(self, x: Tensor) -> Tensor:
        x = x + 0.5 * self.first(x)
        x = x + self.attend(x)
        x = x + self.convolve(x)
        return self.norm(x + 0.5 * self.last(x))


def network() -> nn.Module:
    return ConformerBlock()


def inputs(batch: int, generator: torch.Generator) -> tuple[Tensor, ...]:
    return (torch.randn(batch, FRAMES, WIDTH, generator=generator),)
