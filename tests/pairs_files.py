"""Small files of the layout of RAVDESS's real pairs: archives of face crops, labels.csv and the sound of the takes."""

from __future__ import annotations

import zipfile
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
import soundfile

from mer_sdk.evaluation.datasets.ravdess import LABELS, SPEAKER_FOLDS

HEADER = "clip,archive,flac,actor,fold,emotion,intensity,frames,first_second,last_second"


def jpeg(value: int) -> bytes:
    """A small grey picture."""
    data: bytes = cv2.imencode(".jpg", np.full((16, 16, 3), value, np.uint8))[1].tobytes()
    return data


def write_pairs(
    root: Path,
    codes: Sequence[str] = ("03-02-01-01-03", "05-01-02-01-08"),
    frames: Sequence[int] = (10, 20, 40),
) -> Path:
    """Takes EE-II-SS-RR-AA as archives, table and sound; the second image of every clip is black."""
    folder = root / "pairs"
    sound = root / "ravdess" / "flac"
    folder.mkdir()
    sound.mkdir(parents=True)
    rows = [HEADER]
    for code in codes:
        actor = int(code[-2:])
        fold = next(fold for fold, actors in SPEAKER_FOLDS.items() if actor in actors)
        archive = f"actor_{actor:02d}.zip"
        with zipfile.ZipFile(folder / archive, "a") as opened:
            for index, number in enumerate(frames):
                opened.writestr(f"01-01-{code}/{number:03d}.jpg", jpeg(0 if index == 1 else 100 + number))
        intensity = "strong" if code[4] == "2" else "normal"
        emotion = LABELS[int(code[:2]) - 1]
        rows.append(f"01-01-{code},{archive},03-01-{code},{actor},{fold},{emotion},{intensity},{len(frames)},0.3,1.3")
        soundfile.write(str(sound / f"03-01-{code}.flac"), 0.1 * np.sin(np.arange(24000) / 9), 16000)
    (folder / "labels.csv").write_text("\n".join(rows) + "\n")
    return folder
