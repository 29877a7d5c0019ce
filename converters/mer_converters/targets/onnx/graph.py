"""Questions to an ONNX graph: which operations have a weight, where it lies, what stays in floating point."""

from __future__ import annotations

import ast
from collections.abc import Collection
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mer_sdk.errors import ConversionError

if TYPE_CHECKING:
    from onnx import GraphProto, ModelProto, NodeProto

# Constants of fewer values are no weights: scales and nodes around one cost more bytes than its integers save.
SMALLEST = 64
TABLE = "Gather"
LINEAR = ("MatMul", "Gemm")
CONVOLUTION = "Conv"


@dataclass(frozen=True, eq=False)
class Weight:
    """A constant float32 weight and the operation that reads it.

    Attributes:
        node: a convolution, linear layer or table lookup.
        place: which of its inputs the weight is.
        name: of the initializer.
        axis: of the output channels in the weight; of the columns in a table.
    """

    node: NodeProto
    place: int
    name: str
    axis: int


def name_by_module(model: ModelProto) -> None:
    """Name every node `MODULE/NODE` after the torch module that it comes from, as the exporter noted it.

    The exporter's notes are removed: they hold source lines and file paths of the machine that it ran on.
    """
    for node in model.graph.node:
        notes = {item.key: item.value for item in node.metadata_props}
        scopes = ast.literal_eval(notes.get("pkg.torch.onnx.name_scopes", "['']"))
        # The last scope is the operation itself.
        module = scopes[-2] if len(scopes) > 1 else ""
        node.name = f"{module}/{node.name}" if module else node.name
        del node.metadata_props[:]
    for value in [*model.graph.value_info, *model.graph.input, *model.graph.output, *model.graph.initializer]:
        del value.metadata_props[:]
    del model.graph.metadata_props[:]


def weights(graph: GraphProto, keep: Collection[str] = ()) -> list[Weight]:
    """The weights that can be held in integers, in the order of their operations.

    Args:
        graph: in fp32.
        keep: names of nodes to leave out.
    """
    from onnx import TensorProto

    shapes = {item.name: tuple(item.dims) for item in graph.initializer if item.data_type == TensorProto.FLOAT}
    found = []
    for node in graph.node:
        place = 0 if node.op_type == TABLE else 1
        if node.op_type not in (TABLE, CONVOLUTION, *LINEAR) or node.name in keep:
            continue
        shape = shapes.get(node.input[place], ())
        if _size(shape) < SMALLEST or not _supported(node, shape):
            continue
        matrix = node.op_type == "MatMul" or (node.op_type == "Gemm" and not attribute(node, "transB"))
        found.append(Weight(node, place, node.input[place], 1 if matrix or node.op_type == TABLE else 0))
    return found


def _supported(node: NodeProto, shape: tuple[int, ...]) -> bool:
    if node.op_type == TABLE:
        return len(shape) == 2 and not attribute(node, "axis")
    if node.op_type == "Gemm":
        plain = attribute(node, "alpha", 1.0) == 1.0 and attribute(node, "beta", 1.0) == 1.0
        return plain and not attribute(node, "transA")
    return node.op_type == CONVOLUTION or len(shape) == 2


def _size(shape: tuple[int, ...]) -> int:
    total = 1
    for length in shape:
        total *= length
    return total if shape else 0


def attribute(node: NodeProto, name: str, default: float | int = 0) -> float | int:
    """A number among a node's attributes."""
    from onnx import helper

    for item in node.attribute:
        if item.name == name:
            value: float | int = helper.get_attribute_value(item)
            return value
    return default


def float_nodes(graph: GraphProto, modules: Collection[str] = ()) -> set[str]:
    """Names of the nodes that stay in floating point: all that a logarithm depends on, and those of the modules.

    Args:
        graph: as `name_by_module` leaves it.
        modules: paths of torch modules; those below them count too.
    """
    logarithm = feeds_logarithm(graph)
    below = tuple(f"{path}." for path in modules)
    found = set()
    for node in graph.node:
        module = node.name.rpartition("/")[0]
        inside = module in modules or module.startswith(below) if below else False
        if inside or "" in modules or logarithm.intersection(node.output):
            found.add(node.name)
    return found


def feeds_logarithm(graph: GraphProto) -> set[str]:
    """Names of all values that a logarithm depends on: the log-mel front end, whose quiet bins 16 bits cannot hold."""
    producer = {output: node for node in graph.node for output in node.output}
    open_names = [name for node in graph.node if node.op_type == "Log" for name in node.input]
    seen: set[str] = set()
    while open_names:
        name = open_names.pop()
        if name in seen:
            continue
        seen.add(name)
        if name in producer:
            open_names.extend(producer[name].input)
    return seen


def around_convolutions(graph: GraphProto) -> set[str]:
    """Of a graph with a logarithm, names of what the first convolution reads and of what is read behind the last.

    The first takes differences of neighbouring bands and frames, the layer behind the last differences from a mean:
    both have large weights, which would let rounding through.
    """
    if not any(node.op_type == "Log" for node in graph.node):
        return set()
    places = [place for place, node in enumerate(graph.node) if node.op_type == CONVOLUTION]
    outer = [graph.node[places[0]], *graph.node[places[-1] + 1 :]] if places else []
    return {name for node in outer for name in node.input}


def replace_nodes(graph: GraphProto, nodes: list[NodeProto]) -> None:
    """Put `nodes` in place of the graph's own, and drop initializers that none of them reads."""
    del graph.node[:]
    graph.node.extend(nodes)
    used = {name for node in graph.node for name in node.input} | {item.name for item in graph.output}
    kept = [item for item in graph.initializer if item.name in used]
    del graph.initializer[:]
    graph.initializer.extend(kept)


def refuse_branches(graph: GraphProto, file: str) -> None:
    """Refuse what reads values from around it, which renaming and moving would break.

    Raises:
        ConversionError: a node holds a graph of its own (a loop or a condition).
    """
    for node in graph.node:
        if any(item.HasField("g") or item.graphs for item in node.attribute):
            raise ConversionError(
                f"{file}: {node.op_type} {node.name!r} holds a graph of its own, which quantized schemes cannot take; "
                "export a network without loops and conditions, or take fp32 or fp16"
            )
