"""What a file gives: described pieces of sound, and pictures that are converted when they are looked at."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from mer_sdk.errors import MediaError
from mer_sdk.media.geometry import geometry_of


@dataclass(frozen=True, eq=False)
class AudioPiece:
    """A piece of sound, as `EmotionSensor.push_audio` takes it.

    Attributes:
        pcm: [samples, channels]; float32 in [-1, 1] from files.
        sample_rate: Hz.
        time: of the first sample, seconds.
        channels: names of the channels ("FL", "FC", ...), empty where unknown.
    """

    pcm: np.ndarray
    sample_rate: int
    time: float
    channels: tuple[str, ...] = ()


class VideoFrame:
    """One decoded picture. Pixels are converted when asked for: most pictures never are.

    Attributes:
        time: from which it is shown, seconds.
        duration: for how long, seconds; None where the file does not say.
    """

    def __init__(self, frame: Any, time: float, pixel_aspect: Any = None, duration: float | None = None) -> None:
        self._frame, self._pixel_aspect = frame, pixel_aspect
        self.time, self.duration = time, duration

    def at(self, time: float, duration: float | None) -> VideoFrame:
        """The same picture, shown at another time."""
        return VideoFrame(self._frame, time, self._pixel_aspect, duration)

    def rgb(self) -> np.ndarray:
        """uint8 [height, width, 3], upright, as a player shows it.

        Raises:
            MediaError: the picture cannot be converted.
        """
        geometry = geometry_of(self._matrix(), self._pixel_aspect)
        width, height = geometry.size(self._frame.width, self._frame.height)
        try:
            if (width, height) == (self._frame.width, self._frame.height):
                stored = self._frame.to_ndarray(format="rgb24")
            else:
                stored = self._frame.reformat(width, height, "rgb24").to_ndarray()
        except (ValueError, OSError) as error:
            raise MediaError(
                f"the picture at {self.time:.2f} s, {width} x {height} {self._frame.format.name}, cannot be converted "
                f"({error}); convert the file to 8-bit H.264"
            ) from error
        return geometry.upright(stored)

    def _matrix(self) -> bytes | None:
        """How the picture is turned, as the file says it."""
        try:
            found = self._frame.side_data.get("DISPLAYMATRIX")
        except ValueError:
            return None  # PyAV knows no such side data, such as the EXIF of a photo, and then gives none at all
        return None if found is None else bytes(found)


@dataclass(frozen=True)
class MediaInfo:
    """What a file holds that is read."""

    audio: bool
    video: bool
