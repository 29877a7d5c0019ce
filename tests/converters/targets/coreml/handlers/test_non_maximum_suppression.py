"""Non-maximum suppression against its definition, box by box: torch has it in torchvision alone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import coremltools as ct
import numpy as np
import torch
from arrays import listed, uniform
from building import Case, check, mb
from torch import Tensor


def overlap(a: np.ndarray, b: np.ndarray) -> float:
    """Intersection over union of two boxes (centre x, centre y, width, height)."""
    shared = 1.0
    for axis in (0, 1):
        low = max(a[axis] - a[axis + 2] / 2, b[axis] - b[axis + 2] / 2)
        shared *= max(min(a[axis] + a[axis + 2] / 2, b[axis] + b[axis + 2] / 2) - low, 0.0)
    union = a[2] * a[3] + b[2] * b[3] - shared
    return shared / union if union > 0 else 0.0


def survivors(
    boxes: np.ndarray, scores: np.ndarray, iou: float, score: float, room: int, per_class: bool
) -> tuple[np.ndarray, ...]:
    """One image's boxes (n, 4) and scores (n, classes), box by box, as coremltools' own test defines the operation."""
    best, kind = scores.max(1), scores.argmax(1)
    ranked = [i for i in np.argsort(-best) if best[i] >= score] or [int(best.argmax())]
    kept: list[int] = []
    for i in ranked:
        rivals = [k for k in kept if not per_class or kind[k] == kind[i]]
        if len(kept) < room and all(overlap(boxes[i], boxes[k]) <= iou for k in rivals):
            kept.append(int(i))
    missing = room - len(kept)
    return (
        np.pad(boxes[kept], ((0, missing), (0, 0))),
        np.pad(scores[kept], ((0, missing), (0, 0))),
        np.pad(np.array(kept), (0, missing), constant_values=-1),
        np.array(len(kept)),
    )


def suppression() -> list[Case]:
    """One class and several, together and apart; more room than boxes; nothing that reaches the score; both layouts."""
    boxes = uniform(2, 12, 4, low=0.0, high=6.0)
    boxes[..., 2:] += 3.0
    boxes[1, 3, 2:] = 0.0
    scores = np.random.default_rng(1).permutation(72).reshape(2, 12, 3).astype(np.float32)
    settings = [(0.25, 20.0, 5, False), (0.25, 20.0, 20, True), (0.5, -1.0, 4, True), (0.0625, 500.0, 3, False)]

    def build(boxes: Any, scores: Any) -> Any:
        made: list[Any] = []
        for iou, score, room, per_class in settings:
            made += mb.non_maximum_suppression(
                boxes=boxes,
                scores=scores,
                iou_threshold=iou,
                score_threshold=score,
                max_boxes=room,
                per_class_suppression=per_class,
            )
        return made

    def reference(boxes: Tensor, scores: Tensor) -> tuple[Tensor, ...]:
        made: list[Tensor] = []
        for setting in settings:
            rows = [survivors(b, s, *setting) for b, s in zip(boxes.numpy(), scores.numpy(), strict=True)]
            made += [torch.from_numpy(np.stack(column)) for column in zip(*rows, strict=True)]
        return tuple(made)

    def later(boxes: Any, scores: Any) -> Any:
        return mb.non_maximum_suppression(
            boxes=mb.transpose(x=boxes, perm=[0, 2, 1]),
            scores=mb.transpose(x=scores, perm=[0, 2, 1]),
            iou_threshold=0.25,
            max_boxes=6,
        )

    def torch_later(boxes: Tensor, scores: Tensor) -> tuple[Tensor, ...]:
        rows = [survivors(b, s, 0.25, -np.inf, 6, False) for b, s in zip(boxes.numpy(), scores.numpy(), strict=True)]
        chosen, best, indices, _ = (torch.from_numpy(np.stack(column)) for column in zip(*rows, strict=True))
        return chosen.mT, best.mT, indices

    inputs = {"boxes": boxes, "scores": scores}
    return [
        Case(build, reference, inputs, opset=ct.target.iOS16, label="iOS16"),
        Case(later, torch_later, inputs, label="iOS17"),
    ]


CASES: dict[str, list[Case]] = {"non_maximum_suppression": suppression()}


@listed(CASES)
def test_against_the_definition(operation: str, case: Case, tmp_path: Path) -> None:
    check(operation, case, tmp_path)
