"""Matrix products."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from mer_converters.targets.coreml.interpreter.handlers.registry import handler


@handler("linear")
def linear(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """`x` [*D, in] times the transpose of `weight` [out, in], plus `bias` [out]; float or integer."""
    x, weight = _same_type(x, weight)
    if x.is_floating_point():
        return functional.linear(x, weight, None if bias is None else bias.to(x.dtype))
    product = x @ weight.T
    return product if bias is None else product + bias


@handler("matmul")
def matmul(x: Tensor, y: Tensor, transpose_x: Tensor | bool = False, transpose_y: Tensor | bool = False) -> Tensor:
    """Product of the last two dimensions of `x` and `y`, the ones before broadcast; float or integer.

    `transpose_x` and `transpose_y` swap the last two dimensions first; a vector has nothing to swap.
    """
    x, y = _same_type(x, y)
    if transpose_x and x.dim() > 1:
        x = x.transpose(-1, -2)
    if transpose_y and y.dim() > 1:
        y = y.transpose(-1, -2)
    return torch.matmul(x, y)


def _same_type(a: Tensor, b: Tensor) -> tuple[Tensor, Tensor]:
    kind = torch.promote_types(a.dtype, b.dtype)
    return a.to(kind), b.to(kind)
