"""Values of images between their pixels: grids of points, and what lies there."""

from __future__ import annotations

import torch
from torch import Tensor


def grid_points(mode: str, length: Tensor, count: int) -> Tensor:
    """Points [..., count], relative to the first pixel, at which `length` [...] pixel distances are sampled.

    Args:
        mode: "STRICT_ALIGN_CORNERS", "ALIGN_CORNERS", "UNALIGN_CORNERS", "DEFAULT" or "OFFSET_CORNERS", as in the
            operation set's `resize_bilinear`.
        length: distance of the first from the last pixel (pixels less one), not negative; float64.
        count: number of points.
    """
    steps = torch.arange(count, dtype=torch.float64)
    last = length[..., None]
    if mode in ("STRICT_ALIGN_CORNERS", "ALIGN_CORNERS"):
        if count == 1:
            return last / 2 if mode == "ALIGN_CORNERS" else torch.zeros_like(last)
        points = steps * last / (count - 1)
    elif mode == "DEFAULT":
        points = steps * (last + 1) / count
    elif mode == "OFFSET_CORNERS":
        points = (steps + 0.5) * last.clamp(min=1.0) / count
    else:
        points = (steps + 0.5) * (last + 1) / count - 0.5
    return torch.minimum(points.clamp(min=0.0), last)


def interpolated(x: Tensor, axis: int, points: Tensor) -> Tensor:
    """`x` at `points` [count] along `axis`, linear between neighbours."""
    low = points.floor()
    weight = (points - low).to(torch.float32)
    first = low.long()
    second = (first + 1).clamp(max=x.shape[axis] - 1)
    shape = [1] * x.dim()
    shape[axis] = -1
    weight = weight.reshape(shape)
    left, right = x.index_select(axis, first), x.index_select(axis, second)
    return left * (1 - weight) + right * weight


def sampled(x: Tensor, columns: Tensor, rows: Tensor, mode: str, padding: str, value: float = 0.0) -> Tensor:
    """`x` [B, C, H, W] at the pixel coordinates `columns`, `rows` [B, h, w].

    Args:
        mode: "bilinear" or "nearest" (halves to the even pixel).
        padding: "constant" (`value` around the image), "border" (its edge goes on), "reflection" (mirrored at the
            centres of the edge pixels) or "symmetric" (mirrored at their outer edges).
        value: what surrounds the image with "constant".
    """
    height, width = x.shape[-2:]
    columns, rows = _folded(columns, width, padding), _folded(rows, height, padding)
    if mode == "nearest":
        return _pixels(x, columns.round(), rows.round(), value)
    left, top = columns.floor(), rows.floor()
    right_share, bottom_share = (columns - left)[:, None], (rows - top)[:, None]
    upper = _pixels(x, left, top, value) * (1 - right_share) + _pixels(x, left + 1, top, value) * right_share
    lower = _pixels(x, left, top + 1, value) * (1 - right_share) + _pixels(x, left + 1, top + 1, value) * right_share
    return upper * (1 - bottom_share) + lower * bottom_share


def _folded(points: Tensor, size: int, padding: str) -> Tensor:
    """Coordinates brought into the image by the padding's rule; unchanged for "constant"."""
    if padding == "constant":
        return points
    if padding != "border":
        low, span = (0.0, size - 1.0) if padding == "reflection" else (-0.5, float(size))
        if span == 0.0:
            return torch.zeros_like(points)
        distance = torch.remainder(points - low, 2 * span)
        points = low + torch.where(distance > span, 2 * span - distance, distance)
    return points.clamp(0.0, size - 1.0)


def _pixels(x: Tensor, columns: Tensor, rows: Tensor, value: float) -> Tensor:
    """Pixels [B, C, h, w] at whole coordinates [B, h, w]; `value` outside the image."""
    batch, channels, height, width = x.shape
    inside = (columns >= 0) & (columns < width) & (rows >= 0) & (rows < height)
    place = rows.clamp(0, height - 1).long() * width + columns.clamp(0, width - 1).long()
    flat = place.reshape(batch, 1, -1).expand(-1, channels, -1)
    found = x.reshape(batch, channels, -1).gather(2, flat).reshape(batch, channels, *columns.shape[1:])
    return torch.where(inside[:, None], found, torch.tensor(value))
