"""The face finder of a bundle: letterbox, run, threshold, non-maximum suppression. numpy and one runtime, no OpenCV."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

import numpy as np

from mer_sdk.contract.bundle import Bundle, open_trusted
from mer_sdk.contract.manifest import FINDER, FinderContract
from mer_sdk.contract.signature import Trust
from mer_sdk.errors import MissingExtra, OptionError, RuntimeUnavailable
from mer_sdk.frontends.face_crop import Detection, check_frame, interleaved, overlap, resize_triangle

# Written by `make finder`; best first.
PACKAGED_FOLDER = Path(__file__).parent / "packaged"
PACKAGED_FINDERS = ("face_finder-tflite-fp32.mer", "face_finder-onnx-fp32.mer")


class FinderGraph(Protocol):
    """A loaded graph, see `mer_sdk.runtimes.graph.Graph`."""

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
        return self.find(rgb)[2]

    def find(self, rgb: np.ndarray) -> tuple[np.ndarray, np.ndarray, list[Detection]]:
        """What the graph gives, scores [N] and boxes [N, 4], and the faces that are read from it; see `detect`."""
        contract = self._contract
        picture, scale = letterboxed(check_frame(rgb), contract)
        rows, columns = picture.shape[:2]
        if self._filled != (rows, columns):
            self._input[:] = 0.0
            self._filled = (rows, columns)
        self._input[0, :rows, :columns] = picture
        found = self._graph.run({"frame": self._input})
        scores, boxes = found["scores"][0], found["boxes"][0]
        kept = np.flatnonzero(scores > contract.threshold)
        extent = np.array([contract.width, contract.height] * 2, np.float32) / np.float32(scale)
        return scores, boxes, suppressed(boxes[kept] * extent, scores[kept], contract.overlap)


def open_finder(bundle: str | Path | Bundle, runtime: str | None = None, trust: Trust | None = None) -> FinderDetector:
    """The detector of a face finder's bundle.

    Raises:
        BundleError, RuntimeUnavailable, OptionError: see `Bundle.open` and `Bundle.load_graphs`.
        OptionError: the bundle is an emotion model.
        UntrustedBundle: no key of `trust` signed it.
    """
    opened = open_trusted(bundle, trust)
    contract = _contract_of(opened)
    return FinderDetector(opened.load_graphs(runtime)[FINDER], contract)


def _contract_of(bundle: Bundle) -> FinderContract:
    contract = bundle.manifest.finder
    if contract is None:
        raise OptionError(
            f"{bundle.name} is an emotion model, no face finder; make one with mer-convert --model face_finder"
        )
    return contract


def open_packaged_finder() -> FinderDetector:
    """The finder that comes with the SDK, in the first runtime that is installed: LiteRT, then ONNX Runtime.

    Raises:
        MissingExtra: neither is installed.
        BundleError: the packaged files were changed.
    """
    for name in PACKAGED_FINDERS:
        opened = Bundle.open(PACKAGED_FOLDER / name)
        try:
            return FinderDetector(opened.load_graphs()[FINDER], _contract_of(opened))
        except RuntimeUnavailable:
            continue
    raise MissingExtra("the packaged face finder", "LiteRT or ONNX Runtime", "litert")


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
    return resize_triangle(interleaved(thin) if across > 1 else thin, rows, columns), scale


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
