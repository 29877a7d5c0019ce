"""Differential graph attention over the utterances of a dialogue (AMB-DSGDN, arXiv 2603.10043).

Graphs are dense [N, N]: row i attends to column j. Whether there is an edge depends on the distance |i - j| and on
whether both utterances have the same speaker; which relation it is depends on the order of the two alone. So an edge
mask per dialogue and one constant score per relation replace the published integer matrices and the table look-up.
"""

import math
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from mer_fusion.models.heads import masked_softmax

RELATIONS = 6
RELATION_WIDTH = 10
# Rows of the relation table, as published: an utterance to itself, to an earlier one, to a later one.
SAME_SPEAKER = (1, 2, 3)
OTHER_SPEAKER = (1, 5, 4)
# Of the depth 1, which the authors give to every layer (Differential Transformer, arXiv 2410.05258).
LAMBDA_INIT = 0.8 - 0.6 * math.exp(-0.3)


class Band(NamedTuple):
    """Which utterances are near enough, each float32 [N, N] of 0 and 1; row i, column j."""

    itself: Tensor
    earlier: Tensor
    later: Tensor


def band(utterances: int, past: int, future: int) -> Band:
    """The pairs at most `past` utterances back and `future` ahead."""
    place = torch.arange(utterances)
    back = place[:, None] - place[None, :]
    return Band(
        (back == 0).float(),
        ((back > 0) & (back <= past)).float(),
        ((back < 0) & (-back <= future)).float(),
    )


def same_speaker(speakers: Tensor) -> Tensor:
    """Speaker numbers [B, N], whole numbers as float32 -> [B, N, N], 1 where two utterances share their speaker."""
    return 1.0 - torch.clamp(torch.abs(speakers.unsqueeze(2) - speakers.unsqueeze(1)), 0.0, 1.0)


class GraphAttention(nn.Module):
    """One layer with its constants folded: what a `DifferentialGraphAttention` is once training is over.

    `scores` gives left and right score of both maps at once; `bias` [2, N, N] is each relation's score at its place.
    """

    bias: Tensor

    def __init__(self, project: nn.Linear, scores: nn.Linear, bias: Tensor, balance: float, norm: nn.LayerNorm) -> None:
        super().__init__()
        self.project, self.scores, self.norm, self.balance = project, scores, norm, balance
        self.register_buffer("bias", bias, persistent=False)

    def forward(self, x: Tensor, edges: Tensor) -> Tensor:
        """x [B, N, inputs] and edges [B, N, N] of 0 and 1 -> [B, N, outputs]."""
        scores = self.scores(x)
        attention = _attend(scores[..., 0:1], scores[..., 1:2], self.bias[0], edges)
        if self.balance:
            attention = attention - self.balance * _attend(scores[..., 2:3], scores[..., 3:4], self.bias[1], edges)
        return F.gelu(self.norm(torch.matmul(attention, self.project(x))))


class DifferentialGraphAttention(nn.Module):
    """One published layer: two attention maps from two halves of the projected features, the second taken off.

    Additive scores left(z_i) + right(z_j) + relation, LeakyReLU 0.2, softmax over the neighbours j; then
    A = A+ - lambda A-, LayerNorm, times (1 - lambda_init), GELU. A signed row does not sum to 1, and a row without an
    edge is 0.

    Args:
        inputs, outputs: widths; outputs must be even.
        relations: rows of the relation table for the utterance itself, earlier and later ones.
        near: the band of the graph.
        dropout: of the attention map.
        differential: False leaves the second map out (plain graph attention); for comparison.
    """

    index: Tensor

    def __init__(
        self, inputs: int, outputs: int, relations: tuple[int, int, int], near: Band, dropout: float, differential: bool
    ) -> None:
        super().__init__()
        half = outputs // 2
        self.project = nn.Linear(inputs, outputs, bias=False)
        self.left = nn.ModuleList(nn.Linear(half, 1, bias=False) for _ in range(2))
        self.right = nn.ModuleList(nn.Linear(half, 1, bias=False) for _ in range(2))
        self.relation = nn.ModuleList(nn.Linear(RELATION_WIDTH, 1, bias=False) for _ in range(2))
        self.relations = nn.Parameter(torch.randn(RELATIONS, RELATION_WIDTH))
        self.lambdas = nn.Parameter(0.1 * torch.randn(4, half))
        self.norm = nn.LayerNorm(outputs)
        self.dropout = nn.Dropout(dropout)
        self.differential = differential
        for layer in (self.project, *self.left, *self.right, *self.relation):
            nn.init.xavier_uniform_(layer.weight, gain=1.414)
        itself, earlier, later = (part.bool() for part in near)
        index = torch.zeros(itself.shape, dtype=torch.long)
        for place, row in zip((itself, earlier, later), relations, strict=True):
            index[place] = row
        self.register_buffer("index", index, persistent=False)

    def balance(self) -> Tensor:
        """lambda, 0-d: exp(p1 q1) - exp(p2 q2) + lambda_init."""
        p1, q1, p2, q2 = self.lambdas
        return torch.exp((p1 * q1).sum()) - torch.exp((p2 * q2).sum()) + LAMBDA_INIT

    def forward(self, x: Tensor, edges: Tensor) -> Tensor:
        """x [B, N, inputs] and edges [B, N, N] of 0 and 1 -> [B, N, outputs]."""
        z = self.project(x)
        maps = [
            _attend(self.left[s](half), self.right[s](half), self._bias(s), edges)
            for s, half in enumerate(z.chunk(2, dim=-1))
            if s == 0 or self.differential
        ]
        attention = maps[0] - self.balance() * maps[1] if self.differential else maps[0]
        return F.gelu(self.norm(torch.matmul(self.dropout(attention), z)) * (1.0 - LAMBDA_INIT))

    def _bias(self, sign: int) -> Tensor:
        return self.relation[sign](self.relations).squeeze(-1)[self.index]

    @torch.no_grad()
    def folded(self) -> GraphAttention:
        """The same layer for export: lambda, relation scores and (1 - lambda_init) are constants."""
        halves = self.project.weight.chunk(2, dim=0)
        rows = [side[s].weight @ halves[s] for s in range(2) for side in (self.left, self.right)]
        scores = nn.Linear(self.project.in_features, 4, bias=False)
        scores.weight.copy_(torch.cat(rows))
        norm = nn.LayerNorm(self.project.out_features, eps=self.norm.eps)
        norm.weight.copy_(self.norm.weight * (1.0 - LAMBDA_INIT))
        norm.bias.copy_(self.norm.bias * (1.0 - LAMBDA_INIT))
        project = nn.Linear(self.project.in_features, self.project.out_features, bias=False)
        project.load_state_dict(self.project.state_dict())
        balance = float(self.balance()) if self.differential else 0.0
        return GraphAttention(project, scores, torch.stack((self._bias(0), self._bias(1))), balance, norm)


class DialogueGraphNetwork(nn.Module):
    """One DiffRGCN: graph attention heads side by side, one more layer over them, a residual path and LayerNorm.

    Args:
        width: of input and output.
        heads: layers whose outputs are concatenated.
        relations, near, dropout, differential: see `DifferentialGraphAttention`.
    """

    def __init__(
        self, width: int, heads: int, relations: tuple[int, int, int], near: Band, dropout: float, differential: bool
    ) -> None:
        super().__init__()
        rest = (width, relations, near, dropout, differential)
        self.heads = nn.ModuleList(DifferentialGraphAttention(width, *rest) for _ in range(heads))
        self.mix: nn.Module = DifferentialGraphAttention(heads * width, *rest)
        self.out = nn.Linear(width, width)
        self.norm = nn.LayerNorm(width)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor, edges: Tensor) -> Tensor:
        """x [B, N, width] and edges [B, N, N] of 0 and 1 -> [B, N, width]."""
        seen = self.dropout(x)
        joined = self.dropout(torch.cat([head(seen, edges) for head in self.heads], dim=-1))
        return self.norm(self.out(F.gelu(self.mix(joined, edges))) + x)

    def fold(self) -> None:
        """Replace the attention layers by their folded forms, in place."""
        self.heads = nn.ModuleList(head.folded() for head in self.heads if isinstance(head, DifferentialGraphAttention))
        if isinstance(self.mix, DifferentialGraphAttention):
            self.mix = self.mix.folded()


def _attend(left: Tensor, right: Tensor, bias: Tensor, edges: Tensor) -> Tensor:
    """Scores [B, N, 1] of rows and of columns and [N, N] of relations -> attention [B, N, N], 0 where is no edge."""
    scores = F.leaky_relu(left + right.transpose(1, 2) + bias, 0.2)
    return masked_softmax(scores, edges)
