"""Reductions against torch."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import coremltools as ct
import numpy as np
import pytest
import torch
from arrays import integers, listed, normal, uniform
from building import Case, check, mb
from torch import Tensor

from mer_converters.targets.coreml.interpreter.handlers import handler_for

Function = Callable[[Tensor, tuple[int, ...]], Tensor]


def over_axes(operation: str, function: Function, *, positive: bool = False) -> Case:
    """One axis, several, negative ones, all of them; kept and dropped. `function` keeps the axes."""
    build = getattr(mb, operation)
    x = uniform(2, 3, 4, 5, low=0.8, high=1.25) if positive else normal(2, 3, 4, 5)

    def program(x: Any) -> Any:
        return (
            build(x=x),
            build(x=x, axes=[1]),
            build(x=x, axes=[-1, 1], keep_dims=True),
            build(x=x, axes=[0, 2, 3], keep_dims=False),
            build(x=x, keep_dims=True),
        )

    def reference(x: Tensor) -> tuple[Tensor, ...]:
        return (
            function(x, (0, 1, 2, 3)).reshape(()),
            function(x, (1,)).squeeze(1),
            function(x, (1, 3)),
            function(x, (0, 2, 3)).reshape(3),
            function(x, (0, 1, 2, 3)),
        )

    return Case(program, reference, {"x": x})


def of_integers(operation: str, function: Function) -> Case:
    """int32: the result is cut to a whole number."""
    build = getattr(mb, operation)
    return Case(
        lambda x: (build(x=x, axes=[1]), build(x=x, axes=[0, 1], keep_dims=True)),
        lambda x: (function(x.double(), (1,)).squeeze(1).int(), function(x.double(), (0, 1)).int()),
        {"x": integers(3, 5, low=1, high=4)},
        label="int32",
    )


def extremes(operation: str, function: Callable[..., Tensor]) -> list[Case]:
    """Every axis, kept and dropped; integers without ties; the type of the result."""
    build = getattr(mb, operation)

    def program(x: Any) -> Any:
        return build(x=x), build(x=x, axis=0), build(x=x, axis=1, keep_dims=True), build(x=x, axis=-2, keep_dims=False)

    def reference(x: Tensor) -> tuple[Tensor, ...]:
        return function(x, -1).int(), function(x, 0).int(), function(x, 1, True).int(), function(x, 1).int()

    whole = np.random.default_rng(0).permuted(np.tile(np.arange(9, dtype=np.int32), (5, 1)), axis=1)
    short = {"opset": ct.target.iOS17, "label": "uint16"}
    return [
        Case(program, reference, {"x": normal(3, 4, 6)}),
        Case(lambda n: build(x=n, axis=1), lambda n: function(n, 1).int(), {"n": whole}, label="int32"),
        Case(
            lambda x: mb.cast(x=build(x=x, axis=1, output_dtype="uint16"), dtype="int32"),
            lambda x: function(x, 1).int(),
            {"x": normal(5, 40)},
            **short,
        ),
    ]


def prod(x: Tensor, axes: tuple[int, ...]) -> Tensor:
    for axis in axes:
        x = x.prod(axis, keepdim=True)
    return x


REFERENCES: dict[str, Function] = {
    "reduce_sum": lambda x, axes: x.sum(axes, True),
    "reduce_mean": lambda x, axes: x.mean(axes, True),
    "reduce_max": lambda x, axes: x.amax(axes, True),
    "reduce_min": lambda x, axes: x.amin(axes, True),
    "reduce_prod": prod,
    "reduce_l1_norm": lambda x, axes: torch.linalg.vector_norm(x, 1, axes, True),
    "reduce_l2_norm": lambda x, axes: torch.linalg.vector_norm(x, 2, axes, True),
    "reduce_sum_square": lambda x, axes: (x * x).sum(axes, True),
    "reduce_log_sum": lambda x, axes: x.sum(axes, True).log(),
    "reduce_log_sum_exp": lambda x, axes: x.exp().sum(axes, True).log(),
}
POSITIVE = ("reduce_prod", "reduce_log_sum")

CASES: dict[str, list[Case]] = {
    **{
        operation: [
            over_axes(operation, function, positive=operation in POSITIVE),
            of_integers(operation, function),
        ]
        for operation, function in REFERENCES.items()
    },
    "reduce_argmax": extremes("reduce_argmax", torch.argmax),
    "reduce_argmin": extremes("reduce_argmin", torch.argmin),
}


@listed(CASES)
def test_against_torch(operation: str, case: Case, tmp_path: Path) -> None:
    check(operation, case, tmp_path)


def test_integers_wrap_around_as_int32_does() -> None:
    x = torch.full((3,), 2**30, dtype=torch.int32)
    add, multiply = handler_for("reduce_sum"), handler_for("reduce_prod")
    assert add is not None
    assert multiply is not None
    assert add(x=x).item() == 3 * 2**30 - 2**32
    assert multiply(x=x).item() == 0


def test_log_sum_exp_does_not_overflow(tmp_path: Path) -> None:
    x = np.array([[1000.0, 1000.0], [-1000.0, -1000.0]], np.float32)
    case = Case(lambda x: mb.reduce_log_sum_exp(x=x, axes=[1]), lambda x: x[:, 0] + np.log(2.0), {"x": x})
    check("reduce_log_sum_exp", case, tmp_path)


@pytest.mark.parametrize("operation", ["reduce_sum", "reduce_max", "reduce_prod"])
def test_an_empty_list_of_axes_reduces_nothing(operation: str) -> None:
    x = torch.from_numpy(normal(2, 3))
    reduce = handler_for(operation)
    assert reduce is not None
    assert torch.equal(reduce(x=x, axes=torch.zeros(0, dtype=torch.int32)), x)
