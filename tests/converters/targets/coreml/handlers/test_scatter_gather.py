"""Reading and writing at indices, against numpy (whose ufunc.at adds up several updates of one value) or torch."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import coremltools as ct
import numpy as np
import pytest
import torch
from arrays import integers, listed, normal
from building import Case, check, mb, program, run, saved
from torch import Tensor

from mer_converters.targets.coreml.interpreter.handlers.scatter_gather import gather, scatter
from mer_sdk.errors import ConversionError

UPDATES: dict[str, Callable[[np.ndarray, Any, np.ndarray], None]] = {
    "add": np.add.at,
    "sub": np.subtract.at,
    "mul": np.multiply.at,
    "div": np.divide.at,
    "max": np.maximum.at,
    "min": np.minimum.at,
    "update": lambda data, index, updates: data.__setitem__(index, updates),
}


def array(tensor: Tensor) -> np.ndarray:
    return np.array(tensor.numpy())


def gathers() -> list[Case]:
    """Indices of rank 0 to 2 along every axis; batch dimensions; other index types; negative ones up to iOS 16."""
    inputs = {"x": normal(3, 4, 5), "i": integers(2, 3, low=0, high=3), "j": integers(3, 2, low=0, high=4, seed=1)}

    def plain(x: Any, i: Any, j: Any) -> Any:
        return (
            mb.gather(x=x, indices=i),
            mb.gather(x=x, indices=i, axis=1),
            mb.gather(x=x, indices=i, axis=-1, validate_indices=True),
            mb.gather(x=x, indices=np.int32(2), axis=1),
            mb.gather(x=x, indices=mb.cast(x=i, dtype="uint16"), axis=2),
            mb.gather(x=mb.cast(x=x, dtype="int32"), indices=mb.cast(x=i, dtype="int8"), axis=0),
        )

    def torch_plain(x: Tensor, i: Tensor, j: Tensor) -> tuple[Tensor, ...]:
        return x[i], x[:, i], x[:, :, i], x[:, 2], x[:, :, i], x.int()[i]

    def batched(x: Any, i: Any, j: Any) -> Any:
        return (
            mb.gather(x=x, indices=j, axis=1, batch_dims=1),
            mb.gather(x=x, indices=j, axis=2, batch_dims=1),
            mb.gather(x=x, indices=mb.gather(x=j, indices=[0, 1, 0, 0], axis=1), axis=2, batch_dims=2),
        )

    def torch_batched(x: Tensor, i: Tensor, j: Tensor) -> tuple[Tensor, ...]:
        j = j.long()
        one_each = torch.stack([x[b, range(4), j[b, [0, 1, 0, 0]]] for b in range(3)])
        return torch.stack([x[b, j[b]] for b in range(3)]), torch.stack([x[b][:, j[b]] for b in range(3)]), one_each

    def negative(x: Any, i: Any, j: Any) -> Any:
        from_end = mb.sub(x=i, y=np.int32(3))
        return mb.gather(x=x, indices=from_end, axis=0), mb.gather(x=x, indices=from_end, axis=-1)

    return [
        Case(plain, torch_plain, inputs),
        Case(batched, torch_batched, inputs, label="batch_dims"),
        Case(batched, torch_batched, inputs, opset=ct.target.iOS16, label="batch_dims iOS16"),
        Case(negative, lambda x, i, j: (x[i], x[:, :, i + 2]), inputs, opset=ct.target.iOS15, label="negative"),
    ]


def along_axis() -> Case:
    """Every axis, with more and fewer indices than entries."""
    inputs = {"x": normal(3, 4, 5), "i": integers(7, 4, 5, low=0, high=3), "j": integers(3, 4, 2, low=0, high=5)}

    def build(x: Any, i: Any, j: Any) -> Any:
        return mb.gather_along_axis(x=x, indices=i), mb.gather_along_axis(x=x, indices=j, axis=-1)

    def reference(x: Tensor, i: Tensor, j: Tensor) -> tuple[Tensor, ...]:
        return torch.take_along_dim(x, i.long(), 0), torch.take_along_dim(x, j.long(), 2)

    return Case(build, reference, inputs)


def tuples() -> list[Case]:
    """Index tuples of one, two and three entries; batch dimensions."""
    inputs = {"x": normal(3, 3, 3, 2), "i": integers(4, 2, 3, low=0, high=2), "b": integers(3, 5, 2, low=0, high=2)}

    def build(x: Any, i: Any, b: Any) -> Any:
        return (
            mb.gather_nd(x=x, indices=i),
            mb.gather_nd(x=x, indices=mb.slice_by_size(x=i, begin=[0, 0, 0], size=[-1, -1, 1])),
            mb.gather_nd(x=x, indices=b),
            mb.gather_nd(x=x, indices=b, batch_dims=1),
        )

    def reference(x: Tensor, i: Tensor, b: Tensor) -> tuple[Tensor, ...]:
        i, b = i.long(), b.long()
        return (
            x[i[..., 0], i[..., 1], i[..., 2]],
            x[i[..., 0]],
            x[b[..., 0], b[..., 1]],
            torch.stack([x[n][b[n, :, 0], b[n, :, 1]] for n in range(3)]),
        )

    def negative(x: Any, i: Any, b: Any) -> Any:
        return mb.gather_nd(x=x, indices=mb.sub(x=b, y=np.int32(3)))

    def torch_negative(x: Tensor, i: Tensor, b: Tensor) -> Tensor:
        return x[b[..., 0].long(), b[..., 1].long()]

    return [
        Case(build, reference, inputs),
        Case(negative, torch_negative, inputs, opset=ct.target.iOS15, label="negative"),
    ]


def written(mode: str, data: np.ndarray, index: Any, updates: np.ndarray) -> Tensor:
    result = data.copy()
    UPDATES[mode](result, index, updates)
    return torch.from_numpy(result)


def scatters() -> list[Case]:
    """All modes, rows and columns; every index twice except in update, whose winner nobody promises."""
    data, rows, columns = normal(4, 5, seed=1), normal(4, 5, seed=2), normal(4, 3, seed=3)
    rows, columns = (np.copysign(np.abs(v) + 0.5, v).astype(np.float32) for v in (rows, columns))
    inputs = {"data": data, "rows": rows, "columns": columns, "i": np.array([2, 0, 2, 0], np.int32)}

    def in_mode(mode: str) -> Case:
        single = np.array([3, 1, 0, 2], np.int32) if mode == "update" else None

        def build(data: Any, rows: Any, columns: Any, i: Any) -> Any:
            first = i if single is None else single
            return (
                mb.scatter(data=data, indices=first, updates=rows, axis=0, mode=mode),
                mb.scatter(data=data, indices=[4, 0, 2], updates=columns, axis=-1, mode=mode),
            )

        def reference(data: Tensor, rows: Tensor, columns: Tensor, i: Tensor) -> tuple[Tensor, ...]:
            first = array(i) if single is None else single
            return (
                written(mode, array(data), first, array(rows)),
                written(mode, array(data), (slice(None), [4, 0, 2]), array(columns)),
            )

        return Case(build, reference, inputs, label=mode)

    def default(data: Any, rows: Any, columns: Any, i: Any) -> Any:
        return mb.scatter(data=data, indices=i, updates=rows)

    def negative(data: Any, rows: Any, columns: Any, i: Any) -> Any:
        return mb.scatter(data=data, indices=mb.sub(x=i, y=np.int32(4)), updates=rows)

    def added(data: Tensor, rows: Tensor, columns: Tensor, i: Tensor) -> Tensor:
        return written("add", array(data), array(i), array(rows))

    return [
        *(in_mode(mode) for mode in UPDATES),
        Case(default, added, inputs, label="default"),
        Case(negative, added, inputs, opset=ct.target.iOS16, label="negative"),
        Case(
            lambda n: mb.scatter(data=n, indices=np.array([1, 1, 0], np.int32), updates=[2, 3, -4], mode="div"),
            lambda n: torch.stack([(n[0] / -4).trunc(), (n[1] / 2 / 3).trunc(), n[2]]).int(),
            {"n": np.array([-9, 100, 7], np.int32)},
            label="int32",
        ),
    ]


def scatters_along_axis() -> list[Case]:
    """All modes along both axes."""
    data, updates = normal(4, 5, seed=1), normal(2, 5, seed=2)
    updates = np.copysign(np.abs(updates) + 0.5, updates).astype(np.float32)
    places = np.array([[0, 1, 2, 3, 0], [1, 2, 3, 0, 1]], np.int32)
    inputs = {"data": data, "updates": updates, "i": places}

    def in_mode(mode: str) -> Case:
        # Every place once in update; in the other modes the second row hits what the first did.
        def rows(i: Any) -> Any:
            return i if mode == "update" else mb.mul(x=i, y=np.int32(0))

        def build(data: Any, updates: Any, i: Any) -> Any:
            turned = mb.transpose(x=data, perm=[1, 0])
            return (
                mb.scatter_along_axis(data=data, indices=rows(i), updates=updates, mode=mode),
                mb.scatter_along_axis(
                    data=turned,
                    indices=mb.transpose(x=rows(i), perm=[1, 0]),
                    updates=mb.transpose(x=updates, perm=[1, 0]),
                    axis=-1,
                    mode=mode,
                    validate_indices=True,
                ),
            )

        def reference(data: Tensor, updates: Tensor, i: Tensor) -> tuple[Tensor, ...]:
            first = array(i) if mode == "update" else array(i) * 0
            result = written(mode, array(data), (first, np.arange(5)), array(updates))
            return result, result.T

        return Case(build, reference, inputs, label=mode)

    return [in_mode(mode) for mode in UPDATES]


def scatters_nd() -> list[Case]:
    """All modes, with tuples for single entries and for slices."""
    data, entries, slices = normal(3, 4, 2, seed=1), normal(4, seed=2), normal(2, 2, 2, seed=3)
    entries, slices = (np.copysign(np.abs(v) + 0.5, v).astype(np.float32) for v in (entries, slices))
    inputs = {
        "data": data,
        "entries": entries,
        "slices": slices,
        "i": np.array([[0, 0, 1], [2, 3, 0], [1, 1, 1], [0, 2, 0]], np.int32),
        "j": np.array([[[0, 1], [2, 2]], [[1, 0], [0, 3]]], np.int32),
    }

    def in_mode(mode: str, twice: bool = False) -> Case:
        def build(data: Any, entries: Any, slices: Any, i: Any, j: Any) -> Any:
            pairs = mb.mul(x=j, y=np.int32(0)) if twice else j
            return (
                mb.scatter_nd(data=data, indices=i, updates=entries, mode=mode),
                mb.scatter_nd(data=data, indices=pairs, updates=slices, mode=mode),
            )

        def reference(data: Tensor, entries: Tensor, slices: Tensor, i: Tensor, j: Tensor) -> tuple[Tensor, ...]:
            pairs = array(j) * 0 if twice else array(j)
            return (
                written(mode, array(data), tuple(array(i).T), array(entries)),
                written(mode, array(data), (pairs[..., 0], pairs[..., 1]), array(slices)),
            )

        return Case(build, reference, inputs, label=mode + " of one place" * twice)

    return [*(in_mode(mode) for mode in UPDATES), in_mode("add", twice=True), in_mode("max", twice=True)]


CASES: dict[str, list[Case]] = {
    "gather": gathers(),
    "gather_along_axis": [along_axis()],
    "gather_nd": tuples(),
    "scatter": scatters(),
    "scatter_along_axis": scatters_along_axis(),
    "scatter_nd": scatters_nd(),
}


@listed(CASES)
def test_against_numpy_and_torch(operation: str, case: Case, tmp_path: Path) -> None:
    check(operation, case, tmp_path)


@pytest.mark.parametrize(
    ("build", "opset", "message"),
    [
        (
            lambda x, i: mb.gather(x=x, indices=i),
            ct.target.iOS17,
            r"gather \('gather_0'\) .* index -1 is out of bounds: allowed are 0 to 2",
        ),
        (lambda x, i: mb.gather(x=x, indices=i, validate_indices=True), ct.target.iOS18, "index -1 is out of bounds"),
        (lambda x, i: mb.gather(x=x, indices=mb.mul(x=i, y=np.int32(4))), ct.target.iOS15, "index -4 .* -3 to 2"),
        (lambda x, i: mb.gather_along_axis(x=x, indices=mb.expand_dims(x=i, axes=[1])), ct.target.iOS17, "index -1"),
        (lambda x, i: mb.gather_nd(x=x, indices=mb.expand_dims(x=i, axes=[1])), ct.target.iOS17, "index -1"),
        (lambda x, i: mb.scatter(data=x, indices=i, updates=x, validate_indices=True), ct.target.iOS17, "index -1"),
        (
            lambda x, i: mb.scatter_along_axis(data=x, indices=mb.expand_dims(x=i, axes=[1]), updates=x),
            ct.target.iOS17,
            "index -1",
        ),
        (
            lambda x, i: mb.scatter_nd(data=x, indices=mb.expand_dims(x=i, axes=[1]), updates=x),
            ct.target.iOS18,
            "index -1",
        ),
    ],
)
def test_indices_out_of_bounds_are_refused(build: Callable[..., Any], opset: Any, message: str, tmp_path: Path) -> None:
    inputs = {"x": normal(3, 1), "i": np.array([0, 2, -1], np.int32)}
    path = saved(program(build, inputs, opset), tmp_path, opset=opset)
    with pytest.raises(ConversionError, match=message):
        run(path, inputs)


def test_no_indices_give_nothing() -> None:
    x, none = torch.from_numpy(normal(3, 2)), torch.zeros(0, dtype=torch.int32)
    assert gather(x, none).shape == (0, 2)
    assert torch.equal(scatter(x, none, torch.zeros(0, 2)), x)


def test_unknown_mode_is_refused() -> None:
    x = torch.ones(2)
    with pytest.raises(ConversionError, match="scatter has the mode 'average'; allowed: update, add"):
        scatter(x, torch.zeros(2, dtype=torch.int32), x, mode="average")
