"""How detectors' boxes and data sets' crops lie to each other: what the finder's one square is made from."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np

from mer_fusion.training.finder.teachers import (
    ULTRAFACE_TO_SQUARE,
    MediaPipe,
    UltraFace,
    corner_box,
    framed,
    square_from,
)
from mer_sdk.frontends.face_crop import overlap
from mer_sdk.frontends.face_detection import HaarDetector


def squares(found: list[Any], relation: tuple[float, float]) -> list[tuple[float, ...]]:
    """The project's square of each box that a detector found; `relation` ties its boxes to the square."""
    return [corner_box(square_from(face, relation)) for face in found]


def relations(crops: np.ndarray, ultraface: UltraFace, mediapipe: MediaPipe) -> dict[str, Any]:
    """Medians that tie the teachers' boxes to the cascade's, and the cascade's box to the crop, on FER+ faces."""
    cascade = HaarDetector(smallest=0.3)
    pairs: dict[str, list[tuple[float, float]]] = {"UltraFace": [], "MediaPipe": []}
    places = []
    for crop in crops:
        frame = np.repeat(framed(crop, 240, 48)[:, :, None], 3, axis=2)
        found = max(cascade.detect(frame), key=lambda face: face[4], default=None)
        if found is None:
            continue
        x, y, side = found[0] + found[2] / 2, found[1] + found[3] / 2, found[2]
        places.append(((x - 48) / 144, (y - 48) / 144, side / 144))
        for name, teacher in (("UltraFace", ultraface), ("MediaPipe", mediapipe)):
            best = max(teacher.detect(frame), key=lambda face: face[4], default=None)
            if best is not None and overlap(best[:4], found[:4]) > 0.3:
                rise = (y - best[1] - best[3] / 2) / best[3]
                pairs[name].append((side / float(np.sqrt(best[2] * best[3])), rise))
    return {
        "crops": len(crops),
        "cascade_in_crop": np.median(places, axis=0).round(3).tolist(),
        **{name: np.median(values, axis=0).round(3).tolist() for name, values in pairs.items()},
    }


def ravdess_crops(folder: Path, ultraface: UltraFace) -> dict[str, Any]:
    """Where the project's square lies in RAVDESS's face crops: median centre and side, in shares of the crop."""
    found = []
    paths = sorted((folder / "faces").glob("*.jpg"))[::9]
    for path in paths:
        crop = cv2.copyMakeBorder(cv2.imread(str(path))[:, :, ::-1], 56, 56, 56, 56, cv2.BORDER_REPLICATE)
        best = max(ultraface.detect(crop), key=lambda face: face[4], default=None)
        if best is not None:
            x, y, side = square_from(best, ULTRAFACE_TO_SQUARE)
            found.append(((x - 56) / 224, (y - 56) / 224, side / 224))
    return {"crops": len(paths), "found": len(found), "square": np.median(found, axis=0).round(3).tolist()}
