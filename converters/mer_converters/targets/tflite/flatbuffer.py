"""A TFLite file as a list of operations, read with LiteRT's own schema."""

from __future__ import annotations

import math
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from mer_converters.targets.deduplicate import DeduplicatingBuilder
from mer_sdk.errors import ConversionError

# Operation -> which of its inputs is a weight when it is a constant. The first input that is one counts.
WEIGHT_INPUTS = {
    "CONV_2D": (1,),
    "DEPTHWISE_CONV_2D": (1,),
    "FULLY_CONNECTED": (1,),
    "EMBEDDING_LOOKUP": (1,),
    "BATCH_MATMUL": (1, 0),
}
_IDENTIFIER = b"TFL3"
_BITS = {"float32": 32, "float16": 16, "int32": 32, "int16": 16, "int8": 8, "int4": 4, "int2": 2}


@dataclass(frozen=True)
class Tensor:
    """One tensor: its name, element type in lower case ("float32", "int8"), shape, and the buffer of a constant.

    `buffer` is None where the tensor is computed; constants that share their bytes share the number.
    """

    name: str
    kind: str
    shape: tuple[int, ...]
    buffer: int | None

    @property
    def count(self) -> int:
        """Number of elements."""
        return math.prod(self.shape)

    @property
    def stored_bytes(self) -> int:
        """Bytes that the elements take in the file, 4-bit ones packed."""
        return math.ceil(self.count * _BITS.get(self.kind, 32) / 8)


@dataclass(frozen=True)
class Operation:
    """One operation: its kind ("CONV_2D"), inputs (None where an optional one is left out) and outputs, in order."""

    kind: str
    inputs: tuple[Tensor | None, ...]
    outputs: tuple[Tensor, ...]

    @property
    def name(self) -> str:
        """Name of its first output, which holds the path of the torch module that it came from."""
        return self.outputs[0].name


@dataclass(frozen=True)
class Program:
    """The main graph of a file: operations in order, names of the graph's inputs and outputs."""

    operations: tuple[Operation, ...]
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]

    @cached_property
    def producers(self) -> dict[str, Operation]:
        """Tensor name -> the operation that computes it."""
        return {output.name: operation for operation in self.operations for output in operation.outputs}

    @cached_property
    def consumers(self) -> dict[str, tuple[Operation, ...]]:
        """Tensor name -> the operations that read it."""
        found: dict[str, list[Operation]] = {}
        for operation in self.operations:
            for given in operation.inputs:
                if given is not None:
                    found.setdefault(given.name, []).append(operation)
        return {name: tuple(readers) for name, readers in found.items()}

    def weight_of(self, operation: Operation) -> tuple[Tensor, Tensor | None, bool] | None:
        """(stored weight, activation that it meets, whether it is dequantized first); None where it has no weight.

        The activation is None only where an operation reads nothing but constants.
        """
        for place in WEIGHT_INPUTS.get(operation.kind, ()):
            given = operation.inputs[place]
            if given is None:
                continue
            source = self.producers.get(given.name)
            first = source.inputs[0] if source is not None and source.kind == "DEQUANTIZE" else None
            unpacked = first is not None and first.buffer is not None
            stored = first if unpacked else given
            if stored is not None and stored.buffer is not None:
                return stored, operation.inputs[1 - place], unpacked
        return None

    def feeding_logarithms(self) -> set[str]:
        """Names of the operations that a logarithm depends on, itself included."""
        found: set[str] = set()
        for operation in reversed(self.operations):
            readers = (reader for output in operation.outputs for reader in self.consumers.get(output.name, ()))
            if operation.kind == "LOG" or any(reader.name in found for reader in readers):
                found.add(operation.name)
        return found


def read_program(path: Path) -> Program:
    """The main graph of a TFLite file. A tensor without a name is called after its number, such as "#7".

    Raises:
        ConversionError: it is missing or no TFLite file.
    """
    from ai_edge_litert import schema_py_generated as schema

    kinds = {value: name for name, value in vars(schema.BuiltinOperator).items() if isinstance(value, int)}
    types = {value: name.lower() for name, value in vars(schema.TensorType).items() if isinstance(value, int)}
    try:
        content = path.read_bytes()
        if content[4:8] != _IDENTIFIER:
            raise ValueError("the file identifier TFL3 is missing")
        model = schema.ModelT.InitFromPackedBuf(content, 0)
        graph = model.subgraphs[0]
        tensors = [
            Tensor(
                _name(item, index),
                types[item.type],
                # A scalar has no shape in the file.
                tuple(int(size) for size in item.shape) if item.shape is not None else (),
                item.buffer if _is_constant(model.buffers[item.buffer]) else None,
            )
            for index, item in enumerate(graph.tensors)
        ]
        operations = tuple(
            Operation(
                kinds[model.operatorCodes[item.opcodeIndex].builtinCode],
                tuple(tensors[index] if index >= 0 else None for index in item.inputs),
                tuple(tensors[index] for index in item.outputs),
            )
            for item in graph.operators
        )
        ends = [tuple(tensors[index].name for index in indices) for indices in (graph.inputs, graph.outputs)]
    except (OSError, ValueError, IndexError, KeyError, TypeError, AttributeError, struct.error) as error:
        raise ConversionError(f"{path.name} cannot be read as a TFLite file ({error}); convert it again") from error
    return Program(operations, ends[0], ends[1])


def compacted(content: bytes, names: Mapping[str, str | None]) -> bytes:
    """The same file in fewer bytes: other names, what is equal written once, nothing that no runtime reads.

    Of a file as the tools write it a small network's names alone can be a quarter.

    Args:
        content: of a TFLite file.
        names: name of a tensor -> new name, None to leave it without; those left out stay. Inputs and outputs of the
            graph keep theirs.
    """
    from ai_edge_litert.tools import flatbuffer_utils

    # The quantizer keeps constants of larger files behind the flatbuffer; this brings them back into it.
    model = flatbuffer_utils.read_model_from_bytearray(content)
    graph = model.subgraphs[0]
    ends = {*graph.inputs, *graph.outputs}
    for index, item in enumerate(graph.tensors):
        old = _name(item, index)
        new = names.get(old, old)
        if index not in ends and new != old:
            item.name = None if new is None else new.encode()
        if item.quantization is not None and item.quantization.scale is None:
            item.quantization = None
        if not _is_constant(model.buffers[item.buffer]):
            item.buffer = 0  # the empty one, by the format's own rule
    # A note of the converter to itself; the other one says which runtime is new enough.
    model.metadata = [item for item in model.metadata or () if item.name != b"keep_stablehlo_constant"]
    users = [item for part in model.subgraphs for item in part.tensors] + model.metadata
    kept = sorted({0, *(item.buffer for item in users)})
    places = {old: new for new, old in enumerate(kept)}
    for item in users:
        item.buffer = places[item.buffer]
    model.buffers = [model.buffers[index] for index in kept]
    builder = DeduplicatingBuilder()
    builder.Finish(model.Pack(builder), file_identifier=_IDENTIFIER)
    return bytes(builder.Output())


def tensor_names(content: bytes) -> list[str]:
    """Names of the main graph's tensors, in the order of the file."""
    from ai_edge_litert import schema_py_generated as schema

    graph = schema.ModelT.InitFromPackedBuf(content, 0).subgraphs[0]
    return [_name(item, index) for index, item in enumerate(graph.tensors)]


def _name(tensor: Any, index: int) -> str:
    return tensor.name.decode() if tensor.name else f"#{index}"


def _is_constant(buffer: object) -> bool:
    data = getattr(buffer, "data", None)
    # Large files keep constants behind the flatbuffer.
    return (data is not None and len(data) > 0) or bool(getattr(buffer, "offset", 0))
