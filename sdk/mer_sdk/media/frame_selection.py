"""Which pictures of a video nobody will look at, known before they are decoded: a step looks at a few of its frames."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

# Time stamps are compared with this slack, seconds.
SLACK = 1e-6
# Packets that may wait until all of their step are there, and steps whose pictures are remembered.
MOST_WAITING, MOST_STEPS = 256, 64


def step_number(time: float, step: float) -> int:
    """The number of the step that a time lies in, both in seconds."""
    return math.floor((time + SLACK) / step)


@dataclass(frozen=True)
class FrameSelection:
    """What is looked at.

    Attributes:
        step: length of a step, seconds.
        picks: of so many pictures in a step, the numbers, in order of time, of those that may be looked at.
    """

    step: float
    picks: Callable[[int], Sequence[int]]


class PacketSelector:
    """Holds the packets of one video back until every picture of their step is known, a step or so.

    Args:
        looked: what is looked at.
        base: seconds of a tick of the stamps.
    """

    def __init__(self, looked: FrameSelection, base: float) -> None:
        self._looked, self._base = looked, base
        self._waiting: deque[Any] = deque()
        # Step -> the stamps of its pictures.
        self._stamps: dict[int, list[int]] = {}

    def push(self, packet: Any | None) -> Iterator[tuple[Any, bool]]:
        """Take a packet, None at the end; give packets in order, each with whether its picture may be looked at."""
        if packet is not None:
            self._waiting.append(packet)
            if packet.pts is not None:
                self._stamps.setdefault(self._number(packet.pts), []).append(packet.pts)
        while self._waiting and (packet is None or self._is_complete(self._waiting[0], packet)):
            first = self._waiting.popleft()
            yield first, self._may_be_seen(first)
        while len(self._stamps) > MOST_STEPS:
            del self._stamps[min(self._stamps)]

    def _is_complete(self, packet: Any, newest: Any) -> bool:
        """Whether all pictures of a packet's step have come: none is decoded after it is shown."""
        if packet.pts is None or newest.dts is None or len(self._waiting) > MOST_WAITING:
            return True
        return bool(self._number(newest.dts) > self._number(packet.pts))

    def _may_be_seen(self, packet: Any) -> bool:
        stamps = [] if packet.pts is None else sorted(self._stamps.get(self._number(packet.pts), []))
        return packet.pts not in stamps or stamps.index(packet.pts) in self._looked.picks(len(stamps))

    def _number(self, stamp: int) -> int:
        return step_number(max(0.0, stamp * self._base), self._looked.step)
