"""What `--data` names beside data sets: published networks whose weights encoders begin with or learn from."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

from mer_sdk.errors import OptionError

Published = TypeVar("Published")


def read_named(specs: Sequence[str], name: str, read: Callable[[str], Published]) -> tuple[Published | None, list[str]]:
    """What `read` makes of the path of "NAME:PATH" among the specs of `--data`, None without one; and the other specs.

    Raises:
        OptionError: it is given twice.
    """
    named = [spec for spec in specs if spec.partition(":")[0] == name]
    if len(named) > 1:
        raise OptionError(f"--data {' '.join(named)}: give {name} once")
    found = read(named[0].partition(":")[2]) if named else None
    return found, [spec for spec in specs if spec not in named]
