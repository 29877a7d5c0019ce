"""Data sets by name: `open_dataset("ravdess:PATH")`."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

from mer_sdk.errors import DataError, OptionError

Opener = TypeVar("Opener", bound=Callable[..., Any])
_OPENERS: dict[str, Callable[..., Any]] = {}
# Clips of one's own, whose labels may be renamed.
OWN = "clips"


def register(name: str) -> Callable[[Opener], Opener]:
    """Class or function decorator: `open_dataset("name:PATH")` calls it with the path."""

    def add(opener: Opener) -> Opener:
        _OPENERS[name] = opener
        return opener

    return add


def dataset_names() -> tuple[str, ...]:
    """The names that `open_dataset` knows, sorted."""
    return tuple(sorted(_OPENERS))


def open_dataset(spec: str, labels: Mapping[str, str] | None = None) -> Any:
    """The data set that `NAME:PATH` describes, such as "ravdess:~/data/RAVDESS".

    Args:
        labels: of `clips:` alone: label of the table -> what it is called instead; see `OwnClips`.

    Raises:
        OptionError: no colon, a name that is not registered, or labels for another data set than `clips:`.
        DataError: the path does not exist or holds none of the data set's files.
    """
    name, colon, path = spec.partition(":")
    if not colon or not path:
        # Who gives a path alone means files of their own.
        own = f"; did you mean {OWN}:{spec}?" if spec and Path(spec).expanduser().exists() else ""
        raise OptionError(f"{spec!r} is not a data set: write NAME:PATH, for example {OWN}:PATH or ravdess:PATH{own}")
    if name not in _OPENERS:
        raise OptionError.unknown("data set", name, dataset_names())
    folder = Path(path).expanduser()
    if not folder.exists():
        raise DataError(f"{folder} does not exist; give the folder (or file) that holds the {name} data")
    if labels and name != OWN:
        raise OptionError(f"--labels renames the labels of {OWN}:PATH, and {spec} has labels of its own: leave it out")
    if labels:
        return _OPENERS[name](folder, labels)
    return _OPENERS[name](folder)


def open_datasets(specs: Sequence[str], labels: Mapping[str, str] | None = None) -> list[Any]:
    """Several data sets; `labels` is for those that are `clips:`.

    Raises:
        As `open_dataset`; OptionError where labels are given and none is `clips:`.
    """
    own = [spec.startswith(f"{OWN}:") for spec in specs]
    if labels and not any(own):
        raise OptionError(f"--labels renames the labels of {OWN}:PATH, and none was given: leave it out")
    return [open_dataset(spec, labels if mine else None) for spec, mine in zip(specs, own, strict=True)]
