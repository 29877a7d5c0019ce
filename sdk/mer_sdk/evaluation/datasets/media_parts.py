"""Sound and pictures of a file, or of a part of it, as the sensor reads files: any container, any rate, upright.

PyAV is part of `mer-edge[media]` and imported where it is used.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from mer_sdk.errors import DataError, MediaError
from mer_sdk.frontends.audio import to_mono
from mer_sdk.media.decode import AudioPiece, MediaFile, MediaInfo, VideoFrame

# What is read beyond the end of a part: streams run a little apart, seconds.
BEYOND = 2.0


def read_part(
    media: MediaFile, start: float = 0.0, end: float | None = None, only: str = ""
) -> Iterator[AudioPiece | VideoFrame]:
    """What a file gives between two times, in order; times from `start`.

    The picture that is shown at `start` is given with the time 0.

    Args:
        start, end: seconds from the file's beginning; None for up to its end.
        only: see `MediaFile.read`.
    """
    shown: VideoFrame | None = None
    for item in media.read(only, start):
        if end is not None and item.time > end + BEYOND:
            return
        if isinstance(item, AudioPiece):
            piece = _cut(item, start, end)
            if piece is not None:
                yield piece
        elif item.time < start:
            shown = item
        elif end is None or item.time < end:
            if shown is not None and item.time > start:
                yield _moved(shown, start, start, end)
            shown = None
            yield _moved(item, item.time, start, end)
    if shown is not None:
        yield _moved(shown, start, start, end)


def streams(path: Path) -> MediaInfo:
    """What a file holds, by its header.

    Raises:
        DataError: it cannot be opened, or holds neither sound nor pictures.
    """
    with _opened(path) as media:
        return media.info


def sound(path: Path, start: float = 0.0, end: float | None = None) -> tuple[np.ndarray, int]:
    """The sound: (mono float32 samples in [-1, 1], sample rate in Hz); gaps of the file are silent.

    Raises:
        DataError: there is none, or the file cannot be read.
        MissingExtra: PyAV is not installed.
    """
    pieces: list[np.ndarray] = []
    layout, reached = (0, 0), 0
    with _opened(path) as media:
        if not media.info.audio:
            raise DataError(f"{path} has no sound")
        for item in read_part(media, start, end, "audio"):
            assert isinstance(item, AudioPiece)  # nothing else was asked for
            found = (item.sample_rate, item.pcm.shape[1])
            if layout not in ((0, 0), found):
                raise DataError(f"{path} changes its sample rate or its channels; convert it to wav")
            layout = found
            gap = round(item.time * layout[0]) - reached
            if gap > 0:
                pieces.append(np.zeros((gap, layout[1]), np.float32))
            pieces.append(item.pcm)
            reached += max(0, gap) + len(item.pcm)
    if not reached:
        raise DataError(f"{path} has no sound{_between(start, end)}")
    return to_mono(np.concatenate(pieces)), layout[0]


def frames(path: Path, start: float = 0.0, end: float | None = None) -> Iterator[tuple[float, VideoFrame]]:
    """The pictures: (seconds from `start`, frame); none where the file has sound alone.

    Raises:
        DataError: the file cannot be read.
        MissingExtra: PyAV is not installed.
    """
    with _opened(path) as media:
        if media.info.video:
            for item in read_part(media, start, end, "video"):
                assert isinstance(item, VideoFrame)  # nothing else was asked for
                yield item.time, item


def seconds(path: Path, start: float = 0.0, end: float | None = None) -> float:
    """How long the part is, by what can be read of the file.

    Raises:
        DataError: the file cannot be read.
    """
    reached = 0.0
    with _opened(path) as media:
        for item in read_part(media, start, end, "audio" if media.info.audio else ""):
            length = len(item.pcm) / item.sample_rate if isinstance(item, AudioPiece) else (item.duration or 0.0)
            reached = max(reached, item.time + length)
    return reached


@contextmanager
def _opened(path: Path) -> Iterator[MediaFile]:
    try:
        with MediaFile(path) as media:
            yield media
    except MediaError as error:
        raise DataError(str(error)) from error


def _cut(piece: AudioPiece, start: float, end: float | None) -> AudioPiece | None:
    rate, count = piece.sample_rate, len(piece.pcm)
    first = min(count, max(0, round((start - piece.time) * rate)))
    last = count if end is None else min(count, max(0, round((end - piece.time) * rate)))
    if last <= first:
        return None
    return AudioPiece(piece.pcm[first:last], rate, max(0.0, piece.time + first / rate - start), piece.channels)


def _moved(frame: VideoFrame, time: float, start: float, end: float | None) -> VideoFrame:
    lasting = frame.duration
    if end is not None:
        lasting = min(end - time, lasting) if lasting is not None else None
    return frame.at(time - start, lasting)


def _between(start: float, end: float | None) -> str:
    return "" if not start and end is None else f" between {start:g} s and {'its end' if end is None else f'{end:g} s'}"
