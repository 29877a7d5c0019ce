"""Temporal convolutional network (Bai et al. 2018, figure 1): causal, dilated by powers of two, weight-normalized."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.utils.parametrizations import weight_norm

CHANNELS, LEVELS, KERNEL = 64, 6, 7


class TemporalBlock(nn.Module):
    """Two causal convolutions and a shortcut."""

    def __init__(self, inputs: int, dilation: int) -> None:
        super().__init__()
        self.reach = (KERNEL - 1) * dilation
        self.first = weight_norm(nn.Conv1d(inputs, CHANNELS, KERNEL, dilation=dilation))
        self.second = weight_norm(nn.Conv1d(CHANNELS, CHANNELS, KERNEL, dilation=dilation))
        self.shortcut = nn.Conv1d(inputs, CHANNELS, 1) if inputs != CHANNELS else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        y = torch.relu(self.first(nn.functional.pad(x, (self.reach, 0))))
        y = torch.relu(self.second(nn.functional.pad(y, (self.reach, 0))))
        return torch.relu(y + self.shortcut(x))


class TemporalNetwork(nn.Module):
    """A label for each time step."""

    def __init__(self) -> None:
        super().__init__()
        self.blocks = nn.Sequential(*(TemporalBlock(40 if i == 0 else CHANNELS, 2**i) for i in range(LEVELS)))
        self.head = nn.Linear(CHANNELS, 8)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.blocks(x).transpose(1, 2))


def network() -> nn.Module:
    return TemporalNetwork()


def inputs(batch: int, generator: torch.Generator) -> tuple[Tensor, ...]:
    return (torch.randn(batch, 40, 100, generator=generator),)
