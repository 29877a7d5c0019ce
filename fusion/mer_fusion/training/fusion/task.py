"""Training of the fusion network on windows of real takes; a student also matches the full network's logits."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from mer_fusion.training.fusion.windows import FeatureCache, WindowOptions, WindowSampler, window_inputs
from mer_fusion.training.speech.encoder import soft_cross_entropy


@dataclass(frozen=True)
class FusionOptions:
    """How fusion networks learn.

    Attributes:
        windows: how training windows are drawn.
        prior_weight: how much of a corpus's class frequencies is added to the logits before the loss (logit adjustment,
            Menon and others 2021), so that the network need not learn them; classes that a corpus lacks are left out.
        smoothing: of the labels.
        teacher_weight, teacher_temperature: for students, on the full-precision network's logits; a weight of 0 learns
            from labels alone.
    """

    windows: WindowOptions = field(default_factory=WindowOptions)
    prior_weight: float = 1.0
    smoothing: float = 0.05
    teacher_weight: float = 0.5
    teacher_temperature: float = 2.0


@dataclass(frozen=True)
class FusionTeacher:
    """A full-precision fusion network whose logits a student matches, and the same takes through its encoders."""

    network: nn.Module
    cache: FeatureCache


class FusionTask:
    """See `mer_fusion.training.loop.Task`.

    Args:
        objective: an objective of `mer_fusion.models.registry` around the fusion network that learns.
        teacher: for students that match the full network's logits.
    """

    def __init__(
        self,
        objective: nn.Module,
        cache: FeatureCache,
        sampler: WindowSampler,
        options: FusionOptions,
        teacher: FusionTeacher | None = None,
        name: str = "fusion",
    ) -> None:
        self.name = name
        self.module = objective
        self._cache, self._sampler, self._options = cache, sampler, options
        self._teacher = teacher.network.eval() if teacher is not None else None
        self._teacher_cache = teacher.cache if teacher is not None else None
        self._batches = len(sampler.batches(torch.Generator().manual_seed(0)))

    def batches_per_epoch(self) -> int:
        return self._batches

    def epoch(self, generator: torch.Generator, shard: tuple[int, int]) -> Iterator[dict[str, Tensor]]:
        for number, rows in enumerate(self._sampler.batches(generator)):
            sampled = self._sampler.sample(rows, generator)
            if number % shard[1] != shard[0]:
                continue
            batch = self._sampler.build(sampled, self._cache)
            if self._teacher_cache is not None:
                large = self._sampler.build(sampled, self._teacher_cache)
                batch |= {"teacher_audio": large["audio"], "teacher_face": large["face"]}
            yield batch

    def loss(self, module: nn.Module, batch: dict[str, Tensor]) -> Tensor:
        options = self._options
        output, extra = module(window_inputs(batch), batch["labels"])
        logits, priors = output.logits.float(), batch["priors"]
        # Shares of classes are logarithms above -1e3; what a corpus lacks stays far below, whatever the weight.
        adjusted = torch.where(priors > -1e3, options.prior_weight * priors, priors)
        hard = soft_cross_entropy(logits + adjusted, batch["targets"], adjusted, options.smoothing).mean()
        if self._teacher is None:
            return hard + extra
        with torch.no_grad():
            wanted = self._teacher(
                batch["teacher_audio"], batch["teacher_face"], batch["audio_mask"], batch["face_mask"]
            ).logits.float()
        heat = options.teacher_temperature
        soft = F.kl_div(F.log_softmax(logits / heat, 1), torch.softmax(wanted / heat, 1), reduction="batchmean")
        return (1 - options.teacher_weight) * hard + options.teacher_weight * heat**2 * soft + extra

    @torch.no_grad()
    def validate(self, module: nn.Module) -> dict[str, float]:
        """Accuracy on windows of fresh draws: how well the training problem is solved, not a result on people."""
        generator = torch.Generator().manual_seed(1)
        right = total = 0
        for rows in self._sampler.batches(generator):
            batch = self._sampler.build(self._sampler.sample(rows, generator), self._cache)
            output, _ = module(window_inputs(batch), batch["labels"])
            right += int((output.logits.argmax(1) == batch["labels"]).sum())
            total += len(rows)
        return {"windows": right / total}
