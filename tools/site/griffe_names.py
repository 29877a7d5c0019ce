"""Griffe extension: docstrings that describe several names at once ("war, uar: 0-1") become an entry for each name."""

from __future__ import annotations

import re
from typing import Any

import griffe

# An entry of an Args or Attributes section, with its further lines.
_ENTRY = re.compile(r"^    (\w+(?:, \w+)+): (.*(?:\n {8,}.*)*)$", re.MULTILINE)


class SplitNames(griffe.Extension):
    """Splits such entries when a docstring is loaded."""

    def on_object(self, *, obj: griffe.Object, **_: Any) -> None:
        """Called by Griffe for every object."""
        if obj.docstring is not None:
            obj.docstring.value = split_names(obj.docstring.value)


def split_names(text: str) -> str:
    """`text` with one entry a name."""

    def each(match: re.Match[str]) -> str:
        return "\n".join(f"    {name}: {match.group(2)}" for name in match.group(1).split(", "))

    return _ENTRY.sub(each, text)
