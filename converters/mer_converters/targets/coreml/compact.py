"""A smaller program text: equal constants are one, and constants have short names.

coremltools writes each argument of each operation (strides, axes, scales, zero points, strings) as a constant operation
with a long name. In a small quantized network that text is as large as the weights. Short names get, too, weights that
are unpacked and values turned to 8 bits and back. Names of other computed values stay: they are what errors and sources
speak of.
"""

from __future__ import annotations

from typing import Any

_QUANTIZING = ("quantize", "dequantize")


def compact(spec: Any) -> None:
    """Rewrite the ML Program of a specification in place.

    Constants with their value in the program are merged where type and value are equal; weights, which lie in the
    weight file, are only renamed. Blocks inside operations (loops, branches) keep their own.
    """
    for function in spec.mlProgram.functions.values():
        taken = {item.name for item in function.inputs}
        for block in function.block_specializations.values():
            # The constants of the block itself get new names.
            mine = [operation for operation in block.operations if not _gets_short_name(operation)]
            mine += [inner for operation in mine for child in operation.blocks for inner in _operations(child)]
            _compact_block(block, taken | {output.name for operation in mine for output in operation.outputs})


def _compact_block(block: Any, taken: set[str]) -> None:
    names: dict[str, str] = {}
    values: dict[bytes, str] = {}
    kept = []
    for operation in block.operations:
        if operation.type == "const":
            (output,) = operation.outputs
            value = operation.attributes["val"]
            key = None if value.WhichOneof("value") == "blobFileValue" else value.SerializeToString(deterministic=True)
            if key is not None and key in values and output.name not in block.outputs:
                names[output.name] = values[key]
                continue
            if output.name not in block.outputs:
                names[output.name] = _short(len(names), taken)
            if key is not None:
                values[key] = names.get(output.name, output.name)
        elif _gets_short_name(operation) and operation.outputs[0].name not in block.outputs:
            names[operation.outputs[0].name] = _short(len(names), taken)
        kept.append(operation)
    if not names:
        return
    for operation in kept:
        if _gets_short_name(operation):
            _rename(operation, names)
        _read(operation, names)
    copies = [type(operation).FromString(operation.SerializeToString(deterministic=True)) for operation in kept]
    del block.operations[:]
    block.operations.extend(copies)


def _gets_short_name(operation: Any) -> bool:
    kind: str = operation.type
    return kind == "const" or kind in _QUANTIZING or kind.startswith("constexpr_")


def _rename(operation: Any, names: dict[str, str]) -> None:
    (output,) = operation.outputs
    output.name = names.get(output.name, output.name)
    if "name" in operation.attributes:
        operation.attributes["name"].immediateValue.tensor.strings.values[0] = output.name


def _read(operation: Any, names: dict[str, str]) -> None:
    """Let an operation, and those inside it, read constants by their new names."""
    for argument in operation.inputs.values():
        for binding in argument.arguments:
            if binding.WhichOneof("binding") == "name":
                binding.name = names.get(binding.name, binding.name)
    for inner in operation.blocks:
        inner.outputs[:] = [names.get(name, name) for name in inner.outputs]
        for child in inner.operations:
            _read(child, names)


def _short(number: int, taken: set[str]) -> str:
    name = f"c{number}"
    while name in taken:
        name += "_"
    taken.add(name)
    return name


def _operations(block: Any) -> Any:
    for operation in block.operations:
        yield operation
        for inner in operation.blocks:
            yield from _operations(inner)
