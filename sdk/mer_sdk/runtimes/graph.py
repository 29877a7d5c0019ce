"""What a graph is: its file and tensors as the manifest lists them, and how a loaded one is run."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Protocol

import numpy as np

from mer_sdk.errors import BundleError, SignalError
from mer_sdk.limits import Limits

# What `TensorSpec.dtype` may say: every target has these two.
DTYPES = {"float32": np.dtype(np.float32), "int32": np.dtype(np.int32)}


@dataclass(frozen=True)
class TensorSpec:
    """One input or output of a graph. `range` is the closed interval of allowed values, where there is one."""

    name: Annotated[str, Limits(characters=100)]
    shape: Annotated[tuple[int, ...], Limits(least=1, most=2**22, items=8)]
    dtype: Annotated[str, Limits(choices=tuple(DTYPES))] = "float32"
    range: Annotated[tuple[float, float], Limits(1 - 2**53, 2**53 - 1)] | None = None


@dataclass(frozen=True)
class GraphSpec:
    """One graph file (or folder, for Core ML packages), relative to the bundle.

    Inputs and outputs are listed in the order of the exported graph. Names inside the file may differ from tool to
    tool; `inputs[i].name` is the name that the SDK uses, and position i is how a runtime finds it.

    `float_operations` are the operations with a weight that a quantized scheme left in floating point, by their names
    in the file: its weight, or, where activations are quantized too, its input.
    """

    file: Annotated[str, Limits(characters=500)]
    scheme: Annotated[str, Limits(characters=100)]
    inputs: Annotated[tuple[TensorSpec, ...], Limits(items=64)]
    outputs: Annotated[tuple[TensorSpec, ...], Limits(items=64)]
    float_operations: Annotated[tuple[str, ...], Limits(items=4096, characters=500)] = ()


def path_or_content(path: Path) -> str | bytes:
    """What a runtime loads a file from: its path, or its content where the path is no UTF-8, which runtimes refuse."""
    try:
        str(path).encode()
    except UnicodeEncodeError:
        return path.read_bytes()
    return str(path)


class Graph(Protocol):
    """One loaded graph."""

    def run(self, inputs: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Run once. `inputs` holds every input of the graph's spec by name, in the spec's shapes and types, and the
        caller writes into them again; the result holds every output by name, in arrays that the caller owns.

        Raises:
            SignalError: an input is missing, has another shape, or holds fractions where whole numbers are read.
        """
        ...


GraphFactory = Callable[[Path, GraphSpec, int], Graph]


def ordered_inputs(inputs: Mapping[str, np.ndarray], spec: GraphSpec) -> list[np.ndarray]:
    """The inputs in the spec's order, contiguous, float32 or int32 as the spec says (helper of the runtimes).

    Raises:
        SignalError: an input is missing, has another shape, or is not of whole numbers where the spec says int32.
        BundleError: the spec names a type that is neither.
    """
    arrays = []
    for tensor in spec.inputs:
        if tensor.name not in inputs:
            raise SignalError(f"{spec.file} needs the input {tensor.name!r}; given are {sorted(inputs)}")
        wanted, given = tensor_dtype(tensor), np.asarray(inputs[tensor.name])
        if wanted.kind == "i" and given.dtype.kind not in "iu":
            raise SignalError(f"{spec.file}: input {tensor.name!r} is {given.dtype}, needed are whole numbers (int32)")
        array = np.ascontiguousarray(given, wanted)
        if array.shape != tensor.shape:
            raise SignalError(f"{spec.file}: input {tensor.name!r} has shape {array.shape}, needed is {tensor.shape}")
        arrays.append(array)
    return arrays


def tensor_dtype(tensor: TensorSpec) -> np.dtype:
    """The numpy type of a graph's tensor.

    Raises:
        BundleError: the manifest names a type that no runtime here reads.
    """
    if tensor.dtype not in DTYPES:
        raise BundleError(
            f"{tensor.name!r} is {tensor.dtype!r} in the manifest; this mer_sdk reads {', '.join(DTYPES)}"
        )
    return DTYPES[tensor.dtype]


def positional(names: list[str]) -> list[str]:
    """Names such as args_0 ... args_10 in the order of their numbers; other names stay in the order given.

    TFLite signatures list their keys alphabetically, which puts args_10 before args_2.
    """
    numbers = [re.fullmatch(r".*?_(\d+)(?::\d+)?", name) for name in names]
    if all(numbers) and len({name.rsplit("_", 1)[0] for name in names}) == 1:
        return sorted(names, key=lambda name: int(re.findall(r"\d+", name.rsplit("_", 1)[1])[0]))
    return names


def check_tensors(file: str, kind: str, found: list[tuple[int, ...]], wanted: tuple[TensorSpec, ...]) -> None:
    """Compare the shapes that a file has with those of its spec, by position; a negative or zero size fits any.

    Raises:
        BundleError: another number of tensors, or another shape.
    """
    if len(found) != len(wanted):
        raise BundleError(
            f"{file} has {len(found)} {kind}s, the manifest lists {len(wanted)}; convert the bundle again"
        )
    for shape, tensor in zip(found, wanted, strict=True):
        same = len(shape) == len(tensor.shape) and all(
            a == b or a < 1 for a, b in zip(shape, tensor.shape, strict=True)
        )
        if not same:
            raise BundleError(
                f"{file}: {kind} {tensor.name!r} has shape {shape}, the manifest says {tensor.shape}; "
                "convert the bundle again"
            )
