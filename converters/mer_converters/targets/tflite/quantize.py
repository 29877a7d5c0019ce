"""The quantized schemes of a TFLite file, made from the fp32 file by ai-edge-quantizer, operation by operation.

w8: int8 weights of convolutions, linear layers and tables, symmetric, one scale an output channel (a table: one), with
a dequantize in front, which the runtime computes once. dyn8: convolutions and linear layers read their int8 weights as
they are, and LiteRT turns their inputs to 8 bits as they come; depthwise convolutions and tables as in w8. int8: inputs
and outputs of convolutions and linear layers in int8 too, with ranges over all samples; linear layers have one scale;
tables as in w8.

In floating point stay, in every scheme, all that a logarithm depends on and what the caller names; softmax, norms,
gates, products and sums of computed tensors, but for the sums of residual blocks between 8-bit convolutions. The caller
names transforms whose matrix is not trained: with Atsuko's spectra in int8 its fusion was 23 dB from fp32, without 36.
"""

from __future__ import annotations

import contextlib
import io
import re
import warnings
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from mer_converters.targets.tflite.flatbuffer import Operation, Program
from mer_sdk.errors import ConversionError

# What can have int8 weights, and how ai-edge-quantizer calls it.
_QUANTIZED = ("CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED", "EMBEDDING_LOOKUP")
_TABLE, _LINEAR = "EMBEDDING_LOOKUP", "FULLY_CONNECTED"
# For depthwise convolutions of that kind LiteRT has a slow kernel alone: one in front of the face encoder's ten
# convolutions made it take 0.11 ms in place of 0.07.
_DYNAMIC = ("CONV_2D", "FULLY_CONNECTED")
# Operations that move int8 values as well as float ones, with one scale for what comes in and goes out.
_MOVES = ("RESHAPE", "TRANSPOSE", "PAD", "SLICE")


@dataclass(frozen=True)
class Range:
    """Smallest and largest value that one tensor took, both finite, `low` at most `high`."""

    low: float
    high: float


def weighted(program: Program, keep: frozenset[str]) -> tuple[Operation, ...]:
    """The operations whose weight can be in integers.

    Args:
        program: in floating point.
        keep: names of operations that stay in float besides those that a logarithm depends on.
    """
    stay = keep | program.feeding_logarithms()
    return tuple(
        operation
        for operation in program.operations
        if operation.kind in _QUANTIZED and operation.name not in stay and program.weight_of(operation) is not None
    )


def in_int8(program: Program, keep: frozenset[str]) -> tuple[Operation, ...]:
    """The operations whose inputs and outputs are int8 in a static scheme, arguments as `weighted`.

    Those with a weight; sums of two such results that only such operations read, as in a residual block; and moves
    next to one, which would otherwise turn int8 to float for nothing.
    """
    chosen = {operation.name for operation in weighted(program, keep) if operation.kind != _TABLE}
    stay = keep | program.feeding_logarithms()
    before = -1
    while before != len(chosen):
        before = len(chosen)
        for operation in program.operations:
            if operation.name not in stay and _joins(operation, program, chosen):
                chosen.add(operation.name)
    return tuple(operation for operation in program.operations if operation.name in chosen)


def _joins(operation: Operation, program: Program, chosen: set[str]) -> bool:
    readers = program.consumers.get(operation.name, ())
    read_in_int8 = bool(readers) and operation.name not in program.outputs
    read_in_int8 = read_in_int8 and all(reader.name in chosen for reader in readers)
    sources = [program.producers.get(given.name) if given is not None else None for given in operation.inputs]
    if operation.kind == "ADD":
        made = [source is not None and (source.name in chosen) for source in sources]
        return read_in_int8 and all(made)
    if operation.kind in _MOVES:
        given = operation.inputs[0]
        made_in_int8 = sources[0] is not None and sources[0].name in chosen
        return given is not None and given.kind == "float32" and (read_in_int8 or made_in_int8)
    return False


def activation_ranges(
    path: Path, program: Program, samples: Iterable[Mapping[str, np.ndarray]], names: tuple[str, ...]
) -> dict[str, Range]:
    """Tensor name -> its smallest and largest value over all samples, for every float tensor that is no constant.

    Args:
        path: the fp32 file.
        program: the same as read.
        samples: inputs of one run each, at least one; looked at once, in order.
        names: of the graph's inputs, in the contract's order.

    Raises:
        ConversionError: there is no sample, one lacks an input, or a value is not finite.
    """
    from ai_edge_litert.interpreter import Interpreter

    with _quiet():
        interpreter = Interpreter(str(path), experimental_preserve_all_tensors=True, num_threads=1)
    interpreter.allocate_tensors()
    inputs = _input_indices(interpreter)
    # A constant with a range here would get one scale in place of one a channel: the quantizer takes what it is given.
    computed = set(program.inputs) | set(program.producers)
    tensors = interpreter.get_tensor_details()
    watched = [item for item in tensors if item["dtype"] == np.float32 and item["name"] in computed]
    low = dict.fromkeys((item["name"] for item in watched), np.inf)
    high = dict.fromkeys(low, -np.inf)
    count = 0
    for sample in samples:
        missing = sorted(set(names) - set(sample))
        if missing:
            raise ConversionError(f"{path.name}: calibration sample {count} has no {', '.join(missing)}")
        for name, index in zip(names, inputs, strict=True):
            interpreter.set_tensor(index, np.ascontiguousarray(sample[name]))
        interpreter.invoke()
        for item in watched:
            value = interpreter.get_tensor(item["index"])
            if not value.size:
                continue
            name, smallest, largest = item["name"], float(value.min()), float(value.max())
            if not (np.isfinite(smallest) and np.isfinite(largest)):
                raise ConversionError(
                    f"{path.name}: {name!r} is not finite on calibration sample {count}; look at that clip, or leave "
                    "it out"
                )
            low[name], high[name] = min(low[name], smallest), max(high[name], largest)
        count += 1
    if not count:
        raise ConversionError(f"{path.name}: there is no calibration sample; give more clips")
    return {name: Range(low[name], high[name]) for name in low if low[name] <= high[name]}


def _input_indices(interpreter: Any) -> list[int]:
    from mer_sdk.runtimes.graph import positional

    signatures = interpreter.get_signature_list()
    if not signatures:
        return [item["index"] for item in interpreter.get_input_details()]
    details = interpreter.get_signature_runner(next(iter(signatures))).get_input_details()
    return [details[key]["index"] for key in positional(list(details))]


def quantized(
    source: Path, scheme: str, program: Program, keep: frozenset[str], ranges: Mapping[str, Range] | None
) -> bytes:
    """The content of `source` in a scheme.

    Args:
        source: the fp32 file.
        scheme: "w8", "dyn8" or "int8".
        program: `source` as read.
        keep: as in `weighted`.
        ranges: of `activation_ranges`, for int8.

    Raises:
        ConversionError: the file has nothing to quantize.
    """
    from ai_edge_quantizer import quantizer

    tool, granularity = quantizer.Quantizer(str(source)), quantizer.qtyping.QuantGranularity
    static = {operation.name for operation in in_int8(program, keep)} if scheme == "int8" else set()
    names = static | {operation.name for operation in weighted(program, keep)}
    chosen = [operation for operation in program.operations if operation.name in names]
    if not chosen:
        raise ConversionError(f"{source.name}: {scheme} was asked for, but every weight stays in float; take fp32")
    for operation in chosen:
        # The quantizer matches regular expressions against the names of all outputs, each followed by ";".
        regex = "^" + re.escape("".join(f"{output.name};" for output in operation.outputs)) + "$"
        kind = quantizer.qtyping.TFLOperationName(operation.kind)
        if operation.name in static:
            # LiteRT's 8-bit specification has one scale for all of a linear layer; older kernels know no other.
            scales = granularity.TENSORWISE if operation.kind == _LINEAR else granularity.CHANNELWISE
            tool.add_static_config(regex, kind, activation_num_bits=8, weight_num_bits=8, weight_granularity=scales)
        elif operation.kind == _TABLE:
            # The rows that are looked up are turned to float, not the table. A scale for each of its thousands of rows
            # would take a quarter of its bytes again.
            tool.add_dynamic_config(regex, kind, num_bits=8, granularity=granularity.TENSORWISE)
        elif scheme == "dyn8" and operation.kind in _DYNAMIC:
            tool.add_dynamic_config(regex, kind, num_bits=8)
        else:
            tool.add_weight_only_config(regex, kind, num_bits=8)
    statistics = None
    if ranges is not None:
        tensors = [item for operation in program.operations for item in (*operation.inputs, *operation.outputs)]
        ranks = {item.name: len(item.shape) for item in tensors if item is not None}
        statistics = {name: _statistics(found, ranks[name]) for name, found in ranges.items() if name in ranks}
    with _quiet():
        return bytes(tool.quantize(statistics, enable_progress_bar=False).quantized_model or b"")


def _statistics(found: Range, rank: int) -> dict[str, np.ndarray]:
    shape = (1,) * rank
    return {"min": np.full(shape, found.low, np.float32), "max": np.full(shape, found.high, np.float32)}


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Without the quantizer's table of sizes, and LiteRT's warning that keeping every tensor takes memory."""
    with contextlib.redirect_stdout(io.StringIO()), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield
