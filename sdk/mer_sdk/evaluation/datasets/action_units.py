"""Facial action units of RAVDESS's takes, as OpenFace 2 measured them, averaged over each clip.

The table is semicolon-separated with one row a clip: 17 intensities `AU.._r` (0 to 5), 18 presences `AU.._c` (0 to 1,
the share of frames in which the unit is active), and `name`, the take's RAVDESS name. `01-01-03-...` in the table is
the same take as `03-01-03-...` on the sound: only the modality differs. Other columns, `speech` among them, are not
read. OpenFace 2: Baltrusaitis and others 2018; its licence is academic.
"""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np

from mer_sdk.errors import DataError
from mer_sdk.evaluation.datasets.tables import opened_table
from mer_sdk.evaluation.datasets.teacher_scores import take_code

FILE_NAME = "action_units.csv"
_INTENSITY_UNITS = (1, 2, 4, 5, 6, 7, 9, 10, 12, 14, 15, 17, 20, 23, 25, 26, 45)
_PRESENCE_UNITS = (*_INTENSITY_UNITS[:16], 28, 45)
COLUMNS = tuple(f"AU{unit:02d}_r" for unit in _INTENSITY_UNITS) + tuple(f"AU{unit:02d}_c" for unit in _PRESENCE_UNITS)
_HIGHEST = np.array([5.0] * len(_INTENSITY_UNITS) + [1.0] * len(_PRESENCE_UNITS))


def read_action_units(path: str | Path) -> dict[str, np.ndarray]:
    """Clip code without the modality ("01-05-02-01-01-16") -> float32 [35] in the order of `COLUMNS`.

    Args:
        path: the table, or a folder that has `action_units.csv` in it or in a subfolder.

    Raises:
        DataError: the file is missing, empty or truncated, lacks a column, has a value that is no number or outside
            its unit's range, a name that is no RAVDESS name, or one take twice.
    """
    file_path = _table(Path(path))
    units: dict[str, np.ndarray] = {}
    with opened_table(file_path) as file:
        reader = csv.DictReader(file, delimiter=";")
        header = reader.fieldnames or []
        missing = [column for column in (*COLUMNS, "name") if column not in header]
        if missing:
            raise DataError(
                f"{file_path} is empty or lacks the columns {', '.join(missing)}; expected is OpenFace's table, "
                "separated by ';', with a column name"
            )
        for row in reader:
            code, values = _row(file_path, reader.line_num, row)
            if code in units:
                raise DataError(f"{file_path}:{reader.line_num} has the take {code} a second time; remove one row")
            units[code] = values
    if not units:
        raise DataError(f"{file_path} has a header and no rows; fetch it again")
    return units


def _table(path: Path) -> Path:
    if path.is_file():
        return path
    found = sorted(path.rglob(FILE_NAME)) if path.is_dir() else []
    if not found:
        raise DataError(f"{path} is no table and holds no {FILE_NAME}; give the folder or the file with action units")
    return found[0]


def _row(path: Path, line: int, row: dict[str, str]) -> tuple[str, np.ndarray]:
    try:
        code = take_code(row["name"])
        values = np.array([float(row[column]) for column in COLUMNS])
    except (AttributeError, TypeError, ValueError) as error:
        raise DataError(f"{path}:{line} is truncated or not readable ({error}); fetch it again") from error
    wrong = np.flatnonzero(~((values >= 0) & (values <= _HIGHEST)))
    if wrong.size:
        column = int(wrong[0])
        raise DataError(
            f"{path}:{line} has {COLUMNS[column]} = {values[column]}, allowed is 0 to {_HIGHEST[column]:g}; "
            "fetch it again"
        )
    return code, values.astype(np.float32)
