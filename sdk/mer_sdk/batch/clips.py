"""Which files are meant: a folder, a list, a pattern, or files by name."""

from __future__ import annotations

import glob
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from mer_sdk.dialogue.text_file import read_text
from mer_sdk.errors import DataError, OptionError, counted
from mer_sdk.evaluation.datasets.clip import SOUND_SUFFIXES, VIDEO_SUFFIXES
from mer_sdk.evaluation.datasets.own.table import read_rows
from mer_sdk.limits import check_path
from mer_sdk.media.names import is_list

MEDIA_SUFFIXES = (*SOUND_SUFFIXES, *VIDEO_SUFFIXES)


@dataclass(frozen=True)
class ClipFile:
    """A file that is to be run.

    Attributes:
        name: as it was listed, in UTF-8.
        path: absolute.
        size, modified: bytes, and nanoseconds of the clock, by which a file that was changed is known; None where it
            cannot be looked at from here.
    """

    name: str
    path: str
    size: int | None = None
    modified: int | None = None


def lists_of(inputs: Sequence[str]) -> dict[str, str]:
    """The inputs that are lists, by what they are, for refusing to write over them."""
    return {f"the list {given}": given for given in inputs if is_list(given)}


def find_clips(inputs: Sequence[str | os.PathLike[str]]) -> tuple[tuple[ClipFile, ...], tuple[str, ...]]:
    """The files that inputs mean, each once, and notes on what was left out.

    Args:
        inputs: folders, whose files are those of the usual endings, at any depth, in the order of their names; lists
            (.txt, a path a line; .csv, .tsv, .parquet with a column file), whose paths are relative to the list;
            patterns with *, ? or **; files.

    Raises:
        OptionError: there is none, or one that is named does not exist or is no path.
        DataError, MissingExtra: a list cannot be read.
    """
    notes: list[str] = []
    found: dict[str, ClipFile] = {}
    doubles = 0
    if not isinstance(inputs, Sequence) or isinstance(inputs, str | bytes):
        raise OptionError("the inputs are no list; give a list of files, folders, lists and patterns")
    for given in inputs:
        check_path("an input", given, "the path of a file, a folder or a list, or a pattern")
    names = [os.fspath(given) for given in inputs]
    for given in names:
        for name, path in _expanded(given, notes):
            place = os.path.abspath(path)
            if place in found:
                doubles += 1
            else:
                found[place] = _clip(name, place)
    if doubles:
        notes.append(f"{counted(doubles, 'file is', 'files are')} listed more than once, and run once")
    if not found:
        raise OptionError(
            f"there is no sound or video file in {', '.join(names)}; endings that are looked for in folders: "
            f"{' '.join(MEDIA_SUFFIXES)}"
        )
    return tuple(found.values()), tuple(notes)


def _expanded(given: str, notes: list[str]) -> Iterator[tuple[str, str]]:
    """(name, path) of each file that one input means."""
    if os.path.isdir(given):
        yield from _of_folder(given, notes)
    elif is_list(given):
        yield from _of_list(Path(given), notes)
    elif os.path.lexists(given):
        yield given, given
    elif glob.has_magic(given):
        matches = sorted(glob.glob(given, recursive=True))
        if not matches:
            raise OptionError(f"no file matches {given}; put the pattern in quotes, such as 'clips/**/*.mp4'")
        for match in matches:
            if not os.path.isdir(match):
                yield match, match
    else:
        raise OptionError(f"{given} does not exist; give files, a folder, a list (.txt, .csv, .parquet) or a pattern")


def _of_folder(folder: str, notes: list[str]) -> Iterator[tuple[str, str]]:
    others = 0
    for parent, folders, files in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(name for name in files if not name.startswith(".")):
            if os.path.splitext(name)[1].lower() in MEDIA_SUFFIXES:
                path = os.path.join(parent, name)
                yield path, path
            else:
                others += 1
    if others:
        left_out = counted(others, "file", "files")
        notes.append(f"left out, as no sound or video by its ending: {left_out} in {folder}")


def _of_list(path: Path, notes: list[str]) -> Iterator[tuple[str, str]]:
    if path.suffix.lower() == ".txt":
        listed = [line.strip() for line in read_text(path, "list of files, a path a line").splitlines()]
        listed = [line for line in listed if line and not line.startswith("#")]
    else:
        rows = read_rows(path, needed=("file",))
        fault = next((row for row in rows if row.fault or not row.cells["file"]), None)
        if fault is not None:
            raise DataError(f"{path}, line {fault.line}: {fault.fault or 'it names no file'}")
        if any(row.cells.get("start") or row.cells.get("end") for row in rows):
            notes.append(f"{path} names parts of files (start, end), and files are run as a whole")
        listed = [row.cells["file"] for row in rows]
    if not listed:
        raise DataError(f"{path} lists no file; write a path a line")
    for name in listed:
        yield name, os.path.join(path.parent, os.path.expanduser(name))


def _clip(name: str, place: str) -> ClipFile:
    shown = os.fsencode(name).decode("utf-8", "backslashreplace")
    try:
        there = os.stat(place)
    except (OSError, ValueError):
        return ClipFile(shown, place)
    return ClipFile(shown, place, there.st_size, there.st_mtime_ns)
