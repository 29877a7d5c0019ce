"""The csv file that labelling fills: read again to go on, and whole after every answer."""

from __future__ import annotations

import csv
import os
from collections.abc import Sequence
from pathlib import Path

from mer_sdk.contract.output_files import atomic_output
from mer_sdk.errors import OptionError
from mer_sdk.evaluation.datasets.own.folders import MEDIA_SUFFIXES
from mer_sdk.evaluation.datasets.own.table import read_rows

COLUMNS = ("file", "label", "speaker")


def media_files(given: Sequence[Path]) -> tuple[Path, ...]:
    """The files that were named, and those below folders that were, each once.

    Raises:
        OptionError: a name that is not there, or nothing is left.
    """
    found: dict[Path, Path] = {}
    for path in given:
        if path.is_dir():
            below = sorted(item for item in path.rglob("*") if item.suffix.lower() in MEDIA_SUFFIXES and item.is_file())
            found |= {item.resolve(): item for item in below if not any(p.startswith(".") for p in item.parts)}
        elif path.is_file():
            found.setdefault(path.resolve(), path)
        else:
            raise OptionError(f"{path} does not exist; give sound, video or picture files, or folders of them")
    if not found:
        raise OptionError(f"{given[0]} holds no sound, video or picture; give files, or folders of them")
    return tuple(found.values())


class LabelSheet:
    """Answers in the order in which they were given; the file is replaced as a whole after each.

    Args:
        path: the csv file; one that is there is gone on with, whatever other columns it has.
        files: what is to be labelled.
        speaker: who speaks in all of them, "" where nobody says.

    Attributes:
        files: as given.

    Raises:
        DataError: the file that is there is no table of clips.
    """

    def __init__(self, path: Path, files: Sequence[Path], speaker: str = "") -> None:
        self.path, self.files, self._speaker = path, tuple(files), speaker
        self._rows: dict[str, dict[str, str]] = {}
        self._given: list[str] = []
        if path.exists() and path.stat().st_size:
            for row in read_rows(path):
                self._rows[row.cells["file"]] = dict(row.cells)

    def name(self, number: int) -> str:
        """What the table calls a file: its path from the table's folder."""
        return Path(os.path.relpath(self.files[number].resolve(), self.path.resolve().parent)).as_posix()

    def label(self, number: int) -> str:
        """The label of a file, "" where it has none yet."""
        return self._rows.get(self.name(number), {}).get("label", "")

    @property
    def open(self) -> list[int]:
        """Numbers of the files without a label."""
        return [number for number in range(len(self.files)) if not self.label(number)]

    def give(self, number: int, label: str) -> None:
        """Write a label.

        Raises:
            OptionError: the table cannot be written.
        """
        name = self.name(number)
        before = self._rows.get(name, {})
        self._rows[name] = {**before, "file": name, "label": label, "speaker": before.get("speaker") or self._speaker}
        self._given.append(name)
        self._write()

    def undo(self) -> int | None:
        """Take the last answer of this session back; the number of its file, None where there is none.

        Raises:
            OptionError: the table cannot be written.
        """
        if not self._given:
            return None
        name = self._given.pop()
        self._rows.pop(name, None)
        self._write()
        return next(number for number in range(len(self.files)) if self.name(number) == name)

    def _write(self) -> None:
        columns = list(dict.fromkeys((*COLUMNS, *(column for row in self._rows.values() for column in row))))
        try:
            with atomic_output(self.path) as aside, aside.open("w", newline="", encoding="utf-8") as file:
                table = csv.DictWriter(file, columns, restval="")
                table.writeheader()
                table.writerows(self._rows.values())
        except OSError as error:
            raise OptionError(f"--out {self.path} cannot be written ({error}); give another place") from error
