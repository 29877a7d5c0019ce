"""Elementwise functions of two tensors, broadcast as numpy does; integers stay integers."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from mer_converters.targets.coreml.interpreter.handlers.registry import handler

_FUNCTIONS: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "add": torch.add,
    "sub": torch.sub,
    "mul": torch.mul,
    "maximum": torch.maximum,
    "minimum": torch.minimum,
    "floor_div": torch.floor_divide,  # towards minus infinity
    "mod": torch.remainder,  # the sign of y
    "equal": torch.eq,
    "not_equal": torch.ne,
    "greater": torch.gt,
    "greater_equal": torch.ge,
    "less": torch.lt,
    "less_equal": torch.le,
    "logical_and": torch.logical_and,
    "logical_or": torch.logical_or,
    "logical_xor": torch.logical_xor,
}


def _of_x_and_y(function: Callable[[Tensor, Tensor], Tensor]) -> Callable[[Tensor, Tensor], Tensor]:
    def compute(x: Tensor, y: Tensor) -> Tensor:
        return function(x, y)

    return compute


for _name, _function in _FUNCTIONS.items():
    handler(_name)(_of_x_and_y(_function))


@handler("real_div")
def real_div(x: Tensor, y: Tensor) -> Tensor:
    """x / y; of integers, the integer part, because the result is declared an integer."""
    return torch.div(x, y, rounding_mode=None if x.is_floating_point() else "trunc")


@handler("pow")
def pow_(x: Tensor, y: Tensor) -> Tensor:
    """x to the power of y; of integers, the integer part."""
    if x.is_floating_point():
        return torch.pow(x, y)
    return torch.pow(x.double(), y.double()).to(x.dtype)


@handler("select")
def select(cond: Tensor, a: Tensor, b: Tensor) -> Tensor:
    """a where `cond` is true, b elsewhere, all three broadcast."""
    return torch.where(cond, a, b)
