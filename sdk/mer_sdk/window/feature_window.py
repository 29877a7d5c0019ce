"""The window of one modality: the last rows of features, newest last, and whose they are."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

import numpy as np

# The rows slide through a piece of memory of so many windows, so that they lie in one piece and are seldom moved.
_WINDOWS = 8


class FeatureWindow:
    """The last `length` rows of features; a row may be missing.

    Args:
        length: rows.
        size: values of a row.
    """

    def __init__(self, length: int, size: int) -> None:
        self._length = length
        self._rows = np.zeros((_WINDOWS * length, size), np.float32)
        self._batch = self._rows[None]
        self._end = length
        # Whose each row is, None where it is missing; and whether it is to go into that person's baseline.
        self.owners: deque[int | None] = deque([None] * length, length)
        self._due: deque[bool] = deque([False] * length, length)

    def append(self, row: np.ndarray | None, owner: int, observed: bool, leaving: np.ndarray) -> int | None:
        """Take a row [size], or None where it is missing.

        Args:
            row, owner: the features and whose they are.
            observed: the row was already taken into its owner's baseline.
            leaving: float64 [size]; the row that leaves the window is written there if it is due for a baseline.

        Returns:
            Whose baseline that is, or None.
        """
        due = self.owners[0] if self._due[0] else None
        if due is not None:
            leaving[...] = self._rows[self._end - self._length]
        if self._end == len(self._rows):
            self._rows[: self._length - 1] = self._rows[self._end - self._length + 1 :]
            self._end = self._length - 1
        self._rows[self._end] = 0.0 if row is None else row
        self._end += 1
        self.owners.append(None if row is None else owner)
        self._due.append(row is not None and not observed)
        return due

    def fill(self, rows: Sequence[np.ndarray | None], owner: int) -> None:
        """Put rows [size] in the places of the newest ones, where these are missing; None leaves a place as it is.

        Args:
            rows: oldest first, the last one for the newest place; what is older than the window is left out.
        """
        rows = rows[-self._length :]
        for place, row in enumerate(rows, start=self._length - len(rows)):
            if row is not None and self.owners[place] is None:
                self._rows[self._end - self._length + place] = row
                self.owners[place] = owner
                self._due[place] = True

    @property
    def empty(self) -> bool:
        """Whether every row is missing."""
        return self.owners.count(None) == self._length

    def drain(self) -> list[tuple[int, np.ndarray]]:
        """Empty the window: the owners and rows, float64, that are due for a baseline, oldest first."""
        due = [
            (owner, self._rows[self._end - self._length + index].astype(np.float64))
            for index, (owner, wanted) in enumerate(zip(self.owners, self._due, strict=True))
            if owner is not None and wanted
        ]
        self.owners.extend([None] * self._length)
        return due

    def begin_after(self, newest: int) -> list[tuple[int, np.ndarray]]:
        """Let all but the newest rows be missing: the owners and rows, float64, that are due for a baseline, oldest
        first."""
        gone = []
        for place in range(self._length - newest):
            owner = self.owners[place]
            if owner is not None and self._due[place]:
                gone.append((owner, self._rows[self._end - self._length + place].astype(np.float64)))
            self.owners[place] = None
        return gone

    def settle(self, person: int) -> None:
        """Let no row of a person go into their baseline any more."""
        self._due.extend([due and owner != person for due, owner in zip(self._due, self.owners, strict=True)])

    def give(self, owner: int) -> None:
        """Every row becomes the owner's."""
        self.owners.extend([None if one is None else owner for one in self.owners])

    def is_full(self, person: int) -> bool:
        """Whether every row is there and a person's."""
        return self.owners.count(person) == self._length

    def read(self, mean: np.ndarray, out: np.ndarray) -> None:
        """Write the rows of a full window less a baseline into float32 [1, length, size]."""
        np.subtract(self._batch[:, self._end - self._length : self._end], mean, out)

    def read_some(self, mean: np.ndarray, person: int, out: np.ndarray) -> list[bool]:
        """As `read`, of a person's rows alone, 0 where missing; which rows are there."""
        self.read(mean, out)
        held = [owner == person for owner in self.owners]
        out[0, [not one for one in held]] = 0.0
        return held
