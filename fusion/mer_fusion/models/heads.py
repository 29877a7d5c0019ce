"""Heads over a window's fused features: per-step regression, and classification with a router between modalities."""

import torch
from torch import Tensor, nn

from mer_fusion.models.temporal import xavier_

# What is subtracted from the score of something missing. Its weight is then multiplied by 0 and the rest renormalised,
# so the size decides nothing; a larger one would take the whole range of an int8 activation.
MISSING_PENALTY = 32.0


class RegressionHead(nn.Module):
    """The published head: per step Linear, batch normalisation, LeakyReLU, Linear, tanh."""

    def __init__(self, inputs: int, width: int, outputs: int) -> None:
        super().__init__()
        self.hidden = nn.Linear(inputs, width)
        self.norm: nn.Module = nn.BatchNorm1d(width)
        self.activation = nn.LeakyReLU(0.01)
        self.out = nn.Linear(width, outputs)
        xavier_(self)

    def forward(self, fused: Tensor) -> Tensor:
        """[B, T, D] -> [B, T, outputs] in (-1, 1)."""
        hidden = self.norm(self.hidden(fused).transpose(1, 2)).transpose(1, 2)
        return torch.tanh(self.out(self.activation(hidden)))


class ClassificationHead(nn.Module):
    """Ours: pools each modality over its valid steps, weighs the two by a router, and classifies the window."""

    def __init__(self, face: int, audio: int, width: int, classes: int, dropout: float) -> None:
        super().__init__()
        self.face_score = nn.Linear(face, 1)
        self.audio_score = nn.Linear(audio, 1)
        self.router = nn.Linear(face + audio + 2, 2)
        self.hidden = nn.Linear(face + audio, width)
        self.norm: nn.Module = nn.BatchNorm1d(width)
        self.activation = nn.LeakyReLU(0.1)
        self.dropout = nn.Dropout(dropout)
        self.out = nn.Linear(width, classes)
        xavier_(self)

    def forward(self, face: Tensor, audio: Tensor, face_mask: Tensor, audio_mask: Tensor) -> tuple[Tensor, Tensor]:
        """Gated features [B, T, d_m] and masks [B, T] -> logits [B, K] and reliance [B, 2] (audio, face)."""
        pooled_face = self._pool(self.face_score, face, face_mask)
        pooled_audio = self._pool(self.audio_score, audio, audio_mask)
        shares = torch.stack((audio_mask.mean(dim=1), face_mask.mean(dim=1)), dim=1)
        present = torch.stack((audio_mask.amax(dim=1), face_mask.amax(dim=1)), dim=1)
        routed = self.router(torch.cat((pooled_face, pooled_audio, shares), dim=-1))
        reliance = masked_softmax(routed, present)
        # Times 2: two equally reliable modalities enter the classifier as they are.
        weighted = torch.cat((pooled_face * (reliance[:, 1:2] * 2.0), pooled_audio * (reliance[:, 0:1] * 2.0)), dim=-1)
        hidden = self.dropout(self.activation(self.norm(self.hidden(weighted))))
        return self.out(hidden), reliance

    @staticmethod
    def _pool(score: nn.Linear, x: Tensor, mask: Tensor) -> Tensor:
        weights = masked_softmax(score(x).squeeze(-1), mask)
        return torch.matmul(weights.unsqueeze(1), x).squeeze(1)


def masked_softmax(scores: Tensor, mask: Tensor) -> Tensor:
    """Softmax of [B, N] over the places where ``mask`` [B, N] is 1; exactly 0 elsewhere and when nothing is there."""
    weights = torch.softmax(scores - (1.0 - mask) * MISSING_PENALTY, dim=-1) * mask
    nothing = 1.0 - mask.amax(dim=-1, keepdim=True)
    return weights / (weights.sum(dim=-1, keepdim=True) + nothing)
