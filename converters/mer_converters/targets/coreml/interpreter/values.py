"""Declared types of a program's values, and the tensors that hold them here.

Floats are held in float32, whatever the program declares; fp16 is a rounding applied to them. uint16 is held in int32,
which torch computes with; 4-bit integers in 8-bit ones.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

HELD_AS: dict[str, torch.dtype] = {
    "fp16": torch.float32,
    "fp32": torch.float32,
    "fp64": torch.float32,
    "bool": torch.bool,
    "int4": torch.int8,
    "int8": torch.int8,
    "int16": torch.int16,
    "int32": torch.int32,
    "int64": torch.int64,
    **{f"uint{bits}": torch.uint8 for bits in (1, 2, 3, 4, 6, 8)},
    "uint16": torch.int32,
    "uint32": torch.int64,
}


@dataclass(frozen=True)
class Declared:
    """The type that the program gives a value.

    Attributes:
        kind: element type, such as "fp16" or "int32"; "str", "list" or "state" for what is no tensor.
        shape: sizes, None where it is not known before the run.
    """

    kind: str
    shape: tuple[int | None, ...] = ()

    @property
    def is_tensor(self) -> bool:
        """Whether the value is a tensor (or scalar) of numbers."""
        return self.kind in HELD_AS

    @property
    def is_float(self) -> bool:
        """Whether its elements are floating-point numbers."""
        return self.kind in ("fp16", "fp32", "fp64")

    def fits(self, shape: tuple[int, ...]) -> bool:
        """Whether a tensor of this shape is one of the declared shape."""
        return len(shape) == len(self.shape) and all(
            size is None or size == n for size, n in zip(self.shape, shape, strict=True)
        )

    def __str__(self) -> str:
        sizes = ", ".join("?" if size is None else str(size) for size in self.shape)
        return f"{self.kind}[{sizes}]"


def declared_type(variable: Any) -> Declared:
    """The declared type of a coremltools `Var`."""
    from coremltools.converters.mil.mil import types

    kind = variable.sym_type
    if types.is_list(kind):
        return Declared("list")
    if types.is_dict(kind):
        return Declared("dict")
    if types.is_state(kind):
        kind = kind.wrapped_type()
        return Declared("state", _sizes(kind.get_shape()))
    if types.is_tensor(kind):
        return Declared(types.builtin_to_string(kind.get_primitive()), _sizes(kind.get_shape()))
    return Declared(types.builtin_to_string(kind))


def _sizes(shape: Any) -> tuple[int | None, ...]:
    return tuple(int(size) if isinstance(size, (int, np.integer)) else None for size in shape)


def constant_value(value: Any, kind: str) -> Any:
    """A constant of the program as handlers get it: a tensor, a string or a list of those."""
    if isinstance(value, (str, np.str_)):
        return str(value)
    if isinstance(value, (list, tuple)):
        return [constant_value(entry, kind) for entry in value]
    array = np.asarray(value)
    if array.dtype.kind in "UO":
        return [str(entry) for entry in array.reshape(-1)]
    if kind in HELD_AS:
        return held(array, kind)
    return torch.tensor(array)


def held(array: np.ndarray, kind: str) -> Tensor:
    """A tensor that owns the values of an array, in the type that holds `kind`."""
    target = HELD_AS[kind]
    if array.dtype.kind in "iu":
        # Element types of numpy that torch lacks (uint16, 4-bit) pass through one that holds them all.
        return torch.from_numpy(array.astype(np.int64)).to(target)
    if array.dtype.kind == "b":
        return torch.from_numpy(array.astype(np.bool_)).to(target)
    return torch.from_numpy(array.astype(np.float32)).to(target)
