"""Published face detectors as reference: they say where the faces of training pictures lie, and what is there to find.

Both read files that the user gives; nothing of them is part of what is trained here or shipped.

- UltraFace RFB-320 (Linzaer, Ultra-Light-Fast-Generic-Face-Detector-1MB, MIT), an `.onnx` file for ONNX Runtime;
- MediaPipe face detection, short range (BlazeFace, Bazarevsky et al. 2019, Apache-2.0), a `.tflite` file for LiteRT.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from mer_sdk.errors import MissingExtra, OptionError
from mer_sdk.frontends.face import Detection, check_frame
from mer_sdk.frontends.finder import suppressed


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
        MissingExtra: onnxruntime or OpenCV is not installed.
    """

    size = (320, 240)

    def __init__(self, path: str | Path, threshold: float = 0.7) -> None:
        try:
            import cv2
            import onnxruntime
        except ImportError as error:
            raise MissingExtra("reading UltraFace", str(error.name), "convert") from error
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        options.log_severity_level = 3  # the file lists its weights among its inputs: one warning for each
        self._cv2 = cv2
        self._session = onnxruntime.InferenceSession(
            _existing(path, "UltraFace .onnx"), options, providers=["CPUExecutionProvider"]
        )
        self._threshold = threshold

    def detect(self, rgb: np.ndarray) -> list[Detection]:
        """See `FaceDetector.detect`; the score is 0-1."""
        frame = check_frame(rgb)
        height, width = frame.shape[:2]
        small = self._cv2.resize(frame, self.size, interpolation=self._cv2.INTER_AREA).astype(np.float32)
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
        MissingExtra: ai-edge-litert or OpenCV is not installed.
    """

    side = 128

    def __init__(self, path: str | Path, threshold: float = 0.5) -> None:
        try:
            import cv2
            from ai_edge_litert.interpreter import Interpreter
        except ImportError as error:
            raise MissingExtra("reading MediaPipe's detector", str(error.name), "convert") from error
        self._cv2 = cv2
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
        frame = check_frame(rgb)
        height, width = frame.shape[:2]
        scale = self.side / max(height, width)
        size = (max(1, round(width * scale)), max(1, round(height * scale)))
        left, top = (self.side - size[0]) // 2, (self.side - size[1]) // 2
        square = np.zeros((1, self.side, self.side, 3), np.float32)
        small = self._cv2.resize(frame, size, interpolation=self._cv2.INTER_AREA)
        square[0, top : top + size[1], left : left + size[0]] = small
        self._model.set_tensor(self._input, square / 127.5 - 1.0)
        self._model.invoke()
        values = self._model.get_tensor(self._outputs["regressors"])[0, :, :4] / self.side
        logits = self._model.get_tensor(self._outputs["classificators"])[0, :, 0]
        scores = 1.0 / (1.0 + np.exp(-np.clip(logits, -50, 50)))
        found = np.flatnonzero(scores > self._threshold)
        extent = values[found, 2:]
        boxes = np.concatenate([values[found, :2] + self._centres[found] - extent / 2, extent], axis=1) * self.side
        boxes[:, :2] -= (left, top)
        return suppressed(boxes / scale, scores[found], 0.3)
