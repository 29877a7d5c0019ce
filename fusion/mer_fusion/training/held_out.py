"""How an encoder with a classifier does on takes of people it never saw, cold and warm."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from mer_fusion.training.episodes import PRIOR_STEPS, running_baselines
from mer_sdk.evaluation.metrics import confusion, uar

ORDERS = 3


@dataclass(frozen=True)
class HeldOut:
    """How an encoder with a classifier does on takes, usually of people it never saw.

    Attributes:
        cold: UAR with the population's baseline; warm: with the running baseline, mean of seeded orders.
        confusion: (K, K) row-normalised: how takes of each label are labelled, over cold and warm runs, with one
            take a cell added so that no confusion counts as impossible.
        predicted: (1 + ORDERS, N) the label that each take got, cold and then warm.
    """

    cold: float
    warm: float
    confusion: Tensor
    predicted: Tensor


@torch.no_grad()
def held_out(
    features: Sequence[Tensor],
    labels: Tensor,
    people: Tensor,
    decide: Callable[[Tensor, Tensor, Tensor], Tensor],
    population: Tensor,
    classes: int,
    prior: float = PRIOR_STEPS,
) -> HeldOut:
    """Run a classifier of windows over takes, cold and warm.

    Args:
        features: raw features (steps, D) of each take, at least one step; the last window of each is decided on.
        labels, people: (N,) of the takes.
        decide: raw features (N, T, D), their mask (N, T) and each take's baseline (N, D) -> logits (N, classes).
        population: (D,) the mean that a cold baseline is.
        prior: weight of the population's mean, steps.
    """
    windows, masks = zip(*[right_aligned(item) for item in features], strict=True)
    window, mask = torch.stack(windows), torch.stack(masks)
    runs = [decide(window, mask, population[None].expand(len(window), -1)).argmax(1)]
    sums = torch.stack([item.sum(dim=0) for item in features])
    counts = torch.tensor([float(len(item)) for item in features])
    for seed in range(ORDERS):
        generator = torch.Generator().manual_seed(seed)
        baselines = torch.zeros_like(sums)
        for person in torch.unique(people):
            mine = torch.nonzero(people == person).flatten()
            order = torch.randperm(len(mine), generator=generator)
            baselines[mine] = running_baselines(sums[mine], counts[mine], order, population, prior)
        runs.append(decide(window, mask, baselines).argmax(1))
    table = torch.ones(classes, classes)
    for predicted in runs:
        table += torch.from_numpy(confusion(labels.numpy(), predicted.numpy(), classes)).float()
    scores = [uar(labels.numpy(), predicted.numpy()) for predicted in runs]
    confused = table / table.sum(dim=1, keepdim=True)
    return HeldOut(scores[0], sum(scores[1:]) / ORDERS, confused, torch.stack(runs))


def right_aligned(features: Tensor, steps: int = 16) -> tuple[Tensor, Tensor]:
    """The last window of a take: features (steps, D) and mask (steps,), newest last, missing steps zero."""
    tail = features[-steps:]
    missing = steps - len(tail)
    mask = torch.cat([torch.zeros(missing), torch.ones(len(tail))])
    return F.pad(tail, (0, 0, missing, 0)), mask
