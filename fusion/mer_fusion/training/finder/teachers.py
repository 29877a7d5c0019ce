"""Published face detectors as reference: they say where the faces of training pictures lie, and what is there to find.

The convention of a box is that of the packaged cascade, which the face crops of the project follow: a square about the
face from the middle of the forehead to the chin, the cheeks inside. FER+ crops vary in how tightly they are cut, so
each one's box is placed by the two detectors (`label_faces`), brought to the convention by fixed ratios
(benchmarks/faces/face_finder.py measures them).

Both read files that the user gives; nothing of them is part of what is trained here or shipped.

- UltraFace RFB-320 (Linzaer, Ultra-Light-Fast-Generic-Face-Detector-1MB, MIT), an `.onnx` file for ONNX Runtime;
- MediaPipe face detection, short range (BlazeFace, Bazarevsky et al. 2019, Apache-2.0), a `.tflite` file for LiteRT.
"""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

import cv2
import numpy as np

from mer_sdk.errors import MissingExtra, OptionError
from mer_sdk.frontends.face_crop import Detection, check_frame, overlap
from mer_sdk.frontends.face_detection import FaceDetector, HaarDetector
from mer_sdk.frontends.face_finder import suppressed

# Square of the cascade from the box of a teacher: (side, of the root of width x height; rise of the centre, of height).
# Medians over 1200 FER+ faces, laid out as `label_faces` does; benchmarks/faces/face_finder.py measures them larger.
ULTRAFACE_TO_SQUARE = (1.106, -0.021)
MEDIAPIPE_TO_SQUARE = (1.138, -0.114)
# The cascade gives this much larger a box where a tight crop's edge is repeated around it than in the whole picture:
# median over 82 portraits, cut to 0.97 and 1.1 of their boxes.
FRAMED = 1.10
FRAMED_SIZES = (96, 112, 132)
AGREEMENT = 0.45  # teachers that overlap less mean different things; the face is left out
_CELL, _FACE = 80, 64
_GRID = (3, 4)

Square = tuple[float, float, float]
Point = tuple[float, float]


def _existing(path: str | Path, what: str) -> str:
    if not Path(path).is_file():
        raise OptionError(f"{path} does not exist; give the {what} file")
    return str(path)


class UltraFace:
    """A `FaceDetector`: UltraFace RFB-320. The frame is stretched to 320 x 240, as it was trained.

    Args:
        path: version-RFB-320.onnx.
        threshold: lowest score that counts as a face, 0-1.

    Raises:
        OptionError: the file is missing.
        MissingExtra: onnxruntime is not installed.
    """

    size = (320, 240)

    def __init__(self, path: str | Path, threshold: float = 0.7) -> None:
        os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")  # as `mer_sdk.runtimes.onnx`
        try:
            import onnxruntime
        except ImportError as error:
            raise MissingExtra("reading UltraFace", str(error.name), "convert") from error
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        options.log_severity_level = 3  # the file lists its weights among its inputs: one warning for each
        self._session = onnxruntime.InferenceSession(
            _existing(path, "UltraFace .onnx"), options, providers=["CPUExecutionProvider"]
        )
        self._threshold = threshold

    def detect(self, rgb: np.ndarray) -> list[Detection]:
        """See `FaceDetector.detect`; the score is 0-1."""
        frame = check_frame(rgb)
        height, width = frame.shape[:2]
        small = cv2.resize(frame, self.size, interpolation=cv2.INTER_AREA).astype(np.float32)
        scores, corners = self._session.run(None, {"input": ((small - 127.0) / 128.0).transpose(2, 0, 1)[None]})
        found = np.flatnonzero(scores[0, :, 1] > self._threshold)
        boxes = corners[0, found] * np.array([width, height, width, height], np.float32)
        boxes[:, 2:] -= boxes[:, :2]
        return suppressed(boxes, scores[0, found, 1], 0.3)


class MediaPipe:
    """A `FaceDetector`: MediaPipe face detection, short range, in a letterboxed square of 128 pixels.

    Args:
        path: face_detection_short_range.tflite.
        threshold: lowest score that counts as a face, 0-1.

    Raises:
        OptionError: the file is missing.
        MissingExtra: ai-edge-litert is not installed.
    """

    side = 128

    def __init__(self, path: str | Path, threshold: float = 0.5) -> None:
        try:
            from ai_edge_litert.interpreter import Interpreter
        except ImportError as error:
            raise MissingExtra("reading MediaPipe's detector", str(error.name), "convert") from error
        self._model = Interpreter(_existing(path, "MediaPipe .tflite"), num_threads=1)
        self._model.allocate_tensors()
        self._input = self._model.get_input_details()[0]["index"]
        self._outputs = {item["name"]: item["index"] for item in self._model.get_output_details()}
        centres = []
        # Two anchors a cell of 16 x 16 cells, six a cell of 8 x 8; all of size 1, so that the centre alone counts.
        for cells, each in ((16, 2), (8, 6)):
            y, x = np.mgrid[:cells, :cells]
            centres.append(np.repeat(np.stack([x, y], axis=-1).reshape(-1, 2) + 0.5, each, axis=0) / cells)
        self._centres = np.concatenate(centres).astype(np.float32)
        self._threshold = threshold

    def detect(self, rgb: np.ndarray) -> list[Detection]:
        """See `FaceDetector.detect`; the score is 0-1."""
        values, scores, scale, corner = self._run(rgb)
        found = np.flatnonzero(scores > self._threshold)
        extent = values[found, 2:4]
        boxes = np.concatenate([values[found, :2] + self._centres[found] - extent / 2, extent], axis=1) * self.side
        boxes[:, :2] -= corner
        return suppressed(boxes / scale, scores[found], 0.3)

    def landmarks(self, rgb: np.ndarray) -> tuple[Point, Point, Point] | None:
        """Both eyes and the mouth's middle of the likeliest face, pixels; None where there is none."""
        values, scores, scale, corner = self._run(rgb)
        best = int(scores.argmax())
        if scores[best] <= self._threshold:
            return None
        points = ((values[best, 4:].reshape(-1, 2) + self._centres[best]) * self.side - corner) / scale
        one, other, mouth = ((float(points[index, 0]), float(points[index, 1])) for index in (0, 1, 3))
        return one, other, mouth

    def _run(self, rgb: np.ndarray) -> tuple[np.ndarray, np.ndarray, float, tuple[int, int]]:
        """Numbers of every anchor in shares of the input, its score, the scale, and where the picture begins."""
        frame = check_frame(rgb)
        height, width = frame.shape[:2]
        scale = self.side / max(height, width)
        size = (max(1, round(width * scale)), max(1, round(height * scale)))
        left, top = (self.side - size[0]) // 2, (self.side - size[1]) // 2
        square = np.zeros((1, self.side, self.side, 3), np.float32)
        small = cv2.resize(frame, size, interpolation=cv2.INTER_AREA)
        square[0, top : top + size[1], left : left + size[0]] = small
        self._model.set_tensor(self._input, square / 127.5 - 1.0)
        self._model.invoke()
        values = self._model.get_tensor(self._outputs["regressors"])[0] / self.side
        logits = self._model.get_tensor(self._outputs["classificators"])[0, :, 0]
        return values, 1.0 / (1.0 + np.exp(-np.clip(logits, -50, 50))), scale, (left, top)


def square_from(box: Sequence[float], relation: tuple[float, float]) -> Square:
    """(centre x, centre y, side) of the project's box, from a teacher's (x, y, width, height)."""
    side = relation[0] * math.sqrt(box[2] * box[3])
    return box[0] + box[2] / 2, box[1] + box[3] / 2 + relation[1] * box[3], side


def corner_box(square: Sequence[float]) -> tuple[float, float, float, float]:
    """(x, y, width, height) of (centre x, centre y, side)."""
    x, y, side = square
    return x - side / 2, y - side / 2, side, side


def cascade_squares(picture: np.ndarray, margin: float, sizes: Sequence[int]) -> Square | None:
    """The cascade's square of the largest face of a square picture, in shares of it, over several sizes of the picture:
    the median, as its boxes come in steps of a tenth. None where fewer than two of the searches agree.

    Args:
        picture: uint8 [S, S] or [S, S, 3].
        margin: how far the edge is repeated around the picture, in shares of it.
        sizes: that it is brought to, pixels.
    """
    found: list[Square] = []
    cascade = _cascade(0.35 if margin else 0.2)
    for size in sizes:
        around = int(margin * size)
        frame = framed(picture, size + 2 * around, around)
        face = max(cascade.detect(coloured(frame)), key=lambda one: one[4], default=None)
        if face is not None:
            x, y = face[0] + face[2] / 2 - around, face[1] + face[3] / 2 - around
            found.append((x / size, y / size, face[2] / size))
    if len(found) < 2:
        return None
    x, y, side = (float(value) for value in np.median(found, axis=0))
    agreed = [one for one in found if overlap(corner_box(one), corner_box((x, y, side))) > 0.6]
    return (x, y, side / (FRAMED if margin else 1.0)) if len(agreed) >= 2 else None


@lru_cache(maxsize=2)
def _cascade(smallest: float) -> HaarDetector:
    return HaarDetector(width=4096, smallest=smallest, neighbors=3)


def coloured(picture: np.ndarray) -> np.ndarray:
    """A grey or RGB picture as RGB."""
    return np.repeat(picture[:, :, None], 3, axis=2) if picture.ndim == 2 else picture


def label_faces(crops: np.ndarray, ultraface: FaceDetector, mediapipe: FaceDetector) -> np.ndarray:
    """Boxes of tight crops, grey [N, S, S] or RGB [N, S, S, 3]: float32 [N, 3] squares in shares of the crop, NaN where
    no face was agreed upon.

    Where the cascade finds a face that the two detectors do not contradict, the square is its own. Elsewhere it is made
    of theirs: the mean where both find a face. UltraFace sees twelve crops in one frame, MediaPipe one at a time.
    """
    squares = np.full((len(crops), 3), np.nan, np.float32)
    others = _other_squares(crops, ultraface, mediapipe)
    for index, (crop, other) in enumerate(zip(crops, others, strict=True)):
        own = cascade_squares(crop, 0.4, FRAMED_SIZES)
        if own is not None and other is not None and overlap(corner_box(own), corner_box(other)) >= AGREEMENT:
            squares[index] = own
        elif own is None and other is not None:
            squares[index] = (other[0], other[1], other[2] / FRAMED)
    return squares


def _other_squares(crops: np.ndarray, ultraface: FaceDetector, mediapipe: FaceDetector) -> list[Square | None]:
    """What the two detectors say of each crop, brought to the convention; None where they differ or find none."""
    rows, columns = _GRID
    squares: list[Square | None] = []
    for start in range(0, len(crops), rows * columns):
        part = crops[start : start + rows * columns]
        sheet = np.full((rows * _CELL, columns * _CELL, 3), 128, np.uint8)
        first: list[Detection | None] = [None] * len(part)
        margin = (_CELL - _FACE) // 2
        for index, crop in enumerate(part):
            row, column = divmod(index, columns)
            area = np.s_[row * _CELL : (row + 1) * _CELL, column * _CELL : (column + 1) * _CELL]
            sheet[area] = coloured(framed(crop, _CELL, margin))
        for face in ultraface.detect(sheet):
            column, row = int((face[0] + face[2] / 2) // _CELL), int((face[1] + face[3] / 2) // _CELL)
            index = row * columns + column
            if 0 <= column < columns and 0 <= row < rows and index < len(part):
                known = first[index]
                if known is None or face[4] > known[4]:
                    x, y = face[0] - column * _CELL - margin, face[1] - row * _CELL - margin
                    first[index] = (x / _FACE, y / _FACE, face[2] / _FACE, face[3] / _FACE, face[4])
        for index, crop in enumerate(part):
            found = mediapipe.detect(coloured(framed(crop, 128, 16)))
            given: list[Square] = []
            one = first[index]
            if one is not None:
                given.append(square_from(one, ULTRAFACE_TO_SQUARE))
            if found:
                best = max(found, key=lambda face: face[4])
                box = ((best[0] - 16) / 96, (best[1] - 16) / 96, best[2] / 96, best[3] / 96)
                given.append(square_from(box, MEDIAPIPE_TO_SQUARE))
            apart = len(given) == 2 and overlap(corner_box(given[0]), corner_box(given[1])) < AGREEMENT
            x, y, side = (float(value) for value in np.mean(given, axis=0)) if given else (0.0, 0.0, 0.0)
            squares.append((x, y, side) if given and not apart else None)
    return squares


def framed(crop: np.ndarray, size: int, margin: int) -> np.ndarray:
    """A crop enlarged to fill `size` pixels but for a margin, in which its edge is repeated: it has no surroundings."""
    inner = size - 2 * margin
    large = cv2.resize(crop, (inner, inner), interpolation=cv2.INTER_AREA if inner < len(crop) else cv2.INTER_LINEAR)
    return np.asarray(cv2.copyMakeBorder(large, margin, margin, margin, margin, cv2.BORDER_REPLICATE))
