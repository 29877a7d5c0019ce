"""Media files by PyAV: audio pieces and video frames with their times, in one pass."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from mer_sdk.errors import MediaError, MissingExtra

# Containers that state their duration; that of the others (mp3, aac) is FFmpeg's guess and proves no truncation.
INDEXED_FORMATS = {"mov", "mp4", "matroska", "wav", "flac", "avi"}


@dataclass(frozen=True, eq=False)
class AudioPiece:
    """PCM as `EmotionSensor.push_audio` takes it (float32 [samples, channels] in [-1, 1] from files), its rate in Hz,
    and the time of its first sample in seconds.
    """

    pcm: np.ndarray
    sample_rate: int
    time: float


class VideoFrame:
    """One decoded frame at `time` seconds. Pixels are converted when asked for: most frames never are."""

    def __init__(self, frame: Any, time: float, rotation: int) -> None:
        self._frame = frame
        self._turns = rotation // 90 % 4
        self.time = time

    def rgb(self) -> np.ndarray:
        """uint8 [height, width, 3], upright."""
        return np.ascontiguousarray(np.rot90(self._frame.to_ndarray(format="rgb24"), self._turns))


@dataclass(frozen=True)
class MediaInfo:
    """What a file holds."""

    audio: bool
    video: bool


class MediaFile:
    """An open media file; use it in a `with` statement.

    Args:
        path: any container that FFmpeg reads.

    Raises:
        MediaError: missing, empty, not a media file, or with neither audio nor video.
        MissingExtra: PyAV is not installed.
    """

    def __init__(self, path: str | Path) -> None:
        try:
            import av
        except ImportError as error:
            raise MissingExtra("reading audio and video files", "av", "media") from error
        self._av = av
        self.path = Path(path)
        if not self.path.is_file():
            kind = "is a folder" if self.path.is_dir() else "does not exist"
            raise MediaError(f"{self.path} {kind}; give an audio or video file")
        if self.path.stat().st_size == 0:
            raise MediaError(f"{self.path} is empty (0 bytes); record or copy it again")
        try:
            self._container = av.open(str(self.path))
        except (av.FFmpegError, OSError, ValueError) as error:
            raise MediaError(
                f"{self.path} cannot be read as audio or video ({_reason(error)}); "
                "it is truncated, or not of the type that its name says"
            ) from error
        audio, video = self._container.streams.audio, self._container.streams.video
        # A cover picture of a music file is a video stream of one frame; it is not a video.
        self._video = next((s for s in video if not _is_picture(s)), None)
        self._audio = audio[0] if audio else None
        self.info = MediaInfo(self._audio is not None, self._video is not None)
        if not audio and self._video is None:
            self._container.close()
            raise MediaError(f"{self.path} has neither an audio nor a video stream; give an audio or video file")

    def __enter__(self) -> MediaFile:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the file."""
        self._container.close()

    def read(self) -> Iterator[AudioPiece | VideoFrame]:
        """Everything in the file's order, times from the start of the container.

        Raises:
            MediaError: nothing could be decoded, or the file breaks off; the message names the time reached. What was
                decoded before has been given by then.
        """
        origin = (self._container.start_time or 0) / 1_000_000
        streams = [stream for stream in (self._audio, self._video) if stream is not None]
        for stream in streams:
            stream.thread_type = "AUTO"
        resampler: Any = None
        reached, count, corrupt = 0.0, 0, False
        try:
            for packet in self._container.demux(*streams):
                corrupt = corrupt or packet.is_corrupt
                for frame in packet.decode():
                    time = reached if frame.time is None else frame.time - origin
                    count += 1
                    if isinstance(frame, self._av.VideoFrame):
                        reached = max(reached, time)
                        yield VideoFrame(frame, time, int(getattr(frame, "rotation", 0) or 0))
                        continue
                    if resampler is None:
                        # Only the sample format is changed here; rate and channels stay as recorded.
                        resampler = self._av.AudioResampler(format="flt", layout=frame.layout, rate=frame.sample_rate)
                    for part in resampler.resample(frame):
                        pcm = part.to_ndarray().reshape(-1, len(part.layout.channels))
                        reached = max(reached, time + len(pcm) / part.sample_rate)
                        yield AudioPiece(pcm, part.sample_rate, time)
                        time += len(pcm) / part.sample_rate
        except (self._av.FFmpegError, OSError) as error:
            raise MediaError(
                f"{self.path} breaks off after {reached:.2f} s ({_reason(error)}); it is truncated or damaged: "
                "copy or record it again"
            ) from error
        if not count:
            raise MediaError(f"{self.path} holds no samples and no frames; it is empty or truncated")
        indexed = bool(set(self._container.format.name.split(",")) & INDEXED_FORMATS)
        declared = (self._container.duration or 0) / 1_000_000 if indexed else 0.0
        if corrupt or declared - reached > max(1.0, 0.1 * declared):
            raise MediaError(
                f"{self.path} breaks off after {reached:.2f} s of {declared:.2f} s; it is truncated: "
                "copy or record it again"
            )


def _is_picture(stream: Any) -> bool:
    return bool(int(stream.disposition) & 0x0400)


def _reason(error: BaseException) -> str:
    return getattr(error, "strerror", None) or str(error)
