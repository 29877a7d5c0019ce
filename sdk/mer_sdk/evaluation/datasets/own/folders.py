"""Clips that lie in folders named by label, as the rows that a table of them would have."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from mer_sdk.errors import DataError
from mer_sdk.evaluation.datasets.clip import IMAGE_SUFFIXES, SOUND_SUFFIXES, VIDEO_SUFFIXES
from mer_sdk.evaluation.datasets.own.table import Row

TRAIN, DEV, TEST = "train", "dev", "test"
# What people call the splits.
SPLIT_NAMES = {
    "train": TRAIN,
    "training": TRAIN,
    "dev": DEV,
    "val": DEV,
    "valid": DEV,
    "validation": DEV,
    "test": TEST,
    "testing": TEST,
}
MEDIA_SUFFIXES = (*SOUND_SUFFIXES, *VIDEO_SUFFIXES, *IMAGE_SUFFIXES)


def folder_rows(folder: Path) -> Iterator[Row]:
    """Rows of the media files below a folder, their labels the names of folders."""
    number, others = 0, []
    for parent, folders, files in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(name for name in files if not name.startswith(".")):
            path = Path(parent, name)
            if path.suffix.lower() not in MEDIA_SUFFIXES:
                others.append(path)
                continue
            number += 1
            yield _placed(number, path.relative_to(folder))
    if not number:
        seen = f"{len(others)} files of other kinds, such as {others[0].name}" if others else "it is empty"
        raise DataError(
            f"{folder} holds no sound, video or picture ({seen}); give a folder with one folder for each label, or a "
            "table with the columns file and label"
        )


def _placed(number: int, path: Path) -> Row:
    """What the folders of a file say: LABEL, SPEAKER/LABEL, SPLIT/LABEL or SPLIT/SPEAKER/LABEL."""
    parts = list(path.parts[:-1])
    cells = {"file": path.as_posix(), "label": "", "speaker": "", "split": ""}
    if not parts:
        return Row(number, cells, "it lies in no folder that names its label")
    cells["label"] = parts.pop()
    if parts and parts[0].lower() in SPLIT_NAMES:
        cells["split"] = parts.pop(0)
    if len(parts) > 1:
        return Row(number, cells, "it lies too deep: folders are LABEL, SPEAKER/LABEL or SPLIT/SPEAKER/LABEL")
    cells["speaker"] = parts[0] if parts else ""
    return Row(number, cells)
