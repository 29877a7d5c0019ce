"""Lists of tensors of one shape; what a list operation writes is a new list."""

from __future__ import annotations

import torch
from torch import Tensor

from mer_converters.targets.coreml.interpreter.handlers.registry import handler, ints
from mer_sdk.errors import ConversionError

Entries = list[Tensor | None]

_ELEMENTS = {"fp32": torch.float32, "fp16": torch.float32, "int32": torch.int32, "bool": torch.bool}


@handler("make_list")
def make_list(
    elem_shape: list[Tensor | str],
    init_length: Tensor | int = 1,
    dynamic_length: Tensor | bool = True,
    dtype: str = "fp32",
) -> Entries:
    """A list of `init_length` zeros of `elem_shape`; entries whose shape is known only later (a name) are empty."""
    if any(isinstance(size, str) for size in elem_shape):
        return [None] * int(init_length)
    shape = [int(size) for size in elem_shape]
    return [torch.zeros(shape, dtype=_ELEMENTS[dtype])] * int(init_length)


@handler("list_length")
def list_length(ls: Entries) -> Tensor:
    """Number of entries."""
    return torch.tensor(len(ls), dtype=torch.int32)


@handler("list_write")
def list_write(ls: Entries, index: Tensor, value: Tensor) -> Entries:
    """The list with `value` at `index`; it grows where the index lies behind its end."""
    return _with(ls, [int(index)], [value])


@handler("list_scatter")
def list_scatter(ls: Entries, indices: Tensor, value: Tensor) -> Entries:
    """The list with the rows of `value` at `indices`; it grows where one lies behind its end."""
    return _with(ls, ints(indices), list(value))


@handler("list_read")
def list_read(ls: Entries, index: Tensor) -> Tensor:
    """The entry at `index`."""
    return _entry(ls, int(index))


@handler("list_gather")
def list_gather(ls: Entries, indices: Tensor) -> Tensor:
    """The entries at `indices`, stacked along a new first dimension."""
    return torch.stack([_entry(ls, index) for index in ints(indices)])


def _with(ls: Entries, places: list[int], values: list[Tensor]) -> Entries:
    longest = max([len(ls), *(place + 1 for place in places)])
    entries: Entries = [*ls, *[None] * (longest - len(ls))]
    for place, value in zip(places, values, strict=True):
        entries[place] = value
    return entries


def _entry(ls: Entries, place: int) -> Tensor:
    entry = ls[place] if 0 <= place < len(ls) else None
    if entry is None:
        raise ConversionError(f"the program reads entry {place} of a list of {len(ls)} that was never written")
    return entry
