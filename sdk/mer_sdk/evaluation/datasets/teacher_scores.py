"""Published per-clip scores on RAVDESS, as teachers (cristinalunaj/MMEmotionRecognition at aeb7844, MIT).

Two kinds, semicolon-separated, one row a clip, columns `embs0` to `embs7` and a name:

- `wav2vec`: logits of a fine-tuned wav2vec2 on the sound, classes in ALPHABETICAL order;
- `auMLP`: probabilities of a small network on facial action units, classes in the order of the RAVDESS codes.

`KIND_foldK_train.csv` are the scores on the other folds by the model that never saw fold K; `KIND_foldK_test.csv` its
scores on fold K. A student that is tested on fold K may learn from the first and never from the second.
"""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from mer_sdk.errors import DataError, OptionError
from mer_sdk.evaluation.datasets.ravdess import LABELS, SPEAKER_FOLDS
from mer_sdk.evaluation.datasets.tables import opened_table
from mer_sdk.evaluation.metrics import log_softmax

KINDS = ("wav2vec", "auMLP")
SPLITS = ("train", "test")
_ALPHABETICAL = ("angry", "calm", "disgust", "fearful", "happy", "neutral", "sad", "surprised")
_SMALLEST = 1e-12


def read_teacher_scores(folder: str | Path, kind: str, fold: int, split: str) -> dict[str, np.ndarray]:
    """Clip code without the modality ("01-05-02-01-01-16") -> float32 [8] log-probabilities in the order of `LABELS`.

    Args:
        folder: holds the csv files, itself or in a subfolder.
        kind: "wav2vec" or "auMLP".
        fold: 0-4.
        split: "train" or "test".

    Raises:
        OptionError: an unknown kind, fold or split.
        DataError: the file is missing, empty, truncated, or has a value that is no number.
    """
    for value, allowed, what in ((kind, KINDS, "kind"), (split, SPLITS, "split"), (fold, tuple(SPEAKER_FOLDS), "fold")):
        if value not in allowed:
            raise OptionError(f"teacher {what} {value!r} is unknown; allowed are {', '.join(map(str, allowed))}")
    name = f"{kind}_fold{fold}_{split}.csv"
    path = next(iter(sorted(Path(folder).rglob(name))), None)
    if path is None:
        raise DataError(
            f"{name} is missing below {folder}; get it with the teacher scores or train without this teacher"
        )
    scores = _read(path)
    if kind == "wav2vec":
        order = [_ALPHABETICAL.index(label) for label in LABELS]
        return {code: log_softmax(values[order]).astype(np.float32) for code, values in scores.items()}
    for code, values in scores.items():
        if abs(values.sum() - 1) > 1e-2 or values.min() < 0:
            raise DataError(f"{path}: the scores of {code} are no probabilities (they sum to {values.sum():.3f})")
    return {code: np.log(np.maximum(values, _SMALLEST)).astype(np.float32) for code, values in scores.items()}


def distillation_targets(
    folder: str | Path, held_out_fold: int, actors_excluded: Sequence[int] = (), kind: str = "wav2vec"
) -> dict[str, np.ndarray]:
    """Scores that a student may learn from when the actors of `held_out_fold` are to be tested on.

    These are the `train` scores of that fold: given by a teacher that never saw it, on clips outside it.

    Args:
        folder: as for `read_teacher_scores`.
        held_out_fold: 0-4, the fold of the actors to be tested on (`ravdess.fold_of`).
        actors_excluded: actors that must not be in the targets.
        kind: "wav2vec" or "auMLP".

    Returns:
        As `read_teacher_scores`.

    Raises:
        DataError: an excluded actor or an actor of the held-out fold is among the scores.
    """
    scores = read_teacher_scores(folder, kind, held_out_fold, "train")
    forbidden = set(actors_excluded) | set(SPEAKER_FOLDS[held_out_fold])
    leaked = sorted({int(code[-2:]) for code in scores} & forbidden)
    if leaked:
        raise DataError(
            f"{kind}_fold{held_out_fold}_train.csv below {folder} has scores of actors {leaked}, who are held out; "
            "use the scores of the fold that holds every excluded actor"
        )
    return scores


def _read(path: Path) -> dict[str, np.ndarray]:
    scores: dict[str, np.ndarray] = {}
    with opened_table(path) as file:
        reader = csv.DictReader(file, delimiter=";")
        columns = [f"embs{index}" for index in range(len(LABELS))]
        header = reader.fieldnames or []
        name_column = next((name for name in ("name", "video_name") if name in header), None)
        if name_column is None or not set(columns) <= set(header):
            raise DataError(
                f"{path} is empty or has other columns ({header}); expected are {columns} and a name, with ';'"
            )
        for row in reader:
            try:
                values = np.array([float(row[column]) for column in columns])
                code = take_code(row[name_column])
            except (TypeError, ValueError) as error:
                raise DataError(
                    f"{path}:{reader.line_num} is truncated or unlabelled ({error}); fetch it again"
                ) from error
            if not np.isfinite(values).all():
                raise DataError(f"{path}:{reader.line_num} has a score that is not finite")
            scores[code] = values
    if not scores:
        raise DataError(f"{path} has a header and no rows; fetch it again")
    return scores


def take_code(name: str | None) -> str:
    """The code of a take without its modality: "03-01-05-02-01-01-16" -> "01-05-02-01-01-16".

    Raises:
        ValueError: not seven parts of two digits.
    """
    parts = (name or "").split("-")
    if len(parts) != 7 or not all(part.isdigit() and len(part) == 2 for part in parts):
        raise ValueError(f"{name!r} is no RAVDESS name")
    return "-".join(parts[1:])
