"""Joining, splitting, filling, sorting and padding of tensors; einsum."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from mer_converters.targets.coreml.interpreter.handlers.registry import flag, handler, ints
from mer_sdk.errors import ConversionError


def _number(value: Tensor | None, default: int) -> int:
    return default if value is None else int(value)


def _is_set(value: Tensor | None, default: bool = False) -> bool:
    return default if value is None else flag(value)


@handler("identity")
def identity(x: Any) -> Any:
    """The same value: a tensor or a list."""
    return x


@handler("shape")
def shape(x: Tensor) -> Tensor:
    """Sizes of the axes, int32."""
    return torch.tensor(x.shape, dtype=torch.int32)


@handler("concat")
def concat(values: list[Tensor], axis: Tensor, interleave: Tensor | None = None) -> Tensor:
    """Tensors one after another along an axis, or with `interleave` an entry of each in turn; scalars make a vector."""
    dim = int(axis)
    if values[0].dim() == 0:
        return torch.stack(values)
    if not _is_set(interleave):
        return torch.cat(values, dim)
    dim %= values[0].dim()
    return torch.stack(values, dim + 1).flatten(dim, dim + 1)


@handler("stack")
def stack(values: list[Tensor], axis: Tensor) -> Tensor:
    """Tensors along a new axis."""
    return torch.stack(values, int(axis))


@handler("split")
def split(
    x: Tensor, axis: Tensor, num_splits: Tensor | None = None, split_sizes: Tensor | None = None
) -> tuple[Tensor, ...]:
    """Parts of x along an axis, of the given sizes or, without sizes, all equal.

    Raises:
        ConversionError: neither sizes nor a number of parts.
    """
    dim = int(axis)
    if split_sizes is not None:
        return torch.split(x, ints(split_sizes), dim)
    if num_splits is None:
        raise ConversionError("split has neither num_splits nor split_sizes; it needs one of them")
    return torch.split(x, x.shape[dim] // int(num_splits), dim)


@handler("fill")
def fill(shape: Tensor, value: Tensor | None = None) -> Tensor:
    """A tensor of one value, 0.0 unless given."""
    return (torch.tensor(0.0) if value is None else value).reshape(()).expand(ints(shape)).clone()


@handler("fill_like")
def fill_like(ref_tensor: Tensor, value: Tensor | None = None) -> Tensor:
    """A tensor of one value, 0.0 unless given, in the shape of another."""
    return (torch.tensor(0.0) if value is None else value).reshape(()).expand(ref_tensor.shape).clone()


@handler("range_1d")
def range_1d(start: Tensor, end: Tensor, step: Tensor) -> Tensor:
    """start, start + step, ... before `end`; as numpy.arange."""
    # In float64, so that the number of entries does not hang on float32's rounding of the quotient.
    count = max(0, math.ceil((end.item() - start.item()) / step.item()))
    return (start.item() + step.item() * torch.arange(count, dtype=torch.float64)).to(start.dtype)


@handler("tile")
def tile(x: Tensor, reps: Tensor) -> Tensor:
    """x repeated along every axis."""
    return x.repeat(ints(reps))


@handler("flatten2d")
def flatten2d(x: Tensor, axis: Tensor | None = None) -> Tensor:
    """A matrix: axes before `axis` (1 unless given) are rows, the others columns."""
    dim = _number(axis, 1)
    return x.reshape(math.prod(x.shape[:dim]), math.prod(x.shape[dim:]))


@handler("band_part")
def band_part(x: Tensor, lower: Tensor | None = None, upper: Tensor | None = None) -> Tensor:
    """Matrices (..., rows, columns) with zeros off a band of `lower` diagonals below and `upper` above the main one.

    Below zero, as when left out, a number means all of them.
    """
    below, above = _number(lower, -1), _number(upper, -1)
    offset = torch.arange(x.shape[-1]) - torch.arange(x.shape[-2]).unsqueeze(-1)
    keep = torch.ones_like(offset, dtype=torch.bool)
    if below >= 0:
        keep &= offset >= -below
    if above >= 0:
        keep &= offset <= above
    return torch.where(keep, x, torch.zeros((), dtype=x.dtype))


@handler("cumsum")
def cumsum(
    x: Tensor, axis: Tensor | None = None, exclusive: Tensor | None = None, reverse: Tensor | None = None
) -> Tensor:
    """Running sum along an axis (0 unless given), from the end if `reverse`, less the entry itself if `exclusive`."""
    dim = _number(axis, 0)
    ordered = x.flip(dim) if _is_set(reverse) else x
    total = ordered.cumsum(dim, dtype=x.dtype)
    if _is_set(exclusive):
        total = torch.cat([torch.zeros_like(total.narrow(dim, 0, 1)), total.narrow(dim, 0, x.shape[dim] - 1)], dim)
    return total.flip(dim) if _is_set(reverse) else total


@handler("one_hot")
def one_hot(
    indices: Tensor,
    one_hot_vector_size: Tensor,
    axis: Tensor | None = None,
    on_value: Tensor | None = None,
    off_value: Tensor | None = None,
) -> Tensor:
    """`on_value` (1) where the new axis (the last unless given) is at the index, `off_value` (0) elsewhere.

    An index outside 0 to size - 1 has no `on_value`, as in tf.one_hot.
    """
    dim = _number(axis, -1) % (indices.dim() + 1)
    positions = torch.arange(int(one_hot_vector_size)).reshape(-1, *(1,) * (indices.dim() - dim))
    on = torch.tensor(1, dtype=torch.int32) if on_value is None else on_value
    off = torch.tensor(0, dtype=torch.int32) if off_value is None else off_value
    return torch.where(indices.unsqueeze(dim) == positions, on, off)


@handler("non_zero")
def non_zero(x: Tensor) -> Tensor:
    """Indices of entries that are not zero: (entries, axes of x), int32, in row-major order."""
    return torch.nonzero(x).to(torch.int32)


@handler("argsort")
def argsort(x: Tensor, axis: Tensor | None = None, ascending: Tensor | None = None) -> Tensor:
    """Indices that sort x along an axis (the last unless given), the largest first unless `ascending`; int32.

    Of equal values the first comes first; Core ML leaves it open.
    """
    order = torch.argsort(x, dim=_number(axis, -1), descending=not _is_set(ascending), stable=True)
    return order.to(torch.int32)


@handler("topk")
def topk(
    x: Tensor,
    k: Tensor | None = None,
    axis: Tensor | None = None,
    ascending: Tensor | None = None,
    sort: Tensor | None = None,
    return_indices: Tensor | None = None,
    output_indices_dtype: str = "int32",
) -> Tensor | tuple[Tensor, Tensor]:
    """The `k` (1 unless given; -1 for all) largest values along an axis, or smallest if `ascending`, and their indices.

    They come sorted also where `sort` is false, which allows any order; equal values come in the order of x. Without
    `return_indices` there are the values alone. The interpreter gives the indices their declared type.
    """
    dim = _number(axis, -1)
    count = _number(k, 1)
    values, indices = torch.sort(x, dim=dim, descending=not _is_set(ascending), stable=True)
    if count >= 0:
        values, indices = values.narrow(dim, 0, count), indices.narrow(dim, 0, count)
    return (values, indices.to(torch.int32)) if _is_set(return_indices, True) else values


@handler("pad")
def pad(x: Tensor, pad: Tensor, mode: str = "constant", constant_val: Tensor | None = None) -> Tensor:
    """x with entries before and after each of its last axes.

    Args:
        x: any shape.
        pad: (2 * n,), counts before and after for the last n axes, in the order of the axes.
        mode: "constant", "reflect" (the border itself is not repeated) or "replicate".
        constant_val: what "constant" pads with, 0.0 unless given.

    Raises:
        ConversionError: a mode that the operation set does not have.
    """
    counts = ints(pad)
    pairs = list(zip(counts[::2], counts[1::2], strict=True))
    if mode == "constant":
        # torch wants the last axis first.
        last_first = [count for pair in reversed(pairs) for count in pair]
        return F.pad(x, last_first, value=0.0 if constant_val is None else constant_val.item())
    if mode not in ("reflect", "replicate"):
        raise ConversionError(f"pad has the mode {mode!r}; allowed: constant, reflect, replicate")
    for axis, (before, after) in enumerate(pairs, start=x.dim() - len(pairs)):
        if before or after:
            last = x.shape[axis] - 1
            source = torch.arange(-before, x.shape[axis] + after)
            source = last - (last - source.abs()).abs() if mode == "reflect" else source.clamp(0, last)
            x = x.index_select(axis, source)
    return x


@handler("einsum")
def einsum(values: list[Tensor], equation: str) -> Tensor:
    """The sum of products that the equation names; axes of length 1 are broadcast."""
    return torch.einsum(equation, *values)
