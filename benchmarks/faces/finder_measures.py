"""What face_finder.py measures beside recall on real pictures: made scenes, steadiness, emotions, landmarks."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.faces.made_scenes import MadeSet
from mer_fusion.training.finder.figures import matched
from mer_fusion.training.finder.teachers import MediaPipe, corner_box, square_from
from mer_sdk.contract.bundle import Bundle
from mer_sdk.frontends.face_crop import Detection, overlap
from mer_sdk.frontends.face_detection import FaceDetector
from mer_sdk.frontends.face_square import square_of_landmarks
from mer_sdk.window.sensor import EmotionSensor

RIGHT, WRONG = 0.5, 0.3


class Squared:
    """A published detector whose boxes are brought to the project's square."""

    def __init__(self, detector: FaceDetector, relation: tuple[float, float]) -> None:
        self._detector, self._relation = detector, relation

    def detect(self, rgb: np.ndarray) -> list[Detection]:
        return [(*corner_box(square_from(face, self._relation)), face[4]) for face in self._detector.detect(rgb)]


def on_made_scenes(detectors: Mapping[str, FaceDetector], sets: Mapping[str, MadeSet]) -> dict[str, Any]:
    """Set -> detector -> recall, mean overlap of what was found, and false faces a frame."""
    result: dict[str, Any] = {}
    for name, made in sets.items():
        faces = sum(len(boxes) for boxes in made.boxes)
        rows: dict[str, Any] = {}
        for detector, one in detectors.items():
            overlaps, false = [], 0
            for frame, boxes in zip(made.frames, made.boxes, strict=True):
                found = one.detect(frame)
                overlaps += matched(found, boxes, RIGHT)
                false += sum(all(overlap(face[:4], box) < WRONG for box in boxes) for face in found)
            rows[detector] = {
                "recall": round(len(overlaps) / faces, 4) if faces else None,
                "overlap": round(float(np.mean(overlaps)), 4) if overlaps else None,
                "false_per_frame": round(false / len(made.frames), 4),
            }
        result[name] = {"frames": len(made.frames), "faces": faces, "detectors": rows}
    return result


def jitter(detector: FaceDetector, clips: Sequence[Sequence[np.ndarray]]) -> dict[str, float]:
    """Medians over neighbouring frames of steady clips: how far the best box's centre moves, and how much its side
    changes, both in shares of the side; and the share of neighbours in which one has no face."""
    moves, changes, lost, pairs = [], [], 0, 0
    for clip in clips:
        boxes = [max(detector.detect(frame), key=lambda face: face[4], default=None) for frame in clip]
        for before, after in itertools.pairwise(boxes):
            pairs += 1
            if before is None or after is None:
                lost += 1
                continue
            middle = [(box[0] + box[2] / 2, box[1] + box[3] / 2, box[2]) for box in (before, after)]
            moves.append(np.hypot(middle[1][0] - middle[0][0], middle[1][1] - middle[0][1]) / middle[0][2])
            changes.append(abs(middle[1][2] - middle[0][2]) / middle[0][2])
    return {
        "moves": round(float(np.median(moves)), 4),
        "moves_p90": round(float(np.quantile(moves, 0.9)), 4),
        "changes": round(float(np.median(changes)), 4),
        "changes_p90": round(float(np.quantile(changes, 0.9)), 4),
        "lost": round(lost / pairs, 4),
        "pairs": float(pairs),
    }


def same_emotions(bundle: Path, clips: Sequence[Path], detectors: Mapping[str, FaceDetector], first: str) -> Any:
    """Clip -> steps, and in how many of them each detector's sensor says the same emotion as the first one's."""
    opened = Bundle.open(bundle)
    rows: dict[str, Any] = {}
    for clip in clips:
        said = {}
        for name, detector in detectors.items():
            with EmotionSensor.open(opened, detector=detector) as sensor:
                said[name] = [estimate.emotion for estimate in sensor.stream(clip)]
        same = {name: sum(a == b for a, b in zip(said[first], own, strict=True)) for name, own in said.items()}
        rows[clip.stem] = {"steps": len(said[first]), "same": {name: n for name, n in same.items() if name != first}}
    return rows


def landmark_fit(mediapipe: MediaPipe, cascade: FaceDetector, frames: Sequence[np.ndarray]) -> dict[str, Any]:
    """How the square of MediaPipe's eyes and mouth lies beside the cascade's, on frames in which both find a face."""
    overlaps, sides = [], []
    for frame in frames:
        points = mediapipe.landmarks(frame)
        face = max(cascade.detect(frame), key=lambda one: one[4], default=None)
        if points is None or face is None:
            continue
        square = square_of_landmarks(*points)
        if overlap(square, face[:4]) > WRONG:
            overlaps.append(overlap(square, face[:4]))
            sides.append(square[2] / face[2])
    return {
        "frames": len(overlaps),
        "overlap": round(float(np.median(overlaps)), 3),
        "side": round(float(np.median(sides)), 3),
    }
