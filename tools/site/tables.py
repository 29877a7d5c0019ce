"""MkDocs hook: a figure and its interval, "89.0 [87, 91]", stay on one line in tables."""

from __future__ import annotations

import re
from typing import Any

_FIGURE = re.compile(r"(?<=>)([+-]?[\d.]+) (\[[+-]?[\d.]+), ([+-]?[\d.]+\])")


def on_page_content(html: str, **_: Any) -> str:
    """The page with spaces that do not break."""
    return _FIGURE.sub("\\1\u00a0\\2,\u00a0\\3", html)
