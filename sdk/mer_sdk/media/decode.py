"""Media files by PyAV: audio pieces and video frames with their times, in one pass."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

from mer_sdk.errors import MediaError, MissingExtra, OptionError, reason_of
from mer_sdk.limits import given
from mer_sdk.media.decoders import AudioDecoder, VideoDecoder
from mer_sdk.media.frame_selection import FrameSelection
from mer_sdk.media.names import check_file, shown
from mer_sdk.media.packets import Packets
from mer_sdk.media.pieces import AudioPiece, MediaInfo, VideoFrame
from mer_sdk.media.timeline import Timeline, TimelineFindings
from mer_sdk.media.wav_header import BEGINNING, is_wav, read_header

__all__ = ["AudioPiece", "MediaFile", "MediaInfo", "VideoFrame"]

# Containers that state their duration; that of the others (mp3, aac) is FFmpeg's guess and proves no truncation.
INDEXED_FORMATS = {"mov", "mp4", "matroska", "wav", "flac", "avi"}
# Those whose last packet is whole unless the file was cut off.
SIZED_FORMATS = {"mov", "mp4"}
# Those without stamps.
COUNTED_FORMATS = {"aac", "ac3", "amr", "dts", "eac3", "flac", "mlp", "mp3", "truehd"}
# What begins before this is read from the beginning, seconds.
SEEK_SECONDS = 10.0
# A file is cut off where this much of it is missing: seconds, and share.
MISSING_SECONDS, MISSING_SHARE = 0.5, 0.1
OPTIONS = {
    # A playlist or an edit list may name other files, and addresses; nothing but files is read.
    "protocol_whitelist": "file",
    # A clock that begins again is carried on by the timeline; FFmpeg would take it for one that ran over.
    "correct_ts_overflow": "0",
}
# A picture with more pixels than this is a damaged header, whose memory nobody has.
MOST_PIXELS = 36_000_000
COVER, DEFAULT = 0x0400, 0x0001


class MediaFile:
    """An open media file; use it in a `with` statement.

    Where there are several sound tracks, the first that is flagged as the default is read, else the first; of pictures
    likewise. A cover picture of a music file is no video.

    Args:
        path: any container that FFmpeg reads.
        audio_track: number of the sound track, from 1; None chooses.

    Attributes:
        info: what there is.
        notes: sentences on what was chosen and what was found wrong, complete once everything was read.

    Raises:
        MediaError: missing, empty, not a media file, with neither audio nor video, or without that sound track.
        OptionError: the path is none, or the sound track no number.
        MissingExtra: PyAV is not installed.
    """

    def __init__(self, path: str | Path, audio_track: int | None = None) -> None:
        if audio_track is not None and type(audio_track) is not int:
            raise OptionError(f"the sound track is {given(audio_track)}; give its number, from 1")
        try:
            import av
        except ImportError as error:
            raise MissingExtra("reading audio and video files", "av", "media") from error
        self._av = av
        self.path = check_file(path)
        self._name = shown(self.path)
        self._told = TimelineFindings()
        self._chosen: list[str] = []
        self._exit = ExitStack()
        try:
            self._container = self._open()
            self._audio = self._audio_stream(audio_track)
            self._video = self._video_stream()
        except BaseException:
            self._exit.close()
            raise
        self.info = MediaInfo(self._audio is not None, self._video is not None)
        if not self.info.audio and not self.info.video:
            self._exit.close()
            raise MediaError(f"{self._name} has neither an audio nor a video stream; give an audio or video file")

    def __enter__(self) -> MediaFile:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the file."""
        self._exit.close()

    @property
    def notes(self) -> tuple[str, ...]:
        """Sentences on what was chosen, and on what was found wrong and how it was taken."""
        return (*self._chosen, *self._told.notes())

    def read(
        self, only: str = "", start: float = 0.0, looked: FrameSelection | None = None
    ) -> Iterator[AudioPiece | VideoFrame]:
        """Everything in order of time, times from the start of the file; pieces of sound neither overlap nor go back.

        Args:
            only: "audio" or "video", for that stream alone; "" for both.
            start: what lies before so many seconds is not wanted; some of it may be given nevertheless.
            looked: which pictures are looked at; see `VideoDecoder`. Pictures then come up to a step later.

        Raises:
            MediaError: nothing could be decoded, or the file breaks off; the message names the time reached. What was
                decoded before has been given by then. Or float samples are far over full scale.
        """
        wanted = {"audio": (self._audio,), "video": (self._video,)}.get(only, (self._audio, self._video))
        streams = [stream for stream in wanted if stream is not None]
        if start > SEEK_SECONDS and set(self._container.format.name.split(",")) & INDEXED_FORMATS - COUNTED_FORMATS:
            self._seek(start)
        timeline = Timeline((self._container.start_time or 0) / 1_000_000, self._declared(streams), self._told)
        packets = Packets(self._av, self._container, streams, timeline, self._told)
        decoders: dict[int, AudioDecoder | VideoDecoder] = {}
        for stream in streams:
            # Sound takes so little that handing it from thread to thread costs more.
            stream.thread_type = "AUTO" if stream is self._video else "NONE"
            decoders[stream.index] = (
                VideoDecoder(self._av, stream, self._told, looked)
                if stream is self._video
                else AudioDecoder(self._av, stream, self._told, self._container.format.name in COUNTED_FORMATS)
            )
        count = 0
        for packet in packets:
            for piece in decoders[packet.stream.index].decode(packet):
                count += 1
                yield piece
        for decoder in decoders.values():
            for piece in decoder.decode(None):
                count += 1
                yield piece
        self._check_end(packets, timeline.reached, self._declared(streams), count)

    def _seek(self, start: float) -> None:
        """Go to the last whole picture before `start` seconds; where that fails reading begins at the beginning."""
        with suppress(self._av.FFmpegError, OSError, ValueError):
            self._container.seek(int(start * 1_000_000) + (self._container.start_time or 0))

    def _open(self) -> Any:
        name = os.fspath(self.path)
        try:
            name.encode()
            # The prefix keeps FFmpeg from taking the part before a colon for a protocol.
            given: Any = f"file:{name}"
        except UnicodeEncodeError:
            given = self._exit.enter_context(self.path.open("rb"))
        try:
            container = self._av.open(given, options=dict(OPTIONS))
        except (self._av.FFmpegError, OSError, ValueError) as error:
            raise MediaError(
                f"{self._name} cannot be read as audio or video ({reason_of(error)}); "
                "it is no media file, is truncated, or is not of the type that its name says"
            ) from error
        self._exit.callback(container.close)
        return container

    def _audio_stream(self, number: int | None) -> Any:
        """The sound track that is read, None where there is none."""
        tracks = list(self._container.streams.audio)
        if number is not None and not 1 <= number <= len(tracks):
            has = {0: "no sound track", 1: "one sound track"}.get(len(tracks), f"sound tracks 1 to {len(tracks)}")
            raise MediaError(f"sound track {number} was asked for, and {self._name} has {has}")
        if number is not None:
            track = tracks[number - 1]
            if not _can_decode(track):
                raise MediaError(
                    f"sound track {number} of {self._name} is in a format that FFmpeg cannot decode; choose another"
                )
        else:
            track = self._first(tracks, "sound")
        if track is not None and len(tracks) > 1:
            language = track.metadata.get("language", "")
            words = f" ({shown(language)})" if language and language != "und" else ""
            self._chosen.append(f"sound track {tracks.index(track) + 1} of {len(tracks)}{words} is heard")
        return track

    def _video_stream(self) -> Any:
        """The pictures that are read, None where there are none."""
        # A cover picture of a music file is a video stream of one frame; it is not a video.
        tracks = [track for track in self._container.streams.video if not int(track.disposition) & COVER]
        track = self._first(tracks, "pictures")
        if track is not None:
            if len(tracks) > 1:
                self._chosen.append(f"pictures of track {tracks.index(track) + 1} of {len(tracks)} are seen")
            track.codec_context.options = {"max_pixels": str(MOST_PIXELS)}
        return track

    def _first(self, tracks: Sequence[Any], what: str) -> Any:
        """The default among tracks that can be decoded."""
        can = [track for track in tracks if _can_decode(track)]
        if len(can) < len(tracks):
            self._chosen.append(f"{what} in a format that FFmpeg cannot decode here are left out")
        return next((track for track in can if int(track.disposition) & DEFAULT), can[0] if can else None)

    def _declared(self, streams: Sequence[Any]) -> float:
        """How long the streams that are read say that they are, seconds; 0 where nothing says so."""
        formats = set(self._container.format.name.split(","))
        if "wav" in formats:
            return self._wav_length()
        if not formats & INDEXED_FORMATS:
            return 0.0
        lengths = [_length(stream) for stream in streams]
        if any(lengths):
            found = max(lengths)
        elif len(streams) == len(self._container.streams):
            found = (self._container.duration or 0) / 1_000_000
        else:
            return 0.0  # it is the length of a stream that is not read
        return found

    def _wav_length(self) -> float:
        """How long a wav file says that it is, seconds; FFmpeg says how long it can be by its size."""
        with self.path.open("rb") as file:
            try:
                found = read_header(file.read) if is_wav(file.read(BEGINNING)) else None
            except MediaError:
                return 0.0  # it may be read nevertheless
        if found is None or found.length is None or not found.rate * found.size:
            return 0.0
        return found.length / (found.rate * found.size)

    def _check_end(self, packets: Packets, reached: float, declared: float, count: int) -> None:
        """Raise what is wrong with how the file ended."""
        again = "copy or record it again"
        if not count and self._told.damaged:
            raise MediaError(
                f"nothing in {self._name} can be decoded: {self._told.damaged} packets are damaged; {again}"
            )
        if not count:
            raise MediaError(f"{self._name} holds no samples and no frames; it is empty or truncated")
        if packets.broken:
            raise MediaError(
                f"{self._name} breaks off after {reached:.2f} s ({packets.broken}); it is truncated or damaged: {again}"
            )
        if declared - reached > max(MISSING_SECONDS, MISSING_SHARE * declared):
            raise MediaError(
                f"{self._name} breaks off after {reached:.2f} s of {declared:.2f} s; it is truncated: {again}"
            )
        if packets.cut and set(self._container.format.name.split(",")) & SIZED_FORMATS:
            raise MediaError(f"{self._name} breaks off after {reached:.2f} s; it is truncated: {again}")


def _can_decode(stream: Any) -> bool:
    return stream.codec_context is not None


def _length(stream: Any) -> float:
    """How long a stream says that it is, seconds, 0 where it does not."""
    if stream.duration and stream.time_base:
        return float(stream.duration * stream.time_base)
    # Matroska states it as a tag.
    found = re.fullmatch(r"(\d+):(\d+):(\d+(?:\.\d+)?)", stream.metadata.get("DURATION", "").strip())
    return int(found[1]) * 3600 + int(found[2]) * 60 + float(found[3]) if found else 0.0
