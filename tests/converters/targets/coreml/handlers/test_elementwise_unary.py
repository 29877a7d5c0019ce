"""Elementwise functions of one tensor against numpy in float64 (which also says where torch has no such function)."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import coremltools as ct
import numpy as np
import pytest
import torch
from arrays import integers, listed, uniform
from building import Case, check, mb
from torch import Tensor

from mer_converters.targets.coreml.interpreter.handlers.elementwise_unary import cast
from mer_sdk.errors import ConversionError

HALVES = np.array([[-2.5, -1.5, -0.5, 0.5, 1.5, 2.5], [-3.0, -0.0, 0.0, 0.25, 7.75, 100.5]], np.float32)


def in_float64(function: Callable[[np.ndarray], np.ndarray]) -> Callable[[Tensor], Tensor]:
    """A function of numpy as a function of tensors, float32 again."""
    return lambda x: torch.from_numpy(np.asarray(function(x.double().numpy()))).float()


def of_floats(
    operation: str, function: Callable[[np.ndarray], np.ndarray], low: float, high: float, **options: Any
) -> Case:
    """The operation on two shapes of numbers between `low` and `high`, both ends among them."""
    rows = uniform(3, 5, low=low, high=high)
    rows[0, 0], rows[2, 4] = low, high
    inputs = {"a": rows, "b": uniform(2, 3, 4, 2, low=low, high=high, seed=1)}
    build, reference = getattr(mb, operation), in_float64(function)
    return Case(lambda a, b: (build(x=a), build(x=b)), lambda a, b: (reference(a), reference(b)), inputs, **options)


def of_integers(operation: str, function: Callable[[Tensor], Tensor], low: int = -9) -> Case:
    """The operation on int32."""
    build = getattr(mb, operation)
    return Case(lambda x: build(x=x), lambda x: function(x).int(), {"x": integers(4, 6, low=low)}, label="int32")


def rounding(operation: str, function: Callable[[np.ndarray], np.ndarray]) -> Case:
    """Halves, whole numbers and zeros."""
    build = getattr(mb, operation)
    return Case(lambda x: build(x=x), in_float64(function), {"x": HALVES})


def erf(x: np.ndarray) -> np.ndarray:
    return torch.erf(torch.from_numpy(x)).numpy()


def with_epsilon(
    operation: str, function: Callable[[Tensor], Tensor], default: float, low: float, opset: Any = ct.target.iOS17
) -> Case:
    """With the default epsilon and with a large one."""
    build = getattr(mb, operation)

    def reference(x: Tensor) -> tuple[Tensor, ...]:
        return function(x.double() + default).float(), function(x.double() + 0.5).float()

    inputs = {"x": uniform(3, 7, low=low, high=5.0)}
    return Case(lambda x: (build(x=x), build(x=x, epsilon=0.5)), reference, inputs, opset=opset, label=str(opset))


def log_of_zero() -> Case:
    """The smallest subnormal is what keeps ln(0) finite in fp32; an fp16 program has no such number."""
    return Case(
        lambda x: mb.log(x=x),
        lambda x: torch.log(x + 1e-45),
        {"x": np.zeros((2, 3), np.float32)},
        fp16=None,
        label="of zero",
    )


def casts() -> list[Case]:
    """Floats to integers and bool and back; integers to narrower ones."""
    x = np.array([[-3.7, -0.5, 0.0, 0.5], [1.5, 2.99, 100.25, -7.0]], np.float32)

    def floats(x: Any) -> Any:
        whole = mb.cast(x=x, dtype="int32")
        true = mb.cast(x=x, dtype="bool")
        return whole, mb.cast(x=true, dtype="int32"), mb.cast(x=true, dtype="fp32"), mb.cast(x=whole, dtype="fp32")

    def torch_floats(x: Tensor) -> tuple[Tensor, ...]:
        return x.trunc().int(), (x != 0).int(), (x != 0).float(), x.trunc()

    def narrow(n: Any) -> Any:
        small = [mb.cast(x=n, dtype=name) for name in ("int8", "uint8", "int16", "uint16")]
        return tuple(mb.cast(x=value, dtype="int32") for value in small)

    def torch_narrow(n: Tensor) -> tuple[Tensor, ...]:
        return tuple(n.int() for _ in range(4))

    return [
        Case(floats, torch_floats, {"x": x}),
        Case(
            lambda x: mb.cast(x=mb.cast(x=x, dtype="fp16"), dtype="fp32"),
            lambda x: x.half().float(),
            {"x": uniform(3, 4)},
            label="fp16",
            fp32=0.0,
        ),
        Case(narrow, torch_narrow, {"n": integers(3, 5, low=0, high=128)}, label="narrow"),
    ]


def bounds() -> dict[str, list[Case]]:
    """clip and threshold."""
    x = uniform(4, 9, low=-3, high=3)

    def clip(x: Any) -> Any:
        return mb.clip(x=x, alpha=-0.75, beta=1.25), mb.clip(x=x, alpha=0.0, beta=6.0)

    return {
        "clip": [Case(clip, lambda x: (x.clip(-0.75, 1.25), x.clip(0, 6)), {"x": x})],
        "threshold": [
            Case(lambda x: mb.threshold(x=x, alpha=0.25), lambda x: x.clamp(min=0.25), {"x": x}),
            Case(
                lambda n: mb.threshold(x=n, alpha=np.int32(-2)),
                lambda n: n.clamp(min=-2),
                {"n": integers(3, 8)},
                label="int32",
            ),
        ],
    }


def negation() -> Case:
    def build(x: Any) -> Any:
        return mb.cast(x=mb.logical_not(x=mb.greater(x=x, y=0.0)), dtype="int32")

    return Case(build, lambda x: (x <= 0).int(), {"x": uniform(3, 5, low=-1)})


CASES: dict[str, list[Case]] = {
    "abs": [of_floats("abs", np.abs, -5, 5), of_integers("abs", torch.abs)],
    "acos": [of_floats("acos", np.arccos, -0.95, 0.95)],
    "asin": [of_floats("asin", np.arcsin, -0.95, 0.95)],
    "atan": [of_floats("atan", np.arctan, -20, 20)],
    "atanh": [of_floats("atanh", np.arctanh, -0.9, 0.9)],
    "ceil": [rounding("ceil", np.ceil)],
    "cos": [of_floats("cos", np.cos, -6, 6)],
    "cosh": [of_floats("cosh", np.cosh, -4, 4)],
    "erf": [of_floats("erf", erf, -3, 3)],
    "exp": [of_floats("exp", np.exp, -8, 5)],
    "exp2": [of_floats("exp2", np.exp2, -8, 8), of_integers("exp2", lambda x: 2**x, low=0)],
    "floor": [rounding("floor", np.floor)],
    "inverse": [with_epsilon("inverse", torch.reciprocal, 1e-4, 0.1)],
    "log": [
        with_epsilon("log", torch.log, 0.0, 0.05),
        with_epsilon("log", torch.log, 0.0, 0.05, ct.target.iOS15),
        log_of_zero(),
    ],
    "logical_not": [negation()],
    "round": [rounding("round", np.round)],
    "rsqrt": [with_epsilon("rsqrt", torch.rsqrt, 1e-12, 0.05)],
    "sign": [rounding("sign", np.sign), of_integers("sign", torch.sign)],
    "sin": [of_floats("sin", np.sin, -6, 6)],
    "sinh": [of_floats("sinh", np.sinh, -4, 4)],
    "sqrt": [of_floats("sqrt", np.sqrt, 0, 9)],
    "square": [of_floats("square", np.square, -5, 5), of_integers("square", torch.square)],
    "tan": [of_floats("tan", np.tan, -1.2, 1.2)],
    "tanh": [of_floats("tanh", np.tanh, -4, 4)],
    "cast": casts(),
    **bounds(),
}


@listed(CASES)
def test_against_numpy(operation: str, case: Case, tmp_path: Path) -> None:
    check(operation, case, tmp_path)


@pytest.mark.parametrize(
    ("dtype", "expected"),
    [
        ("int8", [127, -128, 0, 127, -128, 1]),
        ("uint8", [255, 0, 0, 255, 0, 1]),
        ("int16", [32767, -32768, 0, 32767, -32768, 1]),
        ("uint16", [65535, 0, 0, 65535, 0, 1]),
        ("int32", [2**31 - 1, -(2**31), 0, 2**31 - 1, -(2**31), 1]),
    ],
)
def test_floats_that_do_not_fit_an_integer_take_the_nearest(dtype: str, expected: list[int]) -> None:
    x = torch.tensor([1e10, -1e10, torch.nan, torch.inf, -torch.inf, 1.9])
    assert cast(x, dtype).tolist() == expected


def test_integers_that_do_not_fit_lose_their_upper_bits() -> None:
    x = torch.tensor([70000, -1, 300], dtype=torch.int32)
    assert cast(x, "uint16").tolist() == [70000 - 65536, 65535, 300]
    assert cast(x, "uint8").tolist() == [70000 % 256, 255, 300 - 256]


def test_cast_to_an_unknown_type_is_refused() -> None:
    with pytest.raises(ConversionError, match="cast to 'int64' is not in the operation set"):
        cast(torch.ones(2), "int64")
