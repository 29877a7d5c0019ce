"""What a dataclass field may hold: `Annotated[int, Limits(20, 2000)]`, checked when read, shown in the JSON Schema."""

from __future__ import annotations

import dataclasses
import math
import os
import re
from collections.abc import Collection, Iterable, Mapping
from numbers import Integral, Real
from typing import Any, TypeGuard

from mer_sdk.errors import MerError, OptionError

# CPU threads that a graph may be given: more than any device has, and few enough for every runtime's counter.
MOST_THREADS = 1024
# Of any option: more seconds, counts or shares than this are none, and would overflow where steps and samples are
# counted.
MOST = 1e11


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


def check_kind(name: str, value: object, kinds: type | tuple[type, ...], wanted: str, *, optional: bool = True) -> None:
    """Check an argument that an app gives.

    Args:
        optional: whether None is allowed, too.

    Raises:
        OptionError: it is not of the kinds; `wanted` says in words what to give.
    """
    if not (isinstance(value, kinds) or (value is None and optional)):
        raise OptionError(f"{name} is {given(value)}; give {wanted}")


def check_path(name: str, value: object, wanted: str) -> None:
    """Check a path that an app gives; nothing is looked for there.

    Raises:
        OptionError: it is neither a string nor an `os.PathLike`; `wanted` says in words what to give.
    """
    check_kind(name, value, (str, os.PathLike), wanted, optional=False)


def check_callable(name: str, value: object, wanted: str) -> None:
    """Raises OptionError where an argument is neither None nor can be called; `wanted` says in words what to give."""
    if value is not None and not callable(value):
        raise OptionError(f"{name} is {given(value)}; give {wanted}")


def is_number(value: object) -> TypeGuard[Real]:
    """Whether it is a real number, of Python or of numpy; True and False are none."""
    return isinstance(value, Real) and not isinstance(value, bool)


def check_number(
    name: str,
    value: object,
    wanted: str,
    *,
    least: float = -MOST,
    most: float = MOST,
    above: float = -math.inf,
    below: float = math.inf,
    whole: bool = False,
    endless: bool = False,
    unit: str = "",
    error: type[MerError] = OptionError,
) -> None:
    """Check a number that an app gives: one of Python or of numpy, and neither a bool nor NaN.

    Args:
        name: what it is of, for messages.
        wanted: says in words what to give, such as "allowed is 0 or more, such as 0.2".
        least, most: the smallest and the largest allowed.
        above, below: it must be larger and smaller than these.
        whole: whether it must be an integer.
        endless: whether infinity is allowed, too.
        unit: follows the number in the message, such as " s".
        error: what is raised where it is anything else.
    """
    if is_number(value) and (isinstance(value, Integral) or not whole):
        try:
            size = float(value)
        except OverflowError:
            size = math.nan
        if (endless and size == math.inf) or (least <= size <= most and above < size < below):
            return
    raise error(f"{name} is {given(value, unit)}; {wanted}")


def check_seed(seed: object) -> None:
    """Raises OptionError where a seed is none that gives the same numbers every time."""
    check_number("seed", seed, "give a whole number from 0", least=0, most=2**64, whole=True)


def check_names(name: str, value: object, allowed: Iterable[str] = (), *, what: str, example: str) -> None:
    """Check a tuple of names, of which each may be there once.

    Args:
        name: of the option, for messages.
        allowed: the names that there are; none where any is allowed.
        what: one of them is, for messages, such as "stream".
        example: such as '("audio", "video")'.

    Raises:
        OptionError: it is one string or no tuple, holds something else than names, or a name that is unknown or twice.
    """
    names = None if isinstance(value, str | bytes | Mapping) or not isinstance(value, Collection) else list(value)
    if names is None or not all(isinstance(item, str) for item in names):
        odd = value if names is None else next(item for item in names if not isinstance(item, str))
        holds = "is" if names is None else "holds"
        raise OptionError(f"{name} {holds} {given(odd)}; give names in a tuple, such as {example}")
    known = tuple(allowed)
    for item in names:
        if known and item not in known:
            raise OptionError.unknown(what, item, known)
        if names.count(item) > 1:
            raise OptionError(f"{name} has the {what} {item!r} twice; give each once")


def check_speaker(speaker: object) -> None:
    """Raises OptionError where somebody's name is not hashable."""
    try:
        hash(speaker)
    except TypeError as error:
        raise OptionError(f"speaker is {given(speaker)}; give a name that is hashable, such as a string") from error


def check_threads(threads: object) -> None:
    """Raises OptionError where a number of CPU threads is none that every runtime takes."""
    wanted = f"allowed are whole numbers from 1 to {MOST_THREADS}"
    check_number("threads", threads, wanted, least=1, most=MOST_THREADS, whole=True)


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


def given(value: object, unit: str = "") -> str:
    """An argument of an app as a message shows it; the unit, such as " s", follows a number."""
    if value is None:
        return "None"
    if is_number(value):
        return f"{shown(value)}{unit}"
    return shown(value) if isinstance(value, Real | str | list | dict) else f"a {type(value).__name__}"


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
