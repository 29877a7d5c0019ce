"""Tags of the words of a sentence from two bidirectional LSTM layers (Huang et al. 2015, without the random field)."""

from __future__ import annotations

import torch
from torch import Tensor, nn

WORDS, TOKENS = 5000, 5


class Tagger(nn.Module):
    """Word ids [B, T] to scores [B, T, 17]."""

    def __init__(self, recurrent: nn.Module) -> None:
        super().__init__()
        self.embed = nn.Embedding(WORDS, 100)
        self.recurrent = recurrent
        self.head = nn.Linear(256, 17)

    def forward(self, words: Tensor) -> Tensor:
        states, _ = self.recurrent(self.embed(words))
        return self.head(states)


def network() -> nn.Module:
    return Tagger(nn.LSTM(100, 128, num_layers=2, bidirectional=True, batch_first=True))


def inputs(batch: int, generator: torch.Generator) -> tuple[Tensor, ...]:
    return (torch.randint(0, WORDS, (batch, TOKENS), generator=generator, dtype=torch.int32),)
