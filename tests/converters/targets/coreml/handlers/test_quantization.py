"""Quantization at run time against torch, and weights that are stored compressed against their formulas."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import coremltools as ct
import numpy as np
import pytest
import torch
from arrays import listed, normal, uniform
from building import Case, check, program, saved
from coremltools.converters.mil.mil import Builder as mb  # noqa: N813
from coremltools.converters.mil.mil import types

from mer_converters.targets.coreml.interpreter.interpreter import Interpreter

INT4, UINT4, UINT1 = types.np_int4_dtype, types.np_uint4_dtype, types.np_uint1_dtype


def rounded(kind: str) -> Case:
    """One scale for everything, then one for each channel; values far outside the range are clipped."""
    x = normal(2, 3, 4, scale=2.0)
    x[0, 0, :2] = (90.0, -90.0)
    scales = np.array([0.05, 0.125, 0.02], np.float32)
    points = np.array([3, 7, 1], np.int8 if kind == "int8" else np.uint8)
    limits = (-128, 127) if kind == "int8" else (0, 255)

    def build(x: Any) -> Any:
        whole = mb.quantize(input=x, scale=np.float32(0.0625), output_dtype=kind)
        moved = mb.quantize(input=x, scale=np.float32(0.0625), zero_point=points[0], output_dtype=kind)
        each = mb.quantize(input=x, scale=scales, zero_point=points, axis=1, output_dtype=kind)
        last = mb.quantize(input=x, scale=scales, axis=-2, output_dtype=kind)
        return (
            mb.dequantize(input=whole, scale=np.float32(0.0625)),
            mb.dequantize(input=moved, scale=np.float32(0.0625), zero_point=points[0]),
            mb.dequantize(input=each, scale=scales, zero_point=points, axis=1),
            mb.dequantize(input=last, scale=scales, axis=-2),
        )

    def reference(x: torch.Tensor) -> Any:
        s, p = torch.from_numpy(scales), torch.from_numpy(points.astype(np.int32))
        return (
            torch.fake_quantize_per_tensor_affine(x, 0.0625, 0, *limits),
            torch.fake_quantize_per_tensor_affine(x, 0.0625, int(points[0]), *limits),
            torch.fake_quantize_per_channel_affine(x, s, p, 1, *limits),
            torch.fake_quantize_per_channel_affine(x, s, torch.zeros_like(p), 1, *limits),
        )

    # Scales in fp16 may move a value by one level, 0.125 of about 10.
    return Case(build, reference, {"x": x}, fp16=2e-2, label=kind)


def halves() -> Case:
    """Halves go to the even level."""
    x = np.array([0.5, 1.5, 2.5, -0.5, -1.5, 3.4999, 3.5001], np.float32)

    def build(x: Any) -> Any:
        levels = mb.quantize(input=x, scale=np.float32(1.0), zero_point=np.int8(10), output_dtype="int8")
        return mb.dequantize(input=levels, scale=np.float32(1.0))

    def reference(x: torch.Tensor) -> torch.Tensor:
        return torch.tensor([10.0, 12.0, 12.0, 10.0, 8.0, 13.0, 14.0])

    return Case(build, reference, {"x": x}, fp32=0.0, fp16=None, label="halves")


QUANTIZED = [rounded("int8"), rounded("uint8"), halves()]
CASES: dict[str, list[Case]] = {"quantize": QUANTIZED, "dequantize": QUANTIZED[:1]}


@listed(CASES)
def test_against_torch(operation: str, case: Case, tmp_path: Path) -> None:
    check(operation, case, tmp_path)


# A compressed weight [4, 6]: (operation set, its operations in the builder, and the same values from the formula).
GENERATOR = np.random.default_rng(3)
LEVELS = GENERATOR.integers(-8, 8, (4, 6))
MASK = GENERATOR.random((4, 6)) < 0.5
SCALES = uniform(4, 6, low=0.1, high=0.9, seed=4)


def affine() -> tuple[Any, np.ndarray]:
    scale, zero = SCALES[:, 0], np.array([1, -2, 0, 3], np.int8)
    weight = mb.constexpr_affine_dequantize(
        quantized_data=LEVELS.astype(np.int8), zero_point=zero, scale=scale, axis=np.int32(0)
    )
    return weight, scale[:, None] * (LEVELS - zero[:, None])


def cast() -> tuple[Any, np.ndarray]:
    stored = SCALES.astype(np.float16)
    return mb.constexpr_cast(source_val=stored, output_dtype="fp32"), stored.astype(np.float32)


def packed_table() -> tuple[Any, np.ndarray]:
    """2-bit indices, four to a byte, the first in the lowest bits."""
    indices, table = LEVELS % 4, np.array([-1.0, 0.25, 0.5, 2.0], np.float32)
    bytes_ = (indices.reshape(-1, 4) << np.array([0, 2, 4, 6])).sum(1).astype(np.uint8)
    weight = mb.constexpr_lut_to_dense(indices=bytes_, lut=table, shape=np.array([4, 6], np.uint32))
    return weight, table[indices]


def packed_mask() -> tuple[Any, np.ndarray]:
    mask = np.packbits(MASK.reshape(-1), bitorder="little")
    weight = mb.constexpr_sparse_to_dense(nonzero_data=SCALES[MASK], mask=mask, shape=np.array([4, 6], np.uint32))
    return weight, np.where(MASK, SCALES, 0.0)


def blockwise() -> tuple[Any, np.ndarray]:
    """4-bit levels with a scale and an offset for each 2 by 3 block."""
    scale, offset = SCALES[:2, :2], np.array([[1, -1], [2, 0]])
    weight = mb.constexpr_blockwise_shift_scale(data=LEVELS.astype(INT4), scale=scale, offset=offset.astype(INT4))
    wide = [np.repeat(np.repeat(part, 2, 0), 3, 1) for part in (scale, offset)]
    return weight, wide[0] * (LEVELS - wide[1])


def grouped_tables() -> tuple[Any, np.ndarray]:
    """A table of 16 entries for each two rows."""
    indices, tables = LEVELS % 16, normal(2, 16, seed=5)
    weight = mb.constexpr_lut_to_dense(indices=indices.astype(UINT4), lut=tables.reshape(2, 1, 16, 1))
    return weight, np.stack([tables[row // 2][indices[row]] for row in range(4)])


def vector_table() -> tuple[Any, np.ndarray]:
    """Each index stands for two rows."""
    indices, table = LEVELS[:2] % 16, normal(16, 2, seed=5)
    weight = mb.constexpr_lut_to_dense(
        indices=indices.astype(UINT4), lut=table.reshape(1, 1, 16, 2), vector_axis=np.int32(0)
    )
    return weight, table[indices].transpose(0, 2, 1).reshape(4, 6)


def masked() -> tuple[Any, np.ndarray]:
    weight = mb.constexpr_sparse_to_dense(nonzero_data=SCALES[MASK], mask=MASK.astype(UINT1))
    return weight, np.where(MASK, SCALES, 0.0)


def table_of_what_is_left() -> tuple[Any, np.ndarray]:
    """Pruned, then given a table."""
    indices, table = LEVELS % 16, normal(16, seed=5)
    mask, data = mb.constexpr_lut_to_sparse(
        indices_mask=MASK.astype(UINT1),
        indices_nonzero_data=indices[MASK].astype(UINT4),
        lut=table.reshape(1, 1, 16, 1),
    )
    return mb.constexpr_sparse_to_dense(nonzero_data=data, mask=mask), np.where(MASK, table[indices], 0.0)


def levels_of_what_is_left() -> tuple[Any, np.ndarray]:
    """Pruned, then quantized with a scale for each row."""
    scale = SCALES[:, :1]
    mask, data = mb.constexpr_sparse_blockwise_shift_scale(
        data_mask=MASK.astype(UINT1), nonzero_data=LEVELS[MASK].astype(np.int8), scale=scale
    )
    return mb.constexpr_sparse_to_dense(nonzero_data=data, mask=mask), np.where(MASK, LEVELS * scale, 0.0)


def table_of_levels() -> tuple[Any, np.ndarray]:
    """A table whose entries are 8-bit levels."""
    indices, table = LEVELS % 16, np.arange(-60, 100, 10).astype(np.int8)
    levels = mb.constexpr_lut_to_dense(indices=indices.astype(UINT4), lut=table.reshape(1, 1, 16, 1))
    scale = SCALES[:, :1]
    return mb.constexpr_blockwise_shift_scale(data=levels, scale=scale), table[indices] * scale


COMPRESSED = {
    "constexpr_affine_dequantize": (ct.target.iOS16, affine),
    "constexpr_cast": (ct.target.iOS16, cast),
    "constexpr_lut_to_dense": (ct.target.iOS16, packed_table),
    "constexpr_sparse_to_dense": (ct.target.iOS16, packed_mask),
    "constexpr_blockwise_shift_scale": (ct.target.iOS18, blockwise),
    "constexpr_lut_to_dense of groups": (ct.target.iOS18, grouped_tables),
    "constexpr_lut_to_dense of vectors": (ct.target.iOS18, vector_table),
    "constexpr_sparse_to_dense of iOS 18": (ct.target.iOS18, masked),
    "constexpr_lut_to_sparse": (ct.target.iOS18, table_of_what_is_left),
    "constexpr_sparse_blockwise_shift_scale": (ct.target.iOS18, levels_of_what_is_left),
    "constexpr_blockwise_shift_scale of a table": (ct.target.iOS18, table_of_levels),
}


@pytest.mark.parametrize("name", COMPRESSED)
def test_compressed_weight(name: str, tmp_path: Path) -> None:
    opset, make = COMPRESSED[name]
    values = []

    def build(x: Any) -> Any:
        weight, formula = make()
        values.append(formula)
        return mb.linear(x=x, weight=weight)

    inputs = {"x": normal(3, 6)}
    interpreter = Interpreter(saved(program(build, inputs, opset), tmp_path, "fp32", opset))
    assert name.split()[0] in interpreter.package.operations()
    (found,) = interpreter.run(inputs).values()
    np.testing.assert_allclose(found, inputs["x"] @ values[0].T, rtol=1e-5, atol=1e-5)
