"""In which order pieces of live sound are used, and which come twice."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

import numpy as np

from mer_sdk.media.timeline import GAP_SECONDS

# Sound that begins this close to where the last piece ended goes on from there; none can be missing between, samples.
SEAMLESS = 0.5
# A piece that was sent twice comes again within so many pieces.
_REMEMBERED = 32

# Where a piece begins and ends by its time stamp, seconds, and the how manieth came.
Place = tuple[float, float, int]


def next_piece(waiting: Sequence[Place], rate: int) -> int:
    """Which of the pieces that wait is used next, where none joins the sound before them.

    Time stamps of a microphone jitter by milliseconds, which is more than half of a short piece: sorted by them, pieces
    that came one after the other would change places. So the one that came first goes first, unless the stamps are
    exact, as those of a sample counter: then one piece begins where another ends.

    Args:
        waiting: in order of their beginnings.
        rate: of the first one, Hz.
    """
    begin, end, _ = waiting[0]
    if any(abs(other[0] - end) * rate <= SEAMLESS for other in waiting[1:]):
        return 0
    near = [index for index, other in enumerate(waiting) if other[0] - begin <= GAP_SECONDS]
    return min(near, key=lambda index: waiting[index][2])


class Repeats:
    """Knows the last pieces of a stream again: one that is sent twice would be sound that nobody made."""

    def __init__(self) -> None:
        self._last: deque[tuple[float, np.ndarray]] = deque(maxlen=_REMEMBERED)

    def seen(self, time: float, samples: np.ndarray, rate: int) -> bool:
        """Whether the same samples came with the same time stamp; silence never has."""
        for before, other in self._last:
            alike = abs(before - time) * rate <= SEAMLESS and other.shape == samples.shape
            if alike and len(samples) and np.ptp(samples, axis=0).any() and np.array_equal(other, samples):
                return True
        self._last.append((time, samples))
        return False
