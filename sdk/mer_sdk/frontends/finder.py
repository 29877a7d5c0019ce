"""The face finder of a bundle: letterbox, run, threshold, non-maximum suppression. numpy and one runtime, no OpenCV."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from mer_sdk.errors import OptionError
from mer_sdk.frontends.face import Detection, _triangle_bands, check_frame, overlap


@dataclass(frozen=True)
class FinderContract:
    """What lies outside of a face finder's graph.

    The graph reads `frame`: float32 [1, height, width, 3], RGB, 0-255, and gives `scores` [1, N] (probabilities) and
    `boxes` [1, N, 4] as (x, y, width, height) in shares of the input's width and height.

    How a frame of H x W pixels becomes the input, to be repeated by every port:

    1. `scale` = min(height / H, width / W); the picture is h = max(1, floor(H * scale + 0.5)) pixels high and w =
       max(1, floor(W * scale + 0.5)) wide.
    2. Of the rows every s-th is kept, s = max(1, floor(H / (2 * h))), beginning with row floor(s / 2), floor(H / s) of
       them; columns likewise with W and w. So at least two pixels are left for each one of the input.
    3. What is left is resized to h x w with `resize_filter` ("triangle": the antialiased bilinear filter of Pillow),
       values unrounded, rows first, then columns.
    4. It lies at the top left of the input; the rest is 0.

    A box in frame pixels is (x * width / scale, y * height / scale, ...). Boxes with a score above `threshold` are kept
    from the best down, where they overlap no kept one by more than `overlap` (intersection over union).

    Attributes:
        height, width: of the input, pixels.
        threshold: lowest score that counts as a face, 0-1.
        overlap: largest overlap of two faces, 0-1.
        box: convention of a box: "cascade-square" is the square that OpenCV's frontal cascade gives, from the middle
            of the forehead to the chin.
        resize_filter: see above.

    Raises:
        OptionError: a size below 1, or a share outside of 0-1.
    """

    height: int = 128
    width: int = 160
    threshold: float = 0.5
    overlap: float = 0.4
    box: str = "cascade-square"
    resize_filter: str = "triangle"

    def __post_init__(self) -> None:
        if self.height < 1 or self.width < 1 or not (0 <= self.threshold <= 1 and 0 <= self.overlap <= 1):
            raise OptionError(f"{self}: sizes are 1 or more, threshold and overlap lie between 0 and 1")
        if self.box != "cascade-square" or self.resize_filter != "triangle":
            raise OptionError(f"{self}: this mer_sdk knows the box 'cascade-square' and the filter 'triangle' alone")


class FinderGraph(Protocol):
    """A loaded graph, see `mer_sdk.runtimes.registry.Graph`."""

    def run(self, inputs: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """`frame` in, `scores` and `boxes` out."""
        ...


class FinderDetector:
    """A `FaceDetector` that runs a bundle's face finder. Not for several threads at once: it keeps its input.

    Args:
        graph: the loaded graph.
        contract: how its input is made and its output is read.
    """

    def __init__(self, graph: FinderGraph, contract: FinderContract) -> None:
        self._graph, self._contract = graph, contract
        self._input = np.zeros((1, contract.height, contract.width, 3), np.float32)
        self._filled = (0, 0)

    def detect(self, rgb: np.ndarray) -> list[Detection]:
        """See `FaceDetector.detect`; the score is a probability. Boxes are squares and may reach outside."""
        contract = self._contract
        picture, scale = letterboxed(check_frame(rgb), contract)
        rows, columns = picture.shape[:2]
        if self._filled != (rows, columns):
            self._input[:] = 0.0
            self._filled = (rows, columns)
        self._input[0, :rows, :columns] = picture
        found = self._graph.run({"frame": self._input})
        scores = found["scores"][0]
        kept = np.flatnonzero(scores > contract.threshold)
        extent = np.array([contract.width, contract.height] * 2, np.float32) / np.float32(scale)
        return suppressed(found["boxes"][0, kept] * extent, scores[kept], contract.overlap)


def letterboxed(frame: np.ndarray, contract: FinderContract) -> tuple[np.ndarray, float]:
    """The picture of a frame in the finder's input, float32 [h, w, 3], and the scale from frame to input pixels.

    Args:
        frame: uint8 [height, width, 3].
    """
    height, width = frame.shape[:2]
    scale = min(contract.height / height, contract.width / width)
    rows, columns = max(1, math.floor(height * scale + 0.5)), max(1, math.floor(width * scale + 0.5))
    down, across = max(1, height // (2 * rows)), max(1, width // (2 * columns))
    thin = frame[down // 2 :: down, across // 2 :: across][: height // down, : width // across]
    return _resized(thin, rows, columns), scale


def _resized(image: np.ndarray, rows: int, columns: int) -> np.ndarray:
    """`resize_triangle` to any height and width: float32 [rows, columns, 3]."""
    height, width, channels = image.shape
    low = np.empty((rows, width * channels), np.float32)
    for band in _triangle_bands(height, rows):
        pixels = np.ascontiguousarray(image[band.start : band.stop], dtype=np.float32)
        np.matmul(band.weights, pixels.reshape(len(pixels), -1), out=low[band.first : band.first + len(band.weights)])
    planes = np.ascontiguousarray(low.reshape(rows, width, channels).transpose(0, 2, 1)).reshape(-1, width)
    small = np.empty((rows * channels, columns), np.float32)
    for band in _triangle_bands(width, columns):
        small[:, band.first : band.first + len(band.weights)] = planes[:, band.start : band.stop] @ band.weights.T
    return small.reshape(rows, channels, columns).transpose(0, 2, 1)


def suppressed(boxes: np.ndarray, scores: np.ndarray, limit: float) -> list[Detection]:
    """Non-maximum suppression: from the best score down, boxes that overlap no kept one by more than `limit`.

    Args:
        boxes: [K, 4], (x, y, width, height); scores: [K].
    """
    kept: list[Detection] = []
    for index in np.argsort(-scores, kind="stable"):
        x, y, width, height = (float(value) for value in boxes[index])
        if all(overlap((x, y, width, height), other[:4]) <= limit for other in kept):
            kept.append((x, y, width, height, float(scores[index])))
    return kept
