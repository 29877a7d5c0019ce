"""Quantized schemes of an ONNX graph: weights in integers, activations in integers as they come or calibrated.

Weights that are read in float are int8 with a Cast and a multiplication by their scales behind them. ONNX Runtime
computes both once, when it loads the file; a DequantizeLinear it would compute in every run (measured: 2.7 times the
time of a face encoder, 1.6 times that of a fusion graph), because it keeps those for its integer kernels.

Weights that integer kernels read have 7 bits (-64 to 64). x86 processors with AVX2 and without VNNI add two products of
an unsigned and a signed byte in 16 bits, which saturate: 2 * 255 * 127 is too much, 2 * 255 * 64 is not. A file cannot
know where it will run, and the loss is small: over the calibration inputs of GRJCA's and AMB-DSGDN's students 0 to 3.4
dB of 29 to 45 (face 32.1 to 29.3, text 34.5 to 31.1, audio, fusion none to 1.4). Unsigned weights would not saturate
either, but take 1.3 to 2 times as long.
"""

from __future__ import annotations

import itertools
import os
import tempfile
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from mer_converters.targets.onnx.graph import CONVOLUTION, LINEAR, TABLE, Weight, attribute, replace_nodes, weights
from mer_sdk.errors import ConversionError

if TYPE_CHECKING:
    from onnx import ModelProto, NodeProto

_INT8, _REDUCED = 127, 64


def weights_to_int8(model: ModelProto, keep: Collection[str], kinds: Collection[str] | None = None) -> set[str]:
    """Hold weights in int8, symmetric, one scale an output channel (of a table: a column), and read them in float.

    Gives the names of the scales.

    Args:
        model: in fp32; changed in place.
        keep: names of nodes that stay as they are.
        kinds: operation types whose weights are held so; None for all that have weights.
    """
    from onnx import TensorProto, helper

    chosen = {
        item.node.name: item for item in weights(model.graph, keep) if kinds is None or item.node.op_type in kinds
    }
    stored = _Stored(model, _INT8)
    nodes: list[NodeProto] = []
    wide: dict[tuple[str, int], str] = {}
    for node in model.graph.node:
        item = chosen.get(node.name)
        if item is None:
            nodes.append(node)
            continue
        integers, scale = stored.names(item, broadcast=True)
        if item.node.op_type == TABLE:
            rows = helper.make_node("Gather", [integers, node.input[1]], [f"{node.output[0]}.int8"], name=node.name)
            cast = helper.make_node("Cast", [rows.output[0]], [f"{node.output[0]}.wide"], to=TensorProto.FLOAT)
            nodes += [rows, cast, helper.make_node("Mul", [cast.output[0], scale], [node.output[0]])]
            continue
        if (item.name, item.axis) not in wide:
            wide[item.name, item.axis] = f"{item.name}.float{item.axis}"
            cast = helper.make_node("Cast", [integers], [f"{integers}.wide"], to=TensorProto.FLOAT)
            nodes += [cast, helper.make_node("Mul", [cast.output[0], scale], [wide[item.name, item.axis]])]
        node.input[item.place] = wide[item.name, item.axis]
        nodes.append(node)
    replace_nodes(model.graph, nodes)
    return stored.scales


def linear_inputs_to_int8(model: ModelProto, keep: Collection[str]) -> None:
    """Compute linear layers from 7-bit weights and inputs that are turned to 8 bits by their own range in every run.

    Convolutions stay in float: ONNX Runtime's ConvInteger took 2.9 times as long as torch.

    Args:
        model: in fp32; changed in place.
        keep: names of nodes that stay in float.
    """
    from onnx import TensorProto, helper

    chosen = {item.node.name: item for item in weights(model.graph, keep) if item.node.op_type in LINEAR}
    stored = _Stored(model, _REDUCED)
    nodes: list[NodeProto] = []
    given: set[str] = set()
    for node in model.graph.node:
        item = chosen.get(node.name)
        if item is None:
            nodes.append(node)
            continue
        integers, scale = stored.names(item, broadcast=False, transpose=item.axis == 0)
        source, result = node.input[0], node.output[0]
        quantized, by, zero = (f"{source}.{what}" for what in ("uint8", "scale", "zero"))
        if source not in given:
            given.add(source)
            nodes.append(helper.make_node("DynamicQuantizeLinear", [source], [quantized, by, zero]))
        biased = len(node.input) > 2
        product = f"{result}.product" if biased else result
        nodes += [
            helper.make_node("MatMulInteger", [quantized, integers, zero], [f"{result}.int32"], name=node.name),
            helper.make_node("Cast", [f"{result}.int32"], [f"{result}.wide"], to=TensorProto.FLOAT),
            helper.make_node("Mul", [by, scale], [f"{result}.scale"]),
            helper.make_node("Mul", [f"{result}.wide", f"{result}.scale"], [product]),
        ]
        if biased:
            nodes.append(helper.make_node("Add", [product, node.input[2]], [result]))
    replace_nodes(model.graph, nodes)


class _Stored:
    """Integers and scales of weights as initializers of a model, each made once however many operations read it."""

    def __init__(self, model: ModelProto, largest: int) -> None:
        self._graph, self._largest = model.graph, largest
        self._sources = {item.name: item for item in model.graph.initializer}
        self._known: dict[tuple[str, int], tuple[str, str]] = {}

    @property
    def scales(self) -> set[str]:
        """Names of all scales."""
        return {scale for _, scale in self._known.values()}

    def names(self, item: Weight, broadcast: bool, transpose: bool = False) -> tuple[str, str]:
        """Names of the integers, and of the scales: one a channel, or shaped to be multiplied with the integers."""
        from onnx import numpy_helper

        key = (item.name, item.axis)
        if key not in self._known:
            integers, scale = quantize_channels(
                numpy_helper.to_array(self._sources[item.name]), item.axis, self._largest
            )
            if transpose:
                integers = np.ascontiguousarray(integers.T)
            if not broadcast:
                scale = scale.ravel()
            self._known[key] = (f"{item.name}.int8.{item.axis}", f"{item.name}.scale.{item.axis}")
            for name, values in zip(self._known[key], (integers, scale), strict=True):
                self._graph.initializer.append(numpy_helper.from_array(values, name))
        return self._known[key]


def quantize_channels(values: np.ndarray, axis: int, largest: int) -> tuple[np.ndarray, np.ndarray]:
    """Integers from -largest to largest, int8, and scales, float32, of length 1 on all axes but `axis`.

    A channel of zeros has the scale 1.
    """
    others = tuple(other for other in range(values.ndim) if other != axis)
    extent = np.abs(values).max(axis=others, keepdims=True)
    scale = np.where(extent > 0.0, extent / largest, 1.0).astype(np.float32)
    return np.clip(np.rint(values / scale), -largest, largest).astype(np.int8), scale


def activations_to_int8(model: ModelProto, keep: Collection[str], samples: Iterator[dict[str, np.ndarray]]) -> None:
    """Compute convolutions and linear layers from 7-bit weights and calibrated 8-bit inputs, by ONNX Runtime's tool.

    Ranges are the smallest and largest value over all samples. Outputs of convolutions are in 8 bits, as their integer
    kernel needs; those of linear layers are float. Sums stay in float: in 8 bits the fusion of GRJCA's student lost 3.5
    dB, that of AMB-DSGDN's 5.1, and both files were larger.

    Convolutions over a single channel stay in float: those read the signal itself (normalised pixels, log-mel), whose
    extremes make the steps of 8 bits wide, and are 1 to 3 % of an encoder's work. With them in float, int8 students
    named fp32's label, of 210 answers with ranges from 16 clips, in 99.0 and not 98.6 % (Atsuko), 99.5 and not 99.0 %
    (FDRL), 97.6 % both times (GRJCA).

    Args:
        model: in fp32; changed in place.
        keep: names of nodes that stay in float.
        samples: input name -> array with a batch axis of 1, one dictionary a run.

    Raises:
        ConversionError: there are no samples, or one is not finite.
    """
    import onnx

    os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")  # as `mer_sdk.runtimes.onnx`
    from onnxruntime.quantization import CalibrationMethod, QuantFormat, QuantType, quantize_static
    from onnxruntime.quantization.quant_utils import add_pre_process_metadata

    kinds = (CONVOLUTION, *LINEAR)
    shapes = {item.name: tuple(item.dims) for item in model.graph.initializer}
    chosen = {
        item.node.name
        for item in weights(model.graph, keep)
        if item.node.op_type in kinds and not _reads_signal(item, shapes[item.name])
    }
    if not chosen:
        return
    activations = {node.name for node in model.graph.node if node.op_type == "Relu" and node.name not in keep}
    reader = _Reader(samples)
    if reader.first is None:
        raise ConversionError("there are no calibration inputs to take ranges from; give --data with more clips")
    # Nothing to be done before, which the tool asks for otherwise: batch norms are folded, shapes are known.
    add_pre_process_metadata(model)
    with tempfile.TemporaryDirectory() as folder:
        written = Path(folder) / "quantized.onnx"
        quantize_static(
            model,
            str(written),
            reader,
            quant_format=QuantFormat.QDQ,
            op_types_to_quantize=[*kinds, "Relu"],
            per_channel=True,
            reduce_range=True,
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
            nodes_to_quantize=sorted(chosen | activations),
            calibrate_method=CalibrationMethod.MinMax,
            extra_options={
                "MatMulConstBOnly": True,
                "OpTypesToExcludeOutputQuantization": list(LINEAR),
                "QDQOpTypePerChannelSupportToAxis": {"MatMul": 1},
            },
        )
        model.CopyFrom(onnx.load(str(written)))
    _float_reads_float(model, chosen)


def _reads_signal(item: Weight, shape: tuple[int, ...]) -> bool:
    # A depthwise convolution has one channel in each group.
    return item.node.op_type == CONVOLUTION and shape[1] == 1 and attribute(item.node, "group", 1) == 1


class _Reader:
    """Samples as ONNX Runtime's calibration asks for them (`CalibrationDataReader`)."""

    def __init__(self, samples: Iterator[dict[str, np.ndarray]]) -> None:
        self.first = next(samples, None)
        self._samples = itertools.chain([] if self.first is None else [self.first], samples)

    def get_next(self) -> dict[str, np.ndarray] | None:
        given = next(self._samples, None)
        for name, values in (given or {}).items():
            if not np.isfinite(values).all():
                raise ConversionError(f"a calibration input of {name!r} is not finite; leave that clip out")
        return given


def _float_reads_float(model: ModelProto, chosen: Collection[str]) -> None:
    """Let operations in float read what a float operation wrote, where the tool gives them its 8-bit form."""
    producer = {name: node for node in model.graph.node for name in node.output}
    initializers = {item.name for item in model.graph.initializer}
    before = {}
    for node in model.graph.node:
        quantize = producer.get(node.input[0]) if node.op_type == "DequantizeLinear" else None
        if quantize is None or quantize.input[0] in initializers:
            continue
        origin = producer.get(quantize.input[0])
        # What an integer convolution writes is in 8 bits already, through a ReLU too.
        if origin is not None and origin.op_type == "Relu":
            origin = producer.get(origin.input[0])
        if origin is None or origin.op_type != CONVOLUTION:
            before[node.output[0]] = quantize.input[0]
    for node in model.graph.node:
        if node.name in chosen:
            continue
        for place, name in enumerate(node.input):
            if name in before:
                node.input[place] = before[name]
    # A quantized value that only float operations read is read by none now.
    read = {name for node in model.graph.node for name in node.input} | {item.name for item in model.graph.output}
    nodes = [node for node in model.graph.node if node.op_type != "DequantizeLinear" or node.output[0] in read]
    read = {name for node in nodes for name in node.input} | {item.name for item in model.graph.output}
    replace_nodes(model.graph, [node for node in nodes if node.op_type != "QuantizeLinear" or node.output[0] in read])
