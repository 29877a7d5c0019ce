"""The two tables of a run over many files: a row for every step, and a row for every file; parquet, csv or JSON lines.

The first lies where it was asked for, the second beside it: estimates.parquet and estimates-files.parquet.
"""

from __future__ import annotations

import csv
import importlib
import json
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, Protocol

from mer_sdk.batch.estimating import BatchPlan, ClipSummary
from mer_sdk.contract.codec import to_json
from mer_sdk.contract.estimate import UNKNOWN
from mer_sdk.contract.manifest import Manifest
from mer_sdk.contract.output_files import atomic_output
from mer_sdk.errors import MissingExtra
from mer_sdk.window.smoothing import Smoothing

TABLE_SUFFIXES = (".parquet", ".csv", ".jsonl")
# Rows that are written together.
GROUP = 65536
TEXT, NUMBER, WHOLE, YES_NO = "string", "float64", "int64", "bool_"
Columns = dict[str, str]
Row = dict[str, Any]


def files_table(out: Path) -> Path:
    """Where the table of files lies, beside that of steps."""
    return out.with_name(f"{out.stem}-files{out.suffix}")


def check_table(out: Path) -> None:
    """Raises MissingExtra where a table of this ending cannot be written here."""
    if out.suffix.lower() == ".parquet":
        _parquet()


def step_columns(manifest: Manifest, plan: BatchPlan) -> Columns:
    """Name -> type of the columns of the table of steps."""
    boxes = {"face_id": WHOLE, "face_x": NUMBER, "face_y": NUMBER, "face_width": NUMBER, "face_height": NUMBER}
    smoothed = plan.smoothing != Smoothing()
    return {
        "file": TEXT,
        "time": NUMBER,
        "emotion": TEXT,
        "confidence": NUMBER,
        "valence": NUMBER,
        "arousal": NUMBER,
        "va_source": TEXT,
        "state": TEXT,
        **{f"p_{label}": NUMBER for label in manifest.labels},
        **({f"raw_p_{label}": NUMBER for label in manifest.labels} if smoothed else {}),
        **{f"reliance_{name}": NUMBER for name in manifest.modalities},
        "speech": YES_NO,
        **(boxes if "face" in manifest.modalities else {}),
        **({"others": TEXT} if plan.faces.faces > 1 else {}),
        **({"enrolling": NUMBER} if plan.enrol is not None else {}),
    }


def step_row(name: str, step: Row) -> Row:
    """A step, flat; columns that a table does not have are left out by its writer."""
    face = step["face"]
    row = {
        "file": name,
        **step,
        **{f"p_{label}": value for label, value in step["probabilities"].items()},
        **{f"raw_p_{label}": value for label, value in step["raw_probabilities"].items()},
        **{f"reliance_{modality}": value for modality, value in step["reliance"].items()},
        "others": json.dumps(step["others"]) if step["others"] else None,
    }
    if face is not None:
        row["face_id"] = face["id"]
        row |= zip(("face_x", "face_y", "face_width", "face_height"), face["box"], strict=True)
    return row


def file_columns(manifest: Manifest) -> Columns:
    """Name -> type of the columns of the table of files."""
    return {
        "file": TEXT,
        "error": TEXT,
        "emotion": TEXT,
        "steps": WHOLE,
        "seconds": NUMBER,
        "valence": NUMBER,
        "arousal": NUMBER,
        **{f"share_{label}": NUMBER for label in (*manifest.labels, UNKNOWN)},
        **{f"p_{label}": NUMBER for label in manifest.labels},
        "face": NUMBER,
        "speech": NUMBER,
        "notes": TEXT,
    }


def file_row(name: str, summary: ClipSummary) -> Row:
    """A file, flat."""
    return {
        "file": name,
        **to_json(summary),
        **{f"share_{label}": value for label, value in summary.shares.items()},
        **{f"p_{label}": value for label, value in summary.probabilities.items()},
        "notes": "; ".join(summary.notes) or None,
    }


def write_tables(
    out: Path,
    manifest: Manifest,
    plan: BatchPlan,
    results: Iterable[tuple[str, ClipSummary, list[Row]]],
    told: Callable[[ClipSummary], None],
) -> None:
    """Write both tables; each is there when it is whole, that of the steps last.

    Args:
        results: (name, summary, steps) of each file.
        told: called with each file's summary as it is written.

    Raises:
        MissingExtra: parquet, and pyarrow is not installed.
        OSError: the disk is full.
    """
    plain = out.suffix.lower() == ".jsonl"
    with (
        atomic_output(out) as aside,
        atomic_output(files_table(out)) as files_aside,
        _opened(aside, out.suffix, step_columns(manifest, plan)) as steps_table,
        _opened(files_aside, out.suffix, file_columns(manifest)) as summaries_table,
    ):
        for name, summary, steps in results:
            steps_table.add({"file": name, **step} if plain else step_row(name, step) for step in steps)
            summaries_table.add([{"file": name, **to_json(summary)} if plain else file_row(name, summary)])
            told(summary)


class _Table(Protocol):
    def add(self, rows: Iterable[Row]) -> None: ...

    def __enter__(self) -> _Table: ...

    def __exit__(self, kind: object, *_: object) -> None: ...


def _opened(path: Path, suffix: str, columns: Columns) -> _Table:
    kinds: dict[str, Callable[[Path, Columns], _Table]] = {".parquet": _Parquet, ".csv": _Csv, ".jsonl": _JsonLines}
    return kinds[suffix.lower()](path, columns)


class _JsonLines:
    """A JSON object a line, with everything that a row has."""

    def __init__(self, path: Path, columns: Columns) -> None:
        self._file = path.open("w", encoding="utf-8")

    def add(self, rows: Iterable[Row]) -> None:
        self._file.writelines(f"{json.dumps(row)}\n" for row in rows)

    def __enter__(self) -> _JsonLines:
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        self._file.close()


class _Csv:
    """UTF-8, commas, a header; an empty cell where there is no value."""

    def __init__(self, path: Path, columns: Columns) -> None:
        self._file = path.open("w", encoding="utf-8", newline="")
        self._names = tuple(columns)
        self._writer = csv.writer(self._file, lineterminator="\n")
        self._writer.writerow(self._names)

    def add(self, rows: Iterable[Row]) -> None:
        self._writer.writerows([_cell(row.get(name)) for name in self._names] for row in rows)

    def __enter__(self) -> _Csv:
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        self._file.close()


def _cell(value: Any) -> Any:
    return str(value).lower() if isinstance(value, bool) else value


class _Parquet:
    """Typed columns, zstd, in row groups."""

    def __init__(self, path: Path, columns: Columns) -> None:
        self._arrow, parquet = _parquet()
        self._schema = self._arrow.schema([(name, getattr(self._arrow, kind)()) for name, kind in columns.items()])
        # Not by its path: Arrow takes none that is no UTF-8.
        self._file = path.open("wb")
        self._writer = parquet.ParquetWriter(self._file, self._schema, compression="zstd")
        self._waiting: list[Row] = []

    def add(self, rows: Iterable[Row]) -> None:
        self._waiting.extend(rows)
        while len(self._waiting) >= GROUP:
            self._write(self._waiting[:GROUP])
            del self._waiting[:GROUP]

    def _write(self, rows: Sequence[Row]) -> None:
        columns = {name: [row.get(name) for row in rows] for name in self._schema.names}
        self._writer.write_table(self._arrow.Table.from_pydict(columns, self._schema))

    def __enter__(self) -> _Parquet:
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        with self._file:
            if kind is None and self._waiting:
                self._write(self._waiting)
            self._writer.close()


def _parquet() -> tuple[Any, Any]:
    try:
        return importlib.import_module("pyarrow"), importlib.import_module("pyarrow.parquet")
    except ImportError as error:
        raise MissingExtra("writing parquet tables", "pyarrow", "tables") from error
