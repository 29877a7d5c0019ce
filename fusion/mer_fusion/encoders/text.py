"""The small text encoder: hashed subword ids in, a feature vector out.

Embeddings of a word and its n-grams are added up (fastText: Bojanowski et al. 2017), convolutions look at neighbouring
words, and mean and maximum over the words are projected. How texts become ids is in `mer_sdk.frontends.text`.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from mer_sdk.contract.manifest import TextContract
from mer_sdk.errors import OptionError


@dataclass(frozen=True)
class TextEncoderConfig:
    """Shape of a text encoder. `words`, `slots` and `buckets` are those of the `TextContract` that feeds it.

    Attributes:
        words: words of an utterance that are read.
        slots: ids of a word.
        buckets: rows of the embedding table, the empty row 0 included.
        width: length of an embedding.
        channels: channels of the convolutions.
        blocks: residual blocks of two convolutions over three words each; 0 leaves a bag of words.
        features: length of the feature vector.
        dropout: probability before the last layer, in training.

    Raises:
        OptionError: a size that is not positive.
    """

    words: int = 32
    slots: int = 8
    buckets: int = 8192
    width: int = 48
    channels: int = 64
    blocks: int = 2
    features: int = 96
    dropout: float = 0.1

    def __post_init__(self) -> None:
        sizes = (self.words, self.slots, self.buckets - 1, self.width, self.channels, self.blocks + 1, self.features)
        if min(sizes) < 1:
            raise OptionError(f"text encoder {self}: sizes are 1 or more, buckets 2 or more, blocks 0 or more")

    @property
    def contract(self) -> TextContract:
        """The contract of the ids that this encoder reads."""
        return TextContract(words=self.words, slots=self.slots, buckets=self.buckets)

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> TextEncoderConfig:
        return cls(**values)


class TextEncoder(nn.Module):
    """Ids (B, words, slots), int32 or int64, 0 to buckets - 1 -> features (B, features).

    Row 0 of the table is zero and stays so; a word whose first id is 0 is not there. Features of a text without words
    are finite, and mean nothing: the modality's mask says so to the fusion network.
    """

    def __init__(self, config: TextEncoderConfig) -> None:
        super().__init__()
        self.config = config
        self.table = nn.Embedding(config.buckets, config.width, padding_idx=0)
        nn.init.normal_(self.table.weight, std=(config.slots * config.width) ** -0.25 * 0.5)
        with torch.no_grad():
            self.table.weight[0] = 0.0
        self.enter = nn.Linear(config.width, config.channels)
        self.blocks = nn.ModuleList(_WordBlock(config.channels) for _ in range(config.blocks))
        self.dropout = nn.Dropout(config.dropout)
        self.project = nn.Linear(config.channels * 2, config.features)

    def forward(self, ids: Tensor) -> Tensor:
        words = self.table(ids).sum(dim=2)
        mask = ids[:, :, :1].clamp(max=1).to(words.dtype)
        x = F.relu(self.enter(words)) * mask
        for block in self.blocks:
            x = block(x, mask)
        mean = x.sum(dim=1) / mask.sum(dim=1).clamp(min=1.0)
        # Nothing is negative after a ReLU, so that words that are not there cannot be the largest.
        features: Tensor = self.project(self.dropout(torch.cat([mean, x.amax(dim=1)], dim=1)))
        return features


class _WordBlock(nn.Module):
    """x (B, words, channels), not negative -> the same: two convolutions over three words and a residual path."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.first = nn.Conv1d(channels, channels, 3, padding=1)
        self.second = nn.Conv1d(channels, channels, 3, padding=1)

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        inner = F.relu(self.first(x.transpose(1, 2))) * mask.transpose(1, 2)
        return F.relu(x + self.second(inner).transpose(1, 2)) * mask
