"""What a TFLite file holds in integers and where it computes in 8 bits, read back from the file."""

from __future__ import annotations

import math
from collections import Counter
from pathlib import Path

from mer_converters.targets.tflite.flatbuffer import Operation, Tensor, read_program
from mer_quantization.proof import GraphProof


def read_proof(path: Path) -> GraphProof:
    """The proof of a file. Weights are what convolutions, linear layers and tables read; biases are left out.

    A linear layer or convolution that reads an int8 weight as it is and a float input is computed from 8 bits: LiteRT
    turns such inputs to 8 bits as they come. One whose weight is dequantized first is computed in float. A look-up in a
    table multiplies nothing and counts as an operation with a float input.

    Raises:
        ConversionError: the file cannot be read.
    """
    program = read_program(path)
    sizes: dict[int, tuple[str, int]] = {}
    int8, macs, int8_macs = 0, 0, 0
    float_weights, float_inputs = [], []
    for operation in program.operations:
        found = program.weight_of(operation)
        if found is None:
            continue
        weight, given, unpacked = found
        if weight.buffer is not None:
            sizes[weight.buffer] = (weight.kind, weight.stored_bytes)
        work = _multiplications(operation, weight)
        macs += work
        if weight.kind.startswith("float"):
            float_weights.append(operation.name)
        elif weight.kind == "int8" and given is not None and _computes_in_8_bits(operation, given, unpacked):
            int8 += 1
            int8_macs += work
        else:
            float_inputs.append(operation.name)
    count = int8 + len(float_weights) + len(float_inputs)
    by_kind: Counter[str] = Counter()
    for kind, size in sizes.values():
        by_kind[kind] += size
    return GraphProof(
        dict(sorted(by_kind.items())), count, int8, tuple(float_weights), tuple(float_inputs), macs, int8_macs
    )


def _computes_in_8_bits(operation: Operation, given: Tensor, unpacked: bool) -> bool:
    if unpacked or operation.kind == "EMBEDDING_LOOKUP":
        return False
    return given.kind in ("int8", "float32")


def _multiplications(operation: Operation, weight: Tensor) -> int:
    """Multiply-accumulates of one run; shapes as TFLite lays them out (a filter is [out, high, wide, in])."""
    out = operation.outputs[0].count
    if operation.kind == "EMBEDDING_LOOKUP":
        return 0
    if operation.kind == "CONV_2D":
        return out * math.prod(weight.shape[1:])
    if operation.kind == "DEPTHWISE_CONV_2D":
        return out * math.prod(weight.shape[1:3])
    if operation.kind == "FULLY_CONNECTED":
        return out * weight.shape[-1]
    left = operation.inputs[0]
    return out * left.shape[-1] if left is not None else 0
