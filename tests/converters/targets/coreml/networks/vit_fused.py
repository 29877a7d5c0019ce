"""The vision transformer with torch's scaled_dot_product_attention, which iOS 18 has as one operation."""

from __future__ import annotations

from torch import nn

from networks.vit import VisionTransformer, inputs

__all__ = ["inputs", "network"]


def network() -> nn.Module:
    return VisionTransformer(fused=True)
