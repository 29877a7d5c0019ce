"""Training of a small face encoder to give what a published network sees in still and in talking faces."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from mer_fusion.training.faces.encoder import FaceLearner, FaceOptions, FaceSet, still_figures
from mer_fusion.training.faces.seen_faces import SeenFaces
from mer_fusion.training.feature_distance import feature_distance


@dataclass(frozen=True)
class MatchingOptions:
    """How a student learns the features of a published network.

    Attributes:
        versions: changed versions of every face.
        weight: of the features against the labels of still faces.
        batch: images in a batch.
        changes: how a face is changed.
    """

    versions: int = 2
    weight: float = 4.0
    batch: int = 128
    changes: FaceOptions = field(default_factory=FaceOptions)


class MatchingTask:
    """See `mer_fusion.training.loop.Task`.

    Args:
        learner: its hint has the length of the features.
        faces: called once, when the first pass begins.
        count: how many faces a pass reads.
        tuning: still faces that are looked at for the log.
    """

    def __init__(
        self,
        learner: FaceLearner,
        faces: Callable[[], SeenFaces],
        count: int,
        tuning: FaceSet | None,
        options: MatchingOptions,
        name: str = "matching",
    ) -> None:
        self.name = name
        self.module: nn.Module = learner
        self._faces, self._count, self._tuning, self._options = functools.cache(faces), count, tuning, options

    def batches_per_epoch(self) -> int:
        return self._count // self._options.batch

    def epoch(self, generator: torch.Generator, shard: tuple[int, int]) -> Iterator[dict[str, Tensor]]:
        faces, size = self._faces(), self._options.batch
        order = torch.randperm(len(faces), generator=generator)
        for number in range(self.batches_per_epoch()):
            if number % shard[1] == shard[0]:
                yield faces.batch(order[number * size : (number + 1) * size])

    def loss(self, module: nn.Module, batch: dict[str, Tensor]) -> Tensor:
        logits, hinted = module(batch["images"])
        everyone = torch.ones(len(logits), 1, device=logits.device)
        labels = (F.cross_entropy(logits, batch["targets"], reduction="none") * batch["weights"]).mean()
        return labels + self._options.weight * feature_distance(hinted[:, None], batch["features"][:, None], everyone)

    def validate(self, module: nn.Module) -> dict[str, float]:
        return {} if self._tuning is None else still_figures(module, self._tuning)
