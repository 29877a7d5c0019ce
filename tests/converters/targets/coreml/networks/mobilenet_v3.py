"""MobileNetV3-Large (Howard et al. 2019, table 1): hard-swish, and squeeze-and-excite with hard-sigmoid gates. A
block that stands twice in the table stands here once."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from networks.layers import SqueezeExcite, conv_norm, images

# Kernel, expanded channels, channels, squeeze-and-excite, activation, stride.
BLOCKS = (
    (3, 16, 16, False, nn.ReLU, 1),
    (3, 64, 24, False, nn.ReLU, 2),
    (3, 72, 24, False, nn.ReLU, 1),
    (5, 72, 40, True, nn.ReLU, 2),
    (5, 120, 40, True, nn.ReLU, 1),
    (3, 240, 80, False, nn.Hardswish, 2),
    (3, 200, 80, False, nn.Hardswish, 1),
    (3, 184, 80, False, nn.Hardswish, 1),
    (3, 480, 112, True, nn.Hardswish, 1),
    (3, 672, 112, True, nn.Hardswish, 1),
    (5, 672, 160, True, nn.Hardswish, 2),
    (5, 960, 160, True, nn.Hardswish, 1),
)


def eighths(channels: float) -> int:
    """The nearest multiple of eight, at most a tenth below."""
    rounded = max(8, int(channels + 4) // 8 * 8)
    return rounded + 8 if rounded < 0.9 * channels else rounded


class Bottleneck(nn.Module):
    """Inverted residual with an optional squeeze-and-excite."""

    def __init__(
        self, inputs: int, kernel: int, hidden: int, outputs: int, gated: bool, activation: type[nn.Module], stride: int
    ) -> None:
        super().__init__()
        self.adds = stride == 1 and inputs == outputs
        widen = [conv_norm(inputs, hidden, 1, activation=activation)] if hidden != inputs else []
        gate = [SqueezeExcite(hidden, eighths(hidden / 4), gate=nn.Hardsigmoid)] if gated else []
        depthwise = conv_norm(hidden, hidden, kernel, stride, groups=hidden, activation=activation)
        self.layers = nn.Sequential(*widen, depthwise, *gate, conv_norm(hidden, outputs, 1))

    def forward(self, x: Tensor) -> Tensor:
        return x + self.layers(x) if self.adds else self.layers(x)


def network() -> nn.Module:
    layers: list[nn.Module] = [conv_norm(3, 16, 3, 2, activation=nn.Hardswish)]
    channels = 16
    for kernel, hidden, outputs, gated, activation, stride in BLOCKS:
        layers.append(Bottleneck(channels, kernel, hidden, outputs, gated, activation, stride))
        channels = outputs
    layers += [conv_norm(160, 960, 1, activation=nn.Hardswish), nn.AdaptiveAvgPool2d(1), nn.Flatten()]
    layers += [nn.Linear(960, 1280), nn.Hardswish(), nn.Linear(1280, 1000)]
    return nn.Sequential(*layers)


def inputs(batch: int, generator: torch.Generator) -> tuple[Tensor, ...]:
    return images(batch, generator)
