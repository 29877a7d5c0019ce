"""Elementwise functions of two tensors against torch."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from arrays import integers, listed, normal, uniform
from building import Case, check, mb
from torch import Tensor

from mer_converters.targets.coreml.interpreter.handlers import handler_for

Function = Callable[[Tensor, Tensor], Tensor]


def of_floats(operation: str, function: Function, *, low: float = -4.0, away_from_zero: bool = False) -> Case:
    """Equal shapes, broadcasting both ways, and a constant scalar."""
    x, y, row, column = (
        uniform(*shape, low=low, high=4.0, seed=seed)
        for seed, shape in enumerate([(2, 3, 4), (2, 3, 4), (4,), (2, 1, 1)])
    )
    if away_from_zero:
        y, row, column = (np.copysign(np.abs(v) + 0.5, v).astype(np.float32) for v in (y, row, column))
    x[0, 0, :2] = y[0, 0, :2]  # some equal pairs
    build = getattr(mb, operation)

    def program(x: Any, y: Any, row: Any, column: Any) -> Any:
        return build(x=x, y=y), build(x=x, y=row), build(x=column, y=row), build(x=x, y=1.5)

    def reference(x: Tensor, y: Tensor, row: Tensor, column: Tensor) -> tuple[Tensor, ...]:
        return function(x, y), function(x, row), function(column, row), function(x, torch.tensor(1.5))

    return Case(program, reference, {"x": x, "y": y, "row": row, "column": column})


def of_integers(operation: str, function: Function, *, positive: bool = False) -> Case:
    """int32 of both signs (the second without zeros), broadcast."""
    x = integers(3, 40, low=0 if positive else -9)
    y = integers(40, low=1, high=4, seed=1) * (1 if positive else np.where(np.arange(40) % 2, -1, 1))
    build = getattr(mb, operation)
    return Case(
        lambda x, y: build(x=x, y=y),
        lambda x, y: function(x, y).int(),
        {"x": x, "y": y.astype(np.int32)},
        label="int32",
    )


def comparison(operation: str, function: Function) -> list[Case]:
    """Floats and integers with equal pairs; the truth values as integers."""
    build = getattr(mb, operation)
    x, y = normal(4, 6), normal(4, 6, seed=1)
    x[:2, :3] = y[:2, :3]

    def program(x: Any, y: Any) -> Any:
        return mb.cast(x=build(x=x, y=y), dtype="int32"), mb.cast(x=build(x=x, y=0.0), dtype="int32")

    def reference(x: Tensor, y: Tensor) -> tuple[Tensor, ...]:
        return function(x, y).int(), function(x, torch.tensor(0.0)).int()

    whole = {"x": integers(5, 8, low=-2, high=3), "y": integers(5, 1, low=-2, high=3, seed=1)}
    return [
        Case(program, reference, {"x": x, "y": y}),
        Case(
            lambda x, y: mb.cast(x=build(x=x, y=y), dtype="int32"),
            lambda x, y: function(x, y).int(),
            whole,
            label="int32",
        ),
    ]


def logical(operation: str, function: Function) -> list[Case]:
    """All four pairs of truth values, broadcast."""
    build = getattr(mb, operation)

    def program(x: Any, y: Any) -> Any:
        return mb.cast(x=build(x=mb.greater(x=x, y=0.0), y=mb.greater(x=y, y=0.0)), dtype="int32")

    return [Case(program, lambda x, y: function(x > 0, y > 0).int(), {"x": normal(6, 8), "y": normal(6, 1, seed=1)})]


def selection() -> list[Case]:
    """Condition, values or both broadcast; a scalar; integers."""

    def program(x: Any, y: Any, row: Any) -> Any:
        whole, narrow = mb.greater(x=x, y=0.0), mb.greater(x=row, y=0.0)
        return (
            mb.select(cond=whole, a=x, b=y),
            mb.select(cond=narrow, a=x, b=y),
            mb.select(cond=whole, a=x, b=np.float32(-1.0)),
            mb.select(cond=whole, a=mb.cast(x=x, dtype="int32"), b=mb.cast(x=y, dtype="int32")),
            mb.cast(x=mb.select(cond=whole, a=mb.greater(x=y, y=0.5), b=mb.less(x=y, y=-0.5)), dtype="int32"),
        )

    def reference(x: Tensor, y: Tensor, row: Tensor) -> tuple[Tensor, ...]:
        return (
            torch.where(x > 0, x, y),
            torch.where(row > 0, x, y),
            torch.where(x > 0, x, -1.0),
            torch.where(x > 0, x.int(), y.int()),
            torch.where(x > 0, y > 0.5, y < -0.5).int(),
        )

    inputs = {"x": normal(2, 3, 4, scale=3), "y": normal(2, 3, 4, seed=1, scale=3), "row": normal(1, 1, 4, seed=2)}
    return [Case(program, reference, inputs)]


def quotient(x: Tensor, y: Tensor) -> Tensor:
    return torch.from_numpy(np.asarray(x.numpy() // y.numpy()))


def remainder(x: Tensor, y: Tensor) -> Tensor:
    return torch.from_numpy(np.asarray(x.numpy() % y.numpy()))


CASES: dict[str, list[Case]] = {
    "add": [of_floats("add", torch.add), of_integers("add", torch.add)],
    "sub": [of_floats("sub", torch.sub), of_integers("sub", torch.sub)],
    "mul": [of_floats("mul", torch.mul), of_integers("mul", torch.mul)],
    "real_div": [
        of_floats("real_div", torch.true_divide, away_from_zero=True),
        of_integers("real_div", lambda x, y: torch.true_divide(x, y).trunc()),
    ],
    # numpy decides on the sign: towards minus infinity, and the remainder has the sign of the divisor.
    "floor_div": [of_floats("floor_div", quotient, away_from_zero=True), of_integers("floor_div", quotient)],
    "mod": [of_floats("mod", remainder, away_from_zero=True), of_integers("mod", remainder)],
    "maximum": [of_floats("maximum", torch.maximum), of_integers("maximum", torch.maximum)],
    "minimum": [of_floats("minimum", torch.minimum), of_integers("minimum", torch.minimum)],
    "pow": [of_floats("pow", torch.pow, low=0.25), of_integers("pow", torch.pow, positive=True)],
    "equal": comparison("equal", torch.eq),
    "not_equal": comparison("not_equal", torch.ne),
    "greater": comparison("greater", torch.gt),
    "greater_equal": comparison("greater_equal", torch.ge),
    "less": comparison("less", torch.lt),
    "less_equal": comparison("less_equal", torch.le),
    "logical_and": logical("logical_and", torch.logical_and),
    "logical_or": logical("logical_or", torch.logical_or),
    "logical_xor": logical("logical_xor", torch.logical_xor),
    "select": selection(),
}


@listed(CASES)
def test_against_torch(operation: str, case: Case, tmp_path: Path) -> None:
    check(operation, case, tmp_path)


def test_integers_are_divided_exactly_beyond_the_precision_of_floats() -> None:
    x, y = torch.tensor([2**31 - 1, -(2**31) + 1], dtype=torch.int32), torch.tensor([2, 2], dtype=torch.int32)
    real_div, floor_div = handler_for("real_div"), handler_for("floor_div")
    assert real_div is not None
    assert floor_div is not None
    assert real_div(x=x, y=y).tolist() == [2**30 - 1, -(2**30) + 1]
    assert floor_div(x=x, y=y).tolist() == [2**30 - 1, -(2**30)]
