"""Slices, read and written, and windows, against numpy's indexing."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import coremltools as ct
import numpy as np
import torch
from arrays import listed, normal
from building import Case, check, mb
from torch import Tensor

Part = tuple[slice | int, ...]

# begin, end, stride, begin_mask, end_mask, squeeze_mask (None: left out) of slices of (5, 6, 7), and numpy's index.
SLICES: list[tuple[list[int], list[int], Any, Any, Any, Any, Part]] = [
    ([1, 1, 1], [2, 3, 6], None, None, None, None, np.s_[1:2, 1:3, 1:6]),
    ([1, 0, 1], [5, 6, 6], [1, 3, 2], None, None, None, np.s_[1:5, 0:6:3, 1:6:2]),
    ([-3, -4, -5], [-1, -1, -2], None, None, None, None, np.s_[-3:-1, -4:-1, -5:-2]),
    ([0, 0, -3], [-1, -2, 7], None, None, None, None, np.s_[0:-1, 0:-2, -3:7]),
    ([-1, -1, -1], [0, 1, -5], [-2, -1, -3], None, None, None, np.s_[-1:0:-2, -1:1:-1, -1:-5:-3]),
    ([3, 4, 6], [1, 0, 2], [-1, -2, -1], None, None, None, np.s_[3:1:-1, 4:0:-2, 6:2:-1]),
    ([1, 1, 1], [2, 3, 4], [1, 1, 2], [True, False, True], None, None, np.s_[:2, 1:3, :4:2]),
    ([1, 1, 1], [2, 3, 4], [1, 1, 2], [True, False, True], [True, True, False], None, np.s_[:, 1:, :4:2]),
    ([0, 0, 0], [0, 0, 0], [-1, -2, 1], [True] * 3, [True] * 3, None, np.s_[::-1, ::-2, :]),
    ([3, 0, 0], [0, 2, 0], [-1, -1, -3], [False, True, True], [True, False, True], None, np.s_[3::-1, :2:-1, ::-3]),
    ([1, 1, 1], [2, 3, 3], [1, 1, 2], None, [True, False, False], [False, True, False], np.s_[1:, 1, 1:3:2]),
    ([-1, 2, 0], [0, 0, 0], None, [False, False, True], [False, False, True], [True, True, False], np.s_[-1, 2, :]),
    ([4, -6, 3], [0, 0, 0], None, None, None, [True, True, True], np.s_[4, -6, 3]),
    ([2, 0, 0], [3, 100, 7], None, None, None, None, np.s_[2:3, 0:100, 0:7]),
    ([2, 4, 0], [2, 6, 7], None, None, None, None, np.s_[2:2, 4:6, 0:7]),
]  # fmt: skip


def options(entry: tuple[Any, ...]) -> dict[str, Any]:
    """The inputs of a slice that are there."""
    names = ("begin", "end", "stride", "begin_mask", "end_mask", "squeeze_mask")
    return {name: value for name, value in zip(names, entry, strict=False) if value is not None}


def slices() -> list[Case]:
    """All of SLICES; of integers and bool; with begin and end that the program computes."""
    inputs = {"x": normal(5, 6, 7)}

    def build(x: Any) -> Any:
        return [mb.slice_by_index(x=x, **options(entry)) for entry in SLICES]

    def reference(x: Tensor) -> tuple[Tensor, ...]:
        return tuple(torch.from_numpy(np.array(x.numpy()[entry[-1]])) for entry in SLICES)

    def dynamic(x: Any, b: Any, e: Any) -> Any:
        whole, true = mb.cast(x=x, dtype="int32"), mb.greater(x=x, y=0.0)
        return (
            mb.slice_by_index(x=x, begin=b, end=e),
            mb.slice_by_index(x=x, begin=b, end=e, stride=[1, 2, 3]),
            mb.slice_by_index(x=x, begin=b, end=e, end_mask=[True, False, True], squeeze_mask=[False, True, False]),
            mb.slice_by_index(x=whole, begin=mb.cast(x=b, dtype="int16"), end=mb.cast(x=e, dtype="int16")),
            mb.cast(x=mb.slice_by_index(x=true, begin=b, end=e), dtype="int32"),
        )

    def torch_dynamic(x: Tensor, b: Tensor, e: Tensor) -> tuple[Tensor, ...]:
        part = x[1:3, 2:5, 1:6]
        return part, x[1:3, 2:5:2, 1:6:3], x[1:, 2, 1:], part.int(), (part > 0).int()

    limits = {"b": np.array([1, 2, -6], np.int32), "e": np.array([3, -1, 6], np.int32)}
    return [
        Case(build, reference, inputs),
        Case(build, reference, inputs, opset=ct.target.iOS15, label="iOS15"),
        Case(dynamic, torch_dynamic, {**inputs, **limits}, label="dynamic"),
    ]


def updates() -> list[Case]:
    """All of SLICES but the empty one and the scalar, which the operation set leaves out, written instead of read."""
    inputs = {"x": normal(5, 6, 7), "u": normal(5, 6, 7, seed=1)}
    there = [entry for entry in SLICES if entry[-1] not in (np.s_[4, -6, 3], np.s_[2:2, 4:6, 0:7])]

    def build(x: Any, u: Any) -> Any:
        return [
            mb.slice_update(x=x, update=mb.slice_by_index(x=u, **options(entry)), **options(entry)) for entry in there
        ]

    def reference(x: Tensor, u: Tensor) -> tuple[Tensor, ...]:
        results = []
        for entry in there:
            result = x.numpy().copy()
            result[entry[-1]] = u.numpy()[entry[-1]]
            results.append(torch.from_numpy(result))
        return tuple(results)

    def shifted(x: Any, u: Any) -> Any:
        # Written to another place than it was read from, and backwards.
        part = mb.slice_by_index(x=u, begin=[0, 0, 0], end=[1, 6, 3], squeeze_mask=[True, False, False])
        return mb.slice_update(
            x=x, update=part, begin=[2, 5, 6], end=[0, 0, 3], stride=[1, -1, -1],
            end_mask=[False, True, False], squeeze_mask=[True, False, False],
        )  # fmt: skip

    def torch_shifted(x: Tensor, u: Tensor) -> Tensor:
        result = x.clone()
        result[2, :, 4:] = u[0, :, :3].flip(0, 1)
        return result

    return [
        Case(build, reference, inputs, opset=ct.target.iOS18),
        Case(shifted, torch_shifted, inputs, opset=ct.target.iOS18, label="backwards"),
    ]


def sizes_and_windows() -> dict[str, list[Case]]:
    """slice_by_size and sliding_windows."""
    begin = {"x": normal(2, 3, 4), "b": np.array([1, 0, 2], np.int32)}

    def by_size(x: Any, b: Any) -> Any:
        return (
            mb.slice_by_size(x=x, begin=[0, 1, 1], size=[2, 2, 3]),
            mb.slice_by_size(x=x, begin=[1, -2, 0], size=[-1, 2, 2]),
            mb.slice_by_size(x=x, begin=b, size=[1, 3, 2]),
            mb.slice_by_size(x=x, begin=b, size=mb.sub(x=[2, 2, 4], y=b)),
        )

    def torch_by_size(x: Tensor, b: Tensor) -> tuple[Tensor, ...]:
        return x[:, 1:3, 1:4], x[1:, -2:, :2], x[1:2, :, 2:], x[1:2, :2, 2:]

    def windows(x: Any) -> Any:
        return (
            mb.sliding_windows(x=x, axis=1, size=3),
            mb.sliding_windows(x=x, axis=-1, size=2, stride=2),
            mb.sliding_windows(x=mb.cast(x=x, dtype="int32"), axis=0, size=2, stride=3),
        )

    def torch_windows(x: Tensor) -> tuple[Tensor, ...]:
        return (
            torch.stack([x[:, i : i + 3] for i in range(4)], 1),
            torch.stack([x[..., i : i + 2] for i in (0, 2)], 2),
            x.int()[None, :2],
        )

    return {
        "slice_by_size": [Case(by_size, torch_by_size, begin)],
        "sliding_windows": [Case(windows, torch_windows, {"x": normal(3, 6, 5)})],
    }


CASES: dict[str, list[Case]] = {
    "slice_by_index": slices(),
    "slice_update": updates(),
    **sizes_and_windows(),
}


@listed(CASES)
def test_against_numpy(operation: str, case: Case, tmp_path: Path) -> None:
    check(operation, case, tmp_path)
