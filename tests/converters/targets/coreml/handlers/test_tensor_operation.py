"""Joining, filling, sorting, padding and einsum against torch, or numpy where torch has no such function."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import coremltools as ct
import numpy as np
import pytest
import torch
from arrays import integers, listed, normal
from building import Case, check, mb
from torch import Tensor
from torch.nn import functional as F

from mer_converters.targets.coreml.interpreter.handlers.tensor_operation import pad, split, topk
from mer_sdk.errors import ConversionError

IMAGE = {"x": normal(2, 3, 4, 5)}


def joining() -> dict[str, list[Case]]:
    """concat, stack and split along several axes, unequal parts, interleaved, of integers and of scalars."""
    inputs = {"x": normal(2, 3, 4), "y": normal(2, 3, 4, seed=1), "z": normal(2, 1, 4, seed=2), "n": integers(2, 3)}

    def concat(x: Any, y: Any, z: Any, n: Any) -> Any:
        top = [mb.reduce_max(x=v) for v in (x, y, z)]
        return (
            mb.concat(values=[x, y], axis=0),
            mb.concat(values=[x, z, y], axis=-2),
            mb.concat(values=[x, y], axis=2, interleave=True),
            mb.concat(values=[x, y, x], axis=-3, interleave=True),
            mb.concat(values=[n, n], axis=1),
            mb.concat(values=top, axis=0),
        )

    def torch_concat(x: Tensor, y: Tensor, z: Tensor, n: Tensor) -> tuple[Tensor, ...]:
        return (
            torch.cat([x, y]),
            torch.cat([x, z, y], 1),
            torch.stack([x, y], 3).reshape(2, 3, 8),
            torch.stack([x[0], y[0], x[0], x[1], y[1], x[1]]),
            torch.cat([n, n], 1),
            torch.stack([x.max(), y.max(), z.max()]),
        )

    def stack(x: Any, y: Any, z: Any, n: Any) -> Any:
        return (
            mb.stack(values=[x, y], axis=0),
            mb.stack(values=[x, y, x], axis=2),
            mb.stack(values=[x, y], axis=-1),
            mb.stack(values=[n, n], axis=1),
        )

    def torch_stack(x: Tensor, y: Tensor, z: Tensor, n: Tensor) -> tuple[Tensor, ...]:
        return torch.stack([x, y]), torch.stack([x, y, x], 2), torch.stack([x, y], -1), torch.stack([n, n], 1)

    def parts(x: Any, y: Any, z: Any, n: Any) -> Any:
        return (
            *mb.split(x=x, num_splits=3, axis=1),
            *mb.split(x=x, split_sizes=[1, 3], axis=-1),
            *mb.split(x=n, num_splits=2, split_sizes=[2, 1], axis=1),
        )

    def torch_parts(x: Tensor, y: Tensor, z: Tensor, n: Tensor) -> tuple[Tensor, ...]:
        return *x.chunk(3, 1), x[..., :1], x[..., 1:], n[:, :2], n[:, 2:]

    return {
        "concat": [Case(concat, torch_concat, inputs)],
        "stack": [Case(stack, torch_stack, inputs)],
        "split": [Case(parts, torch_parts, inputs)],
    }


def filling() -> dict[str, list[Case]]:
    """fill and range with shapes and limits that the program computes, fill_like, tile, one_hot."""
    inputs = {"x": normal(2, 3), "s": np.array([3, 1, 2], np.int32)}

    def fill(x: Any, s: Any) -> Any:
        return mb.fill(shape=s, value=1.5), mb.fill(shape=s), mb.fill(shape=s, value=np.int32(4)), x

    def torch_fill(x: Tensor, s: Tensor) -> tuple[Tensor, ...]:
        shape = s.tolist()
        return torch.full(shape, 1.5), torch.zeros(shape), torch.full(shape, 4, dtype=torch.int32), x

    def like(x: Any, s: Any) -> Any:
        same = mb.fill_like(ref_tensor=x, value=-2.0), mb.fill_like(ref_tensor=s, value=np.int32(7))
        return (*same, mb.add(x=mb.fill_like(ref_tensor=x), y=x))

    def torch_like(x: Tensor, s: Tensor) -> tuple[Tensor, ...]:
        return torch.full_like(x, -2.0), torch.full_like(s, 7), x

    def ranges(x: Any, s: Any) -> Any:
        last = mb.squeeze(x=mb.slice_by_size(x=s, begin=[0], size=[1]), axes=[0])  # 3
        end = mb.cast(x=last, dtype="fp32")
        return (
            mb.range_1d(start=np.int32(-2), end=last, step=np.int32(2)),
            mb.range_1d(start=last, end=np.int32(-4), step=np.int32(-3)),
            mb.range_1d(start=np.float32(0.0), end=end, step=np.float32(0.75)),
            mb.range_1d(start=end, end=np.float32(1.0), step=np.float32(1.0)),
        )

    def numpy_ranges(x: Tensor, s: Tensor) -> tuple[Tensor, ...]:
        first, second = np.arange(-2, 3, 2), np.arange(3, -4, -3)
        third, fourth = np.arange(0, 3, 0.75), np.arange(3, 1, 1.0)
        return tuple(torch.from_numpy(v) for v in (first, second, third, fourth))

    def tile(x: Any, s: Any) -> Any:
        return (
            mb.tile(x=x, reps=[2, 3]),
            mb.tile(x=s, reps=[4]),
            mb.tile(x=x, reps=mb.slice_by_size(x=s, begin=[0], size=[2])),
        )

    def one_hot(n: Any) -> Any:
        return (
            mb.one_hot(indices=n, one_hot_vector_size=4),
            mb.one_hot(indices=n, one_hot_vector_size=5, axis=0, on_value=2.5, off_value=-1.0),
            mb.one_hot(indices=n, one_hot_vector_size=4, axis=1),
            mb.one_hot(indices=n, one_hot_vector_size=4, axis=-2, on_value=np.int32(3), off_value=np.int32(1)),
            mb.one_hot(indices=n, one_hot_vector_size=2),
        )

    def torch_one_hot(n: Tensor) -> tuple[Tensor, ...]:
        four, five = F.one_hot(n.long(), 4), F.one_hot(n.long(), 5)
        # An index beyond the vector sets nothing, which torch does not allow.
        return (
            four,
            five.movedim(-1, 0) * 3.5 - 1,
            four.movedim(-1, 1),
            four.movedim(-1, -2) * 2 + 1,
            four[..., :2],
        )

    return {
        "fill": [Case(fill, torch_fill, inputs)],
        "fill_like": [Case(like, torch_like, inputs)],
        "range_1d": [Case(ranges, numpy_ranges, inputs)],
        "tile": [Case(tile, lambda x, s: (x.repeat(2, 3), s.repeat(4), x.repeat(3, 1)), inputs)],
        "one_hot": [Case(one_hot, torch_one_hot, {"n": integers(3, 2, low=0, high=4)})],
    }


def shapes() -> dict[str, list[Case]]:
    """identity, shape and flatten2d."""

    def flatten(x: Any) -> Any:
        return mb.flatten2d(x=x), mb.flatten2d(x=x, axis=3), mb.flatten2d(x=x, axis=-2), mb.flatten2d(x=x, axis=0)

    def torch_flatten(x: Tensor) -> tuple[Tensor, ...]:
        return x.reshape(2, 60), x.reshape(24, 5), x.reshape(6, 20), x.reshape(1, 120)

    def shape(x: Any, n: Any) -> Any:
        found = mb.non_zero(x=n)  # its first axis is known at the run alone
        return mb.shape(x=found), mb.shape(x=x)

    counted = {"x": normal(2, 3), "n": integers(4, 5, low=-1, high=2)}
    return {
        "identity": [Case(lambda x, n: (mb.identity(x=x), mb.identity(x=n)), lambda x, n: (x, n), counted)],
        "shape": [Case(shape, lambda x, n: (torch.tensor([n.count_nonzero(), 2]), torch.tensor([2, 3])), counted)],
        "non_zero": [
            Case(lambda x, n: (mb.non_zero(x=n), mb.non_zero(x=x)), lambda x, n: (n.nonzero(), x.nonzero()), counted),
        ],
        "flatten2d": [Case(flatten, torch_flatten, IMAGE)],
    }


def bands_and_sums() -> dict[str, list[Case]]:
    """band_part in all directions, cumsum forwards, backwards and without the entry itself."""

    def band(x: Any) -> Any:
        return (
            mb.band_part(x=x, lower=0, upper=-1),
            mb.band_part(x=x, lower=-1, upper=0),
            mb.band_part(x=x, lower=1, upper=2),
            mb.band_part(x=x, lower=2, upper=0),
            mb.band_part(x=x),
            mb.band_part(x=mb.cast(x=x, dtype="int32"), lower=-1, upper=1),
        )

    def torch_band(x: Tensor) -> tuple[Tensor, ...]:
        limited = torch.triu(torch.tril(x, 2), -1), torch.triu(torch.tril(x), -2)
        return torch.triu(x), torch.tril(x), *limited, x, torch.tril(x.int(), 1)

    def cumsum(x: Any, n: Any) -> Any:
        return (
            mb.cumsum(x=x),
            mb.cumsum(x=x, axis=2),
            mb.cumsum(x=x, axis=-1, exclusive=True),
            mb.cumsum(x=x, axis=1, reverse=True),
            mb.cumsum(x=x, axis=1, reverse=True, exclusive=True),
            mb.cumsum(x=n, axis=1),
        )

    def torch_cumsum(x: Tensor, n: Tensor) -> tuple[Tensor, ...]:
        backwards = x.flip(1).cumsum(1).flip(1)
        return x.cumsum(0), x.cumsum(2), x.cumsum(2) - x, backwards, backwards - x, n.cumsum(1)

    return {
        "band_part": [Case(band, torch_band, {"x": normal(2, 4, 6, scale=3)})],
        "cumsum": [Case(cumsum, torch_cumsum, {"x": normal(3, 4, 5), "n": integers(2, 6)})],
    }


def without_ties(*shape: int) -> np.ndarray:
    """Whole numbers that are all different along the last axis."""
    rows = np.tile(np.arange(shape[-1], dtype=np.int32), (*shape[:-1], 1))
    return np.random.default_rng(0).permuted(rows, axis=-1)


def sorting() -> dict[str, list[Case]]:
    """argsort and topk, both ways, along several axes, with the options of every operation set."""
    inputs = {"x": normal(3, 4, 6), "n": without_ties(4, 7)}

    def argsort(x: Any, n: Any) -> Any:
        return mb.argsort(x=x), mb.argsort(x=x, axis=1, ascending=True), mb.argsort(x=n, axis=-1)

    def torch_argsort(x: Tensor, n: Tensor) -> tuple[Tensor, ...]:
        return x.argsort(descending=True), x.argsort(1), n.argsort(descending=True)

    def topk(x: Any, n: Any) -> Any:
        return (
            *mb.topk(x=x),
            *mb.topk(x=x, k=3, axis=2),
            *mb.topk(x=x, k=2, axis=-2, ascending=True),
            *mb.topk(x=n, k=4, axis=1),
        )

    def torch_topk(x: Tensor, n: Tensor) -> tuple[Tensor, ...]:
        return *x.topk(1), *x.topk(3), *x.topk(2, 1, largest=False), *n.topk(4)

    def later(x: Any, n: Any) -> Any:
        values, indices = mb.topk(x=x, k=3, output_indices_dtype="uint16")
        small, _ = mb.topk(x=mb.cast(x=n, dtype="uint8"), k=2)
        only = mb.topk(x=x, k=2, axis=0, return_indices=False)
        only = only[0] if isinstance(only, (tuple, list)) else only
        everything, _ = mb.topk(x=x, k=6, sort=True)
        return values, mb.cast(x=indices, dtype="int32"), mb.cast(x=small, dtype="int32"), only, everything

    def torch_later(x: Tensor, n: Tensor) -> tuple[Tensor, ...]:
        return *x.topk(3), n.topk(2)[0], x.topk(2, 0)[0], x.sort(descending=True)[0]

    return {
        "argsort": [Case(argsort, torch_argsort, inputs)],
        "topk": [
            Case(topk, torch_topk, inputs),
            Case(topk, torch_topk, inputs, opset=ct.target.iOS15, label="iOS15"),
            Case(later, torch_later, inputs, label="iOS17's options"),
        ],
    }


def padding() -> list[Case]:
    """All modes over one to four axes; counts that the program computes."""

    def build(x: Any) -> Any:
        return (
            mb.pad(x=x, pad=[1, 2]),
            mb.pad(x=x, pad=[1, 0, 0, 3], constant_val=-1.5),
            mb.pad(x=x, pad=[1, 2, 0, 1, 2, 0, 3, 1], mode="constant", constant_val=2.0),
            mb.pad(x=x, pad=[3, 2, 1, 4], mode="reflect"),
            mb.pad(x=x, pad=[2, 0], mode="reflect"),
            mb.pad(x=x, pad=[3, 2, 4, 1], mode="replicate"),
            mb.pad(x=x, pad=[1, 1, 0, 2, 0, 0, 1, 0], mode="replicate"),
        )

    def reference(x: Tensor) -> tuple[Tensor, ...]:
        everywhere = np.pad(x.numpy(), [(1, 1), (0, 2), (0, 0), (1, 0)], "edge")  # torch pads at most three axes so
        return (
            F.pad(x, (1, 2)),
            F.pad(x, (0, 3, 1, 0), value=-1.5),
            F.pad(x, (3, 1, 2, 0, 0, 1, 1, 2), value=2.0),
            F.pad(x, (1, 4, 3, 2), mode="reflect"),
            F.pad(x, (2, 0, 0, 0), mode="reflect"),
            F.pad(x, (4, 1, 3, 2), mode="replicate"),
            torch.from_numpy(everywhere),
        )

    def dynamic(x: Any, counts: Any) -> Any:
        return mb.pad(x=x, pad=counts, constant_val=1.0), mb.pad(x=x, pad=counts, mode="reflect")

    def torch_dynamic(x: Tensor, counts: Tensor) -> tuple[Tensor, ...]:
        return F.pad(x, (2, 1, 0, 1), value=1.0), F.pad(x[None], (2, 1, 0, 1), mode="reflect")[0]

    counts = {"x": normal(3, 4), "counts": np.array([0, 1, 2, 1], np.int32)}
    return [Case(build, reference, IMAGE), Case(dynamic, torch_dynamic, counts, label="dynamic")]


def products() -> Case:
    """Both equations that Core ML has, with axes that broadcast."""
    inputs = {"x": normal(2, 3, 4, 5), "y": normal(2, 5, 4, 6, seed=1), "z": normal(1, 5, 1, 6, seed=2)}
    four, three = "nchw,nwhu->nchu", "chw,whr->chr"

    def build(x: Any, y: Any, z: Any) -> Any:
        left, right = (
            mb.squeeze(x=mb.slice_by_size(x=v, begin=[0] * 4, size=[1, -1, -1, -1]), axes=[0]) for v in (x, y)
        )
        return (
            mb.einsum(values=[x, y], equation=four),
            mb.einsum(values=[x, z], equation=four),
            mb.einsum(values=[left, right], equation=three),
        )

    def reference(x: Tensor, y: Tensor, z: Tensor) -> tuple[Tensor, ...]:
        def multiplied(a: Tensor, b: Tensor) -> Tensor:
            return (a.transpose(1, 2) @ b.transpose(1, 2)).transpose(1, 2)

        return multiplied(x, y), multiplied(x, z), multiplied(x[:1], y[:1])[0]

    return Case(build, reference, inputs)


CASES: dict[str, list[Case]] = {
    **joining(),
    **filling(),
    **shapes(),
    **bands_and_sums(),
    **sorting(),
    "pad": padding(),
    "einsum": [products()],
}


@listed(CASES)
def test_against_reference(operation: str, case: Case, tmp_path: Path) -> None:
    check(operation, case, tmp_path)


def test_topk_of_all_and_of_equal_values_keeps_the_order() -> None:
    x = torch.tensor([1.0, 3.0, 1.0, 3.0])
    values, indices = topk(x, k=torch.tensor(-1))
    assert values.tolist() == [3.0, 3.0, 1.0, 1.0]
    assert indices.tolist() == [1, 3, 0, 2]


def test_split_without_sizes_is_refused() -> None:
    with pytest.raises(ConversionError, match="split has neither num_splits nor split_sizes"):
        split(torch.ones(4), axis=torch.tensor(0))


def test_unknown_mode_of_pad_is_refused() -> None:
    with pytest.raises(ConversionError, match="pad has the mode 'circular'; allowed: constant, reflect, replicate"):
        pad(torch.ones(4), torch.tensor([1, 1]), mode="circular")
