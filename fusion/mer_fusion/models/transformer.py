"""A Transformer encoder over the steps of a window, with missing steps left out of the attention."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from mer_fusion.models.checks import check
from mer_fusion.models.heads import masked_softmax
from mer_fusion.models.temporal import xavier_


class TransformerLayer(nn.Module):
    """Self-attention and a feed-forward part with ReLU, each normalised before and added to its input (pre-norm).

    Args:
        width: features per step; a multiple of `heads`.
        feed_forward: hidden units.

    Raises:
        OptionError: a width that the heads do not divide.
    """

    def __init__(self, width: int, heads: int, feed_forward: int, dropout: float) -> None:
        super().__init__()
        check("width", width, width % heads == 0, f"a multiple of the {heads} heads")
        self.heads = heads
        self.scale = 1.0 / math.sqrt(width // heads)
        self.attention_norm = nn.LayerNorm(width)
        self.query, self.key, self.value = nn.Linear(width, width), nn.Linear(width, width), nn.Linear(width, width)
        self.out = nn.Linear(width, width)
        self.feed_norm = nn.LayerNorm(width)
        self.expand, self.reduce = nn.Linear(width, feed_forward), nn.Linear(feed_forward, width)
        self.dropout = nn.Dropout(dropout)
        xavier_(self)

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        """[B, T, width] with mask [B, T] (1 present) -> the same shape; no step looks at a missing one."""
        batch, steps, width = x.shape
        normed = self.attention_norm(x)

        def split(y: Tensor) -> Tensor:
            return y.reshape(batch, steps, self.heads, width // self.heads).transpose(1, 2)

        # The scale goes on the query, before the product, to keep the product small in fp16.
        scores = torch.matmul(split(self.query(normed) * self.scale), split(self.key(normed)).transpose(2, 3))
        weights = self.dropout(masked_softmax(scores, mask.reshape(batch, 1, 1, steps)))
        attended = torch.matmul(weights, split(self.value(normed))).transpose(1, 2).reshape(batch, steps, width)
        x = x + self.dropout(self.out(attended))
        return x + self.dropout(self.reduce(torch.relu(self.expand(self.feed_norm(x)))))


class TransformerEncoder(nn.Module):
    """Learned positions, `layers` Transformer layers and a last normalisation."""

    def __init__(self, width: int, heads: int, feed_forward: int, layers: int, steps: int, dropout: float) -> None:
        super().__init__()
        self.position = nn.Parameter(torch.randn(1, steps, width) * 0.1)
        self.layers = nn.ModuleList(TransformerLayer(width, heads, feed_forward, dropout) for _ in range(layers))
        self.norm = nn.LayerNorm(width)

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        """[B, T, width] and mask [B, T] -> the same shape, normalised per step."""
        x = x + self.position
        for layer in self.layers:
            x = layer(x, mask)
        return self.norm(x)


class AttentionPool(nn.Module):
    """The mean over present steps, weighted by a learned score of each."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.score = nn.Linear(width, 1)
        xavier_(self)

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        """[B, T, width] and mask [B, T] -> [B, width]; 0 where nothing is present."""
        weights = masked_softmax(self.score(x).squeeze(-1), mask)
        return torch.matmul(weights.unsqueeze(1), x).squeeze(1)
