"""Learning from the clips whole and in parts, so that every clip is judged by what has not learned from it."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import nn

from mer_fusion.checkpoint import Checkpoint
from mer_fusion.training.adapt.learning import (
    ABSENT,
    FUSION,
    HEAD,
    AdaptOptions,
    last_layer,
    learned_fusion,
    learned_head,
)
from mer_fusion.training.adapt.recorded import Windows, only
from mer_sdk.evaluation.datasets import Clip
from mer_sdk.evaluation.datasets.own.folders import TEST

# With so many known people clips are left out by person, not by clip.
MANY_PEOPLE = 5
Progress = Callable[[str, float, float], None]


class Work:
    """The learning part, whole and in parts."""

    def __init__(
        self, source: Checkpoint, windows: Windows, clips: Sequence[Clip], options: AdaptOptions, progress: Progress
    ) -> None:
        self._fusion, self._windows, self._options, self._progress = source.network.fusion, windows, options, progress
        self._clips = clips
        self.learning = [number for number, clip in enumerate(clips) if clip.split != TEST]
        tested = [number for number, clip in enumerate(clips) if clip.split == TEST]
        self.judging = tested or self.learning
        self._tested = bool(tested)
        many = len(self.learning) >= options.fusion_clips
        self.level = options.level or (FUSION if many else HEAD)
        self._layer, self._read = last_layer(self._fusion, windows)
        self._weights = windows.weights.float()

    def rows(self, clips: Sequence[int]) -> torch.Tensor:
        """Windows of some clips."""
        return torch.nonzero(torch.isin(self._windows.clips, torch.tensor(list(clips)))).flatten()

    def judged_logits(self) -> tuple[np.ndarray, str]:
        """Logits of every window by a network that has not learned from its clip (0 where nobody asks), and how."""
        logits = np.zeros((len(self._windows), self._layer.out_features), np.float32)
        if self._tested:
            rows = self.rows(self.judging)
            logits[rows.numpy()] = self._said(self.learned(self.learning), rows)
            return logits, f"{len(self.judging)} clips of the split {TEST}"
        parts, how = left_out_parts([self._clips[number] for number in self.learning], self._options)
        for place, part in enumerate(parts):
            self._progress("judging", place, len(parts))
            away = {self.learning[number] for number in part}
            network = self.learned([number for number in self.learning if number not in away])
            rows = self.rows(sorted(away))
            logits[rows.numpy()] = self._said(network, rows)
        self._progress("judging", len(parts), len(parts))
        return logits, f"{len(parts)} parts {how}, each judged by what was learned from the others"

    def learned(self, clips: Sequence[int]) -> nn.Module:
        """The fusion network after learning from some clips."""
        if self.level == FUSION:
            return learned_fusion(self._fusion, self._windows, self.rows(clips), self._options)
        anchor = self._anchor(clips)
        weight, bias = self._head(clips, anchor)
        network = copy.deepcopy(self._fusion)
        layer, _ = last_layer(network, only(self._windows, np.arange(1)))
        with torch.no_grad():
            layer.weight.copy_(weight)
            layer.bias.copy_(bias)
        return network.eval()

    def _head(self, clips: Sequence[int], anchor: float) -> tuple[torch.Tensor, torch.Tensor]:
        rows = self.rows(clips)
        return learned_head(self._layer, self._read[rows], self._windows.truth[rows], self._weights[rows], anchor)

    def _anchor(self, clips: Sequence[int]) -> float:
        """The anchor whose heads say best what clips are that they have not learned from."""
        parts, _ = left_out_parts([self._clips[number] for number in clips], self._options)
        losses = []
        for number, anchor in enumerate(self._options.anchors):
            self._progress("choosing how far to go", number, len(self._options.anchors))
            total = 0.0
            for part in parts:
                away = {clips[number] for number in part}
                weight, bias = self._head([number for number in clips if number not in away], anchor)
                rows = self.rows(sorted(away))
                there = torch.bincount(self._windows.truth, minlength=len(bias)) > 0
                said = torch.log_softmax(self._read[rows] @ weight.T + bias - torch.where(there, 0.0, ABSENT), 1)
                right = said[torch.arange(len(rows)), self._windows.truth[rows]]
                total -= float((right * self._weights[rows]).sum())
            losses.append(total)
        return self._options.anchors[int(np.argmin(losses))]

    def _said(self, network: nn.Module, rows: torch.Tensor) -> np.ndarray:
        found: np.ndarray = only(self._windows, rows.numpy()).logits(network).numpy()
        return found


def left_out_parts(clips: Sequence[Clip], options: AdaptOptions) -> tuple[list[list[int]], str]:
    """Places of the clips of each part, and how they were parted: by person where there are many, else by label."""
    rng = np.random.default_rng(options.seed)
    speakers = sorted({clip.speaker for clip in clips})
    named = all(clip.person != "" for clip in clips)
    parts: list[list[int]] = [[] for _ in range(options.folds)]
    if named and len(speakers) >= MANY_PEOPLE:
        of = {speaker: place % options.folds for place, speaker in enumerate(rng.permutation(speakers).tolist())}
        for number, clip in enumerate(clips):
            parts[of[clip.speaker]].append(number)
        return [part for part in parts if part], "by person"
    turn = 0
    for label in sorted({clip.label for clip in clips}):
        mine = [number for number, clip in enumerate(clips) if clip.label == label]
        for number in rng.permutation(mine).tolist():
            parts[turn % options.folds].append(number)
            turn += 1
    return [part for part in parts if part], "with the labels alike in each"
