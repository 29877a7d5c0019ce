"""What `--data` names beside data sets: published networks whose weights encoders begin with or learn from."""

from __future__ import annotations

from collections.abc import Sequence

from mer_sdk.errors import OptionError


def published_path(specs: Sequence[str], name: str) -> tuple[str | None, list[str]]:
    """The path of "NAME:PATH" among the specs of `--data`, None where none has that name; and the other specs.

    Raises:
        OptionError: it is given twice.
    """
    named = [spec for spec in specs if spec.partition(":")[0] == name]
    if len(named) > 1:
        raise OptionError(f"--data {' '.join(named)}: give {name} once")
    return (named[0].partition(":")[2] if named else None), [spec for spec in specs if spec not in named]
