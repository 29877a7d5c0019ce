"""Dialogues from csv files: one utterance a line, in the columns of MELD."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from mer_sdk.errors import DataError

REQUIRED = ("speaker", "utterance")
_TIME = re.compile(r"(?:(\d+):)?(\d+):(\d+(?:[.,]\d+)?)")


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


def read_dialogues(path: Path, required: tuple[str, ...] = REQUIRED) -> tuple[Dialogue, ...]:
    """The dialogues of a csv file with a header line.

    The columns Speaker and Utterance are needed. Read where they are there: Dialogue_ID (lines of one dialogue share
    it; without it the file is one dialogue), StartTime (seconds, or HH:MM:SS,mmm as in MELD) and Emotion. Upper and
    lower case are the same, other columns are not looked at. An empty speaker is an unknown one; an empty utterance is
    kept.

    A file is read as UTF-8, with or without a byte order mark; one that is not UTF-8 is read as Windows-1252, which is
    what older copies of MELD are saved in.

    Args:
        required: the columns without which the file is refused, in lower case.

    Raises:
        DataError: no such file, neither of the two encodings, no utterance, a column is missing, or a bad line.
    """
    rows = csv.reader(io.StringIO(_decoded(path), newline=""), strict=True)
    found: dict[str, list[Utterance]] = {}
    try:
        header = _header(rows, path, required)
        for cells in rows:
            if cells:
                where = f"{path}, line {rows.line_num}"
                row = _row(header, cells, where)
                found.setdefault(row.get("dialogue_id", "").strip() or "0", []).append(_utterance(row, where))
    except csv.Error as error:
        raise DataError(f"{path}, line {rows.line_num}: not csv ({error}); save it as csv with quotes") from error
    if not found:
        raise DataError(f"{path} has a header and no utterance; add lines below it")
    return tuple(Dialogue(name, tuple(lines)) for name, lines in found.items())


def _header(rows: Iterator[list[str]], path: Path, required: tuple[str, ...]) -> list[str]:
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


def _decoded(path: Path) -> str:
    try:
        content = path.read_bytes()
    except OSError as error:
        raise DataError(f"{path} cannot be read ({error.strerror or error}); give a csv file of dialogues") from error
    if b"\0" in content:
        raise DataError(f"{path} is not a text file (it holds a zero byte); give csv, in UTF-8")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        pass
    try:
        return content.decode("cp1252")
    except UnicodeDecodeError as error:
        raise DataError(
            f"{path} is neither UTF-8 nor Windows-1252 (byte {error.start} is 0x{content[error.start]:02x}); save it "
            "as UTF-8"
        ) from error


def _seconds(text: str, where: str) -> float | None:
    if not text.strip():
        return None
    found = _TIME.fullmatch(text.strip())
    try:
        if found is None:
            return float(text)
        hours, minutes, seconds = found.groups()
        return int(hours or 0) * 3600 + int(minutes) * 60 + float(seconds.replace(",", "."))
    except ValueError as error:
        raise DataError(f"{where}: StartTime {text!r} is no time; write seconds or HH:MM:SS,mmm") from error
