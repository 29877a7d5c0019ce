"""What the face finder's cells should say of a scene, and the loss of what they say instead."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from mer_fusion.models.face_finder import STRIDES, FaceFinderConfig

# Sides of the boxes that each head answers for, pixels; where they overlap, both heads do.
LEVELS = ((0.0, 31.0), (23.0, 72.0), (54.0, 1e9))


@dataclass(frozen=True)
class FinderOptions:
    """How the finder learns.

    Attributes:
        batch: scenes in a batch.
        scenes: scenes drawn in an epoch, never the same twice.
        held_out: scenes of FER+ valid faces that figures are measured on.
        box_weight: weight of the boxes beside the scores.
        near: a cell answers for a face where it is this near to its centre, in sides.
        unsure: cells up to this far are neither face nor background.
    """

    batch: int = 16
    scenes: int = 4096
    held_out: int = 384
    box_weight: float = 2.0
    near: float = 0.2
    unsure: float = 0.34


@dataclass(frozen=True, eq=False)
class Targets:
    """What cells should say: `face` and `unsure` bool (B, N), `boxes` (B, N, 4) in shares, any where there is none."""

    face: Tensor
    unsure: Tensor
    boxes: Tensor


def cell_targets(squares: Tensor, config: FaceFinderConfig, options: FinderOptions) -> Targets:
    """Targets of squares (B, K, 3) in pixels of the input; a side of 0 is no face."""
    centres, strides, lows, highs = _grid(config)
    x, y, side = (squares[:, None, :, index] for index in range(3))  # (B, 1, K)
    distance = torch.maximum((centres[None, :, None, 0] - x).abs(), (centres[None, :, None, 1] - y).abs())
    there = side > 0
    fits = (side > lows[None, :, None]) & (side <= highs[None, :, None]) & there
    close = (side > 0.75 * lows[None, :, None]) & (side <= 1.33 * highs[None, :, None]) & there
    # At least the cell that holds the centre.
    near = distance <= torch.maximum(options.near * side, 0.51 * strides[None, :, None])
    positive = near & fits
    unsure = (distance <= torch.maximum(options.unsure * side, 0.51 * strides[None, :, None])) & close
    share = torch.where(positive, distance / side.clamp(min=1.0), torch.inf)
    nearest = share.argmin(dim=2)  # (B, N)
    chosen = torch.gather(squares, 1, nearest[:, :, None].expand(-1, -1, 3))
    extent = torch.tensor([config.width, config.height], dtype=torch.float32)
    boxes = torch.cat([chosen[:, :, :2] - chosen[:, :, 2:] / 2, chosen[:, :, 2:].expand(-1, -1, 2)], dim=2)
    face = positive.any(dim=2)
    return Targets(face, unsure.any(dim=2) & ~face, boxes / extent.repeat(2))


def _grid(config: FaceFinderConfig) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Centres (N, 2), strides (N), smallest and largest sides (N) of the cells, pixels."""
    centres: list[Tensor] = []
    strides: list[Tensor] = []
    lows: list[Tensor] = []
    highs: list[Tensor] = []
    for stride, (low, high) in zip(STRIDES, LEVELS, strict=True):
        rows, columns = config.height // stride, config.width // stride
        y, x = torch.meshgrid(torch.arange(rows), torch.arange(columns), indexing="ij")
        centres.append((torch.stack([x, y], dim=-1).reshape(-1, 2) + 0.5) * stride)
        for values, value in ((strides, float(stride)), (lows, low), (highs, high)):
            values.append(torch.full((rows * columns,), value))
    return torch.cat(centres), torch.cat(strides), torch.cat(lows), torch.cat(highs)


def finder_loss(logits: Tensor, boxes: Tensor, targets: Targets, options: FinderOptions) -> Tensor:
    """Scores learn the overlap of their box (quality focal loss, Li et al. 2020), boxes the overlap and the centre."""
    found, wanted = boxes[targets.face], targets.boxes[targets.face]
    iou, pull = _overlap(found, wanted)
    quality = torch.zeros_like(logits)
    quality[targets.face] = iou.detach().clamp(min=0.1)
    unlike = (torch.sigmoid(logits).detach() - quality).abs() ** 2
    each = F.binary_cross_entropy_with_logits(logits, quality, reduction="none") * unlike
    faces = targets.face.sum().clamp(min=1)
    scores = each.masked_fill(targets.unsure, 0.0).sum() / faces
    return scores + options.box_weight * (1 - iou + pull).sum() / faces


def _overlap(a: Tensor, b: Tensor) -> tuple[Tensor, Tensor]:
    """Intersection over union of boxes (P, 4), and the distance of centres over the hull (Zheng et al. 2020), (P)."""
    low = torch.maximum(a[:, :2], b[:, :2])
    high = torch.minimum(a[:, :2] + a[:, 2:], b[:, :2] + b[:, 2:])
    shared = (high - low).clamp(min=0).prod(dim=1)
    iou = shared / (a[:, 2:].prod(dim=1) + b[:, 2:].prod(dim=1) - shared)
    hull = torch.maximum(a[:, :2] + a[:, 2:], b[:, :2] + b[:, 2:]) - torch.minimum(a[:, :2], b[:, :2])
    apart = a[:, :2] + a[:, 2:] / 2 - b[:, :2] - b[:, 2:] / 2
    return iou, (apart**2).sum(dim=1) / (hull**2).sum(dim=1)
