"""What a saved ONNX file holds in integers, read back from it."""

from __future__ import annotations

import math
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

from mer_converters.targets.onnx.graph import CONVOLUTION, LINEAR, SMALLEST, TABLE, attribute
from mer_quantization.proof import GraphProof
from mer_sdk.errors import ConversionError

if TYPE_CHECKING:
    from onnx import GraphProto, ModelProto, NodeProto, TensorProto

_INTEGER_LINEAR = "MatMulInteger"
_WEIGHTED = (CONVOLUTION, *LINEAR, _INTEGER_LINEAR, TABLE)


def read_proof(path: str | Path) -> GraphProof:
    """The proof of an ONNX file.

    A weight is a constant of at least 64 values, in the type in which it is stored, whatever the nodes behind it make
    of it. A table's lookup computes nothing and reads no activation: where its weight is in integers it is neither an
    int8 operation nor a float input.

    Raises:
        ConversionError: the file cannot be read, or the shape of a value is not known.
    """
    import onnx
    from google.protobuf.message import DecodeError

    file = Path(path)
    try:
        model = onnx.shape_inference.infer_shapes(onnx.load(str(file)))
    except (OSError, DecodeError, onnx.shape_inference.InferenceError) as error:
        raise ConversionError(f"{file.name} cannot be read as ONNX ({error}); convert it again") from error
    return _Reading(model, file.name).proof()


class _Reading:
    def __init__(self, model: ModelProto, file: str) -> None:
        graph = model.graph
        self._graph, self._file = graph, file
        self._stored = {item.name: item for item in graph.initializer}
        self._producer = {name: node for node in graph.node for name in node.output}
        self._shapes = {item.name: tuple(item.dims) for item in graph.initializer}
        for value in [*graph.value_info, *graph.input, *graph.output]:
            self._shapes[value.name] = tuple(size.dim_value for size in value.type.tensor_type.shape.dim)
        self._constants: dict[str, frozenset[str] | None] = {}

    def proof(self) -> GraphProof:
        float_weights, float_inputs = [], []
        count = int8 = macs = int8_macs = 0
        for node in self._graph.node:
            found = self._weight(node)
            if found is None:
                continue
            place, weight = found
            name = node.name or node.output[0]
            work = self._macs(node, place)
            count, macs = count + 1, macs + work
            if not _is_integer(weight):
                float_weights.append(name)
            elif node.op_type == _INTEGER_LINEAR or self._reads_integers(node, place):
                int8, int8_macs = int8 + 1, int8_macs + work
            elif node.op_type != TABLE:
                float_inputs.append(name)
        return GraphProof(self._weight_bytes(), count, int8, tuple(float_weights), tuple(float_inputs), macs, int8_macs)

    def _weight(self, node: NodeProto) -> tuple[int, TensorProto] | None:
        """(which input, the constant that it is stored as) of an operation with a weight."""
        if node.op_type not in _WEIGHTED:
            return None
        for place in (0,) if node.op_type == TABLE else (1, 0):
            roots = self._roots(node.input[place])
            stored = [self._stored[name] for name in sorted(roots or ()) if _type(self._stored[name]) != "int64"]
            # Of a constant in parts (integers and scales, values and places) the weight is what the scale is not.
            largest = max(stored, key=lambda item: (math.prod(item.dims), not _is_place(item)), default=None)
            if largest is not None and math.prod(largest.dims) >= SMALLEST:
                return place, largest
        return None

    def _roots(self, name: str) -> frozenset[str] | None:
        """Names of the initializers that a constant is computed from; None for what depends on an input."""
        if name not in self._constants:
            found: frozenset[str] | None = None
            if not name:
                found = frozenset()
            elif name in self._stored:
                found = frozenset([name])
            elif name in self._producer:
                found = frozenset()
                for given in self._producer[name].input:
                    roots = self._roots(given)
                    if roots is None:
                        found = None
                        break
                    found |= roots
            self._constants[name] = found
        return self._constants[name]

    def _reads_integers(self, node: NodeProto, place: int) -> bool:
        source = self._producer.get(node.input[1 - place])
        return source is not None and source.op_type == "DequantizeLinear"

    def _macs(self, node: NodeProto, place: int) -> int:
        if node.op_type == TABLE:
            return 0
        output, weight = self._shape(node.output[0]), self._shape(node.input[place])
        if node.op_type == CONVOLUTION:
            return math.prod(output) * math.prod(weight[1:])
        turned = node.op_type == "Gemm" and attribute(node, "transB" if place else "transA")
        inner = weight[-1] if bool(turned) == bool(place) else weight[-2]
        return math.prod(output) * inner

    def _shape(self, name: str) -> tuple[int, ...]:
        shape = self._shapes.get(name, ())
        if not shape or 0 in shape:
            raise ConversionError(
                f"{self._file}: the shape of {name!r} is not known, so its work cannot be counted; export static shapes"
            )
        return shape

    def _weight_bytes(self) -> dict[str, int]:
        sizes: Counter[str] = Counter()
        leave = _bookkeeping(self._graph, self._stored)
        for name, item in self._stored.items():
            if name not in leave and math.prod(item.dims) >= SMALLEST and _type(item) != "int64":
                sizes[_type(item)] += math.prod(item.dims) * _itemsize(item)
        return dict(sorted(sizes.items()))


def _bookkeeping(graph: GraphProto, stored: dict[str, TensorProto]) -> set[str]:
    """Names of initializers that are scales, zero points or places of values, and no weights."""
    producer = {name: node for node in graph.node for name in node.output}
    found: set[str] = set()
    for node in graph.node:
        if node.op_type in ("QuantizeLinear", "DequantizeLinear"):
            found.update(node.input[1:])
        elif node.op_type == _INTEGER_LINEAR:
            found.update(node.input[2:])
        elif node.op_type == "ScatterElements":
            found.add(node.input[1])
        elif node.op_type == "Mul":
            for scale, other in (tuple(node.input), tuple(node.input)[::-1]):
                if scale in stored and _is_scaled(other, producer, stored):
                    found.add(scale)
    return found


def _is_scaled(name: str, producer: dict[str, NodeProto], stored: dict[str, TensorProto]) -> bool:
    """Whether a value is in integers' units: a scale of an input, integers of a weight, or a row of them."""
    node = producer.get(name)
    if node is None:
        return False
    if node.op_type == "DynamicQuantizeLinear":
        return name == node.output[1]
    if node.op_type != "Cast":
        return False
    source = producer.get(node.input[0])
    origin = source.input[0] if source is not None and source.op_type == TABLE else node.input[0]
    return origin in stored and _is_integer(stored[origin])


def _type(item: TensorProto) -> str:
    from onnx import TensorProto

    names = {TensorProto.FLOAT: "fp32", TensorProto.FLOAT16: "fp16"}
    return names.get(item.data_type) or str(TensorProto.DataType.Name(item.data_type)).lower()


def _itemsize(item: TensorProto) -> int:
    from onnx import helper

    return int(helper.tensor_dtype_to_np_dtype(item.data_type).itemsize)


def _is_integer(item: TensorProto) -> bool:
    return _type(item) in ("int8", "uint8")


def _is_place(item: TensorProto) -> bool:
    return _type(item) == "int32"
