"""CMU-MOSI as utterance features (declare-lab/multimodal-deep-learning at 111b401, MIT; MOSI itself is research only).

Three files without a header, `text.csv` (100 features), `audio.csv` (73) and `video.csv` (100), row i of each being the
same utterance; the last column is the sentiment, 0 negative or 1 positive, the same in all three.

The published rows are ORDERED BY LABEL: first every positive utterance, then every negative one, and within a label
the utterances of a video follow each other. So the labels of a row's neighbours are nearly always its own: a model that
reads neighbouring rows reads the answer, and contiguous blocks of the whole file hold one class alone.
So blocks are to be cut within each label, and rows to be read one at a time.
"""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from mer_sdk.errors import DataError
from mer_sdk.evaluation.datasets.registry import register
from mer_sdk.evaluation.datasets.tables import opened_table

LABELS = ("negative", "positive")
FEATURES = {"text": 100, "audio": 73, "video": 100}


@dataclass(frozen=True)
class Utterances:
    """Features and labels of all utterances, in the order of the files.

    Attributes:
        text: float32 [N, 100]; audio: float32 [N, 73]; video: float32 [N, 100].
        labels: int64 [N], index into `LABELS`.
    """

    text: np.ndarray
    audio: np.ndarray
    video: np.ndarray
    labels: np.ndarray

    def __len__(self) -> int:
        return len(self.labels)


@register("mosi")
class Mosi:
    """The three feature files in a folder.

    Raises:
        DataError: a file is missing, empty or truncated; a row has another number of columns, a value that is no finite
            number or a sentiment that is not 0 or 1; the files have different numbers of rows or different labels.
    """

    name = "mosi"
    labels = LABELS
    licence = "MIT (features); CMU-MOSI is for research only"

    def __init__(self, folder: str | Path) -> None:
        self.folder = Path(folder)
        if not self.folder.is_dir():
            raise DataError(f"{self.folder} is not a folder; give the one with {', '.join(_names())}")

    def utterances(self) -> Utterances:
        """Read and check all three files."""
        tables = {name: _read(self.folder / f"{name}.csv", width) for name, width in FEATURES.items()}
        text = tables["text"]
        for name, table in tables.items():
            if len(table) != len(text):
                raise DataError(
                    f"{self.folder}: text.csv has {len(text)} rows and {name}.csv {len(table)}; rows of the same "
                    "utterances are needed: fetch the three files together"
                )
            different = np.flatnonzero(table[:, -1] != text[:, -1])
            if different.size:
                raise DataError(
                    f"{self.folder}: row {different[0] + 1} has another label in {name}.csv than in text.csv; "
                    "fetch the three files together"
                )
        features = {name: table[:, :-1].astype(np.float32) for name, table in tables.items()}
        return Utterances(features["text"], features["audio"], features["video"], text[:, -1].astype(np.int64))


def _names() -> list[str]:
    return [f"{name}.csv" for name in FEATURES]


def _read(path: Path, width: int) -> np.ndarray:
    if not path.is_file():
        raise DataError(f"{path} is missing; MOSI's features are the three files {', '.join(_names())}")
    rows = []
    try:
        with opened_table(path) as file:
            for number, row in enumerate(csv.reader(file), start=1):
                if len(row) != width + 1:
                    raise DataError(
                        f"{path}:{number} has {len(row)} columns, expected are {width} features and the label; "
                        "it may be truncated: fetch it again"
                    )
                rows.append([float(value) for value in row])
    except ValueError as error:
        raise DataError(f"{path} holds something that is no number ({error}); fetch it again") from error
    table = np.array(rows, np.float64)
    if not len(table):
        raise DataError(f"{path} is empty; fetch it again")
    wrong = np.flatnonzero(~np.isfinite(table).all(axis=1) | ~np.isin(table[:, -1], (0.0, 1.0)))
    if wrong.size:
        raise DataError(
            f"{path}:{wrong[0] + 1} has a value that is not finite, or a label other than 0 and 1; fetch it again"
        )
    return table
