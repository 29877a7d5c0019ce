"""Convolutions against torch."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import coremltools as ct
import numpy as np
import pytest
import torch
from arrays import listed, normal
from building import Case, check
from coremltools.converters.mil.mil import Builder as mb  # noqa: N813
from torch.nn import functional

CONVOLUTIONS = {1: functional.conv1d, 2: functional.conv2d, 3: functional.conv3d}
TRANSPOSED = {1: functional.conv_transpose1d, 2: functional.conv_transpose2d, 3: functional.conv_transpose3d}
SIZES = (11, 9, 6)


def same_pads(sizes: tuple[int, ...], kernel: tuple[int, ...], strides: tuple[int, ...], lower: bool) -> list[int]:
    """torch's padding (last dimension first) with which the output has ceil(size / stride) elements."""
    amounts = []
    for size, window, stride in reversed(list(zip(sizes, kernel, strides, strict=True))):
        total = max((math.ceil(size / stride) - 1) * stride + window - size, 0)
        small, large = total // 2, (total + 1) // 2
        amounts += [large, small] if lower else [small, large]
    return amounts


def forward(rank: int) -> Case:
    """All kinds of padding, strides, dilations, groups and biases over `rank` dimensions, one program."""
    sizes, kernel, strides, dilations = SIZES[:rank], (3, 2, 4)[:rank], (2, 1, 3)[:rank], (2, 3, 1)[:rank]
    weight, grouped = normal(6, 4, *kernel, seed=1), normal(8, 2, *kernel, seed=2)
    deep, bias = normal(8, 1, *kernel, seed=3), normal(8, seed=4)
    wide = tuple((k - 1) * d + 1 for k, d in zip(kernel, dilations, strict=True))
    pads = [1, 2, 0, 3, 2, 2][: 2 * rank]

    def build(x: Any) -> Any:
        return (
            mb.conv(x=x, weight=weight, pad_type="valid"),
            mb.conv(x=x, weight=weight, pad_type="same", strides=strides),
            mb.conv(x=x, weight=grouped, bias=bias, pad_type="same_lower", dilations=dilations, groups=2),
            mb.conv(x=x, weight=deep, bias=bias, pad_type="custom", pad=pads, strides=strides, groups=4),
            mb.conv(x=x, weight=deep, pad_type="custom", pad=[1] * 2 * rank, dilations=dilations, groups=4),
        )

    def reference(x: torch.Tensor) -> Any:
        convolve = CONVOLUTIONS[rank]
        w, g, d, b = (torch.from_numpy(array) for array in (weight, grouped, deep, bias))
        torch_pads = [amount for pair in reversed(list(zip(pads[::2], pads[1::2], strict=True))) for amount in pair]
        return (
            convolve(x, w),
            convolve(functional.pad(x, same_pads(sizes, kernel, strides, False)), w, stride=strides),
            convolve(functional.pad(x, same_pads(sizes, wide, (1,) * rank, True)), g, b, dilation=dilations, groups=2),
            convolve(functional.pad(x, torch_pads), d, b, stride=strides, groups=4),
            convolve(x, d, padding=1, dilation=dilations, groups=4),
        )

    return Case(build, reference, {"x": normal(2, 4, *sizes)}, label=f"{rank}d")


def dynamic() -> Case:
    """A weight that the program computes."""

    def build(x: Any, w: Any) -> Any:
        return mb.conv(x=x, weight=mb.relu(x=w), pad_type="custom", pad=[1, 1, 1, 1], strides=[2, 2], groups=2)

    def reference(x: torch.Tensor, w: torch.Tensor) -> Any:
        return functional.conv2d(x, w.relu(), padding=1, stride=2, groups=2)

    return Case(build, reference, {"x": normal(1, 4, 7, 8), "w": normal(6, 2, 3, 3, seed=1)}, label="dynamic weight")


def transposed(rank: int) -> Case:
    """Transposed convolutions with all kinds of padding, groups, and an output shape that is given."""
    sizes, kernel, strides = (5, 4, 3)[:rank], (4, 3, 5)[:rank], (2, 3, 2)[:rank]
    weight, grouped, bias = normal(4, 3, *kernel, seed=1), normal(4, 2, *kernel, seed=2), normal(4, seed=3)
    full = [(s - 1) * t + k for s, t, k in zip(sizes, strides, kernel, strict=True)]
    pads = [1, 0, 2, 1, 1, 3][: 2 * rank]
    larger = [2, 4, *((s - 1) * t + k - 2 + 1 for s, t, k in zip(sizes, strides, kernel, strict=True))]

    def build(x: Any) -> Any:
        return (
            mb.conv_transpose(x=x, weight=weight, pad_type="valid", dilations=[2] * rank),
            mb.conv_transpose(x=x, weight=weight, pad_type="same", strides=strides),
            mb.conv_transpose(x=x, weight=grouped, bias=bias, pad_type="custom", pad=pads, strides=strides, groups=2),
            mb.conv_transpose(
                x=x, weight=grouped, bias=bias, pad_type="custom", pad=[1] * 2 * rank,
                strides=strides, groups=2, output_shape=larger,
            ),
        )  # fmt: skip

    def reference(x: torch.Tensor) -> Any:
        convolve = TRANSPOSED[rank]
        w, g, b = (torch.from_numpy(array) for array in (weight, grouped, bias))
        everything = convolve(x, w, stride=strides)
        same, custom = everything, convolve(x, g, b, stride=strides, groups=2)
        for axis, (size, stride, length) in enumerate(zip(sizes, strides, full, strict=True)):
            # Half of what is too much goes off the front, the rest off the end; a rest that is missing is zeros.
            start = max(length - size * stride, 0) // 2
            short = max(start + size * stride - length, 0)
            zeros = same.new_zeros([short if i == axis + 2 else n for i, n in enumerate(same.shape)])
            same = torch.cat([same, zeros], axis + 2).narrow(axis + 2, start, size * stride)
            custom = custom.narrow(axis + 2, pads[2 * axis], length - pads[2 * axis] - pads[2 * axis + 1])
        return (
            convolve(x, w, dilation=2),
            same,
            custom,
            convolve(x, g, b, stride=strides, padding=1, output_padding=1, groups=2),
        )

    return Case(build, reference, {"x": normal(2, 4, *sizes)}, label=f"{rank}d")


def quantized() -> Case:
    """8-bit weights with one scale and bias for each output channel."""
    generator = np.random.default_rng(0)
    weight = generator.integers(0, 256, (3, 4, 3, 3)).astype(np.uint8)
    scale, offset = normal(3, seed=1, scale=0.01), normal(3, seed=2)

    def build(x: Any) -> Any:
        return mb.conv_quantized(
            x=x, weight=weight, quantization_type="linear", quant_scale=scale, quant_bias=offset, pad_type="valid"
        )

    def reference(x: torch.Tensor) -> torch.Tensor:
        rows = torch.from_numpy(weight.astype(np.float32) * scale[:, None, None, None] + offset[:, None, None, None])
        return functional.conv2d(x, rows)

    return Case(build, reference, {"x": normal(1, 4, 6, 6)}, opset=ct.target.iOS15, fp16=None)


CASES: dict[str, list[Case]] = {
    "conv": [forward(1), forward(2), forward(3), dynamic()],
    "conv_transpose": [transposed(1), transposed(2), transposed(3)],
    "conv_quantized": [quantized()],
}


@listed(CASES)
def test_against_torch(operation: str, case: Case, tmp_path: Path) -> None:
    check(operation, case, tmp_path)


def test_lookup_table_of_a_quantized_convolution_is_refused() -> None:
    from mer_converters.targets.coreml.interpreter.handlers.conv import conv_quantized
    from mer_sdk.errors import ConversionError

    one = torch.ones(1, 1, 1)
    with pytest.raises(ConversionError, match="'lut' with 8 bits is not computed"):
        conv_quantized(one, one.byte(), "lut", quant_scale=one, quant_bias=one)
