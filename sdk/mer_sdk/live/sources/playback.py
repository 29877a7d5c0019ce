"""A media file in place of a camera and a microphone: it plays as fast as it was recorded."""

from __future__ import annotations

import time as clock
from collections.abc import Iterator
from pathlib import Path

from mer_sdk.live.sources.source import FRAMES_A_SECOND, Now, Picture, Thinning
from mer_sdk.media.decode import AudioPiece, MediaFile, VideoFrame
from mer_sdk.media.names import check_file


class Playback:
    """See `Source`. What a file gives live differs from what `EmotionSensor.stream` gives by which frames are seen.

    Args:
        path: see `MediaFile`.
        rate: frames to give, a second.
        now: see `Source`.

    Raises:
        MediaError, MissingExtra: see `MediaFile`.
        OptionError: a rate that is not above 0.
    """

    returns = False
    lost = 0

    def __init__(self, path: str | Path, rate: float = FRAMES_A_SECOND, now: Now = clock.monotonic) -> None:
        self._thinning = Thinning(rate)
        self.path = check_file(path)
        self.name = self.path.name
        self._now = now
        self._media: MediaFile | None = None
        with MediaFile(self.path) as media:
            streams = {"audio": media.info.audio, "video": media.info.video}
        self.streams = tuple(name for name, there in streams.items() if there)

    def open(self) -> None:
        """See `Source.open`."""
        self._media = MediaFile(self.path)
        self._items: Iterator[AudioPiece | VideoFrame] = self._media.read()
        self._begin = self._now()

    def read(self) -> AudioPiece | Picture | None:
        """See `Source.read`."""
        for item in self._items:
            if isinstance(item, AudioPiece):
                length = len(item.pcm) / item.sample_rate
                self._wait(item.time + length)
                return AudioPiece(item.pcm, item.sample_rate, self._begin + item.time)
            if self._thinning.keeps(item.time):
                self._wait(item.time)
                return Picture(item.rgb(), self._begin + item.time)
        return None

    def close(self) -> None:
        """See `Source.close`."""
        if self._media is not None:
            self._media.close()
            self._media = None

    def _wait(self, time: float) -> None:
        """Until what ends at `time` of the file would have been recorded."""
        ahead = self._begin + time - self._now()
        if ahead > 0:
            clock.sleep(ahead)
