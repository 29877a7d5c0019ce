"""Convolutions."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from mer_converters.targets.coreml.interpreter.handlers.registry import handler, ints
from mer_converters.targets.coreml.interpreter.handlers.spatial import padded, padding, per_dimension
from mer_sdk.errors import ConversionError

_CONVOLUTIONS: dict[int, Any] = {1: functional.conv1d, 2: functional.conv2d, 3: functional.conv3d}
_TRANSPOSED: dict[int, Any] = {
    1: functional.conv_transpose1d,
    2: functional.conv_transpose2d,
    3: functional.conv_transpose3d,
}


@handler("conv")
def conv(
    x: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    strides: Tensor | None = None,
    pad_type: str = "valid",
    pad: Tensor | None = None,
    dilations: Tensor | None = None,
    groups: Tensor | int = 1,
) -> Tensor:
    """Convolution of `x` [n, C_in, *D] with `weight` [C_out, C_in / groups, *K] over one to three dimensions."""
    rank = x.dim() - 2
    steps, spread = per_dimension(strides, rank), per_dimension(dilations, rank)
    kernel = [(size - 1) * step + 1 for size, step in zip(weight.shape[2:], spread, strict=True)]
    pads = padding(pad_type, pad, x.shape[2:], kernel, steps)
    if all(before == after for before, after in pads):
        inside = [before for before, _ in pads]
    else:
        x, inside = padded(x, pads, 0.0), [0] * rank
    convolve = _CONVOLUTIONS[rank]
    return convolve(x, weight, bias, stride=steps, padding=inside, dilation=spread, groups=int(groups))


@handler("conv_quantized")
def conv_quantized(
    x: Tensor,
    weight: Tensor,
    quantization_type: str,
    quant_scale: Tensor,
    quant_bias: Tensor,
    nbits: Tensor | int = 8,
    **options: Any,
) -> Tensor:
    """`conv` with the weight `quant_scale` * `weight` + `quant_bias`; scale and bias are scalars or one per output.

    Raises:
        ConversionError: a quantization other than linear 8-bit; a lookup table has no input of its own.
    """
    if quantization_type != "linear" or int(nbits) != 8:
        raise ConversionError(
            f"conv_quantized of type {quantization_type!r} with {int(nbits)} bits is not computed, only 'linear' with "
            "8; compress the weights with coremltools.optimize instead"
        )
    rows = (-1, *[1] * (weight.dim() - 1))
    return conv(x, quant_scale.reshape(rows) * weight.float() + quant_bias.reshape(rows), **options)


@handler("conv_transpose")
def conv_transpose(
    x: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    pad: Tensor | None = None,
    output_shape: Tensor | None = None,
    pad_type: str = "valid",
    strides: Tensor | None = None,
    dilations: Tensor | None = None,
    groups: Tensor | int = 1,
) -> Tensor:
    """Transposed convolution of `x` [n, C_in, *D] with `weight` [C_in, C_out / groups, *K].

    The result without padding is cut by `pad`, or to D * stride for "same"; where `output_shape` [n, C_out, *D_out] is
    larger than what is left, rows follow that have the bias alone or partial sums, as torch's `output_padding` gives.
    """
    rank = x.dim() - 2
    steps, spread = per_dimension(strides, rank), per_dimension(dilations, rank)
    kernel = [(size - 1) * step + 1 for size, step in zip(weight.shape[2:], spread, strict=True)]
    full = [(size - 1) * step + window for size, step, window in zip(x.shape[2:], steps, kernel, strict=True)]
    y = _TRANSPOSED[rank](x, weight, None, stride=steps, dilation=spread, groups=int(groups))
    wanted = None if output_shape is None else ints(output_shape)[2:]
    starts, sizes = [0] * rank, list(full)
    if pad_type in ("same", "same_lower"):
        sizes = wanted or [size * step for size, step in zip(x.shape[2:], steps, strict=True)]
        cuts = [max(0, have - size) for have, size in zip(full, sizes, strict=True)]
        starts = [cut // 2 if pad_type == "same" else cut - cut // 2 for cut in cuts]
    elif pad_type == "custom" and pad is not None:
        amounts = ints(pad)
        starts = amounts[0::2]
        sizes = [have - a - b for have, a, b in zip(full, amounts[0::2], amounts[1::2], strict=True)]
    sizes = wanted or sizes
    missing = [(0, max(0, start + size - have)) for start, size, have in zip(starts, sizes, full, strict=True)]
    y = padded(y, missing, 0.0)
    for dimension, (start, size) in enumerate(zip(starts, sizes, strict=True)):
        y = torch.narrow(y, 2 + dimension, start, size)
    return y if bias is None else y + bias.reshape(-1, *[1] * rank)
