"""Utterances as tables of features: one window per modality and utterance, and the personal baselines they meet.

What protocol P1 trains fusion networks on: features are there already, so that a run takes seconds and can be
repeated over folds and seeds.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from mer_fusion.training.episodes import running_baselines
from mer_sdk.errors import OptionError

CONDITIONS = ("cold", "warm", "person's mean removed")


@dataclass(frozen=True)
class Modality:
    """One modality of all utterances.

    Attributes:
        name: "text", "audio" or "face".
        windows: (N, C, T, D) raw features, C versions of each utterance: 0 as recorded, the others augmented.
        mask: (N, C, T) 1 where the step is present.
        sums: (N, D) sum of the features over the whole utterance, and counts: (N,) steps in it, for baselines.
        prior: steps that the population's mean counts for in a running baseline.
    """

    name: str
    windows: Tensor
    mask: Tensor
    sums: Tensor
    counts: Tensor
    prior: float


@dataclass(frozen=True)
class UtteranceTable:
    """Utterances with their modalities, in the order that the network reads them.

    Attributes:
        modalities: at least one.
        labels: (N,) int64.
        people: (N,) int64: who is to be seen or heard, or None where that is not known; there are then no baselines.
    """

    modalities: tuple[Modality, ...]
    labels: Tensor
    people: Tensor | None

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(modality.name for modality in self.modalities)

    @property
    def dims(self) -> tuple[int, ...]:
        return tuple(modality.windows.shape[-1] for modality in self.modalities)

    def only(self, name: str) -> UtteranceTable:
        """The same utterances with every other modality missing throughout.

        Raises:
            OptionError: no such modality.
        """
        if name not in self.names:
            raise OptionError(f"modality {name!r} is not in the table; allowed are {', '.join(self.names)}")
        kept = tuple(m if m.name == name else replace(m, mask=torch.zeros_like(m.mask)) for m in self.modalities)
        return replace(self, modalities=kept)


def single_step(name: str, features: Tensor, prior: float = 4.0) -> Modality:
    """A modality with one vector per utterance, (N, D): windows of one step."""
    ones = torch.ones(len(features))
    return Modality(name, features[:, None, None], ones[:, None, None], features, ones, prior)


def population_means(table: UtteranceTable, rows: Tensor) -> tuple[Tensor, ...]:
    """The mean features (D,) of each modality over the utterances `rows`; zeros where there are no baselines."""
    if table.people is None:
        return tuple(torch.zeros(dim) for dim in table.dims)
    return tuple(m.sums[rows].sum(dim=0) / m.counts[rows].sum() for m in table.modalities)


def condition_baselines(
    table: UtteranceTable, rows: Tensor, populations: Sequence[Tensor], condition: str, seed: int = 0
) -> tuple[Tensor, ...]:
    """The baseline that each of the utterances `rows` meets, (R, D) per modality.

    "cold" is the population's mean; "warm" the running mean over the person's utterances before, in a random order that
    `seed` draws; "person's mean removed" the mean of all of the person's utterances among `rows`, no label used.

    Raises:
        OptionError: another condition, or a personal one where people are not known.
    """
    if condition not in CONDITIONS:
        raise OptionError(f"condition {condition!r} is unknown; allowed are {', '.join(CONDITIONS)}")
    cold = tuple(population.expand(len(rows), -1) for population in populations)
    if condition == "cold":
        return cold
    if table.people is None:
        raise OptionError(f"{condition} needs to know whose utterance it is, and this data set does not; use cold")
    result = tuple(baseline.clone() for baseline in cold)
    people = table.people[rows]
    generator = torch.Generator().manual_seed(seed)
    for person in torch.unique(people).tolist():
        places = torch.nonzero(people == person).flatten()
        order = torch.randperm(len(places), generator=generator)
        for baseline, modality, population in zip(result, table.modalities, populations, strict=True):
            sums, counts = modality.sums[rows[places]], modality.counts[rows[places]]
            if condition == "warm":
                baseline[places] = running_baselines(sums, counts, order, population, modality.prior)
            else:
                baseline[places] = (sums.sum(dim=0) / counts.sum()).expand(len(places), -1)
    return result


def random_baselines(
    table: UtteranceTable, rows: Tensor, among: Tensor, populations: Sequence[Tensor], generator: torch.Generator
) -> tuple[Tensor, ...]:
    """Baselines for training, (R, D) per modality: a third cold, a third after some of the person's utterances, a third
    the person's whole mean.

    Args:
        rows: utterances of the batch; among: the utterances that may have been heard, those of the training set.
    """
    if table.people is None:
        return tuple(population.expand(len(rows), -1) for population in populations)
    kind = torch.randint(3, (len(rows), 1), generator=generator)
    share = torch.where(kind == 1, torch.rand(len(rows), 1, generator=generator), kind.float() / 2)
    drawn = torch.rand(len(rows), len(among), generator=generator) < share
    same = table.people[rows][:, None] == table.people[among][None, :]
    before = (rows[:, None] != among[None, :]) | (kind == 2)
    heard = (drawn & same & before).float()
    result = []
    for modality, population in zip(table.modalities, populations, strict=True):
        prior = torch.where(kind == 2, 0.0, modality.prior)
        total = prior * population + heard @ modality.sums[among]
        result.append(total / (prior[:, 0] + heard @ modality.counts[among])[:, None])
    return tuple(result)
