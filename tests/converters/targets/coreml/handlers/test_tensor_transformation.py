"""Changes of shape and order against torch, or index by index where torch has no such function."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import coremltools as ct
import numpy as np
import pytest
import torch
from arrays import integers, listed, normal
from building import Case, check, mb
from torch import Tensor
from torch.nn import functional as F

from mer_converters.targets.coreml.interpreter.handlers.tensor_transformation import reverse_sequence
from mer_sdk.errors import ConversionError

CUBE = {"x": normal(2, 3, 4)}


def reshapes() -> list[Case]:
    """Fixed, with -1, with 0 of equal and (from iOS 17 on) of other rank, and a shape that the program computes."""

    def build(x: Any) -> Any:
        return tuple(
            mb.reshape(x=x, shape=shape) for shape in ([6, 4], [4, -1, 2], [0, -1], [24], [1, 0, 0, 0], [0, 0, -1, 1])
        )

    def reference(x: Tensor) -> tuple[Tensor, ...]:
        # Zeros count from the right: (0, -1) begins with the 3 of (2, 3, 4), (0, 0, -1, 1) with no axis, then the 2.
        return x.reshape(6, 4), x.reshape(4, 3, 2), x.reshape(3, 8), x.reshape(24), x[None], x.reshape(1, 2, 12, 1)

    def early(x: Any) -> Any:
        return mb.reshape(x=x, shape=[0, -1, 0]), mb.reshape(x=x, shape=[-1, 0, 2]), mb.reshape(x=x, shape=[3, 8])

    def dynamic(x: Any, s: Any) -> Any:
        return mb.reshape(x=x, shape=s), mb.reshape(x=mb.cast(x=x, dtype="int32"), shape=mb.cast(x=s, dtype="int16"))

    inputs = {**CUBE, "s": np.array([4, -1, 2], np.int32)}
    return [
        Case(build, reference, CUBE),
        Case(early, lambda x: (x, x.reshape(4, 3, 2), x.reshape(3, 8)), CUBE, opset=ct.target.iOS15, label="iOS15"),
        Case(dynamic, lambda x, s: (x.reshape(4, 3, 2), x.int().reshape(4, 3, 2)), inputs, label="dynamic"),
    ]


def reshape_likes() -> Case:
    """Axes of one tensor and of two, with an open end."""
    inputs = {"x": normal(30, 6), "a": normal(2, 3, 4), "b": normal(1, 5, 6)}

    def build(x: Any, a: Any, b: Any) -> Any:
        both = mb.reshape_like(x=x, ref_tensors=[a, b], begins=[0, 1], ends=[2, 0], end_masks=[False, True])
        back = mb.reshape_like(x=both, ref_tensors=[x], begins=[0], ends=[2], end_masks=[False])
        return both, back

    return Case(build, lambda x, a, b: (x.reshape(2, 3, 5, 6), x), inputs, opset=ct.target.iOS16)


def axes_added_and_dropped() -> dict[str, list[Case]]:
    """expand_dims and squeeze, negative axes and several at once."""
    ones = {"x": normal(1, 3, 1, 4, 1)}

    def expand(x: Any) -> Any:
        return tuple(mb.expand_dims(x=x, axes=axes) for axes in ([0], [-1], [1, 3], [-2, 0]))

    def torch_expand(x: Tensor) -> tuple[Tensor, ...]:
        return x[None], x[..., None], x[:, None, :, None], x[None, :, :, None]

    def squeeze(x: Any) -> Any:
        return mb.squeeze(x=x), mb.squeeze(x=x, axes=[0]), mb.squeeze(x=x, axes=[-1, 2]), mb.squeeze(x=x, axes=[0, 1])

    def torch_squeeze(x: Tensor) -> tuple[Tensor, ...]:
        return x.reshape(3, 4), x.reshape(3, 1, 4, 1), x.reshape(1, 3, 4), x.reshape(3, 1, 4, 1)

    return {
        "expand_dims": [Case(expand, torch_expand, CUBE)],
        "squeeze": [Case(squeeze, torch_squeeze, ones)],
    }


def order() -> dict[str, list[Case]]:
    """transpose, reverse, reverse_sequence."""

    def transpose(x: Any) -> Any:
        return tuple(mb.transpose(x=x, perm=perm) for perm in ([0, 2, 1], [2, 0, 1], [-1, -3, -2]))

    def torch_transpose(x: Tensor) -> tuple[Tensor, ...]:
        return x.permute(0, 2, 1), x.permute(2, 0, 1), x.permute(2, 0, 1)

    def reverse(x: Any) -> Any:
        whole = mb.cast(x=x, dtype="int32")
        return mb.reverse(x=x), mb.reverse(x=x, axes=[1]), mb.reverse(x=x, axes=[-1, 0]), mb.reverse(x=whole, axes=[2])

    def torch_reverse(x: Tensor) -> tuple[Tensor, ...]:
        return x.flip(0, 1, 2), x.flip(1), x.flip(0, 2), x.int().flip(2)

    def sequence(x: Any, n: Any) -> Any:
        return (
            mb.reverse_sequence(x=x, lengths=n, seq_axis=1, batch_axis=0),
            mb.reverse_sequence(x=mb.transpose(x=x, perm=[1, 2, 0]), lengths=n, seq_axis=0, batch_axis=2),
            mb.reverse_sequence(x=x, lengths=[0, 1, 2, 6, 3], seq_axis=1, batch_axis=-1),
        )

    def torch_sequence(x: Tensor, n: Tensor) -> tuple[Tensor, ...]:
        rows = torch.stack([torch.cat([row[:k].flip(0), row[k:]]) for row, k in zip(x, n.tolist(), strict=True)])
        last = [torch.cat([x[:, :k, i].flip(1), x[:, k:, i]], 1) for i, k in enumerate([0, 1, 2, 6, 3])]
        return rows, rows.permute(1, 2, 0), torch.stack(last, -1)

    return {
        "transpose": [Case(transpose, torch_transpose, CUBE)],
        "reverse": [Case(reverse, torch_reverse, CUBE)],
        "reverse_sequence": [
            Case(sequence, torch_sequence, {"x": normal(4, 6, 5), "n": np.array([6, 2, 0, 5], np.int32)}),
        ],
    }


def pixels() -> dict[str, list[Case]]:
    """Between channels and space, by torch's order of channels and by TensorFlow's."""

    def to_space(x: Tensor, b: int) -> Tensor:
        n, channels, height, width = x.shape
        result = torch.empty(n, channels // b**2, height * b, width * b)
        for row, column in np.ndindex(b, b):
            first = (row * b + column) * (channels // b**2)
            result[:, :, row::b, column::b] = x[:, first : first + channels // b**2]
        return result

    def to_depth(x: Tensor, b: int) -> Tensor:
        return torch.cat([x[:, :, row::b, column::b] for row, column in np.ndindex(b, b)], 1)

    deep, wide = {"x": normal(2, 36, 2, 3)}, {"x": normal(2, 3, 12, 6)}
    return {
        "pixel_shuffle": [
            Case(
                lambda x: tuple(mb.pixel_shuffle(x=x, upscale_factor=f) for f in (2, 3)),
                lambda x: tuple(F.pixel_shuffle(x, f) for f in (2, 3)),
                deep,
            )
        ],
        "pixel_unshuffle": [
            Case(
                lambda x: tuple(mb.pixel_unshuffle(x=x, downscale_factor=np.uint32(f)) for f in (2, 3)),
                lambda x: tuple(F.pixel_unshuffle(x, f) for f in (2, 3)),
                wide,
                opset=ct.target.iOS16,
            )
        ],
        "depth_to_space": [
            Case(
                lambda x: tuple(mb.depth_to_space(x=x, block_size=b) for b in (2, 3)),
                lambda x: tuple(to_space(x, b) for b in (2, 3)),
                deep,
            )
        ],
        "space_to_depth": [
            Case(
                lambda x: tuple(mb.space_to_depth(x=x, block_size=b) for b in (2, 3)),
                lambda x: tuple(to_depth(x, b) for b in (2, 3)),
                wide,
            )
        ],
    }


def batches() -> dict[str, list[Case]]:
    """Between the batch and space: unequal blocks, padding and crops."""

    def to_batch(x: Any) -> Any:
        return (
            mb.space_to_batch(x=x, block_shape=[2, 2], paddings=[[0, 0], [2, 0]]),
            mb.space_to_batch(x=x, block_shape=[2, 3], paddings=[[1, 1], [0, 2]]),
        )

    def torch_to_batch(x: Tensor) -> tuple[Tensor, ...]:
        first, second = F.pad(x, (2, 0)), F.pad(x, (0, 2, 1, 1))
        return (
            torch.cat([first[:, :, row::2, column::2] for row, column in np.ndindex(2, 2)]),
            torch.cat([second[:, :, row::2, column::3] for row, column in np.ndindex(2, 3)]),
        )

    def to_space(x: Any) -> Any:
        return (
            mb.batch_to_space(x=x, block_shape=[2, 3], crops=[[0, 0], [0, 0]]),
            mb.batch_to_space(x=x, block_shape=[3, 2], crops=[[1, 2], [0, 3]]),
        )

    def torch_to_space(x: Tensor) -> tuple[Tensor, ...]:
        results = []
        for rows, columns in ((2, 3), (3, 2)):
            result = torch.empty(2, 3, 4 * rows, 5 * columns)
            for index, (row, column) in enumerate(np.ndindex(rows, columns)):
                result[:, :, row::rows, column::columns] = x[2 * index : 2 * index + 2]
            results.append(result)
        return results[0], results[1][:, :, 1:-2, :-3]

    return {
        "space_to_batch": [Case(to_batch, torch_to_batch, {"x": normal(2, 3, 4, 4)})],
        "batch_to_space": [Case(to_space, torch_to_space, {"x": normal(12, 3, 4, 5)})],
    }


CASES: dict[str, list[Case]] = {
    "reshape": reshapes(),
    "reshape_like": [reshape_likes()],
    **axes_added_and_dropped(),
    **order(),
    **pixels(),
    **batches(),
}


@listed(CASES)
def test_against_torch(operation: str, case: Case, tmp_path: Path) -> None:
    check(operation, case, tmp_path)


def test_reverse_sequence_along_the_batch_is_refused() -> None:
    with pytest.raises(ConversionError, match="reverse_sequence has the axis 0 as seq_axis and as batch_axis"):
        reverse_sequence(torch.from_numpy(normal(3, 3)), torch.from_numpy(integers(3, low=0, high=3)))
