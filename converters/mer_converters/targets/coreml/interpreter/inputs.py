"""Inputs of a saved program: held against their declared types, images brought into the program's layout."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from torch import Tensor

from mer_converters.targets.coreml.interpreter.values import Declared, held
from mer_sdk.errors import SignalError

_COLOURS = {10: "GRAYSCALE", 20: "RGB", 30: "BGR", 40: "GRAYSCALE_FLOAT16"}


def input_tensors(
    inputs: Mapping[str, np.ndarray], declared: Mapping[str, Declared], description: Any
) -> dict[str, Tensor]:
    """Arrays of a run as the tensors that hold them.

    Args:
        inputs: by name. An image input takes the program's own layout, or uint8 [height, width, 3] in RGB order
            ([height, width] for a grey one).
        declared: type of each input of the function.
        description: the function's description in the specification, which tells images.

    Raises:
        SignalError: a name is missing or unknown, a shape or element type does not fit, or a float is not finite.
    """
    missing, unknown = sorted(set(declared) - set(inputs)), sorted(set(inputs) - set(declared))
    if missing or unknown:
        said = [f"misses {', '.join(missing)}"] if missing else []
        said += [f"has {', '.join(unknown)}, which the program does not know"] if unknown else []
        wanted = ", ".join(f"{name} {kind}" for name, kind in declared.items())
        raise SignalError(f"the input {' and '.join(said)}; the program takes: {wanted}")
    images = {item.name: item.type.imageType for item in description.input if item.type.HasField("imageType")}
    tensors = {}
    for name, kind in declared.items():
        array = np.asarray(inputs[name])
        if name in images:
            array = _image_layout(array, kind, _COLOURS.get(images[name].colorSpace, "RGB"))
        _check(name, array, kind)
        tensors[name] = held(array, kind.kind)
    return tensors


def _image_layout(array: np.ndarray, declared: Declared, colours: str) -> np.ndarray:
    if array.ndim == 3 and array.shape[-1] == 3 and colours in ("RGB", "BGR") and len(declared.shape) == 4:
        ordered = array if colours == "RGB" else array[..., ::-1]
        return np.ascontiguousarray(ordered.transpose(2, 0, 1)[None], np.float32)
    if array.ndim == 2 and colours.startswith("GRAYSCALE") and len(declared.shape) == 4:
        return array[None, None].astype(np.float32)
    return array


def _check(name: str, array: np.ndarray, declared: Declared) -> None:
    if not declared.fits(array.shape):
        raise SignalError(f"input {name!r} has shape {array.shape}, needed is {declared}")
    if array.dtype.kind not in "fiub":
        raise SignalError(f"input {name!r} holds {array.dtype}, needed are numbers ({declared})")
    if declared.is_float:
        if not np.isfinite(array).all():
            raise SignalError(f"input {name!r} has NaN or infinite values; give finite ones")
    elif array.dtype.kind == "f":
        raise SignalError(f"input {name!r} holds {array.dtype}, needed is {declared}; convert it to whole numbers")
    elif declared.kind in _LIMITS and array.size:
        low, high = _LIMITS[declared.kind]
        if int(array.min()) < low or int(array.max()) > high:
            raise SignalError(f"input {name!r} has values outside {declared.kind}: allowed are {low} to {high}")


_LIMITS = {
    f"{sign}int{bits}": ((0, 2**bits - 1) if sign else (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1))
    for sign in ("", "u")
    for bits in (8, 16, 32)
}
