"""Who a face is among those seen before: a light descriptor of its texture, and a memory of a few views of each person.

The descriptor is that of Ahonen, Hadid and Pietikainen, "Face Description with Local Binary Patterns" (2006): the
histograms of uniform local binary patterns in 6 x 6 cells, here under a square root, so that their product is the
Bhattacharyya coefficient. It knows a face in about the same pose and light again; of other poses it says "new", which
costs a cold baseline, where a wrong merge would spoil one. docs/results/faces.md has the rates.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Collection
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from mer_sdk.frontends.face_crop import Box
from mer_sdk.frontends.template_matching import face_patch

# The picture that is described, pixels, and cells in each direction. Smaller faces are not described.
PICTURE, CELLS = 48, 6
SMALLEST_FACE = 40
# Two pictures of one person: similarity above this. Of the pairs of 3000 faces of FER+ train one in 17,000 lies above
# (benchmarks/faces/face_tracking.py counts them).
SAME_PERSON = 0.69
# A view less similar than this to those that are kept is kept too; the oldest of this many goes.
NEW_VIEW, VIEWS = 0.85, 8
# Persons remembered at a time; the one unseen for longest goes.
PERSONS = 32
_NEIGHBOURS = ((-1, -1), (-1, 0), (-1, 1), (0, 1), (1, 1), (1, 0), (1, -1), (0, -1))


@dataclass(eq=False)
class _Person:
    views: deque[np.ndarray]
    time: float


class IdentityMemory:
    """Ids of persons, from 0. A face that looks like nobody remembered gets the next one; none is given twice.

    Nothing but descriptors is kept (2124 numbers a view, from which no picture can be made again), in memory alone.

    Args:
        remember_seconds: how long a person is remembered who is not seen.
    """

    def __init__(self, remember_seconds: float) -> None:
        self._remember = remember_seconds
        self.reset()

    def reset(self) -> None:
        """Forget everybody; ids begin at 0 again."""
        self._persons: dict[int, _Person] = {}
        self._next = 0

    @property
    def known(self) -> tuple[int, ...]:
        """The ids of those remembered."""
        return tuple(self._persons)

    def recognise(self, view: np.ndarray | None, time: float, present: Collection[int] = ()) -> int:
        """The id of the person that a new face shows: the most similar one above the threshold, or a new id.

        Args:
            view: of `describe`; None always gives a new id.
            time: seconds.
            present: persons who are in the picture already and cannot be this face.
        """
        self.pass_time(time)
        best, found = SAME_PERSON, None
        for person, one in self._persons.items():
            if view is None or person in present or not one.views:
                continue
            similar = similarity(view, one.views)
            if similar > best:
                best, found = similar, person
        if found is None:
            found = self._next
            self._next += 1
        self.observe(found, view, time)
        return found

    def observe(self, person: int, view: np.ndarray | None, time: float) -> None:
        """This person is seen now, and looks like this."""
        one = self._persons.setdefault(person, _Person(deque(maxlen=VIEWS), time))
        one.time = time
        if view is not None and (not one.views or similarity(view, one.views) < NEW_VIEW):
            one.views.append(view)
        if len(self._persons) > PERSONS:
            del self._persons[min(self._persons, key=lambda key: self._persons[key].time)]

    def pass_time(self, time: float) -> None:
        """It is so many seconds into the stream: who was not seen for long is forgotten."""
        for person in [key for key, one in self._persons.items() if time - one.time > self._remember]:
            del self._persons[person]

    def forget(self, person: int) -> None:
        """Forget one person; an id that is not known is no error. Who comes back gets a new id."""
        self._persons.pop(person, None)


def describe(rgb: np.ndarray, box: Box) -> np.ndarray | None:
    """The descriptor of a face: float32 [2124], of length 1, all values at least 0; None where it is too small.

    Args:
        rgb: uint8 [height, width, 3].
        box: (x, y, width, height) in pixels, as a detector gives it.
    """
    if max(box[2:]) < SMALLEST_FACE:
        return None
    return descriptor(face_patch(rgb, box, PICTURE))


def descriptor(picture: np.ndarray) -> np.ndarray:
    """See `describe`; of a grey [48, 48] picture."""
    size = PICTURE - 2
    # A mean over 3 x 3 pixels: patterns of single pixels are noise and compression.
    padded = np.pad(picture.astype(np.float32), 1, mode="edge")
    rows = padded[:-2] + padded[1:-1] + padded[2:]
    smooth = rows[:, :-2] + rows[:, 1:-1] + rows[:, 2:]
    centre = smooth[1:-1, 1:-1]
    codes = np.zeros(centre.shape, np.intp)
    for bit, (down, right) in enumerate(_NEIGHBOURS):
        neighbour = smooth[1 + down : 1 + down + size, 1 + right : 1 + right + size]
        codes |= (neighbour >= centre).astype(np.intp) << bit
    numbers, cells = _uniform(), _cells(size)
    kinds = int(numbers.max()) + 1
    histogram = np.bincount((cells * kinds + numbers[codes]).ravel(), minlength=CELLS * CELLS * kinds)
    shares = histogram.reshape(CELLS * CELLS, kinds) / np.bincount(cells.ravel())[:, None]
    result: np.ndarray = (np.sqrt(shares.ravel()) / CELLS).astype(np.float32)
    return result


def similarity(view: np.ndarray, views: Collection[np.ndarray]) -> float:
    """Of one view to the most similar of others, 0-1."""
    return max((float(view @ other) for other in views), default=-math.inf)


@lru_cache(maxsize=1)
def _uniform() -> np.ndarray:
    """Code of 8 bits -> its number among the 58 with at most two changes around the circle; 58 for all others."""
    bits = (np.arange(256)[:, None] >> np.arange(8)) & 1
    uniform = (bits != np.roll(bits, 1, axis=1)).sum(axis=1) <= 2
    return np.where(uniform, np.cumsum(uniform) - 1, int(uniform.sum()))


@lru_cache(maxsize=1)
def _cells(size: int) -> np.ndarray:
    """The cell's number of each pixel, [size, size]."""
    edges = np.linspace(0, size, CELLS + 1).round().astype(int)
    cell = np.searchsorted(edges, np.arange(size), side="right") - 1
    return np.asarray(cell[:, None] * CELLS + cell[None, :])
