"""The csv file that labelling fills: read again to go on, and whole after every answer."""

from __future__ import annotations

import csv
import os
from collections.abc import Sequence
from pathlib import Path

from mer_sdk.contract.output_files import atomic_output
from mer_sdk.errors import OptionError, reason_of
from mer_sdk.evaluation.datasets.own.folders import MEDIA_SUFFIXES
from mer_sdk.evaluation.datasets.own.table import media_path, read_csv

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
        path: the csv file; one that is there is gone on with. Its rows, their order and its other columns stay as they
            are; a row is a file's wherever its path leads there, and rows of parts of a file (start, end) are others.
        files: what is to be labelled.
        speaker: who speaks in all of them, "" where nobody says.

    Attributes:
        files: as given.

    Raises:
        DataError: the file that is there is no table of clips.
    """

    def __init__(self, path: Path, files: Sequence[Path], speaker: str = "") -> None:
        self.path, self.files, self._speaker = path, tuple(files), speaker
        self._places = [os.path.realpath(file) for file in self.files]
        self._separator, self._line_end = ",", "\r\n"
        self._header, self._rows = list(COLUMNS), list[list[str]]()
        if path.exists() and path.stat().st_size:
            table = read_csv(path)
            self._separator, self._line_end = table.separator, table.line_end
            self._header, self._rows = list(table.header), [cells for _, cells in table.lines]
            self._columns = {column: place for place, column in table.columns.items()}
        else:
            self._columns = {column: place for place, column in enumerate(COLUMNS)}
        if speaker and "speaker" not in self._columns:
            self._add_column("speaker")
        # Resolved path -> its row, of several the first with a label, as who reads the table takes it.
        self._row_of: dict[str, int] = {}
        for number, row in enumerate(self._rows):
            if not any(self._cell(row, column) for column in ("start", "end")):
                place = os.path.realpath(media_path(path.parent, self._cell(row, "file")))
                if place not in self._row_of or not self._cell(self._rows[self._row_of[place]], "label"):
                    self._row_of[place] = number
        # Of each answer its file, and the row before; None where there was none.
        self._given: list[tuple[int, list[str] | None]] = []

    def name(self, number: int) -> str:
        """What the table calls a file: its path from the table's folder."""
        return Path(os.path.relpath(self._places[number], self.path.resolve().parent)).as_posix()

    def label(self, number: int) -> str:
        """The label of a file, "" where it has none yet."""
        row = self._row_of.get(self._places[number])
        return "" if row is None else self._cell(self._rows[row], "label")

    @property
    def open(self) -> list[int]:
        """Numbers of the files without a label."""
        return [number for number in range(len(self.files)) if not self.label(number)]

    def give(self, number: int, label: str) -> None:
        """Write a label.

        Raises:
            OptionError: the table cannot be written; nothing is changed.
        """
        found = self._row_of.get(self._places[number])
        before = None if found is None else self._rows[found]
        row = list(before or ())
        row += [""] * (len(self._header) - len(row))
        if before is None:
            row[self._columns["file"]] = self.name(number)
        row[self._columns["label"]] = label
        if self._speaker and not self._cell(row, "speaker"):
            row[self._columns["speaker"]] = self._speaker
        self._put(number, row)
        self._given.append((number, before))

    def undo(self) -> int | None:
        """Take the last answer of this session back; the number of its file, None where there is none.

        Raises:
            OptionError: the table cannot be written; nothing is changed.
        """
        if not self._given:
            return None
        number, before = self._given[-1]
        self._put(number, before)
        self._given.pop()
        return number

    def _cell(self, row: Sequence[str], column: str) -> str:
        place = self._columns.get(column, len(row))
        return row[place].strip() if place < len(row) else ""

    def _add_column(self, column: str) -> None:
        """Behind all cells that are there, so that none of a row that is too long comes to stand in it."""
        before, place = len(self._header), max(map(len, (self._header, *self._rows)))
        self._rows = [row + [""] * (place + 1 - before) if len(row) == before else row for row in self._rows]
        self._header += [""] * (place - before) + [column]
        self._columns[column] = place

    def _put(self, number: int, row: list[str] | None) -> None:
        """Write the table with a file's row as given; None is without the last row, which an answer added."""
        place = self._row_of.get(self._places[number], len(self._rows))
        rows = self._rows[:place] + ([] if row is None else [row]) + self._rows[place + 1 :]
        try:
            with atomic_output(self.path) as aside, aside.open("w", newline="", encoding="utf-8") as file:
                table = csv.writer(file, delimiter=self._separator, lineterminator=self._line_end)
                table.writerow(self._header)
                table.writerows(rows)
        except OSError as error:
            raise OptionError(
                f"--out {self.path} cannot be written ({reason_of(error)}); give another place"
            ) from error
        self._rows = rows
        if row is None:
            del self._row_of[self._places[number]]
        else:
            self._row_of[self._places[number]] = place
