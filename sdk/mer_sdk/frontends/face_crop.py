"""Faces: a small detector protocol with two detectors, and the crop that the face graph reads."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from mer_sdk.contract.manifest import FaceContract
from mer_sdk.errors import SignalError
from mer_sdk.media.samples import as_array

Box = tuple[float, float, float, float]
Detection = tuple[float, float, float, float, float]


def check_frame(rgb: np.ndarray) -> np.ndarray:
    """The frame itself, contiguous.

    Raises:
        SignalError: not uint8 of shape [height, width, 3] with at least one pixel.
    """
    frame = as_array("a frame", rgb)
    if frame.ndim != 3 or frame.shape[2] != 3 or 0 in frame.shape or frame.dtype != np.uint8:
        raise SignalError(
            f"a frame has shape {frame.shape} and type {frame.dtype}; needed is uint8 [height, width, 3], RGB"
        )
    return np.ascontiguousarray(frame)


# The filter's matrix is banded: so many rows of it are multiplied at a time, with the pixels that they reach alone. Of
# large pictures fewer, as a band is to read about so many source rows.
BANDS, SOURCE_ROWS = (4, 16), 40


@dataclass(frozen=True, eq=False)
class _Band:
    """Rows `first`... of a filter's matrix, [rows, stop - start], and the source pixels that they read."""

    first: int
    start: int
    stop: int
    weights: np.ndarray


@lru_cache(maxsize=64)
def _triangle_bands(source: int, target: int) -> tuple[_Band, ...]:
    """The [target, source] matrix of the antialiased triangle filter, in the definition that Pillow uses, in bands."""
    scale = source / target
    support = max(1.0, scale)
    centre = (np.arange(target) + 0.5) * scale
    starts = np.maximum(0, np.floor(centre - support + 0.5)).astype(int)
    stops = np.minimum(source, np.floor(centre + support + 0.5)).astype(int)
    size = min(max(BANDS[0], 1 << max(0, round(math.log2(SOURCE_ROWS / scale)))), BANDS[1])
    bands = []
    for first in range(0, target, size):
        rows = slice(first, first + size)
        start, stop = int(starts[first]), int(stops[rows][-1])
        column = np.arange(start, stop)[None, :]
        weights = np.clip(1.0 - np.abs((column + 0.5 - centre[rows, None]) / support), 0.0, None)
        weights *= (column >= starts[rows, None]) & (column < stops[rows, None])
        weights /= weights.sum(axis=1, keepdims=True)
        bands.append(_Band(first, start, stop, weights.astype(np.float32)))
    return tuple(bands)


def resize_triangle(image: np.ndarray, rows: int, columns: int) -> np.ndarray:
    """Resize [height, width, 3] to float32 [rows, columns, 3] by the antialiased triangle filter, values unrounded."""
    height, width, channels = image.shape
    down, across = _triangle_bands(height, rows), _triangle_bands(width, columns)
    # What comes of the rows lies column by column, so that the filter across reads it as it is.
    low = np.empty((width * channels, rows), np.float32)
    # Only a band's pixels are converted, so that an image which is a view into a frame is read once; always in the same
    # memory, as fresh one costs more than the conversion.
    room = np.empty((max(band.stop - band.start for band in down), width, channels), np.float32)
    for band in down:
        pixels = room[: band.stop - band.start]
        pixels[:] = image[band.start : band.stop]
        found = low[:, band.first : band.first + len(band.weights)]
        np.matmul(pixels.reshape(len(pixels), -1).T, band.weights.T, out=found)
    lines = low.reshape(width, channels * rows)
    small = np.empty((columns, channels * rows), np.float32)
    for band in across:
        np.matmul(band.weights, lines[band.start : band.stop], out=small[band.first : band.first + len(band.weights)])
    return np.ascontiguousarray(small.reshape(columns, channels, rows).transpose(2, 0, 1))


def interleaved(image: np.ndarray) -> np.ndarray:
    """A contiguous copy of [height, width, channels], of any layout: channel by channel, as numpy is slow at short
    innermost axes."""
    result = np.empty(image.shape, image.dtype)
    for channel in range(image.shape[2]):
        result[:, :, channel] = image[:, :, channel]
    return result


def crop_face(rgb: np.ndarray, box: Box | Sequence[float], contract: FaceContract) -> np.ndarray | None:
    """The crop of one face as the contract says.

    The square's corner and side are rounded to whole pixels, the square is cut out with edge pixels repeated outside
    the frame, and then resized.

    Args:
        rgb: uint8 [height, width, 3].
        box: (x, y, width, height) in pixels; may reach outside the frame.
        contract: crop size, margin and black level.

    Returns:
        float32 [crop_size, crop_size, 3], values 0-255; None where it is black (brightest value at most `black_level`).

    Raises:
        SignalError: a frame of the wrong shape, or a box without area.
    """
    frame = check_frame(rgb)
    x, y, width, height = (float(value) for value in box[:4])
    if not all(map(math.isfinite, (x, y, width, height))) or width <= 0 or height <= 0:
        raise SignalError(f"the face box {(x, y, width, height)} has no area")
    exact = max(width, height) * (1.0 + 2.0 * contract.margin)
    side = max(1, math.floor(exact + 0.5))
    left = math.floor(x + (width - exact) / 2.0 + 0.5)
    top = math.floor(y + (height - exact) / 2.0 + 0.5)
    if left >= 0 and top >= 0 and left + side <= frame.shape[1] and top + side <= frame.shape[0]:
        square = frame[top : top + side, left : left + side]
    else:
        rows = np.clip(np.arange(top, top + side), 0, frame.shape[0] - 1)
        columns = np.clip(np.arange(left, left + side), 0, frame.shape[1] - 1)
        square = frame[rows[:, None], columns[None, :]]
    crop = resize_triangle(square, contract.crop_size, contract.crop_size)
    return None if float(crop.max()) <= contract.black_level else crop


def overlap(a: Sequence[float], b: Sequence[float]) -> float:
    """Intersection over union of two (x, y, width, height) boxes, 0-1."""
    width = min(a[0] + a[2], b[0] + b[2]) - max(a[0], b[0])
    height = min(a[1] + a[3], b[1] + b[3]) - max(a[1], b[1])
    if width <= 0 or height <= 0:
        return 0.0
    shared = width * height
    return shared / (a[2] * a[3] + b[2] * b[3] - shared)
