"""Face detectors behind one small protocol: the face finder (packaged, or of a bundle), OpenCV's cascade, YuNet.

The packaged finder is the default: it needs no OpenCV. It lies in this package as bundles of two targets, as it must
run with whichever runtime an app installs, and before a bundle of one's own was made.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Protocol

import numpy as np

from mer_sdk.contract.signature import Trust
from mer_sdk.errors import MissingExtra, OptionError, UntrustedBundle
from mer_sdk.frontends.face_crop import Detection, check_frame
from mer_sdk.limits import check_kind, check_path

PACKAGED = "finder"


class FaceDetector(Protocol):
    """Anything that finds faces."""

    def detect(self, rgb: np.ndarray) -> list[Detection]:
        """Faces in an image (uint8, height x width x 3, RGB): (x, y, width, height, score) each, in pixels; an empty
        list where there is none. Numbers of Python or numpy; whoever asks raises OptionError at anything else."""
        ...


def _cv2() -> Any:
    try:
        import cv2
    except ImportError as error:
        raise MissingExtra("finding faces with OpenCV", "opencv-python-headless", "opencv") from error
    return cv2


class HaarDetector:
    """OpenCV's packaged frontal-face cascade (Viola and Jones). Needs no model file; frontal faces in fair light.

    Args:
        width: frames wider than this are scaled down before the search, pixels.
        smallest: smallest face, as a share of the frame's shorter side.
        neighbors: overlapping hits that make a face; more means fewer false faces.

    Raises:
        MissingExtra: OpenCV is not installed, or is version 5, which carries no cascades.
    """

    def __init__(self, width: int = 400, smallest: float = 0.12, neighbors: int = 5) -> None:
        self._cv2 = _cv2()
        if not hasattr(self._cv2, "CascadeClassifier") or not hasattr(self._cv2, "data"):
            raise MissingExtra("OpenCV's cascade", "opencv-python-headless before version 5", "opencv")
        path = Path(self._cv2.data.haarcascades) / "haarcascade_frontalface_default.xml"
        self._cascade = self._cv2.CascadeClassifier(str(path))
        self._width, self._smallest, self._neighbors = width, smallest, neighbors

    def detect(self, rgb: np.ndarray) -> list[Detection]:
        """See `FaceDetector.detect`; the score is the cascade's last-stage sum, about 0 to 10."""
        grey = self._cv2.cvtColor(check_frame(rgb), self._cv2.COLOR_RGB2GRAY)
        scale = min(1.0, self._width / grey.shape[1])
        if scale < 1.0:
            size = (self._width, max(1, round(grey.shape[0] * scale)))
            grey = self._cv2.resize(grey, size, interpolation=self._cv2.INTER_AREA)
        smallest = max(20, int(self._smallest * min(grey.shape)))
        boxes, _, scores = self._cascade.detectMultiScale3(
            self._cv2.equalizeHist(grey),
            scaleFactor=1.1,
            minNeighbors=self._neighbors,
            minSize=(smallest, smallest),
            outputRejectLevels=True,
        )
        return [
            (x / scale, y / scale, w / scale, h / scale, float(score))
            for (x, y, w, h), score in zip(np.asarray(boxes).tolist(), np.ravel(scores).tolist(), strict=True)
        ]


class YuNetDetector:
    """YuNet (OpenCV's `FaceDetectorYN`) from a model file of the user: better on turned heads and in poor light.

    Args:
        path: the `.onnx` file, such as face_detection_yunet_2023mar.onnx of the OpenCV model zoo.
        width: frames wider than this are scaled down before the search, pixels.
        threshold: lowest score that counts as a face, 0-1.

    Raises:
        OptionError: the file is missing or is no YuNet model.
        MissingExtra: OpenCV is not installed.
    """

    def __init__(self, path: str | Path, width: int = 480, threshold: float = 0.7) -> None:
        check_path("the detector file", path, "the path of a YuNet .onnx file")
        self._cv2 = _cv2()
        if not Path(path).is_file():
            raise OptionError(f"the detector file {path} does not exist; give a YuNet .onnx file, or 'finder'")
        try:
            self._model = self._cv2.FaceDetectorYN.create(str(path), "", (320, 320), threshold)
        except self._cv2.error as error:
            raise OptionError(f"{path} is not a YuNet model that OpenCV can read ({error})") from error
        self._width = width

    def detect(self, rgb: np.ndarray) -> list[Detection]:
        """See `FaceDetector.detect`; the score is 0-1."""
        frame = self._cv2.cvtColor(check_frame(rgb), self._cv2.COLOR_RGB2BGR)
        scale = min(1.0, self._width / frame.shape[1])
        if scale < 1.0:
            size = (self._width, max(1, round(frame.shape[0] * scale)))
            frame = self._cv2.resize(frame, size, interpolation=self._cv2.INTER_AREA)
        self._model.setInputSize((frame.shape[1], frame.shape[0]))
        _, faces = self._model.detect(frame)
        if faces is None:
            return []
        return [(*(float(v) / scale for v in face[:4]), float(face[-1])) for face in faces]


def chosen_detector(detector: str | FaceDetector | None, trust: Trust | None) -> FaceDetector | None:
    """What an app chose: see `open_detector`. None is the packaged finder, which is loaded before the first frame.

    Raises:
        OptionError, MissingExtra, BundleError, UntrustedBundle: see `open_detector`; or it is no detector.
    """
    if detector is None or detector == PACKAGED:
        return None
    if isinstance(detector, str):
        return open_detector(detector, trust)
    if not hasattr(detector, "detect"):
        raise OptionError("the detector has no method detect; give 'finder', 'haar', a path or a FaceDetector")
    return detector


def open_detector(name: str | None, trust: Trust | None = None) -> FaceDetector:
    """A detector by name: None or "finder", the packaged face finder; "haar", OpenCV's cascade; the path of a YuNet
    `.onnx` file; or a face finder's bundle.

    Args:
        name: see above.
        trust: public keys, of which one must have signed the bundle that is named; see `Bundle.open`. The packaged
            finder is part of the SDK, as its code is.

    Raises:
        OptionError: neither of these.
        UntrustedBundle: no trusted key signed it; nobody signs an `.onnx` file.
        MissingExtra: OpenCV is not installed, or no runtime that runs the packaged finder.
        BundleError, RuntimeUnavailable: see `Bundle.open` and `Bundle.load_graphs`.
    """
    check_kind("the face detector", name, str, "'finder', 'haar', or a path")
    if name is None or name == PACKAGED:
        from mer_sdk.frontends.face_finder import open_packaged_finder

        return open_packaged_finder()
    if name == "haar":
        return HaarDetector()
    if Path(name).suffix.lower() == ".onnx":
        if trust is not None:
            raise UntrustedBundle(f"{name} is a file, which nobody signs; give the signed bundle of a face finder")
        return YuNetDetector(name)
    if Path(name).suffix.lower() == ".mer":
        from mer_sdk.frontends.face_finder import open_finder

        return open_finder(name, trust=trust)
    raise OptionError(
        f"unknown face detector {name}; allowed are finder (the packaged one), haar (OpenCV's cascade), the path of a "
        "YuNet .onnx file, and the bundle of a face finder (face_finder-TARGET-SCHEME.mer)"
    )
