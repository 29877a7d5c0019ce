"""Unicode tables for C++, whose library has none: normalisation NFKD and lower case, of this Python's Unicode."""

from __future__ import annotations

import sys
import unicodedata
from collections.abc import Mapping

from mer_converters.emit.template import wrapped

# Hangul syllables are computed.
_HANGUL = range(0xAC00, 0xD7A4)
_SURROGATES = range(0xD800, 0xE000)
_INDENT = "    "


def unicode_tables() -> dict[str, str]:
    """Name in the template -> text; the tables are sorted by code point."""
    points = [number for number in range(sys.maxunicode + 1) if number not in _SURROGATES]
    decomposed = {number: unicodedata.normalize("NFKD", chr(number)) for number in points if number not in _HANGUL}
    lower = {number: chr(number).lower() for number in points}
    ranges = _combining(points)
    return {
        "unicode_version": unicodedata.unidata_version,
        **_mapping("decomposed", {number: text for number, text in decomposed.items() if text != chr(number)}),
        **_mapping("lower", {number: text for number, text in lower.items() if text != chr(number)}),
        "combining_count": str(len(ranges)),
        "combining": wrapped([f"{{{first:#x}, {last:#x}, {kind}}}" for first, last, kind in ranges], _INDENT),
    }


def _mapping(name: str, table: Mapping[int, str]) -> dict[str, str]:
    rows: list[str] = []
    texts: list[str] = []
    places: dict[str, int] = {}
    for number, text in table.items():
        if text not in places:
            places[text] = len(texts)
            texts += [f"{ord(point):#x}" for point in text]
        rows.append(f"{{{number:#x}, {len(text)}, {places[text]}}}")
    return {
        f"{name}_count": str(len(rows)),
        name: wrapped(rows, _INDENT),
        f"{name}_points_count": str(len(texts)),
        f"{name}_points": wrapped(texts, _INDENT),
    }


def _combining(points: list[int]) -> list[tuple[int, int, int]]:
    """(first, last, class) of ranges of combining marks."""
    found: list[tuple[int, int, int]] = []
    for number in points:
        kind = unicodedata.combining(chr(number))
        if kind and found and found[-1][1:] == (number - 1, kind):
            found[-1] = (found[-1][0], number, kind)
        elif kind:
            found.append((number, number, kind))
    return found
