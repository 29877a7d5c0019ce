"""The tagger with a bidirectional gated recurrent layer (Cho et al. 2014, in torch's form)."""

from __future__ import annotations

from torch import nn

from networks.lstm_tagger import Tagger, inputs

__all__ = ["inputs", "network"]


def network() -> nn.Module:
    return Tagger(nn.GRU(100, 128, bidirectional=True, batch_first=True))
