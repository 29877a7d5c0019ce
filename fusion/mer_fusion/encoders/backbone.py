"""The convolutional backbone that audio and face encoders share, and the options that shape it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from mer_sdk.errors import OptionError


@dataclass(frozen=True)
class EncoderConfig:
    """Shape of an encoder's backbone and output.

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


def pointwise(x: Tensor, weight: Tensor, bias: Tensor | None, stride: Sequence[int]) -> Tensor:
    """The 1 x 1 convolution without padding of maps (B, C_in, H, W) -> (B, C_out, ceil(H / stride), ceil(W / stride)).

    Where gradients are wanted, the positions that it reads are cut out first and the convolution has a stride of 1:
    the same values. In the backward pass of the strided one oneDNN writes past its buffer, in channels_last with fewer
    than 8 (AVX2) or 16 (AVX-512) input channels: wrong gradients, an abort or a hang, as memory happens to lie
    (https://github.com/uxlfoundation/oneDNN/issues/6035, torch 2.13).
    """
    if torch.is_grad_enabled():
        x, stride = x[:, :, :: stride[0], :: stride[1]], (1, 1)
    return functional.conv2d(x, weight, bias, tuple(stride))


class PointwiseConv2d(nn.Conv2d):
    """A strided 1 x 1 convolution without padding or bias, as `pointwise`; `torch.export` gets the strided one."""

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__(inputs, outputs, 1, stride, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        if torch.compiler.is_exporting():
            return super().forward(x)
        return pointwise(x, self.weight, self.bias, self.stride)


class _FullBlock(nn.Module):
    """Two 3 x 3 convolutions with a residual path."""

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False),
            nn.BatchNorm2d(outputs),
            nn.ReLU(),
            nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False),
            nn.BatchNorm2d(outputs),
        )
        same = stride == 1 and inputs == outputs
        self.shortcut: nn.Module = (
            nn.Identity() if same else nn.Sequential(PointwiseConv2d(inputs, outputs, stride), nn.BatchNorm2d(outputs))
        )

    def forward(self, x: Tensor) -> Tensor:
        return torch.relu(self.layers(x) + self.shortcut(x))


class _SeparableBlock(nn.Module):
    """Inverted residual with plain ReLU: 1 x 1, depthwise 3 x 3, 1 x 1 (MobileNetV2, Sandler et al. 2018)."""

    expansion = 3

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        hidden = inputs * self.expansion
        self.layers = nn.Sequential(
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
        return x + self.layers(x) if self.residual else self.layers(x)


@torch.no_grad()
def leave_doing_nothing(norm: nn.BatchNorm1d | nn.BatchNorm2d) -> None:
    """Let a batch norm, whose work is in a neighbouring layer's weights by now, give what it reads, in place."""
    assert norm.running_mean is not None
    assert norm.running_var is not None
    norm.running_mean.zero_()
    norm.running_var.fill_(1.0)
    norm.weight.fill_((1.0 + norm.eps) ** 0.5)
    norm.bias.zero_()


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
