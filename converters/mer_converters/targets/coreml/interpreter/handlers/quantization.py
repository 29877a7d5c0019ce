"""Quantization of values at run time; compressed weights are decompressed when a program is opened."""

from __future__ import annotations

import torch
from torch import Tensor

from mer_converters.targets.coreml.interpreter.handlers.registry import handler

_RANGES = {"int8": (torch.int8, -128, 127), "uint8": (torch.uint8, 0, 255)}


@handler("quantize")
def quantize(
    input: Tensor, scale: Tensor, output_dtype: str, zero_point: Tensor | None = None, axis: Tensor | None = None
) -> Tensor:
    """clip(round(`input` / `scale`) + `zero_point`) as int8 or uint8; halves are rounded to even."""
    kind, low, high = _RANGES[output_dtype]
    levels = torch.round(input / _along(scale, input, axis))
    if zero_point is not None:
        levels = levels + _along(zero_point, input, axis).float()
    return levels.clamp(low, high).to(kind)


@handler("dequantize")
def dequantize(input: Tensor, scale: Tensor, zero_point: Tensor | None = None, axis: Tensor | None = None) -> Tensor:
    """`scale` * (`input` - `zero_point`)."""
    levels = input.float()
    if zero_point is not None:
        levels = levels - _along(zero_point, input, axis).float()
    return levels * _along(scale, input, axis)


def _along(values: Tensor, data: Tensor, axis: Tensor | None) -> Tensor:
    """A scalar as it is; a vector shaped to broadcast along `axis` of `data`."""
    if values.dim() == 0 or axis is None:
        return values
    shape = [1] * data.dim()
    shape[int(axis)] = -1
    return values.reshape(shape)
