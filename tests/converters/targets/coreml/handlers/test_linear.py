"""Matrix products against torch."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from arrays import integers, listed, normal
from building import Case, check
from coremltools.converters.mil.mil import Builder as mb  # noqa: N813
from torch.nn import functional


def layer(*shape: int) -> Case:
    """A fully connected layer, with and without a bias."""
    weight, bias = normal(5, shape[-1], seed=1), normal(5, seed=2)

    def build(x: Any) -> Any:
        return mb.linear(x=x, weight=weight), mb.linear(x=x, weight=weight, bias=bias)

    def reference(x: torch.Tensor) -> Any:
        w = torch.from_numpy(weight)
        return functional.linear(x, w), functional.linear(x, w, torch.from_numpy(bias))

    return Case(build, reference, {"x": normal(*shape)}, label=f"rank {len(shape)}")


def whole_numbers() -> Case:
    """int32 throughout, with sums that float32 would round."""
    weight, bias = integers(4, 6, low=-40_000, high=40_000, seed=1), integers(4, seed=2)

    def build(x: Any) -> Any:
        return mb.linear(x=x, weight=weight, bias=bias), mb.matmul(x=x, y=weight, transpose_y=True)

    def reference(x: torch.Tensor) -> Any:
        product = (x.long() @ torch.from_numpy(weight).long().T).int()
        return product + torch.from_numpy(bias), product

    inputs = {"x": integers(3, 6, low=-5_000, high=5_000)}
    return Case(build, reference, inputs, fp32=0.0, fp16=None, label="int32")


def product(x_shape: tuple[int, ...], y_shape: tuple[int, ...]) -> Case:
    """The product as it is, and of factors stored transposed."""

    def swapped(array: np.ndarray) -> np.ndarray:
        return np.ascontiguousarray(np.swapaxes(array, -1, -2))

    x, y = normal(*x_shape), normal(*y_shape, seed=1)
    inputs = {"x": x, "y": y, "y_t": swapped(y)}
    if x.ndim > 1:
        inputs["x_t"] = swapped(x)

    def build(x: Any, y: Any, y_t: Any, x_t: Any = None) -> Any:
        made = [mb.matmul(x=x, y=y), mb.matmul(x=x, y=y_t, transpose_y=True)]
        if x_t is not None:
            made += [
                mb.matmul(x=x_t, y=y, transpose_x=True),
                mb.matmul(x=x_t, y=y_t, transpose_x=True, transpose_y=True),
            ]
        return tuple(made)

    def reference(x: torch.Tensor, y: torch.Tensor, **transposed: torch.Tensor) -> Any:
        return (torch.matmul(x, y),) * (2 * len(transposed))

    return Case(build, reference, inputs, label=f"{len(x_shape)} by {len(y_shape)}")


CASES: dict[str, list[Case]] = {
    "linear": [layer(7), layer(3, 7), layer(2, 3, 7), whole_numbers()],
    "matmul": [
        product((4, 6), (6, 3)),
        # coremltools declares a wrong shape for a vector times a batch, and refuses a vector on the right.
        product((6,), (6, 3)),
        product((5, 4, 6), (6, 3)),
        product((2, 1, 4, 6), (5, 6, 3)),
        whole_numbers(),
    ],
}


@listed(CASES)
def test_against_torch(operation: str, case: Case, tmp_path: Path) -> None:
    check(operation, case, tmp_path)
