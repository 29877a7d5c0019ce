"""What a dataclass field may hold: `Annotated[int, Limits(20, 2000)]`, checked when read, shown in the JSON Schema."""

from __future__ import annotations

import dataclasses
import math
import os
import re
from typing import Any

from mer_sdk.errors import OptionError

# CPU threads that a graph may be given: more than any device has, and few enough for every runtime's counter.
MOST_THREADS = 1024


@dataclasses.dataclass(frozen=True)
class Limits:
    """What the values of one field may be; of an array or a mapping, each value in it.

    Attributes:
        least, most: smallest and largest number.
        items: how many values an array or a mapping holds at most.
        choices: the only strings allowed; empty for any.
        pattern: a regular expression that a whole string matches; "" for any.
        characters: longest string.
    """

    least: float | None = None
    most: float | None = None
    items: int | None = None
    choices: tuple[str, ...] = ()
    pattern: str = ""
    characters: int | None = None


def check_kind(name: str, value: object, kinds: type | tuple[type, ...], wanted: str) -> None:
    """Check an argument that an app gives.

    Raises:
        OptionError: it is neither None nor of the kinds; `wanted` says in words what to give.
    """
    if value is not None and not isinstance(value, kinds):
        raise OptionError(f"{name} is {named(value)}; give {wanted}")


def check_path(name: str, value: object, wanted: str) -> None:
    """Check a path that an app gives; nothing is looked for there.

    Raises:
        OptionError: it is neither a string nor an `os.PathLike`; `wanted` says in words what to give.
    """
    if value is None:
        raise OptionError(f"{name} is not given; give {wanted}")
    check_kind(name, value, (str, os.PathLike), wanted)


def check_threads(threads: int) -> None:
    """Raises OptionError where a number of CPU threads is none that every runtime takes."""
    if not (isinstance(threads, int) and 1 <= threads <= MOST_THREADS):
        raise OptionError(f"threads is {threads}; allowed are whole numbers from 1 to {MOST_THREADS}")


def check_count(count: int, path: str, limits: Limits | None) -> None:
    """Raises ValueError where an array or mapping at `path` has more values than its limits allow."""
    if limits is not None and limits.items is not None and count > limits.items:
        raise ValueError(f"{path} has {count} values; allowed are at most {limits.items}")


def check_scalar(value: Any, path: str, limits: Limits) -> None:
    """Raises ValueError where a number or string at `path` is outside its limits."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        least = -math.inf if limits.least is None else limits.least
        most = math.inf if limits.most is None else limits.most
        if not least <= value <= most:
            raise ValueError(f"{path} is {shown(value)}; allowed are {least:.15g} to {most:.15g}")
    if isinstance(value, str):
        if limits.choices and value not in limits.choices:
            raise ValueError(f"{path} is {shown(value)}; allowed: {', '.join(limits.choices)}")
        if limits.characters is not None and len(value) > limits.characters:
            raise ValueError(f"{path} has {len(value)} characters; allowed are at most {limits.characters}")
        if limits.pattern and not re.fullmatch(limits.pattern, value):
            raise ValueError(f"{path} is {shown(value)}, which is not of the form {limits.pattern}")


def shown(value: Any) -> str:
    """A value of a file as a message shows it: what it is, never pages of it."""
    if isinstance(value, dict | list):
        return "an object" if isinstance(value, dict) else "an array"
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, int) and abs(value) >= 2**63:
        return f"a number of {value.bit_length()} bits"
    text = ascii(value) if isinstance(value, str) else f"{value}"
    return text if len(text) <= 60 else text[:57] + "..."


def named(value: object) -> str:
    """What an app gave, of whatever kind, as a message names it."""
    known = value is None or isinstance(value, int | float | str | list | dict)
    return shown(value) if known else f"a {type(value).__name__}"


def limits_schema(kind: type, limits: Limits | None) -> dict[str, Any]:
    """The limits of a value of type `kind` in the words of JSON Schema."""
    if limits is None:
        return {}
    if kind is str:
        found: dict[str, Any] = {"enum": list(limits.choices)} if limits.choices else {}
        found |= {} if limits.characters is None else {"maxLength": limits.characters}
        return found | ({"pattern": f"^(?:{limits.pattern})$"} if limits.pattern else {})
    if kind in (int, float):
        found = {} if limits.least is None else {"minimum": limits.least}
        return found | ({} if limits.most is None else {"maximum": limits.most})
    return {}
