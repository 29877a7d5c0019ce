"""Reading and writing at indices.

Indices below zero count from the end up to iOS 16; from iOS 17 on (where the operations have `validate_indices`) they
are out of bounds. Core ML fails on indices out of bounds or leaves the result undefined; here they are always refused,
and the interpreter adds the name of the operation.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from mer_converters.targets.coreml.interpreter.handlers.registry import handler
from mer_sdk.errors import ConversionError

_MODES = ("update", "add", "sub", "mul", "div", "max", "min")
_REDUCE = {"add": "sum", "sub": "sum", "mul": "prod", "div": "prod", "max": "amax", "min": "amin"}


def _places(indices: Tensor, size: int, validate_indices: Tensor | None) -> Tensor:
    """int64 indices of an axis of `size`, none below zero; IndexError where one is out of bounds."""
    places = indices.to(torch.int64)
    if places.numel() == 0:
        return places
    lowest = -size if validate_indices is None else 0
    least, most = (int(bound) for bound in torch.aminmax(places))
    if least < lowest or most >= size:
        found = least if least < lowest else most
        raise IndexError(
            f"index {found} is out of bounds: allowed are {lowest} to {size - 1}; in Core ML others are undefined"
        )
    return torch.where(places < 0, places + size, places) if least < 0 else places


def _flat_places(indices: Tensor, sizes: tuple[int, ...], validate_indices: Tensor | None) -> Tensor:
    """Index tuples (..., len(sizes)) as numbers of the entries of an array of these sizes, in row-major order."""
    flat = torch.zeros(indices.shape[:-1], dtype=torch.int64)
    for position, size in enumerate(sizes):
        flat = flat * size + _places(indices[..., position], size, validate_indices)
    return flat


@handler("gather")
def gather(
    x: Tensor,
    indices: Tensor,
    axis: Tensor | None = None,
    batch_dims: Tensor | None = None,
    validate_indices: Tensor | None = None,
) -> Tensor:
    """Slices of x at `indices` along `axis` (0 unless given), in shape x[:axis] + indices[batch_dims:] + x[axis + 1:].

    The first `batch_dims` axes of x and of the indices go together. As tf.gather.

    Raises:
        IndexError: an index out of bounds.
    """
    dim = 0 if axis is None else int(axis) % x.dim()
    batch = 0 if batch_dims is None else int(batch_dims)
    places = _places(indices, x.shape[dim], validate_indices)
    shape = (*x.shape[:dim], *indices.shape[batch:], *x.shape[dim + 1 :])
    if batch == 0:
        return x.index_select(dim, places.reshape(-1)).reshape(shape)
    rows, middle, after = (math.prod(x.shape[a:b]) for a, b in ((0, batch), (batch, dim), (dim + 1, x.dim())))
    at = places.reshape(rows, 1, -1, 1).expand(rows, middle, -1, after)
    return x.reshape(rows, middle, x.shape[dim], after).gather(2, at).reshape(shape)


@handler("gather_along_axis")
def gather_along_axis(
    x: Tensor, indices: Tensor, axis: Tensor | None = None, validate_indices: Tensor | None = None
) -> Tensor:
    """Values of x at `indices` along `axis` (0 unless given), one for every index; shape of the indices.

    Raises:
        IndexError: an index out of bounds.
    """
    dim = 0 if axis is None else int(axis)
    return x.gather(dim, _places(indices, x.shape[dim], validate_indices))


@handler("gather_nd")
def gather_nd(
    x: Tensor, indices: Tensor, batch_dims: Tensor | None = None, validate_indices: Tensor | None = None
) -> Tensor:
    """Slices of x at index tuples, which lie along the last axis of `indices`. As tf.gather_nd.

    Shape: indices[:-1] + x[batch_dims + depth:], where depth is the length of a tuple.

    Raises:
        IndexError: an index out of bounds.
    """
    batch = 0 if batch_dims is None else int(batch_dims)
    end = batch + indices.shape[-1]
    places = _flat_places(indices, tuple(x.shape[batch:end]), validate_indices)
    rows, entries, after = (math.prod(x.shape[a:b]) for a, b in ((0, batch), (batch, end), (end, x.dim())))
    at = places.reshape(rows, -1, 1).expand(rows, -1, after)
    return x.reshape(rows, entries, after).gather(1, at).reshape(*indices.shape[:-1], *x.shape[end:])


def _written(data: Tensor, places: Tensor, updates: Tensor, dim: int, mode: str) -> Tensor:
    """A copy of `data` with `updates` written along `dim`; `places` has the shape of the updates."""
    if mode not in _MODES:
        raise ConversionError(f"scatter has the mode {mode!r}; allowed: {', '.join(_MODES)}")
    if mode == "update":
        return data.scatter(dim, places, updates)
    if mode == "div":
        divisors = torch.ones_like(data).scatter_reduce(dim, places, updates, "prod")
        return torch.div(data, divisors, rounding_mode=None if data.is_floating_point() else "trunc")
    return data.scatter_reduce(dim, places, -updates if mode == "sub" else updates, _REDUCE[mode])


@handler("scatter")
def scatter(
    data: Tensor,
    indices: Tensor,
    updates: Tensor,
    axis: Tensor | None = None,
    mode: str = "add",
    validate_indices: Tensor | None = None,
) -> Tensor:
    """`data` with slices written at `indices` (n,) along `axis` (0 unless given).

    Args:
        data: any shape.
        indices: positions along the axis.
        updates: data[:axis] + indices + data[axis + 1:].
        mode: what is done with the value that was there; of several updates of one value by "update", one remains,
            and Core ML does not say which.

    Raises:
        IndexError: an index out of bounds.
        ConversionError: a mode that the operation set does not have.
    """
    dim = 0 if axis is None else int(axis) % data.dim()
    places = _places(indices, data.shape[dim], validate_indices).reshape(-1)
    slices = updates.reshape(*data.shape[:dim], places.numel(), *data.shape[dim + 1 :])
    at = places.reshape(-1, *(1,) * (data.dim() - dim - 1)).expand(slices.shape)
    return _written(data, at, slices, dim, mode)


@handler("scatter_along_axis")
def scatter_along_axis(
    data: Tensor,
    indices: Tensor,
    updates: Tensor,
    axis: Tensor | None = None,
    mode: str = "add",
    validate_indices: Tensor | None = None,
) -> Tensor:
    """`data` with every one of `updates` written at its index along `axis` (0 unless given); modes as in `scatter`.

    Raises:
        IndexError: an index out of bounds.
        ConversionError: a mode that the operation set does not have.
    """
    dim = 0 if axis is None else int(axis)
    return _written(data, _places(indices, data.shape[dim], validate_indices), updates, dim, mode)


@handler("scatter_nd")
def scatter_nd(
    data: Tensor, indices: Tensor, updates: Tensor, mode: str = "add", validate_indices: Tensor | None = None
) -> Tensor:
    """`data` with slices written at index tuples, which lie along the last axis of `indices`; modes as in `scatter`.

    Args:
        data: any shape.
        indices: (..., depth).
        updates: indices[:-1] + data[depth:].
        mode: see `scatter`.

    Raises:
        IndexError: an index out of bounds.
        ConversionError: a mode that the operation set does not have.
    """
    depth = indices.shape[-1]
    places = _flat_places(indices, tuple(data.shape[:depth]), validate_indices).reshape(-1, 1)
    after = math.prod(data.shape[depth:])
    slices = updates.reshape(-1, after)
    flat = data.reshape(math.prod(data.shape[:depth]), after)
    return _written(flat, places.expand(slices.shape), slices, 0, mode).reshape(data.shape)
