"""How far a student's features are from its teacher's."""

from __future__ import annotations

from torch import Tensor


def feature_distance(predicted: Tensor, wanted: Tensor, mask: Tensor) -> Tensor:
    """Mean squared distance over present steps in units of the wanted features' variance: 0 is equal, 1 is the mean."""
    weight = mask[..., None]
    total = weight.sum().clamp(min=1.0)
    mean = (wanted * weight).sum(dim=(0, 1)) / total
    spread = (((wanted - mean) ** 2) * weight).sum().clamp(min=1e-6)
    return (((predicted - wanted) ** 2) * weight).sum() / spread
