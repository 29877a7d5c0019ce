"""Resizing, cropping and resampling against torch's interpolate and grid_sample, and against grids written out.

torch has no counterpart of the grids "DEFAULT" and "OFFSET_CORNERS" nor of cropping boxes: there the points come from
the formulas of the operation set's documentation, and grid_sample takes the values.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import coremltools as ct
import numpy as np
import pytest
import torch
from arrays import listed, normal, uniform
from building import Case, check
from coremltools.converters.mil.mil import Builder as mb  # noqa: N813
from torch.nn import functional

MODES = ("STRICT_ALIGN_CORNERS", "ALIGN_CORNERS", "DEFAULT", "OFFSET_CORNERS", "UNALIGN_CORNERS")


def points(mode: str, size: int, count: int) -> np.ndarray:
    """Where an axis of `size` pixels is sampled, one formula at a time as documented."""
    i = np.arange(count)
    if mode == "ALIGN_CORNERS" and count == 1:
        return np.array([(size - 1) / 2])
    grid = {
        "STRICT_ALIGN_CORNERS": lambda: i * ((size - 1) / max(count - 1, 1)),
        "ALIGN_CORNERS": lambda: i * ((size - 1) / max(count - 1, 1)),
        "DEFAULT": lambda: i * ((size - size / count) / max(count - 1, 1)),
        "OFFSET_CORNERS": lambda: 0.5 * max(1, size - 1) / count + i * (max(1, size - 1) / count),
        "UNALIGN_CORNERS": lambda: i * size / count + 0.5 * size / count - 0.5,
    }[mode]()
    return np.clip(grid, 0, size - 1)


def at(x: torch.Tensor, rows: np.ndarray, columns: np.ndarray) -> torch.Tensor:
    """`x` [B, C, H, W] at the crossings of `rows` and `columns`, in pixels."""
    scaled = [2 * points / max(size - 1, 1) - 1 for points, size in ((columns, x.shape[3]), (rows, x.shape[2]))]
    columns_, rows_ = np.meshgrid(*scaled)
    grid = torch.from_numpy(np.stack([columns_, rows_], -1)).float().expand(x.shape[0], -1, -1, -1)
    return functional.grid_sample(x, grid, padding_mode="border", align_corners=True)


def enlarged() -> Case:
    """Nearest and linear, by factors: whole, broken, and less than one."""
    factors = ((2, 3), (2.5, 1.5), (0.5, 0.75))

    def build(x: Any) -> Any:
        made = []
        for height, width in factors:
            scale = {"scale_factor_height": height, "scale_factor_width": width}
            made.append(mb.upsample_nearest_neighbor(x=x, **scale))
            made += [mb.upsample_bilinear(x=x, align_corners=aligned, **scale) for aligned in (True, False)]
        return tuple(made)

    def reference(x: torch.Tensor) -> Any:
        made = []
        for factor in factors:
            scale: Any = {"scale_factor": tuple(float(f) for f in factor), "recompute_scale_factor": True}
            made.append(functional.interpolate(x, mode="nearest", **scale))
            made += [
                functional.interpolate(x, mode="bilinear", align_corners=aligned, **scale) for aligned in (True, False)
            ]
        return tuple(made)

    return Case(build, reference, {"x": normal(2, 3, 6, 9)})


def half_pixels() -> Case:
    """iOS 16's choice of the centres, which DEFAULT grids go without."""

    def build(x: Any) -> Any:
        scale = {"x": x, "scale_factor_height": 2, "scale_factor_width": 3, "align_corners": False}
        return (
            mb.upsample_bilinear(half_pixel_centers=True, **scale),
            mb.upsample_bilinear(half_pixel_centers=False, **scale),
        )

    def reference(x: torch.Tensor) -> Any:
        centred = functional.interpolate(x, scale_factor=(2.0, 3.0), mode="bilinear", align_corners=False)
        return centred, at(x, points("DEFAULT", 4, 8), points("DEFAULT", 5, 15))

    return Case(build, reference, {"x": normal(1, 2, 4, 5)}, opset=ct.target.iOS16, label="half pixels")


def to_size(mode: str) -> Case:
    """Larger, smaller, one pixel, and the same size, on one grid."""
    sizes = ((7, 11), (3, 2), (1, 1), (4, 5))

    def build(x: Any) -> Any:
        return tuple(
            mb.resize_bilinear(x=x, target_size_height=height, target_size_width=width, sampling_mode=mode)
            for height, width in sizes
        )

    def reference(x: torch.Tensor) -> Any:
        return tuple(at(x, points(mode, 4, height), points(mode, 5, width)) for height, width in sizes)

    return Case(build, reference, {"x": normal(2, 3, 4, 5)}, label=mode)


def nearest_to_size() -> Case:
    """The pixel under each new centre, as torch's nearest-exact has it."""
    sizes = ((8, 15), (7, 3), (1, 1))

    def build(x: Any) -> Any:
        made = [
            mb.resize_nearest_neighbor(x=x, target_size_height=height, target_size_width=width)
            for height, width in sizes
        ]
        return (
            *made,
            mb.resize(x=x, shape=[7, 3], resized_dims=np.uint32(2), interpolation_mode="NEAREST_NEIGHBOR"),
        )

    def reference(x: torch.Tensor) -> Any:
        return tuple(functional.interpolate(x, size=size, mode="nearest-exact") for size in (*sizes, (7, 3)))

    return Case(build, reference, {"x": normal(2, 3, 4, 5)})


def by_shape() -> Case:
    """A shape that the program reads, sizes that are kept, and one resized dimension."""
    linear = {"interpolation_mode": "LINEAR"}

    def build(x: Any, shape: Any) -> Any:
        return (
            mb.resize(x=x, shape=[1, 6, 8], resized_dims=np.uint32(2), sampling_mode="UNALIGN_CORNERS", **linear),
            mb.resize(x=x, shape=[0, 8], resized_dims=np.uint32(2), sampling_mode="STRICT_ALIGN_CORNERS", **linear),
            mb.resize(x=x, shape=shape, resized_dims=np.uint32(1), sampling_mode="DEFAULT", **linear),
        )

    def reference(x: torch.Tensor, shape: torch.Tensor) -> Any:
        return (
            functional.interpolate(x, size=(6, 8), mode="bilinear", align_corners=False),
            functional.interpolate(x, size=(4, 8), mode="bilinear", align_corners=True),
            at(x, np.arange(4), points("DEFAULT", 5, 9)),
        )

    return Case(build, reference, {"x": normal(2, 3, 4, 5), "shape": np.array([2, 9], np.int32)})


def cut() -> Case:
    """Rows and columns off each side."""

    def build(x: Any) -> Any:
        return mb.crop(x=x, crop_height=[1, 2], crop_width=[0, 3]), mb.crop(x=x, crop_height=[0, 0], crop_width=[2, 0])

    def reference(x: torch.Tensor) -> Any:
        return x[..., 1:-2, :-3], x[..., 2:]

    return Case(build, reference, {"x": normal(2, 3, 6, 7)})


# Corners (top, left, bottom, right) in pixels of the boxes below, the second one upside down.
BOXES = np.array([[1.0, 0.5, 4.0, 3.5], [4.5, 3.0, 2.0, 5.0], [0.0, 0.0, 5.0, 6.0]], np.float32)


def boxes_of(x: torch.Tensor, images: list[int], mode: str, height: int, width: int) -> torch.Tensor:
    """Each box of BOXES from its image, sampled along the line from its start to its end."""
    made = []
    for image, (top, left, bottom, right) in zip(images, BOXES, strict=True):
        axes = []
        for start, end, count in ((top, bottom, height), (left, right, width)):
            pixels = abs(end - start) + 1
            axes.append(start + np.sign(end - start) * points(mode, pixels, count))
        made.append(at(x[image : image + 1], *axes))
    return torch.cat(made)


def boxes(mode: str) -> Case:
    """iOS 17's form: boxes with the index of their image, all four ways of writing coordinates, normalized or not."""
    size = np.array([5.0, 6.0, 5.0, 6.0], np.float32)
    centred = np.concatenate([(BOXES[:, :2] + BOXES[:, 2:]) / 2, BOXES[:, 2:] - BOXES[:, :2]], 1)
    forms = [
        ("CORNERS_HEIGHT_FIRST", BOXES, False, 1.0),
        ("CORNERS_WIDTH_FIRST", BOXES[:, [1, 0, 3, 2]] / 4, False, 4.0),
        ("CENTER_SIZE_HEIGHT_FIRST", centred / size, True, 1.0),
        ("CENTER_SIZE_WIDTH_FIRST", (centred / size)[:, [1, 0, 3, 2]], True, 1.0),
    ]

    def build(x: Any) -> Any:
        return tuple(
            mb.crop_resize(
                x=x, boxes=array, box_indices=np.array([1, 0, 1], np.int32), target_height=4, target_width=3,
                normalized_coordinates=normalized, spatial_scale=scale, box_coordinate_mode=form, sampling_mode=mode,
            )
            for form, array, normalized, scale in forms
        )  # fmt: skip

    def reference(x: torch.Tensor) -> Any:
        return (boxes_of(x, [1, 0, 1], mode, 4, 3),) * 4

    # Normalized coordinates in fp16 lie 0.002 pixels off, between pixels that differ by several units.
    return Case(build, reference, {"x": normal(2, 3, 6, 7)}, fp16=1e-2, label=mode)


def regions() -> Case:
    """iOS 16's form: every box from every image, or from one; outside the image there is the padding value."""
    plain = BOXES.reshape(3, 1, 4, 1, 1)
    indexed = np.concatenate([np.zeros((3, 1), np.float32), BOXES], 1).reshape(3, 1, 5, 1, 1)
    outside = np.array([-1.0, -2.0, 2.0, 8.0], np.float32).reshape(1, 1, 4, 1, 1)

    def build(x: Any) -> Any:
        shared = {"x": x, "sampling_mode": "ALIGN_CORNERS", "target_height": 4, "target_width": 3}
        return (
            mb.crop_resize(roi=plain, **shared),
            mb.crop_resize(roi=indexed, **shared),
            mb.crop_resize(roi=outside, pad_value=9.0, **shared),
        )

    def reference(x: torch.Tensor) -> Any:
        each = boxes_of(x, [0, 0, 0], "ALIGN_CORNERS", 4, 3)[:, None]
        # Rows -1, 0, 1, 2 and columns -2, 3, 8 of an image of 6 by 7.
        edge = torch.full((1, 1, 3, 4, 3), 9.0)
        edge[0, 0, :, 1:, 1] = x[0, :, 0:3, 3]
        return each, each, edge

    return Case(build, reference, {"x": normal(1, 3, 6, 7)}, opset=ct.target.iOS16, label="regions")


def transformed() -> Case:
    """A matrix for each image."""
    matrix = np.array([[0.8, 0.3, -0.2, -0.1, 1.3, 0.4], [1.0, 0.0, 0.0, 0.0, 1.0, 0.0]], np.float32)

    def build(x: Any, transform_matrix: Any) -> Any:
        return tuple(
            mb.affine(
                x=x, transform_matrix=transform_matrix, output_height=height, output_width=width,
                sampling_mode="bilinear", padding_mode="constant", padding_value=0.0,
                coordinates_mode="normalized_minus_one_to_one", align_corners=aligned,
            )
            for height, width, aligned in ((5, 4, True), (3, 8, False))
        )  # fmt: skip

    def reference(x: torch.Tensor, transform_matrix: torch.Tensor) -> Any:
        theta = transform_matrix.reshape(2, 2, 3)
        return tuple(
            functional.grid_sample(
                x, functional.affine_grid(theta, [2, 3, height, width], align_corners=aligned), align_corners=aligned
            )
            for height, width, aligned in ((5, 4, True), (3, 8, False))
        )

    return Case(build, reference, {"x": normal(2, 3, 6, 5), "transform_matrix": matrix})


def resampled(aligned: bool) -> Case:
    """Every padding and both kinds of sampling, from coordinates in [-1, 1] of which many lie outside."""
    torch_padding = {"constant": "zeros", "border": "border", "reflection": "reflection", "symmetric": "reflection"}
    mirrored = "reflection" if aligned else "symmetric"
    kinds = [(mode, pads) for mode in ("bilinear", "nearest") for pads in ("constant", "border", mirrored)]

    def build(x: Any, coordinates: Any) -> Any:
        return tuple(
            mb.resample(
                x=x, coordinates=coordinates, sampling_mode=mode, padding_mode=pads, padding_value=0.0,
                coordinates_mode="normalized_minus_one_to_one", align_corners=aligned,
            )
            for mode, pads in kinds
        )  # fmt: skip

    def reference(x: torch.Tensor, coordinates: torch.Tensor) -> Any:
        return tuple(
            functional.grid_sample(x, coordinates, mode=mode, padding_mode=torch_padding[pads], align_corners=aligned)
            for mode, pads in kinds
        )

    inputs = {"x": normal(2, 3, 5, 6), "coordinates": uniform(2, 4, 7, 2, low=-3.0, high=3.0, seed=2)}
    return Case(build, reference, inputs, label="aligned" if aligned else "not aligned")


def resampled_elsewhere() -> Case:
    """Pixel coordinates and those in [0, 1]; a padding value that is not zero mixes in at the edge."""
    pixels = np.array([[-1.0, 0.0], [0.5, 1.25], [5.0, 4.0], [5.5, 4.0], [2.0, 9.0], [-0.25, -0.5]], np.float32)
    pixels = pixels.reshape(1, 2, 3, 2)

    def build(x: Any, coordinates: Any) -> Any:
        shared = {"x": x, "sampling_mode": "bilinear", "padding_mode": "constant", "padding_value": 3.0}
        return (
            mb.resample(coordinates=coordinates, coordinates_mode="unnormalized", align_corners=False, **shared),
            mb.resample(
                coordinates=mb.real_div(x=coordinates, y=np.array([5.0, 4.0], np.float32)),
                coordinates_mode="normalized_zero_to_one",
                align_corners=True,
                **shared,
            ),
        )

    def reference(x: torch.Tensor, coordinates: torch.Tensor) -> Any:
        grid = 2 * coordinates / torch.tensor([5.0, 4.0]) - 1
        found = functional.grid_sample(x - 3.0, grid, align_corners=True) + 3.0
        return found, found

    inputs = {"x": normal(1, 3, 5, 6), "coordinates": pixels}
    return Case(build, reference, inputs, fp16=5e-3, label="other coordinates")


CASES: dict[str, list[Case]] = {
    "upsample_nearest_neighbor": [enlarged()],
    "upsample_bilinear": [enlarged(), half_pixels()],
    "resize_bilinear": [to_size(mode) for mode in MODES],
    "resize_nearest_neighbor": [nearest_to_size()],
    "resize": [nearest_to_size(), by_shape()],
    "crop": [cut()],
    "crop_resize": [*(boxes(mode) for mode in MODES), regions()],
    "affine": [transformed()],
    "resample": [resampled(True), resampled(False), resampled_elsewhere()],
}


@listed(CASES)
def test_against_torch(operation: str, case: Case, tmp_path: Path) -> None:
    check(operation, case, tmp_path)


@pytest.mark.parametrize(
    ("mode", "count", "wanted"),
    [
        ("UNALIGN_CORNERS", 5, [0.0, 0.1, 0.5, 0.9, 1.0]),
        ("STRICT_ALIGN_CORNERS", 5, [0.0, 0.25, 0.5, 0.75, 1.0]),
        ("DEFAULT", 5, [0.0, 0.4, 0.8, 1.0, 1.0]),
        ("OFFSET_CORNERS", 5, [0.1, 0.3, 0.5, 0.7, 0.9]),
        ("ALIGN_CORNERS", 1, [0.5]),
    ],
)
def test_grid_of_two_pixels_is_the_documented_one(mode: str, count: int, wanted: list[float]) -> None:
    from mer_converters.targets.coreml.interpreter.handlers.sampling import grid_points

    found = grid_points(mode, torch.tensor(1.0, dtype=torch.float64), count)
    np.testing.assert_allclose(found, wanted, atol=1e-12)
