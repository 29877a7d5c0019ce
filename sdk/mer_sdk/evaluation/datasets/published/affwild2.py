"""Aff-Wild2 (Kollias and Zafeiriou): valence and arousal of every frame of web videos, beside cropped faces.

Layout: annotation files `.../VA_*/{Train_Set,Validation_Set}/VIDEO.txt` with the header `valence,arousal` and one line
a frame, -5 where the annotators saw nobody; frames `cropped_aligned/VIDEO/00001.jpg`, numbered from 1, missing where no
face was found.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from mer_sdk.errors import DataError, OptionError
from mer_sdk.evaluation.datasets.registry import register

SPLITS = {"train": "Train_Set", "validation": "Validation_Set"}
_NOBODY = -5.0


@dataclass(frozen=True, eq=False)
class AnnotatedVideo:
    """One video.

    Attributes:
        id: its name, with `_left` or `_right` where two people were annotated.
        valence, arousal: float32 [F] in [-1, 1], 0 where not annotated.
        annotated: bool [F].
        frames: F cropped faces, None where none was found.
    """

    id: str
    valence: np.ndarray
    arousal: np.ndarray
    annotated: np.ndarray
    frames: tuple[Path | None, ...]

    def __len__(self) -> int:
        return len(self.frames)


@register("affwild2")
class AffWild2:
    """The data set's folder, with annotations and cropped frames anywhere below it.

    Raises:
        DataError: no annotations of valence and arousal, or no cropped frames.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._annotations = {
            split: sorted(path for path in folder.rglob(f"{name}/*.txt") if "VA_" in str(path.parent.parent.name))
            for split, name in SPLITS.items()
        }
        if not any(self._annotations.values()):
            raise DataError(
                f"{folder} has no VA_*/Train_Set/*.txt or VA_*/Validation_Set/*.txt; give Aff-Wild2's folder"
            )
        crops = next((path for path in sorted(folder.rglob("cropped_aligned*")) if path.is_dir()), None)
        if crops is None:
            raise DataError(f"{folder} has no folder cropped_aligned with the faces; unpack it beside the annotations")
        self._crops = crops

    def videos(self, split: str) -> tuple[AnnotatedVideo, ...]:
        """The videos of "train" or "validation", in order of their names.

        Raises:
            OptionError: an unknown split.
            DataError: an annotation file that is empty, has another header, or a line that is no pair of numbers.
        """
        if split not in SPLITS:
            raise OptionError.unknown("split", split, SPLITS)
        return tuple(self._video(path) for path in self._annotations[split])

    def _video(self, path: Path) -> AnnotatedVideo:
        values = _read(path)
        annotated = (values != _NOBODY).all(axis=1)
        values = np.where(annotated[:, None], values, 0.0).astype(np.float32)
        if np.abs(values).max(initial=0.0) > 1.0:
            raise DataError(f"{path} has a value outside -1 to 1 that is not -5; fetch the annotations again")
        folder = self._crops / path.stem
        there = {item.stem: item for item in folder.glob("*.jpg")} if folder.is_dir() else {}
        frames = tuple(there.get(f"{number:05d}") for number in range(1, len(values) + 1))
        return AnnotatedVideo(path.stem, values[:, 0], values[:, 1], annotated, frames)


def _read(path: Path) -> np.ndarray:
    lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    if not lines or [word.strip().lower() for word in lines[0].split(",")] != ["valence", "arousal"]:
        raise DataError(f"{path} must begin with the line 'valence,arousal'; fetch the annotations again")
    rows = []
    for number, line in enumerate(lines[1:], start=2):
        if not line.strip():
            continue
        try:
            valence, arousal = (float(word) for word in line.split(","))
        except ValueError as error:
            raise DataError(f"{path}:{number} is {line!r}; it must be two numbers with a comma between") from error
        rows.append((valence, arousal))
    if not rows:
        raise DataError(f"{path} has no frames; fetch the annotations again")
    return np.array(rows)
