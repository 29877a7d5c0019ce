"""Dialogues from csv files: one utterance a line, in the columns of MELD."""

from __future__ import annotations

import csv
import io
import math
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from mer_sdk.dialogue.text_file import read_text
from mer_sdk.errors import DataError
from mer_sdk.limits import shown

REQUIRED = ("speaker", "utterance")
SEPARATORS = (",", ";", "\t")
_TIME = re.compile(r"(?:(\d{1,9}):)?(\d{1,9}):(\d+(?:[.,]\d+)?)")


@dataclass(frozen=True)
class Utterance:
    """One line of a file; `time` in seconds, `speaker`, `time` and `label` are None where the file has none."""

    text: str
    speaker: str | None = None
    time: float | None = None
    label: str | None = None


@dataclass(frozen=True)
class Dialogue:
    """The utterances of one dialogue, in order."""

    id: str
    utterances: tuple[Utterance, ...]


def read_dialogues(
    path: str | Path, required: tuple[str, ...] = REQUIRED, tell: Callable[[str], object] = lambda note: None
) -> tuple[Dialogue, ...]:
    """The dialogues of a csv file with a header line.

    The columns Speaker and Utterance are needed. Read where they are there: Dialogue_ID (lines of one dialogue share
    it; without it the file is one dialogue), Utterance_ID (the order within a dialogue, else that of the lines),
    StartTime (seconds, or HH:MM:SS,mmm as in MELD) and Emotion. The two of ids are filled in every line or in none.
    Upper and lower case are the same, other columns are not looked at. An empty speaker is an unknown one; an empty
    utterance is kept. Cells may be separated by commas, semicolons or tabs.

    Encodings: see `mer_sdk.dialogue.text_file.read_text`; older copies of MELD are saved in Windows-1252.

    A line that is there twice counts once. Where a Dialogue_ID comes again further down with the same Utterance_IDs, as
    in two files that were joined, it is another dialogue: of Dialogue_ID 1 the second one is "1 (2)", or the next
    number that no Dialogue_ID of the file looks like.

    Args:
        required: the columns without which the file is refused, in lower case.
        tell: called with a sentence about lines that were left out, put in order, or told apart.

    Raises:
        DataError: no such file, neither of the two encodings, no utterance, a column is missing, ids in some lines
            alone, or a bad line.
        OptionError: the path is none.
    """
    text = read_text(path, "csv file of dialogues")
    rows = csv.reader(io.StringIO(text, newline=""), delimiter=_separator(text, required), strict=True)
    lines: list[_Line] = []
    try:
        header = _header(rows, path, required)
        for cells in rows:
            if cells:
                where = f"{path}, line {rows.line_num}"
                row = _row(header, cells, where)
                place = _order(row.get("utterance_id", ""), where)
                lines.append(_Line(where, row.get("dialogue_id", "").strip(), place, _utterance(row, where)))
    except csv.Error as error:
        raise DataError(f"{path}, line {rows.line_num}: not csv ({error}); save it as csv with quotes") from error
    if not lines:
        raise DataError(f"{path} has a header and no utterance; add lines below it")
    _check_filled("Dialogue_ID", [(line.where, bool(line.dialogue)) for line in lines])
    _check_filled("Utterance_ID", [(line.where, line.place is not None) for line in lines])
    return _grouped(lines, path, tell)


@dataclass(frozen=True)
class _Line:
    """One line: where it stands, the dialogue that it names ("" for none), its place in it where it says so, and what
    was said."""

    where: str
    dialogue: str
    place: float | None
    utterance: Utterance


def _check_filled(column: str, cells: list[tuple[str, bool]]) -> None:
    """Refuse ids in some lines alone: nobody can tell where the others belong.

    Args:
        cells: where each line stands, and whether the column is filled there.
    """
    empty = [where for where, filled in cells if not filled]
    if empty and len(empty) < len(cells):
        raise DataError(
            f"{empty[0]}: {column} is empty, and other lines have one; fill it in every line, or leave the column out"
        )


def _grouped(lines: list[_Line], path: str | Path, tell: Callable[[str], object]) -> tuple[Dialogue, ...]:
    """Dialogues in the order of the file, their lines in the order of their places."""
    found: dict[str, dict[float, _Line]] = {}
    ids = {line.dialogue for line in lines}
    # The part of a Dialogue_ID that is read: a further one where the file begins again with it.
    part: dict[str, int] = {}
    doubled = again = 0
    before = ""
    for number, line in enumerate(lines):
        place = line.place if line.place is not None else float(number)
        name = _part_name(line.dialogue, part.setdefault(line.dialogue, 1))
        known = found.setdefault(name, {})
        same = known.get(place)
        if same is not None and same.utterance == line.utterance:
            doubled += 1
        elif same is not None and before != line.dialogue:
            part[line.dialogue] += 1
            while _part_name(line.dialogue, part[line.dialogue]) in ids:
                part[line.dialogue] += 1
            again += 1
            found[_part_name(line.dialogue, part[line.dialogue])] = {place: line}
        elif same is not None:
            raise DataError(
                f"{path}: dialogue {line.dialogue or 0} has two different lines of Utterance_ID {place:g}; number them "
                "anew, or leave the column out"
            )
        else:
            known[place] = line
        before = line.dialogue
    moved = sum(list(group) != sorted(group) for group in found.values())
    if doubled:
        tell(f"{path}: {doubled} {'line is' if doubled == 1 else 'lines are'} there twice and count once")
    if moved:
        tell(
            f"{path}: in {moved} {'dialogue' if moved == 1 else 'dialogues'} Utterance_ID gives another order than "
            "the lines; it is followed"
        )
    if again:
        tell(
            f"{path}: {again} {'Dialogue_ID comes' if again == 1 else 'Dialogue_IDs come'} again with other lines, "
            "and count as further dialogues"
        )
    return tuple(
        Dialogue(name or "0", tuple(group[place].utterance for place in sorted(group))) for name, group in found.items()
    )


def _part_name(name: str, part: int) -> str:
    return name if part == 1 else f"{name} ({part})"


def _separator(text: str, required: tuple[str, ...]) -> str:
    """What separates the cells: what finds the most needed columns in the first line; a comma where none does."""
    first = next((line for line in text.splitlines() if line.strip()), "")

    def columns(separator: str) -> int:
        return sum(name in [cell.strip().strip('"').lower() for cell in first.split(separator)] for name in required)

    return max(SEPARATORS, key=columns)


def _order(text: str, where: str) -> float | None:
    """The place in a dialogue that Utterance_ID says."""
    if not text.strip():
        return None
    try:
        return _number(text)
    except ValueError as error:
        raise DataError(
            f"{where}: Utterance_ID {shown(text.strip())} is no number; number the lines of a dialogue"
        ) from error


def _number(text: str) -> float:
    """A number as people write it: Python's own spellings, such as 1_0 and inf, are none.

    Raises:
        ValueError: it is none, or too large.
    """
    value = math.nan if "_" in text else float(text)
    if not math.isfinite(value):
        raise ValueError(f"{text} is no finite number")
    return value


def _header(rows: Iterator[list[str]], path: str | Path, required: tuple[str, ...]) -> list[str]:
    header = [name.strip().lower() for name in next(rows, [])]
    missing = [name.capitalize() for name in required if name not in header]
    if missing:
        raise DataError(
            f"{path} has the columns {', '.join(header) or 'none'}; missing: {', '.join(missing)}. Needed are "
            f"{', '.join(name.capitalize() for name in required)}, named as in MELD"
        )
    return header


def _row(header: list[str], cells: list[str], where: str) -> dict[str, str]:
    if len(cells) != len(header):
        raise DataError(
            f"{where}: {len(cells)} cells where the header has {len(header)}; quote an utterance with commas"
        )
    return dict(zip(header, cells, strict=True))


def _utterance(row: dict[str, str], where: str) -> Utterance:
    return Utterance(
        text=row["utterance"],
        speaker=row["speaker"].strip() or None,
        time=_seconds(row.get("starttime", ""), where),
        label=row.get("emotion", "").strip() or None,
    )


def _seconds(text: str, where: str) -> float | None:
    if not text.strip():
        return None
    found = _TIME.fullmatch(text.strip())
    try:
        if found is None:
            return _number(text)
        hours, minutes, seconds = found.groups()
        return int(hours or 0) * 3600 + int(minutes) * 60 + _number(seconds.replace(",", "."))
    except ValueError as error:
        raise DataError(f"{where}: StartTime {shown(text)} is no time; write seconds or HH:MM:SS,mmm") from error
