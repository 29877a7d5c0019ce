"""Packets of a container: in order of time, stamped on one clock, past what cannot be read."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from typing import Any

from mer_sdk.errors import reason_of
from mer_sdk.media.timeline import Timeline, TimelineFindings

# While one stream has nothing yet, so much of another is kept, so that both are decoded together: bytes, and seconds.
MOST_BYTES = 32 << 20
LEAD_SECONDS = 30.0
# No picture is decoded so long before it is shown, seconds.
REORDER_SECONDS = 60.0
# Errors in a row, without a packet between them, after which a file is given up.
TRIES = 50


class Packets:
    """The packets of some streams of an open container; iterate once.

    Args:
        av: the module PyAV.
        container: an open input.
        streams: those that are read.
        timeline: places them.
        told: where it is counted what cannot be read.

    Attributes:
        broken: why reading ended before the end of the file; empty where it did not.
        cut: whether the last packet was not there as a whole.
    """

    def __init__(
        self, av: Any, container: Any, streams: Sequence[Any], timeline: Timeline, told: TimelineFindings
    ) -> None:
        self._told = told
        self._av, self._container, self._streams, self._timeline = av, container, tuple(streams), timeline
        self._base = {stream.index: float(stream.time_base or 0) for stream in streams}
        self.broken = ""
        self.cut = self._failed = False

    def __iter__(self) -> Iterator[Any]:
        queues: dict[int, deque[tuple[float, Any]]] = {stream.index: deque() for stream in self._streams}
        held = 0
        for time, packet in self._placed():
            queue = queues[packet.stream.index]
            queue.append((time, packet))
            held += packet.size
            while all(queues.values()) or held > MOST_BYTES or queue[-1][0] - queue[0][0] > LEAD_SECONDS:
                first = _earliest(queues)
                held -= first.size
                yield first
                if not queue:
                    break
        while any(queues.values()):
            yield _earliest(queues)

    def _placed(self) -> Iterator[tuple[float, Any]]:
        """(seconds, packet), its stamps moved to the one clock."""
        doubtful: dict[int, Any] = {}
        for packet in self._read():
            index = packet.stream.index
            stamp, reordered = self._stamp(packet)
            waiting = doubtful.pop(index, None)
            if waiting is not None:
                first, _ = self._stamp(waiting)
                yield self._place(waiting, first, self._timeline.confirms(index, first, stamp), reordered)
            if stamp is not None and self._timeline.jumps(index, stamp, self._length(packet), reordered):
                doubtful[index] = packet
                continue
            yield self._place(packet, stamp, True, reordered)
        for index, waiting in doubtful.items():
            stamp, reordered = self._stamp(waiting)
            assert stamp is not None  # only those with a stamp are doubted
            yield self._place(waiting, stamp, self._timeline.may_end(index, stamp), reordered)

    def _place(self, packet: Any, stamp: float | None, right: bool, reordered: bool) -> tuple[float, Any]:
        index, length = packet.stream.index, self._length(packet)
        base = self._base[index]
        if packet.dts is not None and packet.pts is not None and abs(packet.pts - packet.dts) * base > REORDER_SECONDS:
            packet.pts = packet.dts
        if right or stamp is None:
            shown = None if packet.pts is None else packet.pts * base
            shift = self._timeline.place(index, stamp, length, reordered, shown)
        else:
            shift = self._timeline.mend(index, stamp, length)
        ticks = round(shift / base) if base else 0
        if ticks:
            packet.pts = None if packet.pts is None else packet.pts + ticks
            packet.dts = None if packet.dts is None else packet.dts + ticks
        return (self._timeline.end_of(index) if stamp is None else stamp + shift), packet

    def _stamp(self, packet: Any) -> tuple[float | None, bool]:
        """Seconds of a packet, and whether they say when it is shown rather than when it is decoded."""
        base = self._base[packet.stream.index]
        if packet.dts is not None:
            return packet.dts * base, False
        return (None if packet.pts is None else packet.pts * base), True

    def _length(self, packet: Any) -> float:
        return max(0.0, float(packet.duration or 0) * self._base[packet.stream.index])

    def _read(self) -> Iterator[Any]:
        """Packets as they come, going on after what cannot be read."""
        tries, packets = 0, self._container.demux(*self._streams)
        while tries < TRIES:
            packet = self._next(packets)
            if packet is None and not self._failed:
                return
            if packet is None:
                # What the generator gave ended with its error; another goes on behind it.
                tries += bool(self.broken)
                packets = self._container.demux(*self._streams)
            elif packet.size:
                tries, self.cut = 0, bool(packet.is_corrupt)
                yield packet

    def _next(self, packets: Iterator[Any]) -> Any:
        """The next packet; None at the end, and where one cannot be read."""
        self._failed = False
        try:
            packet = next(packets, None)
        except (self._av.FFmpegError, OSError) as error:
            self.broken, self._failed = reason_of(error), True
            return None
        except IndexError:
            # PyAV knows no streams that begin within a file, such as those of a transport stream whose tables change.
            self._told.strangers, self._failed = self._told.strangers + 1, True
            return None
        if packet is not None and packet.size:
            self.broken = ""
        return packet


def _earliest(queues: dict[int, deque[tuple[float, Any]]]) -> Any:
    """Take the packet whose time comes first."""
    index = min((queue[0][0], index) for index, queue in queues.items() if queue)[1]
    return queues[index].popleft()[1]
