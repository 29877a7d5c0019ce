"""The layers of face-api's expression network as a backbone (V. Mühler, face-api.js, MIT).

Four blocks, each of which halves both axes. A block is one strided convolution and further ones, each of which reads
the rectified sum of all before it. All but the first of the network are separable: 3 x 3 depthwise, then 1 x 1; they
have a bias and no batch norm. `mer_fusion.training.faces.face_expression` gives it the published weights.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn


def _separable(inputs: int, outputs: int, stride: int) -> nn.Sequential:
    depthwise = nn.Conv2d(inputs, inputs, 3, stride, 1, groups=inputs, bias=False)
    return nn.Sequential(depthwise, nn.Conv2d(inputs, outputs, 1))


class SummingBlock(nn.Module):
    """Maps (B, inputs, H, W) -> (B, outputs, ceil(H / 2), ceil(W / 2)).

    Args:
        count: convolutions behind the strided one.
        whole: the strided convolution is a full one.
    """

    def __init__(self, inputs: int, outputs: int, count: int, whole: bool) -> None:
        super().__init__()
        self.halve: nn.Module = nn.Conv2d(inputs, outputs, 3, 2, 1) if whole else _separable(inputs, outputs, 2)
        self.further = nn.ModuleList(_separable(outputs, outputs, 1) for _ in range(count))

    def forward(self, x: Tensor) -> Tensor:
        total = torch.relu(self.halve(x))
        rectified = total
        for layer in self.further:
            total = total + layer(rectified)
            rectified = torch.relu(total)
        return rectified


def expression_backbone(channels: Sequence[int], blocks: Sequence[int]) -> nn.Sequential:
    """Grey crops (B, 1, H, W) -> maps (B, channels[-1], H', W').

    Args:
        channels: width of each block.
        blocks: convolutions of each behind its strided one.
    """
    layers: list[nn.Module] = []
    width = 1
    for outputs, count in zip(channels, blocks, strict=True):
        layers.append(SummingBlock(width, outputs, count, whole=not layers))
        width = outputs
    return nn.Sequential(*layers)
