"""A media file as the input of a stream: its sound and pictures go into the alignment piece by piece."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

from mer_sdk.errors import MediaError
from mer_sdk.frontends.face_tracks import searched
from mer_sdk.media.decode import AudioPiece, MediaFile
from mer_sdk.media.frame_selection import FrameSelection
from mer_sdk.media.read_ahead import read_ahead
from mer_sdk.window.alignment import StreamAlignment


class FileInput:
    """One reading of a file.

    Args:
        path, audio_track: see `EmotionSensor.stream`.
        step: length of a step, seconds.

    Attributes:
        notes: sentences on the file, once it was read.
        broken: why it broke off, None where it did not.
    """

    def __init__(self, path: str | Path, audio_track: int | None, step: float) -> None:
        self._path, self._track, self._step = path, audio_track, step
        self.notes: tuple[str, ...] = ()
        self.broken: MediaError | None = None

    def pieces(self, alignment: StreamAlignment) -> Iterator[None]:
        """Give the file's pieces to an alignment; it stops after each, so that the steps that are done are taken.

        Raises:
            MediaError: the file cannot be read at all.
            MissingExtra: PyAV is not installed.
        """
        with MediaFile(self._path, self._track) as media:
            # Both streams are known beforehand, so no step is finished before the slower one has passed it.
            known = {"audio": media.info.audio, "video": media.info.video}
            alignment.expected = {name for name, there in known.items() if there}
            try:
                with closing(read_ahead(media.read(looked=FrameSelection(self._step, searched)))) as items:
                    for item in items:
                        if isinstance(item, AudioPiece):
                            alignment.add_audio(item.pcm, item.sample_rate, item.time, item.channels)
                        else:
                            alignment.add_frame(item.rgb, item.time, item.duration)
                        yield
            except MediaError as error:
                self.broken = error
            self.notes = media.notes
