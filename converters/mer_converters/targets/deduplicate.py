"""Smaller flatbuffers: what is equal is written once.

The format lets any number of tables refer to the same string, vector or table; the writers that come with it use that
for strings at most. In a small network half of the bytes that are no weights are equal shapes, zero points and options.
"""
# ruff: noqa: N802, N803 -- the methods are those of flatbuffers.Builder

from __future__ import annotations

from collections.abc import Hashable
from typing import Any

import flatbuffers

# Constants begin at multiples of this many bytes, which runtimes read them by.
_ALIGNMENT = 16


class DeduplicatingBuilder(flatbuffers.Builder):
    """A builder that gives an equal string, vector or table the place of the one before. Vectors of bytes are aligned.

    For the `Pack` methods that flatc generates.
    """

    def __init__(self) -> None:
        super().__init__(1 << 20)
        self._places: dict[Hashable, int] = {}
        self._start = 0
        self._fields: list[Hashable] = []
        self._vector: tuple[int, int, int] = (0, 0, 0)

    def CreateString(self, s: Any, encoding: str = "utf-8", errors: str = "strict") -> int:
        self._begin()
        self._vector, self._fields = (0, 0, 0), [("string", s)]
        place: int = super().CreateString(s, encoding, errors)
        return place

    def StartVector(self, elemSize: int, numElems: int, alignment: int) -> int:
        if elemSize == 1 and numElems >= _ALIGNMENT:
            alignment = _ALIGNMENT
        self._begin()
        self._vector = (elemSize, numElems, alignment)
        place: int = super().StartVector(elemSize, numElems, alignment)
        return place

    def EndVector(self, numElems: int | None = None) -> int:
        size = self._vector[0] * self._vector[1]
        # Offsets count from where they stand, so that equal ones are not equal bytes.
        content: Hashable = tuple(self._fields) or bytes(self.Bytes[self.head : self.head + size])
        return self._shared(
            ("vector", *self._vector, content), lambda: super(DeduplicatingBuilder, self).EndVector(numElems)
        )

    def StartObject(self, numfields: int) -> None:
        self._begin()
        super().StartObject(numfields)

    def PrependSlot(self, flags: Any, o: int, x: Any, d: Any) -> None:
        if x != d:
            self._fields.append((o, flags.__name__, x))
        super().PrependSlot(flags, o, x, d)

    def PrependUOffsetTRelative(self, off: int) -> None:
        self._fields.append(("offset", off))
        super().PrependUOffsetTRelative(off)

    def PrependUOffsetTRelativeSlot(self, o: int, x: int, d: int) -> None:
        if x != d:
            self._fields.append((o, "slot"))
        super().PrependUOffsetTRelativeSlot(o, x, d)

    def PrependStructSlot(self, v: int, x: int, d: int) -> None:
        # Its bytes are not looked at: no other table is equal to this one.
        self._fields.append((v, "struct", self.Offset()))
        super().PrependStructSlot(v, x, d)

    def EndObject(self) -> int:
        return self._shared(("table", tuple(self._fields)), super().EndObject)

    def _begin(self) -> None:
        self._start, self._fields = self.Offset(), []

    def _shared(self, key: Hashable, end: Any) -> int:
        """What ends as something that is there is taken back, before its end is written."""
        if key not in self._places:
            self._places[key] = end()
        else:
            self.nested, self.current_vtable = False, None
            self.head = len(self.Bytes) - self._start
        return self._places[key]
