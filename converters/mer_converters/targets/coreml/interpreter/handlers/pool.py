"""Poolings over one to three spatial dimensions."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from mer_converters.targets.coreml.interpreter.handlers.registry import handler, ints
from mer_converters.targets.coreml.interpreter.handlers.spatial import Pads, covered, padded, padding, per_dimension

_AVERAGE: dict[int, Any] = {1: functional.avg_pool1d, 2: functional.avg_pool2d, 3: functional.avg_pool3d}
_LARGEST: dict[int, Any] = {1: functional.max_pool1d, 2: functional.max_pool2d, 3: functional.max_pool3d}


@handler("avg_pool")
def avg_pool(
    x: Tensor,
    kernel_sizes: Tensor,
    pad_type: str,
    strides: Tensor | None = None,
    pad: Tensor | None = None,
    exclude_padding_from_average: Tensor | bool = False,
    ceil_mode: Tensor | bool = False,
) -> Tensor:
    """Mean of each window of `x` [n, C, *D].

    Padding counts as zeros, or not at all with `exclude_padding_from_average`. What `ceil_mode` lets a window reach
    past the padding never counts.
    """
    kernel, steps, pads, extra = _windows(x, kernel_sizes, pad_type, strides, pad, bool(ceil_mode))
    average = _AVERAGE[len(kernel)]
    if not any(sum(pair) for pair in (*pads, *extra)):
        return average(x, kernel, steps)
    if exclude_padding_from_average:
        counted = covered(x.shape[2:], _joined(pads, extra))
    else:
        counted = covered([size + sum(pair) for size, pair in zip(x.shape[2:], pads, strict=True)], extra)
    return average(padded(x, _joined(pads, extra), 0.0), kernel, steps) / average(counted, kernel, steps)


@handler("l2_pool")
def l2_pool(
    x: Tensor,
    kernel_sizes: Tensor,
    pad_type: str,
    strides: Tensor | None = None,
    pad: Tensor | None = None,
    ceil_mode: Tensor | bool = False,
) -> Tensor:
    """Square root of the sum of squares of each window of `x` [n, C, *D]."""
    kernel, steps, pads, extra = _windows(x, kernel_sizes, pad_type, strides, pad, bool(ceil_mode))
    squares = padded(x * x, _joined(pads, extra), 0.0)
    volume = torch.tensor(kernel).prod()
    return (_AVERAGE[len(kernel)](squares, kernel, steps) * volume).sqrt()


@handler("max_pool")
def max_pool(
    x: Tensor,
    kernel_sizes: Tensor,
    pad_type: str,
    strides: Tensor | None = None,
    pad: Tensor | None = None,
    ceil_mode: Tensor | bool = False,
) -> Tensor:
    """Largest element of each window of `x` [n, C, *D]; padding never wins."""
    kernel, steps, pads, extra = _windows(x, kernel_sizes, pad_type, strides, pad, bool(ceil_mode))
    return _LARGEST[len(kernel)](padded(x, _joined(pads, extra), -torch.inf), kernel, steps)


def _windows(
    x: Tensor, kernel_sizes: Tensor, pad_type: str, strides: Tensor | None, pad: Tensor | None, ceil_mode: bool
) -> tuple[list[int], list[int], Pads, Pads]:
    """Kernel, strides, the padding, and what is added after it so that `ceil_mode`'s last windows fit."""
    kernel = ints(kernel_sizes)
    steps = per_dimension(strides, len(kernel))
    sizes = list(x.shape[2:])
    pads = padding(pad_type, pad, sizes, kernel, steps)
    extra = [(0, 0)] * len(kernel)
    if ceil_mode:
        extra = [
            (0, _overhang(size, window, step, pair))
            for size, window, step, pair in zip(sizes, kernel, steps, pads, strict=True)
        ]
    return kernel, steps, pads, extra


def _overhang(size: int, window: int, step: int, pads: tuple[int, int]) -> int:
    """Elements by which the last window of the rounded-up count reaches past the padding."""
    length = size + sum(pads)
    count = -(-(length - window) // step) + 1
    # A window must begin in the input or in the padding before it.
    if (count - 1) * step >= size + pads[0] and sum(pads) > 0:
        count -= 1
    return max(0, (count - 1) * step + window - length)


def _joined(pads: Pads, extra: Pads) -> Pads:
    return [(a + c, b + d) for (a, b), (c, d) in zip(pads, extra, strict=True)]
