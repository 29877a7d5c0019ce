"""Names of live sources, among the inputs of a command."""

from __future__ import annotations

import re

_FIRST = re.compile(r"(camera|microphone)(:|\+|$)|-(\+|$)|play:")


def is_live(text: str) -> bool:
    """Whether an input names live sources; a file of such a name is given as ./camera."""
    return _FIRST.match(text) is not None
