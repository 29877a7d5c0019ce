"""What an ExecuTorch program holds in integers, read back from its file.

Read are the program's list of operations with its constants, and the graph that each XNNPACK delegate carries, with the
types of its values. ExecuTorch's own readers of version 1.4 do it; they are not its public interface.
"""

from __future__ import annotations

import json
import math
import re
import subprocess
import tempfile
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mer_converters.targets.executorch.quantize import WEIGHT_THRESHOLD
from mer_quantization.proof import GraphProof
from mer_sdk.errors import ConversionError

_IDENTIFIER = b"ET12"
# The place of the weight among an operation's arguments outside a delegate, and the axis over its output channels.
_KERNELS = {
    "aten::convolution": (1, 0),
    "aten::linear": (1, 0),
    "aten::addmm": (2, 1),
    "aten::mm": (1, 1),
    "aten::embedding": (0, None),
}
_NODES = ("XNNConv2d", "XNNDepthwiseConv2d", "XNNConvTranspose2d", "XNNFullyConnected")
_KINDS = {
    "xnn_datatype_fp32": "fp32",
    "xnn_datatype_fp16": "fp16",
    "xnn_datatype_qint8": "int8",
    "xnn_datatype_quint8": "uint8",
    "xnn_datatype_qcint8": "int8",
    "xnn_datatype_qdint8": "int8",
    "xnn_datatype_qpint8": "int8",
    "xnn_datatype_qcint4": "int4",
    "xnn_datatype_qbint4": "int4",
}
_INTEGERS = ("int8", "uint8", "int4")
_SCALARS = {"CHAR": "int8", "BYTE": "uint8", "HALF": "fp16", "FLOAT": "fp32"}


@dataclass(frozen=True)
class _Operation:
    """An operation with a weight: its name, the types of weight and input, multiply-accumulates in one run."""

    name: str
    weight: str
    given: str
    macs: int


def read_proof(path: str | Path) -> GraphProof:
    """The proof of a program file. Biases, scales and constants of at most `WEIGHT_THRESHOLD` values are no weights.

    Raises:
        ConversionError: the file cannot be read, or a delegate in it is not XNNPACK's.
    """
    from executorch.exir._serialize._program import deserialize_pte_binary

    file = Path(path)
    try:
        data = file.read_bytes()
        if data[4:8] != _IDENTIFIER:
            raise ValueError(f"it begins with {data[4:8]!r} and not with {_IDENTIFIER!r}")
        program = deserialize_pte_binary(data).program
        if not program.execution_plan:
            raise ValueError("it has no method")
        return _proof(program)
    except (OSError, ValueError, LookupError, AssertionError, subprocess.CalledProcessError) as error:
        raise ConversionError(
            f"{file.name} cannot be read as an ExecuTorch program ({error}); convert again"
        ) from error


def delegate_graphs(program: Any) -> Iterator[dict[str, Any]]:
    """The XNNPACK graphs of a deserialized program, as the schema of `executorch.backends.xnnpack` names their parts.

    Raises:
        ValueError: a delegate that is not XNNPACK's, or damaged.
    """
    from executorch.backends.xnnpack.serialization.xnnpack_graph_serialize import XNNHeader, _get_schema_bytes
    from executorch.exir._serialize._flatbuffer import _flatc_decompile

    for delegate in program.execution_plan[0].delegates:
        if delegate.id != "XnnpackBackend":
            raise ValueError(f"it has a delegate {delegate.id!r}; XnnpackBackend alone can be read")
        payload = bytes(program.backend_delegate_data[delegate.processed.index].data)
        header = XNNHeader.from_bytes(payload[: XNNHeader.EXPECTED_LENGTH])
        start = header.flatbuffer_offset
        with tempfile.TemporaryDirectory() as folder:
            schema, graph = Path(folder, "schema.fbs"), Path(folder, "graph.bin")
            schema.write_bytes(_get_schema_bytes())
            graph.write_bytes(payload[start : start + header.flatbuffer_size])
            _flatc_decompile(folder, str(schema), str(graph), ["--raw-binary", "--defaults-json"])
            # The upper bound of a ReLU is infinite, which flatc writes in its own way.
            text = re.sub(r'(": -?)inf\b', r"\1Infinity", graph.with_suffix(".json").read_text())
            found: dict[str, Any] = json.loads(text)
        yield found


def _proof(program: Any) -> GraphProof:
    sizes: Counter[str] = Counter()
    operations = list(_kernels(program, sizes))
    # Delegates share what they store under the same key.
    stored: set[str] = set()
    for number, graph in enumerate(delegate_graphs(program)):
        operations.extend(_delegated(number, graph, sizes, stored))
    int8 = [item for item in operations if item.weight in _INTEGERS and item.given in _INTEGERS]
    return GraphProof(
        weight_bytes=dict(sorted(sizes.items())),
        operations=len(operations),
        int8_operations=len(int8),
        float_weights=tuple(item.name for item in operations if item.weight not in _INTEGERS),
        float_inputs=tuple(
            item.name for item in operations if item.weight in _INTEGERS and item.given not in _INTEGERS
        ),
        macs=sum(item.macs for item in operations),
        int8_macs=sum(item.macs for item in int8),
    )


def _kernels(program: Any, sizes: Counter[str]) -> Iterator[_Operation]:
    """Operations with a weight outside the delegates; the program's own constants are added to `sizes`."""
    from executorch.exir.schema import KernelCall, Tensor

    plan = program.execution_plan[0]
    values = [item.val for item in plan.values]
    # Where a value is constant it has a buffer in the file and no place in the memory that runs share.
    constants = {
        index: value
        for index, value in enumerate(values)
        if isinstance(value, Tensor) and value.data_buffer_idx > 0 and value.allocation_info is None
    }
    scales = set()
    for number, instruction in enumerate(plan.chains[0].instructions):
        call = instruction.instr_args
        if not isinstance(call, KernelCall):
            continue
        kind = plan.operators[call.op_index].name
        place, axis = _KERNELS.get(kind, (0, None))
        if kind not in _KERNELS or call.args[place] not in constants:
            continue
        weight = constants[call.args[place]]
        if kind == "aten::embedding" and weight.sizes[-1] == 1 and _kind(weight) not in _INTEGERS:
            # One number a row: the scale of a table beside it.
            scales.add(call.args[place])
            continue
        macs = 0
        if axis is not None:
            macs = math.prod(values[call.args[-1]].sizes) * math.prod(weight.sizes) // weight.sizes[axis]
        given = values[call.args[1 if kind == "aten::addmm" else 0]] if axis is not None else None
        shape = "x".join(map(str, weight.sizes))
        yield _Operation(
            f"{kind} {number} ({shape})", _kind(weight), _kind(given) if given is not None else "indices", macs
        )
    # Several values may be one stored constant.
    stored = {value.data_buffer_idx: value for index, value in constants.items() if index not in scales}
    for value in stored.values():
        if math.prod(value.sizes) > WEIGHT_THRESHOLD and value.scalar_type.name in _SCALARS:
            width = {"fp32": 4, "fp16": 2}.get(_kind(value), 1)
            sizes[_kind(value)] += math.prod(value.sizes) * width


def _kind(tensor: Any) -> str:
    return _SCALARS.get(tensor.scalar_type.name, tensor.scalar_type.name.lower())


def _delegated(number: int, graph: dict[str, Any], sizes: Counter[str], stored: set[str]) -> Iterator[_Operation]:
    """Operations with a weight of one delegate; its weights are added to `sizes`, unless their key is in `stored`."""
    values = {}
    for item in graph["xvalues"]:
        union = item["xvalue_union"]
        value = union.get("tensor_value", union)
        values[value["id_out"]] = value
    for place, item in enumerate(graph["xnodes"]):
        kind, node = item["xnode_union_type"], item["xnode_union"]
        if kind not in _NODES:
            continue
        weight, given, output = (values[node[name]] for name in ("filter_id", "input1_id", "output_id"))
        if not weight["constant_buffer_idx"]:
            continue
        count = math.prod(weight["dims"])
        # Every weight is used once a place of the output, or of the input where a convolution is transposed. Filters
        # have their output channels first, depthwise ones last.
        places, channels = output, weight["dims"][-1 if kind == "XNNDepthwiseConv2d" else 0]
        if kind == "XNNConvTranspose2d":
            places, channels = given, weight["dims"][-1]
        shape = "x".join(map(str, weight["dims"]))
        name = f"{kind.removeprefix('XNN')} {place} of delegate {number} ({shape})"
        macs = math.prod(places["dims"]) * count // channels
        yield _Operation(name, _datatype(weight), _datatype(given), macs)
        constant = graph["constant_data"][weight["constant_buffer_idx"]]
        key = constant.get("named_key") or f"{number}:{constant['offset']}"
        if key not in stored and count > WEIGHT_THRESHOLD:
            stored.add(key)
            sizes[_datatype(weight)] += int(constant["size"])


def _datatype(value: dict[str, Any]) -> str:
    return _KINDS.get(value["datatype"], str(value["datatype"]).removeprefix("xnn_datatype_"))
