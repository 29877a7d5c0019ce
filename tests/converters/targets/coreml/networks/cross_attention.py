"""Crossmodal transformer (Tsai et al. 2019, section 3.1): one modality asks another, whose absent steps are masked."""

from __future__ import annotations

import torch
from torch import Tensor, nn

WIDTH, HEADS, LAYERS = 40, 8, 2


class CrossmodalLayer(nn.Module):
    """Attention from a target to a source, then a feed-forward step."""

    def __init__(self) -> None:
        super().__init__()
        self.target_norm, self.source_norm = nn.LayerNorm(WIDTH), nn.LayerNorm(WIDTH)
        self.attend = nn.MultiheadAttention(WIDTH, HEADS, batch_first=True)
        self.think = nn.Sequential(
            nn.LayerNorm(WIDTH), nn.Linear(WIDTH, 4 * WIDTH), nn.ReLU(), nn.Linear(4 * WIDTH, WIDTH)
        )

    def forward(self, target: Tensor, source: Tensor, absent: Tensor) -> Tensor:
        answers = self.source_norm(source)
        x, _ = self.attend(self.target_norm(target), answers, answers, key_padding_mask=absent, need_weights=False)
        x = target + x
        return x + self.think(x)


class CrossmodalTransformer(nn.Module):
    """Audio [B, 50, 74] reads video [B, 30, 35] under its mask [B, 30] (1 where there is a face)."""

    def __init__(self) -> None:
        super().__init__()
        self.audio, self.video = nn.Conv1d(74, WIDTH, 1, bias=False), nn.Conv1d(35, WIDTH, 1, bias=False)
        self.layers = nn.ModuleList(CrossmodalLayer() for _ in range(LAYERS))
        self.head = nn.Linear(WIDTH, 7)

    def forward(self, audio: Tensor, video: Tensor, mask: Tensor) -> Tensor:
        target = self.audio(audio.transpose(1, 2)).transpose(1, 2)
        source = self.video(video.transpose(1, 2)).transpose(1, 2)
        absent = mask < 0.5
        for layer in self.layers:
            target = layer(target, source, absent)
        return self.head(target.mean(dim=1))


def network() -> nn.Module:
    return CrossmodalTransformer()


def inputs(batch: int, generator: torch.Generator) -> tuple[Tensor, ...]:
    audio = torch.randn(batch, 50, 74, generator=generator)
    video = torch.randn(batch, 30, 35, generator=generator)
    return audio, video, (torch.rand(batch, 30, generator=generator) < 0.7).float()
