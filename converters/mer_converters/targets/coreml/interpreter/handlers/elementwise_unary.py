"""Elementwise functions of one tensor; integers stay integers."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from mer_converters.targets.coreml.interpreter.handlers.registry import handler
from mer_converters.targets.coreml.interpreter.values import HELD_AS
from mer_sdk.errors import ConversionError

_FUNCTIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "abs": torch.abs,
    "acos": torch.acos,
    "asin": torch.asin,
    "atan": torch.atan,
    "atanh": torch.atanh,
    "ceil": torch.ceil,
    "cos": torch.cos,
    "cosh": torch.cosh,
    "erf": torch.erf,
    "exp": torch.exp,
    "floor": torch.floor,
    "logical_not": torch.logical_not,
    "round": torch.round,  # halves to the even number, as numpy does, which coremltools folds constants with
    "sign": torch.sign,
    "sin": torch.sin,
    "sinh": torch.sinh,
    "sqrt": torch.sqrt,
    "square": torch.square,
    "tan": torch.tan,
    "tanh": torch.tanh,
}

_CASTS = ("bool", "fp16", "fp32", "int8", "int16", "int32", "uint8", "uint16")
_INT_LIMITS = {
    name: (0, 2**bits - 1) if name[0] == "u" else (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1)
    for name, bits in (("int8", 8), ("uint8", 8), ("int16", 16), ("uint16", 16), ("int32", 32))
}


def _of_x(function: Callable[[Tensor], Tensor]) -> Callable[[Tensor], Tensor]:
    def compute(x: Tensor) -> Tensor:
        return function(x)

    return compute


for _name, _function in _FUNCTIONS.items():
    handler(_name)(_of_x(_function))


@handler("exp2")
def exp2(x: Tensor) -> Tensor:
    """2 to the power of x; of integers, the integer part."""
    return torch.exp2(x.double()).to(x.dtype)


@handler("clip")
def clip(x: Tensor, alpha: Tensor, beta: Tensor) -> Tensor:
    """x raised to alpha, then lowered to beta."""
    return torch.clamp(x, alpha, beta)


@handler("threshold")
def threshold(x: Tensor, alpha: Tensor) -> Tensor:
    """max(x, alpha)."""
    return torch.maximum(x, alpha.to(x.dtype))


@handler("inverse")
def inverse(x: Tensor, epsilon: Tensor | None = None) -> Tensor:
    """1 / (x + epsilon), epsilon 1e-4 unless given."""
    return torch.reciprocal(x + (1e-4 if epsilon is None else epsilon))


@handler("log")
def log(x: Tensor, epsilon: Tensor | None = None) -> Tensor:
    """ln(x + epsilon), epsilon 1e-45 unless given.

    The default epsilon is subnormal: it makes ln(0) about -103 here and minus infinity on hardware that flushes
    subnormals; in an fp16 program it is 0.
    """
    return torch.log(x + (1e-45 if epsilon is None else epsilon))


@handler("rsqrt")
def rsqrt(x: Tensor, epsilon: Tensor | None = None) -> Tensor:
    """1 / sqrt(x + epsilon), epsilon 1e-12 unless given."""
    return torch.rsqrt(x + (1e-12 if epsilon is None else epsilon))


@handler("cast")
def cast(x: Tensor, dtype: str) -> Tensor:
    """x in another type; to integers by cutting off the fraction, to bool by comparing with 0.

    What does not fit an integer type takes the nearest value that does, and NaN becomes 0, as Apple's processors
    convert; the operation set leaves it open. fp16 is rounded by the interpreter, which knows the declared type.

    Raises:
        ConversionError: a type that the operation set does not cast to.
    """
    if dtype not in _CASTS:
        raise ConversionError(f"cast to {dtype!r} is not in the operation set; allowed: {', '.join(_CASTS)}")
    target = HELD_AS[dtype]
    if dtype == "bool":
        return x != 0
    if not x.is_floating_point() or dtype not in _INT_LIMITS:
        return _wrapped(x, dtype).to(target)
    low, high = _INT_LIMITS[dtype]
    # float64 holds every int32, float32 does not.
    return x.double().nan_to_num(0.0, high, low).clamp(low, high).to(target)


def _wrapped(x: Tensor, dtype: str) -> Tensor:
    # uint16 is held in int32: between integers the bits above are cut off by hand.
    return x.to(torch.int64) & 0xFFFF if dtype == "uint16" else x
