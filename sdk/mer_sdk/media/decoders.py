"""The decoders of one stream each: from packets to pieces of sound, or pictures, without overlaps."""

from __future__ import annotations

import heapq
from collections.abc import Iterator
from typing import Any

import numpy as np

from mer_sdk.errors import MediaError
from mer_sdk.media.frame_selection import FrameSelection, PacketSelector
from mer_sdk.media.pieces import AudioPiece, VideoFrame
from mer_sdk.media.samples import LOUDEST_FLOAT, to_float
from mer_sdk.media.timeline import GAP_SECONDS, TimelineFindings

# A file that begins between two whole pictures is waited for until the next one, for at most so long, seconds.
KEY_SECONDS = 10.0
# Frame rates outside these are damaged headers.
SLOWEST, FASTEST, USUAL = 0.01, 1000.0, 25.0
# A picture that is said to last longer than this is a damaged header, seconds.
LONGEST = 3600.0
# Values that are no sound, of which a piece has at most this share, are taken as damage, and as 0.
DAMAGED_SHARE = 0.05


class AudioDecoder:
    """Pieces of sound from the packets of one stream.

    Args:
        av: the module PyAV.
        stream: of an open container.
        told: where damage and overlaps are counted.
        counted: the container holds no stamps, so that FFmpeg counts packets: what seems to overlap then does not.
    """

    def __init__(self, av: Any, stream: Any, told: TimelineFindings, counted: bool = False) -> None:
        self._errors, self._stream, self._told = (av.FFmpegError, OSError, ValueError, EOFError), stream, told
        self._counted = counted
        self._base = float(stream.time_base or 0)
        self._reached = 0.0
        self._any = False

    def decode(self, packet: Any | None) -> Iterator[AudioPiece]:
        """The pieces that a packet completes; None ends the stream."""
        for frame in _frames(self._stream, packet, self._errors, self._told):
            rate = frame.sample_rate
            pcm = self._samples(frame)
            if not rate or pcm is None or not len(pcm):
                continue
            # Not frame.time, which is wrong for what is left in the decoder at the end.
            time = self._reached if frame.pts is None else frame.pts * self._base
            early = self._reached - time
            if early > GAP_SECONDS and not self._counted:
                # What overlaps the sound before it, or lies before the beginning (an encoder's priming), is left out.
                if self._any:
                    self._told.overlaps += 1
                    self._told.overlap_seconds += min(early, len(pcm) / rate)
                pcm = pcm[round(early * rate) :]
            if early > -GAP_SECONDS:
                time = self._reached
            if len(pcm):
                self._any = True
                self._reached = time + len(pcm) / rate
                yield AudioPiece(pcm, rate, time, _names(frame))

    def _samples(self, frame: Any) -> np.ndarray | None:
        """Float32 [samples, channels]; None where the frame holds none that could be sound."""
        try:
            given = frame.to_ndarray()
        except self._errors:
            self._told.damaged += 1
            return None
        count = max(1, len(frame.layout.channels))
        pcm = given.T if frame.format.is_planar else given.reshape(-1, count)
        if pcm.dtype == np.int64:
            pcm = pcm / 2.0**63
        loudest = float(np.abs(pcm).max(initial=0.0)) if pcm.dtype.kind == "f" else 0.0
        if pcm.dtype == np.float32 and loudest <= 1.0:
            return pcm
        # Not so where there is a NaN.
        if not loudest <= LOUDEST_FLOAT:
            bad = ~(np.abs(pcm) <= LOUDEST_FLOAT)
            if bad.mean() > DAMAGED_SHARE:
                raise MediaError(
                    "float samples must lie in -1 to 1, and many of this file are far larger, or no numbers; divide "
                    "16-bit samples by 32768 where it is made"
                )
            self._told.damaged += 1
            pcm = np.where(bad, 0.0, pcm)
        return to_float(pcm)


class VideoDecoder:
    """Pictures from the packets of one stream; see `AudioDecoder`.

    Args:
        looked: what is looked at. Other pictures are not decoded where no picture depends on them; they come with the
            pixels of the one before. None decodes all.
    """

    def __init__(self, av: Any, stream: Any, told: TimelineFindings, looked: FrameSelection | None = None) -> None:
        self._errors, self._stream, self._told = (av.FFmpegError, OSError, ValueError, EOFError), stream, told
        self._period = 1.0 / _rate(stream)
        self._base = float(stream.time_base or 0)
        self._shown: float | None = None
        self._size: tuple[int, int] | None = None
        self._aspect: Any = None
        # Stamps of the first and the present packet, while a whole picture is waited for.
        self._first: float | None = None
        self._waits = True
        self._choice = None if looked is None else PacketSelector(looked, self._base)
        # (stamp, duration) of the pictures that may be left out, and the last one that was not.
        self._left_out: list[tuple[int, int]] = []
        self._last: Any = None

    def decode(self, packet: Any | None) -> Iterator[VideoFrame]:
        """The pictures that a packet completes; None ends the stream."""
        if packet is not None and self._waits and not self._begins(packet):
            return
        if self._choice is None:
            yield from self._decoded(packet)
            return
        for given, seen in self._choice.push(packet):
            self._stream.codec_context.skip_frame = "DEFAULT" if seen else "NONREF"
            if not seen:
                heapq.heappush(self._left_out, (given.pts, given.duration or 0))
            yield from self._decoded(given)
        if packet is None:
            yield from self._decoded(None)
            yield from self._before(None)

    def _decoded(self, packet: Any | None) -> Iterator[VideoFrame]:
        for frame in _frames(self._stream, packet, self._errors, self._told):
            if frame.pts is not None:
                yield from self._before(frame.pts)
            if frame.is_corrupt:
                self._told.damaged += 1
                continue
            if frame.pts is not None:
                time = max(0.0, frame.pts * self._base)
            else:
                time = 0.0 if self._shown is None else self._shown + self._period
            self._last = frame
            yield from self._given(time, self._duration(frame.pts, getattr(frame, "duration", 0)))

    def _before(self, stamp: int | None) -> Iterator[VideoFrame]:
        """The pictures left out that are shown before a stamp, None all: pictures come in the order of showing."""
        while self._left_out and (stamp is None or self._left_out[0][0] <= stamp):
            own, duration = heapq.heappop(self._left_out)
            # One that others depend on was decoded nevertheless.
            if own != stamp and self._last is not None:
                yield from self._given(max(0.0, own * self._base), self._duration(own, duration))

    def _given(self, time: float, duration: float | None) -> Iterator[VideoFrame]:
        if self._shown is not None and time < self._shown:
            self._told.overlaps += 1
            self._told.overlap_seconds += self._period
            return
        self._shown = time
        yield VideoFrame(self._last, time, self._pixel_aspect(self._last), duration)

    def _pixel_aspect(self, frame: Any) -> Any:
        """As the container or else the codec states it; asked for anew where the size of pictures changes."""
        size = (frame.width, frame.height)
        if size != self._size:
            self._size, self._aspect = size, self._stream.sample_aspect_ratio
        return self._aspect

    def _begins(self, packet: Any) -> bool:
        """Whether decoding can begin: at a whole picture, or where none comes."""
        stamp = packet.dts if packet.dts is not None else packet.pts
        now = None if stamp is None else stamp * self._base
        if self._first is None:
            self._first = now
        waited = 0.0 if now is None or self._first is None else now - self._first
        if packet.is_keyframe or waited > KEY_SECONDS:
            self._waits = False
            self._told.skipped = max(0.0, waited)
        return not self._waits

    def _duration(self, stamp: int | None, ticks: Any) -> float | None:
        if stamp is None:
            return self._period
        length = float(ticks or 0) * self._base
        return length if 0 < length < LONGEST else None


def _frames(
    stream: Any, packet: Any | None, errors: tuple[type[BaseException], ...], told: TimelineFindings
) -> list[Any]:
    """What a packet decodes to; none, and counted, where it is damaged."""
    try:
        return list(stream.decode(packet))
    except EOFError:
        return []
    except errors:
        if packet is not None:
            told.damaged += 1
        return []


def _names(frame: Any) -> tuple[str, ...]:
    """Names of the channels, as far as the file says."""
    names = tuple(channel.name for channel in frame.layout.channels)
    return names if len(set(names)) == len(names) and "NONE" not in names else ()


def _rate(stream: Any) -> float:
    """Frames a second, as the codec or else the container states it."""
    context = stream.codec_context
    for given in (getattr(context, "framerate", None), stream.guessed_rate, stream.average_rate):
        if given and SLOWEST <= float(given) <= FASTEST:
            return float(given)
    return USUAL
