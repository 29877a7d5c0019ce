"""Poolings against torch."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from arrays import listed, normal
from building import Case, check
from coremltools.converters.mil.mil import Builder as mb  # noqa: N813
from torch.nn import functional

AVERAGE = {1: functional.avg_pool1d, 2: functional.avg_pool2d, 3: functional.avg_pool3d}
LARGEST = {1: functional.max_pool1d, 2: functional.max_pool2d, 3: functional.max_pool3d}
SIZES = (10, 7, 6)
KERNEL = (3, 2, 4)
STRIDES = (2, 2, 3)
# What "same" adds to SIZES with KERNEL and STRIDES; "same_lower" the other way round.
BEFORE = (0, 0, 0)
AFTER = (1, 1, 1)


def torch_pads(before: tuple[int, ...], after: tuple[int, ...]) -> list[int]:
    """torch counts from the last dimension backwards."""
    return [amount for pair in reversed(list(zip(before, after, strict=True))) for amount in pair]


def average(rank: int) -> Case:
    """Windows with every kind of padding, counted or not."""
    kernel, strides = KERNEL[:rank], STRIDES[:rank]
    before, after = BEFORE[:rank], AFTER[:rank]

    def build(x: Any) -> Any:
        shared = {"x": x, "kernel_sizes": kernel, "strides": strides}
        return (
            mb.avg_pool(x=x, kernel_sizes=kernel, pad_type="valid"),
            mb.avg_pool(pad_type="custom", pad=[1] * 2 * rank, **shared),
            mb.avg_pool(pad_type="custom", pad=[1] * 2 * rank, exclude_padding_from_average=True, **shared),
            mb.avg_pool(pad_type="same", **shared),
            mb.avg_pool(pad_type="same_lower", exclude_padding_from_average=True, **shared),
        )

    def reference(x: torch.Tensor) -> Any:
        pool = AVERAGE[rank]
        late, early = torch_pads(before, after), torch_pads(after, before)
        ones = torch.ones_like(x)
        return (
            pool(x, kernel, 1),
            pool(x, kernel, strides, padding=1),
            pool(x, kernel, strides, padding=1, count_include_pad=False),
            pool(functional.pad(x, late), kernel, strides),
            pool(functional.pad(x, early), kernel, strides) / pool(functional.pad(ones, early), kernel, strides),
        )

    return Case(build, reference, {"x": normal(2, 3, *SIZES[:rank])}, label=f"{rank}d")


def average_up(rank: int) -> Case:
    """Sizes rounded up: the last window reaches past the padding, which never counts."""
    kernel = (3, 3)[:rank]

    def build(x: Any) -> Any:
        shared = {"x": x, "kernel_sizes": kernel, "strides": [2] * rank, "ceil_mode": True}
        return (
            mb.avg_pool(pad_type="valid", **shared),
            mb.avg_pool(pad_type="custom", pad=[1] * 2 * rank, **shared),
            mb.avg_pool(pad_type="custom", pad=[1] * 2 * rank, exclude_padding_from_average=True, **shared),
        )

    def reference(x: torch.Tensor) -> Any:
        pool = AVERAGE[rank]
        return (
            pool(x, kernel, 2, ceil_mode=True),
            pool(x, kernel, 2, padding=1, ceil_mode=True),
            pool(x, kernel, 2, padding=1, ceil_mode=True, count_include_pad=False),
        )

    return Case(build, reference, {"x": normal(1, 2, *(8, 6)[:rank])}, label=f"{rank}d rounded up")


def largest(rank: int) -> Case:
    """Negative inputs, so that a zero from the padding would show."""
    kernel, strides = KERNEL[:rank], STRIDES[:rank]
    before, after = BEFORE[:rank], AFTER[:rank]
    up = rank < 3

    def build(x: Any) -> Any:
        shared = {"x": x, "kernel_sizes": kernel, "strides": strides}
        return (
            mb.max_pool(x=x, kernel_sizes=kernel, pad_type="valid"),
            mb.max_pool(pad_type="same", **shared),
            mb.max_pool(pad_type="same_lower", **shared),
            mb.max_pool(pad_type="custom", pad=[1] * 2 * rank, ceil_mode=up, **shared),
        )

    def reference(x: torch.Tensor) -> Any:
        pool = LARGEST[rank]
        low = -torch.inf
        return (
            pool(x, kernel, 1),
            pool(functional.pad(x, torch_pads(before, after), value=low), kernel, strides),
            pool(functional.pad(x, torch_pads(after, before), value=low), kernel, strides),
            pool(x, kernel, strides, padding=1, ceil_mode=up),
        )

    return Case(build, reference, {"x": -1.0 - abs(normal(2, 3, *SIZES[:rank]))}, label=f"{rank}d")


def root_of_squares(rank: int) -> Case:
    """torch's LPPool with the norm 2 has neither padding nor its default of stride 1."""
    kernel, strides = KERNEL[:rank], STRIDES[:rank]
    pool = {1: functional.lp_pool1d, 2: functional.lp_pool2d}[rank]

    def build(x: Any) -> Any:
        return (
            mb.l2_pool(x=x, kernel_sizes=kernel, pad_type="valid"),
            mb.l2_pool(x=x, kernel_sizes=kernel, strides=strides, pad_type="same"),
            mb.l2_pool(x=x, kernel_sizes=kernel, strides=strides, pad_type="custom", pad=[2, 1, 0, 1][: 2 * rank]),
            mb.l2_pool(x=x, kernel_sizes=kernel, strides=[3] * rank, pad_type="valid", ceil_mode=True),
        )

    def reference(x: torch.Tensor) -> Any:
        window = kernel[0] if rank == 1 else kernel
        return (
            pool(x, 2.0, window, 1),
            pool(functional.pad(x, torch_pads(BEFORE[:rank], AFTER[:rank])), 2.0, window, strides),
            pool(functional.pad(x, torch_pads((2, 0)[:rank], (1, 1)[:rank])), 2.0, window, strides),
            # The overhang of a window rounded up is zeros, which lp_pool's own ceil_mode scales away.
            pool(functional.pad(x, torch_pads((0, 0)[:rank], (2, 1)[:rank])), 2.0, window, 3),
        )

    return Case(build, reference, {"x": normal(2, 3, *SIZES[:rank])}, label=f"{rank}d")


CASES: dict[str, list[Case]] = {
    "avg_pool": [average(1), average(2), average(3), average_up(1), average_up(2)],
    "max_pool": [largest(1), largest(2), largest(3)],
    "l2_pool": [root_of_squares(1), root_of_squares(2)],
}


@listed(CASES)
def test_against_torch(operation: str, case: Case, tmp_path: Path) -> None:
    check(operation, case, tmp_path)
