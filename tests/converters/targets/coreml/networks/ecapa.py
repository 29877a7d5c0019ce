"""ECAPA-TDNN (Desplanques et al. 2020) with 256 channels: Res2Net convolutions, gates, attentive mean and deviation."""

from __future__ import annotations

import torch
from torch import Tensor, nn

CHANNELS, SCALE, GATE, BANDS, FRAMES, EMBEDDING = 256, 8, 128, 80, 100, 192


def conv_unit(inputs: int, outputs: int, kernel: int, dilation: int = 1) -> nn.Module:
    conv = nn.Conv1d(inputs, outputs, kernel, padding=dilation * (kernel // 2), dilation=dilation)
    return nn.Sequential(conv, nn.ReLU(), nn.BatchNorm1d(outputs))


class Res2Block(nn.Module):
    """Groups of channels, each filtered after the one before was added."""

    def __init__(self, dilation: int) -> None:
        super().__init__()
        width = CHANNELS // SCALE
        self.layers = nn.ModuleList(conv_unit(width, width, 3, dilation) for _ in range(SCALE - 1))

    def forward(self, x: Tensor) -> Tensor:
        first, *rest = x.chunk(SCALE, dim=1)
        made, before = [first], torch.zeros_like(first)
        for part, layer in zip(rest, self.layers, strict=True):
            before = layer(part + before)
            made.append(before)
        return torch.cat(made, dim=1)


class SERes2Block(nn.Module):
    """A Res2Net block between pointwise convolutions, with channel gates."""

    def __init__(self, dilation: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            conv_unit(CHANNELS, CHANNELS, 1), Res2Block(dilation), conv_unit(CHANNELS, CHANNELS, 1)
        )
        self.gate = nn.Sequential(nn.Conv1d(CHANNELS, GATE, 1), nn.ReLU(), nn.Conv1d(GATE, CHANNELS, 1), nn.Sigmoid())

    def forward(self, x: Tensor) -> Tensor:
        y = self.layers(x)
        return x + y * self.gate(y.mean(dim=2, keepdim=True))


class AttentivePooling(nn.Module):
    """Mean and standard deviation over time, weighted per channel."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.attend = nn.Sequential(
            nn.Conv1d(3 * channels, GATE, 1), nn.ReLU(), nn.BatchNorm1d(GATE), nn.Tanh(), nn.Conv1d(GATE, channels, 1)
        )

    def forward(self, x: Tensor) -> Tensor:
        mean, deviation = weighted(x, torch.full_like(x, 1.0 / FRAMES))
        context = torch.cat([x, mean[..., None].expand_as(x), deviation[..., None].expand_as(x)], dim=1)
        return torch.cat(weighted(x, torch.softmax(self.attend(context), dim=2)), dim=1)


def weighted(x: Tensor, weights: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and standard deviation [B, C] of `x` [B, C, T] under weights that sum to 1."""
    mean = (x * weights).sum(dim=2)
    variance = ((x - mean[..., None]) ** 2 * weights).sum(dim=2)
    return mean, torch.sqrt(variance.clamp(min=1e-9))


class Ecapa(nn.Module):
    """Log-mel frames [B, 80, T] to an embedding [B, 192]."""

    def __init__(self) -> None:
        super().__init__()
        self.first = conv_unit(BANDS, CHANNELS, 5)
        self.blocks = nn.ModuleList(SERes2Block(dilation) for dilation in (2, 3, 4))
        self.join = nn.Sequential(nn.Conv1d(3 * CHANNELS, 3 * CHANNELS, 1), nn.ReLU())
        self.pool = nn.Sequential(AttentivePooling(3 * CHANNELS), nn.BatchNorm1d(6 * CHANNELS))
        self.head = nn.Sequential(nn.Linear(6 * CHANNELS, EMBEDDING), nn.BatchNorm1d(EMBEDDING))

    def forward(self, x: Tensor) -> Tensor:
        total = self.first(x)
        made = []
        for block in self.blocks:
            made.append(block(total))
            total = total + made[-1]
        return self.head(self.pool(self.join(torch.cat(made, dim=1))))


def network() -> nn.Module:
    return Ecapa()


def inputs(batch: int, generator: torch.Generator) -> tuple[Tensor, ...]:
    return (torch.randn(batch, BANDS, FRAMES, generator=generator),)
