"""Resizing, cropping and resampling of images; the last two dimensions are height and width."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from mer_converters.targets.coreml.interpreter.handlers.registry import handler, ints
from mer_converters.targets.coreml.interpreter.handlers.sampling import grid_points, interpolated, sampled


@handler("upsample_nearest_neighbor")
def upsample_nearest_neighbor(
    x: Tensor, scale_factor_height: Tensor | float = 1, scale_factor_width: Tensor | float = 1
) -> Tensor:
    """The pixel at floor(i * in / out), with out = floor(in * scale): the ratio of sizes decides, not the scale."""
    for axis, scale in ((-2, scale_factor_height), (-1, scale_factor_width)):
        size, count = x.shape[axis], _scaled(x.shape[axis], scale)
        x = x.index_select(axis, torch.arange(count) * size // count)
    return x


@handler("resize_nearest_neighbor")
def resize_nearest_neighbor(x: Tensor, target_size_height: Tensor, target_size_width: Tensor) -> Tensor:
    """The pixel under the centre of each new pixel: floor((i + 0.5) * in / out)."""
    for axis, count in ((-2, int(target_size_height)), (-1, int(target_size_width))):
        x = _nearest(x, axis, count, "DEFAULT")
    return x


@handler("upsample_bilinear")
def upsample_bilinear(
    x: Tensor,
    scale_factor_height: Tensor | float = 1,
    scale_factor_width: Tensor | float = 1,
    align_corners: Tensor | bool = True,
    half_pixel_centers: Tensor | bool | None = None,
) -> Tensor:
    """Linear between pixels, to floor(size * scale); half-pixel centres where corners are not aligned, by default."""
    centred = not align_corners if half_pixel_centers is None else bool(half_pixel_centers)
    mode = "STRICT_ALIGN_CORNERS" if align_corners else "UNALIGN_CORNERS" if centred else "DEFAULT"
    for axis, scale in ((-2, scale_factor_height), (-1, scale_factor_width)):
        x = _linear(x, axis, _scaled(x.shape[axis], scale), mode)
    return x


@handler("resize_bilinear")
def resize_bilinear(
    x: Tensor,
    target_size_height: Tensor | int = 1,
    target_size_width: Tensor | int = 1,
    sampling_mode: str = "DEFAULT",
) -> Tensor:
    """Linear between pixels, at the points of `sampling_mode`."""
    x = _linear(x, -2, int(target_size_height), sampling_mode)
    return _linear(x, -1, int(target_size_width), sampling_mode)


@handler("resize")
def resize(
    x: Tensor,
    shape: Tensor,
    resized_dims: Tensor,
    interpolation_mode: str = "LINEAR",
    sampling_mode: str = "DEFAULT",
) -> Tensor:
    """The last `resized_dims` dimensions brought to the last sizes in `shape`; 0 keeps a size."""
    count = int(resized_dims)
    one = _nearest if interpolation_mode == "NEAREST_NEIGHBOR" else _linear
    kind = x.dtype
    values = x.float()
    for axis, size in zip(range(-count, 0), ints(shape)[len(shape) - count :], strict=True):
        values = one(values, axis, size or x.shape[axis], sampling_mode)
    return values.to(kind)


@handler("crop")
def crop(x: Tensor, crop_height: Tensor, crop_width: Tensor) -> Tensor:
    """`x` without the first and last rows and columns given."""
    (top, bottom), (left, right) = ints(crop_height), ints(crop_width)
    return x[..., top : x.shape[-2] - bottom, left : x.shape[-1] - right]


@handler("crop_resize")
def crop_resize(
    x: Tensor,
    roi: Tensor | None = None,
    boxes: Tensor | None = None,
    box_indices: Tensor | None = None,
    target_height: Tensor | int = 1,
    target_width: Tensor | int = 1,
    normalized_coordinates: Tensor | bool = False,
    spatial_scale: Tensor | float = 1.0,
    box_coordinate_mode: str = "CORNERS_HEIGHT_FIRST",
    sampling_mode: str = "DEFAULT",
    pad_value: Tensor | float = 0.0,
) -> Tensor:
    """Boxes of `x` [B, C, H, W], each resized to the target size; points outside the image get `pad_value`.

    iOS 17 and later: `boxes` [N, 4] and `box_indices` [N] (the image of each box, 0 to N - 1 by default) give
    [N, C, h, w]. Before: `roi` [N, 1, 4, 1, 1] is cut from every image, [N, B, C, h, w]; [N, 1, 5, 1, 1] begins with
    the image's index, [N, 1, C, h, w]. The grid of `sampling_mode` is laid over the box as over a whole image, from the
    box's start to its end, also where the end lies first.
    """
    corners, images = _boxes(x, roi, boxes, box_indices)
    starts, lengths = _start_and_length(corners.double() * float(spatial_scale), box_coordinate_mode)
    if normalized_coordinates:
        last = torch.tensor([x.shape[-2] - 1, x.shape[-1] - 1], dtype=torch.float64)
        starts, lengths = starts * last, lengths * last
    counts = (int(target_height), int(target_width))
    rows, columns = (
        starts[:, i, None] + lengths[:, i, None].sign() * grid_points(sampling_mode, lengths[:, i].abs(), counts[i])
        for i in (0, 1)
    )
    points = (len(corners), *counts)
    rows, columns = rows[:, :, None].expand(points), columns[:, None, :].expand(points)
    rows, columns = rows.float(), columns.float()
    found = sampled(x[images], columns, rows, "bilinear", "border")
    outside = (rows < 0) | (rows > x.shape[-2] - 1) | (columns < 0) | (columns > x.shape[-1] - 1)
    found = torch.where(outside[:, None], torch.tensor(float(pad_value)), found)
    if roi is None:
        return found
    return found.reshape(roi.shape[0], -1, *found.shape[1:])


@handler("affine")
def affine(
    x: Tensor,
    transform_matrix: Tensor,
    output_height: Tensor,
    output_width: Tensor,
    sampling_mode: str,
    padding_mode: str,
    padding_value: Tensor,
    coordinates_mode: str,
    align_corners: Tensor,
) -> Tensor:
    """`x` [B, C, H, W] at the affine transform of the output's coordinates, each in [-1, 1].

    `transform_matrix` [B or 1, 6] holds a0, a1, a2, b0, b1, b2: x' = a0 x + a1 y + a2, y' = b0 x + b1 y + b2.
    """
    batch, channels = x.shape[:2]
    matrix = transform_matrix.reshape(-1, 2, 3).expand(batch, 2, 3)
    size = [batch, channels, int(output_height), int(output_width)]
    points = functional.affine_grid(matrix, size, bool(align_corners))
    return resample(x, points, sampling_mode, padding_mode, padding_value, coordinates_mode, align_corners)


@handler("resample")
def resample(
    x: Tensor,
    coordinates: Tensor,
    sampling_mode: str,
    padding_mode: str,
    padding_value: Tensor,
    coordinates_mode: str,
    align_corners: Tensor,
) -> Tensor:
    """`x` [B, C, H, W] at `coordinates` [B, h, w, 2], each (column, row); see `sampled` for modes and padding."""
    sizes = torch.tensor([x.shape[-1], x.shape[-2]], dtype=torch.float32)
    points = coordinates.float()
    if coordinates_mode != "unnormalized":
        if coordinates_mode == "normalized_minus_one_to_one":
            points = (points + 1) / 2
        points = points * (sizes - 1) if align_corners else points * sizes - 0.5
    return sampled(x, points[..., 0], points[..., 1], sampling_mode.lower(), padding_mode.lower(), float(padding_value))


def _scaled(size: int, scale: Tensor | float) -> int:
    # In float32, as coremltools declares the size: a scale of 0.7 and a size of 10 make 7.
    return int(torch.floor(torch.as_tensor(scale) * size))


def _linear(x: Tensor, axis: int, count: int, mode: str) -> Tensor:
    if count == x.shape[axis] and mode != "OFFSET_CORNERS":
        return x
    return interpolated(x, axis % x.dim(), grid_points(mode, _length(x, axis), count))


def _nearest(x: Tensor, axis: int, count: int, mode: str) -> Tensor:
    # "DEFAULT" takes the pixel under the centre of the new one, which is where "UNALIGN_CORNERS" samples.
    points = grid_points("UNALIGN_CORNERS" if mode == "DEFAULT" else mode, _length(x, axis), count)
    return x.index_select(axis, (points + 0.5).floor().long().clamp(max=x.shape[axis] - 1))


def _length(x: Tensor, axis: int) -> Tensor:
    return torch.tensor(x.shape[axis] - 1, dtype=torch.float64)


def _boxes(x: Tensor, roi: Tensor | None, boxes: Tensor | None, box_indices: Tensor | None) -> tuple[Tensor, Tensor]:
    """Coordinates [M, 4] of all crops, and the image [M] of each."""
    if boxes is not None:
        images = torch.arange(len(boxes)) if box_indices is None else box_indices.long()
        return boxes, images
    assert roi is not None
    rows = roi.reshape(roi.shape[0], -1)
    if rows.shape[1] == 5:
        return rows[:, 1:], rows[:, 0].long()
    return rows.repeat_interleave(x.shape[0], 0), torch.arange(x.shape[0]).repeat(len(rows))


def _start_and_length(boxes: Tensor, mode: str) -> tuple[Tensor, Tensor]:
    """Start [N, 2] and signed length [N, 2] of boxes, height first."""
    first, second = boxes[:, :2], boxes[:, 2:]
    if mode.endswith("WIDTH_FIRST"):
        first, second = first.flip(1), second.flip(1)
    if mode.startswith("CENTER_SIZE"):
        return first - second / 2, second
    return first, second - first
