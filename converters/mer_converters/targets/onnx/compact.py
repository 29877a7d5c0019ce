"""The same ONNX graph in fewer bytes: of a quantized student's file a third would be names, shapes and zeros."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from mer_converters.targets.onnx.graph import replace_nodes

if TYPE_CHECKING:
    from onnx import ModelProto, TensorProto

# A constant of at least this many values, at most this share of them not zero, is stored as those and their places.
_LARGE, _SPARSE = 1024, 0.25
_DIGITS = "0123456789abcdefghijklmnopqrstuvwxyz"


def compact(model: ModelProto, named: frozenset[str]) -> None:
    """Shrink a model in place; what it computes stays the same to the last bit.

    Constants that are mostly zero are scattered into zeros, which ONNX Runtime does once, when it loads the file; equal
    constants become one; inner values get short names; shapes of inner values, which every runtime infers, go.

    Args:
        model: without graphs inside its nodes.
        named: nodes that keep their names.
    """
    _scatter_sparse(model)
    _merge_equal(model)
    _shorten_names(model, named)
    del model.graph.value_info[:]
    del model.metadata_props[:]


def _scatter_sparse(model: ModelProto) -> None:
    from onnx import TensorProto, helper, numpy_helper

    nodes = []
    for item in list(model.graph.initializer):
        values = numpy_helper.to_array(item)
        if item.data_type != TensorProto.FLOAT or values.size < _LARGE:
            continue
        (places,) = np.nonzero(values.ravel())
        if len(places) > _SPARSE * values.size:
            continue
        parts = {
            "count": np.array([values.size], np.int64),
            "places": places.astype(np.int32),
            "values": values.ravel()[places],
            "shape": np.array(values.shape, np.int64),
        }
        names = {what: f"{item.name}.{what}" for what in (*parts, "zeros", "flat")}
        model.graph.initializer.extend(numpy_helper.from_array(array, names[what]) for what, array in parts.items())
        nodes += [
            helper.make_node("ConstantOfShape", [names["count"]], [names["zeros"]]),
            helper.make_node(
                "ScatterElements", [names["zeros"], names["places"], names["values"]], [names["flat"]], axis=0
            ),
            helper.make_node("Reshape", [names["flat"], names["shape"]], [item.name]),
        ]
        model.graph.initializer.remove(item)
    replace_nodes(model.graph, [*nodes, *model.graph.node])


def _merge_equal(model: ModelProto) -> None:
    first: dict[tuple[int, tuple[int, ...], bytes], str] = {}
    same: dict[str, str] = {}
    for item in model.graph.initializer:
        same[item.name] = first.setdefault(_content(item), item.name)
    for node in model.graph.node:
        for place, name in enumerate(node.input):
            node.input[place] = same.get(name, name)
    replace_nodes(model.graph, list(model.graph.node))


def _content(item: TensorProto) -> tuple[int, tuple[int, ...], bytes]:
    from onnx import numpy_helper

    return item.data_type, tuple(item.dims), numpy_helper.to_array(item).tobytes()


def _shorten_names(model: ModelProto, named: frozenset[str]) -> None:
    """Names in the order in which the nodes read and write them, so that equal graphs have equal files."""
    from onnx import numpy_helper

    graph = model.graph
    fixed = {item.name for item in [*graph.input, *graph.output]}
    short: dict[str, str] = {name: name for name in ("", *fixed)}
    count = 0
    for node in graph.node:
        if node.name not in named:
            node.ClearField("name")
        for names in (node.input, node.output):
            for place, name in enumerate(names):
                while name not in short:
                    candidate, count = _number(count), count + 1
                    if candidate not in fixed:
                        short[name] = candidate
                names[place] = short[name]
    order = {name: number for number, name in enumerate(short)}
    # Read again from their values, so that they have them in the shortest form and nothing else.
    initializers = [
        numpy_helper.from_array(numpy_helper.to_array(item), short[item.name])
        for item in sorted(graph.initializer, key=lambda item: order[item.name])
    ]
    del graph.initializer[:]
    graph.initializer.extend(initializers)


def _number(value: int) -> str:
    digits = _DIGITS[value % len(_DIGITS)]
    while value >= len(_DIGITS):
        value //= len(_DIGITS)
        digits = _DIGITS[value % len(_DIGITS)] + digits
    return digits
