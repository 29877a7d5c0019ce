"""Non-maximum suppression of boxes, in the layouts of both operation sets that have it."""

from __future__ import annotations

import torch
from torch import Tensor

from mer_converters.targets.coreml.interpreter.handlers.registry import flag, handler


@handler("non_maximum_suppression")
def non_maximum_suppression(
    boxes: Tensor,
    scores: Tensor,
    iou_threshold: Tensor,
    max_boxes: Tensor,
    score_threshold: Tensor | None = None,
    per_class_suppression: Tensor | None = None,
) -> tuple[Tensor, ...]:
    """Boxes in falling order of their best score, without those that overlap a better one too much.

    Up to iOS 16 boxes are (batch, boxes, 4), scores (batch, boxes, classes), there is a `score_threshold`, and where no
    box reaches it the best one is given. From iOS 17 on the axes are (batch, 4, boxes) and (batch, classes, boxes), and
    there is no threshold of the score, which is how the versions are told apart.

    Args:
        boxes: centre x, centre y, width, height.
        scores: of every class; a box has the class of its best score.
        iou_threshold: boxes whose intersection is more than this share of the union are dropped.
        max_boxes: number of boxes in the result, filled up with zeros.
        score_threshold: boxes below are dropped first.
        per_class_suppression: only boxes of the same class suppress each other.

    Returns:
        Boxes and scores in the layout of the inputs, indices (batch, max_boxes) filled up with -1, and up to iOS 16 the
        number of boxes (batch,).
    """
    boxes_last = score_threshold is None
    if boxes_last:
        boxes, scores = boxes.transpose(1, 2), scores.transpose(1, 2)
    room = int(max_boxes)
    chosen_boxes = torch.zeros(len(boxes), room, 4)
    chosen_scores = torch.zeros(len(boxes), room, scores.shape[-1])
    indices = torch.full((len(boxes), room), -1, dtype=torch.int32)
    counts = torch.zeros(len(boxes), dtype=torch.int32)
    for row, (box, score) in enumerate(zip(boxes, scores, strict=True)):
        best, kind = score.max(-1)
        order = torch.argsort(best, descending=True, stable=True)
        if score_threshold is not None:
            reached = order[best[order] >= score_threshold]
            order = reached if len(reached) else order[:1]
        rivals = _intersection_over_union(box) > iou_threshold
        if per_class_suppression is not None and flag(per_class_suppression):
            rivals &= kind.unsqueeze(0) == kind.unsqueeze(1)
        kept = _suppressed(order.tolist(), rivals, room)
        chosen_boxes[row, : len(kept)] = box[kept]
        chosen_scores[row, : len(kept)] = score[kept]
        indices[row, : len(kept)] = torch.tensor(kept, dtype=torch.int32)
        counts[row] = len(kept)
    if boxes_last:
        return chosen_boxes.transpose(1, 2), chosen_scores.transpose(1, 2), indices
    return chosen_boxes, chosen_scores, indices, counts


def _intersection_over_union(boxes: Tensor) -> Tensor:
    """(n, 4) centre-size boxes -> (n, n); 0 where both boxes are empty."""
    low, high = boxes[:, :2] - boxes[:, 2:] / 2, boxes[:, :2] + boxes[:, 2:] / 2
    sides = (torch.minimum(high[:, None], high) - torch.maximum(low[:, None], low)).clamp(min=0)
    shared = sides.prod(-1)
    area = boxes[:, 2:].prod(-1)
    union = area[:, None] + area - shared
    return torch.where(union > 0, shared / union, 0.0)


def _suppressed(order: list[int], rivals: Tensor, room: int) -> list[int]:
    """The first `room` of the boxes in `order` that are no rival of one taken before."""
    kept: list[int] = []
    dropped = torch.zeros(len(rivals), dtype=torch.bool)
    for index in order:
        if len(kept) == room:
            break
        if not dropped[index]:
            kept.append(index)
            dropped |= rivals[index]
    return kept
