"""A camera of this computer, by OpenCV."""

from __future__ import annotations

import re
import sys
import time as clock
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

from mer_sdk.errors import MediaError, MissingExtra
from mer_sdk.live.sources.source import FRAMES_A_SECOND, Now, Picture, Thinning, checked_device
from mer_sdk.media.geometry import Geometry, geometry_of

# Where Linux lists its cameras. A camera has further nodes there that give no pictures; their index is not 0.
CAMERAS = Path("/sys/class/video4linux")
LINUX = sys.platform.startswith("linux")


class Camera:
    """See `Source`. Frames are read as fast as the camera gives them, and only those that are used are converted.

    Args:
        device: number, from 0, or on Linux a device path such as /dev/video2 or one of /dev/v4l/by-id, which stays
            the same when the camera comes back under another number.
        rate: frames to give, a second.
        now: see `Source`.

    Raises:
        OptionError: a device that is neither a number from 0 nor a path, or a rate that is not above 0.
    """

    streams: tuple[str, ...] = ("video",)
    returns = True
    lost = 0

    def __init__(self, device: int | str = 0, rate: float = FRAMES_A_SECOND, now: Now = clock.monotonic) -> None:
        self.device = checked_device("camera", device)
        self.name = f"camera {self.device}"
        self._thinning = Thinning(rate)
        self._now = now
        self._capture: Any = None
        self._pixel_aspect = Fraction(1)
        self._node: Path | None = None

    def open(self) -> None:
        """See `Source.open`."""
        try:
            import cv2
        except ImportError as error:
            raise MissingExtra("reading a camera", "opencv-python-headless", "opencv") from error
        self._cv2 = cv2
        number = self._number()
        # EmitRequest beforehand, as OpenCV writes warnings of its own about cameras that are not there.
        self._node = Path(f"/dev/video{number}") if LINUX else None
        if self._node is not None and not self._node.exists():
            raise MediaError(f"there is no {self.name}; {_cameras()}")
        capture = cv2.VideoCapture(number)
        if not capture.isOpened():
            capture.release()
            raise MediaError(
                f"{self.name} cannot be opened: another program uses it, or it is no camera, or this user may not read "
                f"it (on Linux: group video); {_cameras()}"
            )
        self._capture, self._pixel_aspect = capture, self._aspect(capture)

    def read(self) -> Picture | None:
        """See `Source.read`."""
        while True:
            # Some systems go on giving the last frame of a camera that was unplugged; its node is gone then.
            there = self._node is None or self._node.exists()
            if not there or not self._capture.grab():
                raise MediaError(f"{self.name} gives no more pictures; it was unplugged, or another program took it")
            time = self._now()
            if not self._thinning.keeps(time):
                continue
            given, picture = self._capture.retrieve()
            if not given:
                raise MediaError(f"{self.name} gave a picture that cannot be decoded")
            return Picture(self._shown(picture), time)

    def close(self) -> None:
        """See `Source.close`."""
        if self._capture is not None:
            self._capture.release()
            self._capture = None

    def _shown(self, given: Any) -> np.ndarray:
        """RGB with square pixels; what is no picture stays as it is, and is counted by who takes it."""
        picture = np.asarray(given if given is not None else np.zeros((0, 0, 3), np.uint8))
        channels = 1 if picture.ndim == 2 else picture.shape[2] if picture.ndim == 3 else 0
        codes = {1: self._cv2.COLOR_GRAY2RGB, 3: self._cv2.COLOR_BGR2RGB, 4: self._cv2.COLOR_BGRA2RGB}
        if picture.size == 0 or channels not in codes or picture.dtype != np.uint8:
            return picture
        rgb = self._cv2.cvtColor(picture, codes[channels])
        size = Geometry(pixel_aspect=self._pixel_aspect).size(rgb.shape[1], rgb.shape[0])
        if size == (rgb.shape[1], rgb.shape[0]):
            return rgb
        return np.asarray(self._cv2.resize(rgb, size, interpolation=self._cv2.INTER_LINEAR))

    def _aspect(self, capture: Any) -> Fraction:
        """Width of a pixel by its height, where the system says so: television cameras have oblong ones."""
        named = (getattr(self._cv2, f"CAP_PROP_SAR_{part}", None) for part in ("NUM", "DEN"))
        width, height = (int(capture.get(name)) if name is not None else 0 for name in named)
        return geometry_of(None, Fraction(width, height) if width > 0 and height > 0 else None).pixel_aspect

    def _number(self) -> int:
        """The number that OpenCV opens: a path is never given to it, as it would also open addresses of networks."""
        if isinstance(self.device, int):
            return self.device
        found = re.fullmatch(r"/dev/video(\d+)", str(Path(self.device).resolve()))
        if found is None or not LINUX:
            raise MediaError(
                f"{self.name} is no camera: give a number from 0, or on Linux a path such as /dev/video0; {_cameras()}"
            )
        return int(found[1])


def listed_cameras() -> list[str] | None:
    """The cameras that Linux lists, such as "0 (USB Camera)"; none is opened. None where the system does not tell."""
    if not LINUX:
        return None
    found = []
    for folder in sorted(CAMERAS.glob("video*"), key=lambda folder: int(folder.name[5:])):
        index, name = folder / "index", folder / "name"
        if not index.is_file() or index.read_text().strip() == "0":
            words = name.read_text().strip() if name.is_file() else "?"
            found.append(f"{folder.name[5:]} ({words})")
    return found


def _cameras() -> str:
    """What there is, in words."""
    found = listed_cameras()
    if found is None:
        return "on this system cameras are not listed: try 0, 1, 2"
    return f"there are: {', '.join(found)}" if found else "no camera was found"
