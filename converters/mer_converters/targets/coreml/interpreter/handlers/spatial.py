"""Padding of windows over the spatial dimensions, as convolutions and poolings of ML Programs count it."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional

from mer_converters.targets.coreml.interpreter.handlers.registry import ints

Pads = list[tuple[int, int]]


def per_dimension(values: Tensor | None, rank: int) -> list[int]:
    """Strides or dilations: one number per spatial dimension, 1 where the program leaves them out."""
    return [1] * rank if values is None else ints(values)


def padding(kind: str, pad: Tensor | None, sizes: Sequence[int], kernel: Sequence[int], strides: Sequence[int]) -> Pads:
    """Elements (before, after) added to each spatial dimension.

    Args:
        kind: "valid", "same" (an odd rest goes after), "same_lower" (before) or "custom".
        pad: [2 * rank] for "custom": before and after each dimension in turn; otherwise not read.
        sizes: spatial sizes of the input.
        kernel: sizes of the window, dilation included.
        strides: steps of the window.
    """
    if kind == "custom" and pad is not None:
        amounts = ints(pad)
        return list(zip(amounts[0::2], amounts[1::2], strict=True))
    if kind in ("valid", "custom"):
        return [(0, 0)] * len(sizes)
    # The output has ceil(size / stride) elements.
    totals = [
        max(0, (math.ceil(size / stride) - 1) * stride + window - size)
        for size, window, stride in zip(sizes, kernel, strides, strict=True)
    ]
    pads = [(total // 2, total - total // 2) for total in totals]
    return pads if kind == "same" else [(after, before) for before, after in pads]


def padded(x: Tensor, pads: Pads, value: float) -> Tensor:
    """`x` [n, C, *D] with `value` around its spatial dimensions."""
    if not any(before or after for before, after in pads):
        return x
    # torch counts from the last dimension backwards.
    amounts = [amount for pair in reversed(pads) for amount in pair]
    return functional.pad(x, amounts, value=value)


def covered(sizes: Sequence[int], pads: Pads) -> Tensor:
    """Ones [1, 1, *sizes] with the padding's zeros around them."""
    return padded(torch.ones((1, 1, *sizes)), pads, 0.0)
