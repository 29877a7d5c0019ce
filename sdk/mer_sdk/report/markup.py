"""HTML and SVG text in which everything that is not markup is escaped by construction."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from html import escape

Attributes = Mapping[str, "str | float"]


class Markup(str):
    """Text that is markup already. A plain `str` inside an element is escaped."""

    __slots__ = ()


def element(name: str, attributes: Attributes, *children: str) -> Markup:
    """One element: `children` are escaped unless they are `Markup`; attribute values always are."""
    written = "".join(f' {key}="{_value(value)}"' for key, value in attributes.items())
    return Markup(f"<{name}{written}>{joined(children)}</{name}>")


def joined(parts: Iterable[str]) -> Markup:
    """All parts one after the other, escaped unless they are `Markup`."""
    return Markup("".join(part if isinstance(part, Markup) else escape(part) for part in parts))


def _value(value: str | float) -> str:
    if isinstance(value, str):
        return escape(value)
    # A tenth of a pixel is enough, and the page is a third shorter for it.
    return f"{value:.1f}".removesuffix(".0")
