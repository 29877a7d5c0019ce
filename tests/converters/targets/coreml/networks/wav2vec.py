"""The convolutions of wav2vec 2.0 (Baevski et al. 2020, section 4.2) over a fifth of a second: group norm and GELU."""

from __future__ import annotations

import torch
from torch import Tensor, nn

CHANNELS = 512
# Kernel and stride.
LAYERS = ((10, 5), (3, 2), (3, 2), (3, 2), (3, 2), (2, 2), (2, 2))


class FeatureExtractor(nn.Module):
    """Samples [B, 3200] to features [B, 512, 9]."""

    def __init__(self) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for index, (kernel, stride) in enumerate(LAYERS):
            conv = nn.Conv1d(1 if index == 0 else CHANNELS, CHANNELS, kernel, stride, bias=False)
            nn.init.kaiming_normal_(conv.weight)
            norm = [nn.GroupNorm(CHANNELS, CHANNELS)] if index == 0 else []
            layers += [conv, *norm, nn.GELU()]
        self.layers = nn.Sequential(*layers)

    def forward(self, samples: Tensor) -> Tensor:
        return self.layers(samples[:, None])


def network() -> nn.Module:
    return FeatureExtractor()


def inputs(batch: int, generator: torch.Generator) -> tuple[Tensor, ...]:
    return (0.1 * torch.randn(batch, 3200, generator=generator),)
