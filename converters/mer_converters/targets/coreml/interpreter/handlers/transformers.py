"""Attention as one operation (operation set of iOS 18)."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from mer_converters.targets.coreml.interpreter.handlers.registry import handler


@handler("scaled_dot_product_attention")
def scaled_dot_product_attention(query: Tensor, key: Tensor, value: Tensor, attn_mask: Tensor | None = None) -> Tensor:
    """softmax(query key^T / sqrt(E) + mask) value, for `query` [..., L, E], `key` [..., S, E], `value` [..., S, EV].

    A boolean mask is True where a key takes part; a row without any gives NaN, as the formula says.
    """
    scores = query @ key.transpose(-1, -2) / math.sqrt(query.shape[-1])
    if attn_mask is not None:
        is_choice = attn_mask.dtype == torch.bool
        scores = scores.masked_fill(~attn_mask, -torch.inf) if is_choice else scores + attn_mask
    return torch.softmax(scores, dim=-1) @ value
