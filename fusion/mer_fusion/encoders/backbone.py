"""The convolutional body that audio and face encoders share, and the options that shape it."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from mer_sdk.errors import OptionError


@dataclass(frozen=True)
class EncoderConfig:
    """Shape of an encoder's body and output.

    Attributes:
        stem: channels of the first convolution.
        channels: output channels of each stage; every stage halves both axes.
        blocks: residual blocks in each stage.
        separable: depthwise-separable blocks or full 3 x 3 convolutions.
        features: length of the feature vector.
        dropout: probability before the last layer, in training.

    Raises:
        OptionError: widths and block counts of different number.
    """

    stem: int = 16
    channels: tuple[int, ...] = (32, 64, 96)
    blocks: tuple[int, ...] = (2, 2, 2)
    separable: bool = True
    features: int = 64
    dropout: float = 0.1

    def __post_init__(self) -> None:
        object.__setattr__(self, "channels", tuple(self.channels))
        object.__setattr__(self, "blocks", tuple(self.blocks))
        if len(self.channels) != len(self.blocks):
            raise OptionError(
                f"{len(self.channels)} stage widths and {len(self.blocks)} block counts: give as many of each"
            )


class _FullBlock(nn.Module):
    """Two 3 x 3 convolutions with a residual path."""

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False),
            nn.BatchNorm2d(outputs),
            nn.ReLU(),
            nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False),
            nn.BatchNorm2d(outputs),
        )
        same = stride == 1 and inputs == outputs
        self.shortcut: nn.Module = (
            nn.Identity()
            if same
            else nn.Sequential(nn.Conv2d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm2d(outputs))
        )

    def forward(self, x: Tensor) -> Tensor:
        return torch.relu(self.body(x) + self.shortcut(x))


class _SeparableBlock(nn.Module):
    """Inverted residual with plain ReLU: 1 x 1, depthwise 3 x 3, 1 x 1 (MobileNetV2, Sandler et al. 2018)."""

    expansion = 3

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        hidden = inputs * self.expansion
        self.body = nn.Sequential(
            nn.Conv2d(inputs, hidden, 1, bias=False),
            nn.BatchNorm2d(hidden),
            nn.ReLU(),
            nn.Conv2d(hidden, hidden, 3, stride, 1, groups=hidden, bias=False),
            nn.BatchNorm2d(hidden),
            nn.ReLU(),
            nn.Conv2d(hidden, outputs, 1, bias=False),
            nn.BatchNorm2d(outputs),
        )
        self.residual = stride == 1 and inputs == outputs

    def forward(self, x: Tensor) -> Tensor:
        return x + self.body(x) if self.residual else self.body(x)


def convolution_backbone(config: EncoderConfig) -> nn.Sequential:
    """One map (B, 1, H, W) -> maps (B, channels[-1], H', W'): a strided stem, then stages that halve both axes."""
    layers: list[nn.Module] = [nn.Conv2d(1, config.stem, 3, 2, 1, bias=False), nn.BatchNorm2d(config.stem), nn.ReLU()]
    block = _SeparableBlock if config.separable else _FullBlock
    width = config.stem
    for outputs, count in zip(config.channels, config.blocks, strict=True):
        for index in range(count):
            layers.append(block(width, outputs, 2 if index == 0 else 1))
            width = outputs
    if config.separable:
        layers += [nn.ReLU()]
    return nn.Sequential(*layers)
