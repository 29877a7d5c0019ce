"""What a face finder finds in scenes of people whom it did not learn from, and the threshold that is chosen by it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch

from mer_fusion.models.face_finder import FaceFinder
from mer_fusion.training.finder.banks import FaceBank
from mer_fusion.training.finder.scenes import SceneOptions, Scenes
from mer_fusion.training.finder.teachers import corner_box
from mer_sdk.cli.progress import with_progress
from mer_sdk.frontends.face_crop import Detection, overlap
from mer_sdk.frontends.face_finder import suppressed

FALSE_FACES = 0.1
# A box that overlaps no face by so much is a false face; a nearer one is a face whose box lies badly.
FALSE = 0.3
SCENES, SEED = 1500, 2
STEPS = tuple(round(0.05 * step, 2) for step in range(4, 15))
HUNDREDTHS = tuple(round(0.01 * step, 2) for step in range(20, 71))
RULE = (
    f"the lowest hundredth at which {SCENES} scenes of tuning persons, without the things that are pasted to be taken "
    f"for faces, hold at most {FALSE_FACES:g} false faces each; a false face overlaps no face by {FALSE:g}"
)

Drawn = list[tuple[np.ndarray, np.ndarray]]


def drawn(scenes: Scenes, count: int, seed: int, quiet: bool = True) -> Drawn:
    """`count` scenes, always the same of one seed; `quiet` False tells how far it is."""
    rng = np.random.default_rng([seed, 11])
    steps = range(count) if quiet else with_progress(range(count), "drawing scenes")
    return [scenes.draw(rng) for _ in steps]


def matched(found: Sequence[Detection], wanted: Sequence[Sequence[float]], limit: float = 0.5) -> list[float]:
    """Overlaps of the pairs, best scores first, each wanted box once; pairs that overlap less than `limit` are none."""
    free = list(wanted)
    overlaps = []
    for face in sorted(found, key=lambda item: -item[4]):
        best = max(free, key=lambda box: overlap(face[:4], box), default=None)
        if best is not None and (shared := overlap(face[:4], best)) >= limit:
            overlaps.append(shared)
            free.remove(best)
    return overlaps


@torch.no_grad()
def figures(
    finder: FaceFinder, scenes: Drawn, thresholds: Sequence[float], limit: float = 0.4, quiet: bool = True
) -> list[dict[str, Any]]:
    """Recall, false faces a scene, F1 and mean overlap of what is found, at each threshold; `limit`: suppression.

    A face is found where the overlap is 0.5 or more; what finds none counts against F1, and is a false face where it
    overlaps none by `FALSE`.
    """
    config = finder.config
    extent = np.array([config.width, config.height] * 2, np.float32)
    found: list[list[Detection]] = []
    starts = range(0, len(scenes), 64)
    for start in starts if quiet else with_progress(starts, "looking for faces"):
        frames = torch.from_numpy(np.stack([frame for frame, _ in scenes[start : start + 64]])).float()
        scores, boxes = (item.numpy() for item in finder(frames))
        for row in range(len(frames)):
            kept = np.flatnonzero(scores[row] > min(thresholds))
            found.append(suppressed(boxes[row, kept] * extent, scores[row, kept], limit))
    rows = []
    for threshold in thresholds:
        overlaps, wrong, false, faces = [], 0, 0, 0
        for detections, (_, squares) in zip(found, scenes, strict=True):
            above = [face for face in detections if face[4] > threshold]
            boxes = [corner_box(square) for square in squares]
            pairs = matched(above, boxes)
            overlaps += pairs
            wrong += len(above) - len(pairs)
            false += sum(all(overlap(face[:4], box) < FALSE for box in boxes) for face in above)
            faces += len(squares)
        right = len(overlaps)
        rows.append(
            {
                "threshold": threshold,
                "recall": round(right / max(faces, 1), 4),
                "false_faces": round(false / len(scenes), 4),
                "f1": round(2 * right / max(right + wrong + faces, 1), 4),
                "overlap": round(float(np.mean(overlaps)) if overlaps else 0.0, 4),
            }
        )
    return rows


def chosen_threshold(rows: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """The row of `figures` with the lowest threshold that leaves at most `FALSE_FACES` a scene, else the highest."""
    ordered = sorted(rows, key=lambda row: float(row["threshold"]))
    return next((row for row in ordered if row["false_faces"] <= FALSE_FACES), ordered[-1])


def judged(
    finder: FaceFinder,
    banks: Sequence[FaceBank],
    pictures: Sequence[np.ndarray],
    options: SceneOptions,
    seed: int,
    count: int = SCENES,
) -> tuple[float, dict[str, Any]]:
    """The threshold by `RULE`, and the figures that a card holds.

    Half of the scenes that the finder learns from hold decoys: a face cut up and put together otherwise, a head from
    behind. No camera sees so many, so the threshold is chosen where there are none; figures are given with them, too.

    Args:
        banks: of tuning persons.
        pictures, options, seed: see `Scenes`.
        count: scenes of each kind.
    """

    def scenes(decoys: float) -> Drawn:
        return drawn(Scenes(banks, pictures, replace(options, decoys=decoys), seed=seed), count, SEED, quiet=False)

    plain = figures(finder, scenes(0.0), HUNDREDTHS, quiet=False)
    best = chosen_threshold(plain)
    results = {
        "threshold": {"rule": RULE, **best},
        "held-out scenes": figures(finder, scenes(options.decoys), STEPS, quiet=False),
        "held-out scenes without decoys": [row for row in plain if row["threshold"] in STEPS],
    }
    return float(best["threshold"]), results
