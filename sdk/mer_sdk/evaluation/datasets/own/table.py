"""A table of clips, as csv or parquet, in the columns that this project knows; whatever the program that saved it."""

from __future__ import annotations

import csv
import importlib
import io
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mer_sdk.dialogue.text_file import read_text
from mer_sdk.errors import DataError, MissingExtra
from mer_sdk.media.names import shown

# Column -> what else it is called; upper and lower case are the same.
COLUMNS: dict[str, tuple[str, ...]] = {
    "file": ("path", "filename", "file_name", "filepath", "clip", "media"),
    "label": ("emotion", "class", "target"),
    "speaker": ("speaker_id", "person", "subject", "actor", "user"),
    "start": ("begin", "start_time", "onset"),
    "end": ("stop", "end_time", "offset"),
    "split": ("part", "subset", "partition"),
    "text": ("utterance", "transcript", "sentence"),
    "dialogue": ("dialogue_id", "conversation"),
}
NEEDED = ("file", "label")
_SEPARATORS = (",", ";", "\t", "|")


@dataclass(frozen=True)
class Row:
    """One line of a table.

    Attributes:
        line: its number in the file, the header is 1 (of a parquet table: the row's number, from 1).
        cells: column, by its name in `COLUMNS`, -> text without space around it; "" where it is empty.
        fault: why the line cannot be used, "" where it can.
    """

    line: int
    cells: dict[str, str]
    fault: str = ""


@dataclass(frozen=True)
class CsvTable:
    """A csv table as it is in its file, for who writes it again.

    Attributes:
        separator: of cells.
        line_end: of its lines.
        header: names of columns, as they stand there.
        columns: place of a column -> its name in `COLUMNS`, of those that are known.
        lines: (number in the file, cells) of each line with anything in it; some may have more or fewer cells than the
            header.
    """

    separator: str
    line_end: str
    header: list[str]
    columns: dict[int, str]
    lines: tuple[tuple[int, list[str]], ...]


def media_path(folder: Path, cell: str) -> Path:
    """Where a file lies that a table in `folder` names: with separators of any system, from the home folder, too."""
    return folder / os.path.expanduser(cell.replace("\\", "/") if os.sep == "/" else cell)


def read_rows(path: Path, needed: Sequence[str] = NEEDED) -> list[Row]:
    """The rows of a csv or parquet table.

    Args:
        needed: columns that it must have.

    Raises:
        DataError: it cannot be read, has no rows, or lacks a needed column.
        MissingExtra: parquet, and pyarrow is not installed.
    """
    if path.stat().st_size == 0:
        header = ",".join(needed)
        raise DataError(f"{path} is empty (0 bytes); write a header line {header} and a line for each clip")
    rows = list(_parquet_rows(path, needed) if path.suffix.lower() == ".parquet" else _csv_rows(path, needed))
    if not rows:
        raise DataError(f"{path} has a header and no rows; add a line for each clip")
    return rows


def known_columns(header: Sequence[str], path: Path, needed: Sequence[str] = NEEDED) -> dict[int, str]:
    """Place of a column -> its name in `COLUMNS`; columns of other names are not read.

    Raises:
        DataError: there is none for one that is needed.
    """
    names = [name.strip().lower() for name in header]
    found: dict[int, str] = {}
    for column, others in COLUMNS.items():
        place = next((names.index(name) for name in (column, *others) if name in names), None)
        if place is not None:
            found[place] = column
    missing = [column for column in needed if column not in found.values()]
    if missing:
        words = [f"{column} (or {', '.join(COLUMNS[column])})" for column in missing]
        listed = shown(", ".join(name for name in names if name)) or "none"
        raise DataError(f"{path} has the columns {listed}; missing: {' and '.join(words)}")
    return found


def read_csv(path: Path, needed: Sequence[str] = NEEDED) -> CsvTable:
    """A csv table as it is; see `CsvTable`.

    Args:
        needed: columns that it must have.

    Raises:
        DataError: it cannot be read, or lacks a needed column.
    """
    text = read_text(path, "csv table of clips")
    first = text.lstrip("\r\n").splitlines()
    separator = _separator(first[0] if first else "")
    rows = csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True)
    try:
        header = next((cells for cells in rows if any(cell.strip() for cell in cells)), [])
        columns = known_columns(header, path, needed)
        lines = tuple((rows.line_num, cells) for cells in rows if any(cell.strip() for cell in cells))
    except csv.Error as error:
        raise DataError(f"{path}, line {rows.line_num}: not csv ({error}); save it as csv with quotes") from error
    return CsvTable(separator, "\r\n" if "\r\n" in text else "\n", header, columns, lines)


def _csv_rows(path: Path, needed: Sequence[str]) -> Iterator[Row]:
    table = read_csv(path, needed)
    columns, width = table.columns, len(table.header)
    for number, cells in table.lines:
        given = {column: cells[place].strip() for place, column in columns.items() if place < len(cells)}
        fault = ""
        if len(cells) != width:
            fault = f"it has {len(cells)} cells, the header has {width}: put quotes around cells that hold "
            fault += repr(table.separator).replace("'", '"')
        yield Row(number, dict.fromkeys(columns.values(), "") | given, fault)


def _separator(first: str) -> str:
    """What separates the cells: what finds the most known columns in the first line; a comma where none does."""
    known = {name for column, others in COLUMNS.items() for name in (column, *others)}

    def count(separator: str) -> int:
        return len(known & {cell.strip().strip('"').lower() for cell in first.split(separator)})

    return max(_SEPARATORS, key=count)


def _parquet_rows(path: Path, needed: Sequence[str]) -> Iterator[Row]:
    try:
        arrow: Any = importlib.import_module("pyarrow")
        parquet: Any = importlib.import_module("pyarrow.parquet")
    except ImportError as error:
        raise MissingExtra("reading parquet tables", "pyarrow", "tables") from error
    try:
        file = parquet.ParquetFile(str(path))
        header = list(file.schema_arrow.names)
        columns = known_columns(header, path, needed)
        data = file.read(columns=[header[place] for place in columns]).to_pydict()
    except (arrow.ArrowException, OSError, ValueError, OverflowError) as error:
        reason = shown(str(error).splitlines()[0] if str(error) else type(error).__name__)
        raise DataError(f"{path} cannot be read as parquet ({reason}); save it again") from error
    values = {column: data[header[place]] for place, column in columns.items()}
    for number in range(len(next(iter(values.values())))):
        yield Row(number + 1, {column: _text(cells[number]) for column, cells in values.items()})


def _text(value: object) -> str:
    """A cell of parquet as a csv file would hold it."""
    if value is None or value != value:  # NaN, where a program had no value
        return ""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return (value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)).strip()
