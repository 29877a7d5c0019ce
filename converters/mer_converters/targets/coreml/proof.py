"""What a saved Core ML program holds in integers, read back from its file."""

from __future__ import annotations

import math
from collections import Counter
from pathlib import Path
from typing import Any

from mer_converters.targets.coreml.program import load_function, read_package
from mer_converters.targets.coreml.quantize import WEIGHT_THRESHOLD
from mer_quantization.proof import GraphProof

# Operation -> its input that is a weight, and the one that is an activation.
_WEIGHTED = {
    "conv": ("weight", "x"),
    "conv_transpose": ("weight", "x"),
    "linear": ("weight", "x"),
    "matmul": ("y", "x"),
    "gather": ("x", "indices"),
}
_FLOATS = ("fp16", "fp32")


def read_proof(package: str | Path) -> GraphProof:
    """The proof of a saved ML Program. Constants of at most `WEIGHT_THRESHOLD` values are no weights.

    Raises:
        ConversionError: the package cannot be read.
    """
    sizes: Counter[str] = Counter()
    int8, macs, int8_macs, float_weights, float_inputs = 0, 0, 0, [], []
    operations = list(load_function(read_package(package)).operations)
    for operation in operations:
        found = _stored(operation)
        if found is not None:
            sizes[found[0]] += found[1]
    for operation in operations:
        weight, given = _WEIGHTED.get(operation.op_type, ("", ""))
        source = operation.inputs[weight].op if weight else None
        if source is None or _stored(source) is None:
            continue
        name, work = operation.outputs[0].name, _macs(operation)
        macs += work
        if source.op_type == "const":
            float_weights.append(name)
        elif getattr(operation.inputs[given].op, "op_type", "") == "dequantize":
            int8 += 1
            int8_macs += work
        else:
            float_inputs.append(name)
    count = int8 + len(float_weights) + len(float_inputs)
    weights, inputs = tuple(float_weights), tuple(float_inputs)
    return GraphProof(dict(sorted(sizes.items())), count, int8, weights, inputs, macs, int8_macs)


def _macs(operation: Any) -> int:
    """Multiply-accumulates of an operation with a weight."""
    made = _count(operation.outputs[0])
    if operation.op_type == "conv":
        return made * _count(operation.weight) // int(operation.weight.shape[0])
    if operation.op_type == "conv_transpose":
        return _count(operation.x) * _count(operation.weight) // int(operation.weight.shape[0])
    return made * int(operation.x.shape[-1]) if operation.op_type in ("linear", "matmul") else 0


def _stored(operation: Any) -> tuple[str, int] | None:
    """(element type, bytes) of the weight that an operation is; None where it is none."""
    from coremltools.converters.mil.mil import types

    def kind(variable: Any) -> str:
        return str(types.builtin_to_string(variable.dtype))

    if operation.op_type == "const":
        output = operation.outputs[0]
        inside = [child.op_type.startswith("constexpr_") for child in output.child_ops]
        if not inside or all(inside) or kind(output) not in _FLOATS or _count(output) <= WEIGHT_THRESHOLD:
            return None
        return kind(output), _count(output) * (2 if kind(output) == "fp16" else 4)
    if not operation.op_type.startswith("constexpr_"):
        return None
    values = _count(operation.outputs[0])
    if operation.op_type == "constexpr_lut_to_dense":
        # Opset iOS16 has one palette a tensor, whose size is that of `lut`; later ones have palettes in its last axes.
        lut = operation.inputs["lut"]
        levels = lut.shape[0] if lut.rank == 1 else lut.shape[-2]
        bits = round(math.log2(levels))
        return f"palette{bits}", math.ceil(values * bits / 8)
    data = operation.inputs.get("quantized_data") or operation.inputs.get("data")
    name = kind(data) if data is not None else kind(operation.outputs[0])
    width = next((int(digits) for digits in (name.lstrip("uintfp"),) if digits.isdigit()), 32)
    return name, math.ceil(values * width / 8)


def _count(variable: Any) -> int:
    return math.prod(int(size) for size in variable.shape)
