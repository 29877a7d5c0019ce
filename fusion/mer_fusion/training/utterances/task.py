"""Training and use of fusion networks on tables of utterances."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from mer_fusion.training.utterances.table import (
    UtteranceTable,
    condition_baselines,
    population_means,
    random_baselines,
)
from mer_sdk.errors import OptionError


@dataclass(frozen=True)
class UtteranceOptions:
    """How a network learns from a table; a tuple has one number a modality, in the table's order.

    Attributes:
        batch: utterances in a batch.
        drop: chance that a modality is taken away; where all would go, none does.
        swap: chance that a modality's window is another utterance's of the same person, with the label unchanged: the
            modality is wrong, as it will be on people it never saw.
        mixing: otherwise the window is mixed with such another one, up to this share.
        noise: standard deviation of what is added to the features, as a share of theirs.
        smoothing: of the labels.
        teacher_weight, teacher_temperature: share of the loss on a teacher's soft targets, where the task has one.

    Raises:
        OptionError: a share outside 0-1, or no batch.
    """

    drop: tuple[float, ...]
    swap: tuple[float, ...]
    mixing: tuple[float, ...]
    noise: tuple[float, ...]
    batch: int = 64
    smoothing: float = 0.05
    teacher_weight: float = 0.0
    teacher_temperature: float = 2.0

    def __post_init__(self) -> None:
        for name in ("drop", "swap", "mixing"):
            if not all(0.0 <= share <= 1.0 for share in getattr(self, name)):
                raise OptionError(f"{name} is {getattr(self, name)}; every share must be within 0 and 1")
        if self.batch < 2 or not 0.0 <= self.smoothing < 1.0 or not 0.0 <= self.teacher_weight <= 1.0:
            raise OptionError(
                f"batch {self.batch} must be at least 2, smoothing {self.smoothing} and teacher_weight "
                f"{self.teacher_weight} within 0 and 1"
            )


class UtteranceTask:
    """See `mer_fusion.training.loop.Task`.

    Args:
        objective: gives the network's output, whose `logits` are [B, K], and the paper's extra loss.
        table: utterances; rows: (R,) those to learn from.
        teacher: (N, K) log probabilities for every utterance of the table, or None.
    """

    def __init__(
        self,
        objective: nn.Module,
        table: UtteranceTable,
        rows: Tensor,
        options: UtteranceOptions,
        teacher: Tensor | None = None,
        name: str = "fusion",
    ) -> None:
        self.name = name
        self.module = objective
        self.populations = population_means(table, rows)
        self._table, self._rows, self._options, self._teacher = table, rows, options, teacher
        self._spread = tuple(_spread(m.windows[rows], m.mask[rows]) for m in table.modalities)
        self._partners = _rows_of_same_person(table, rows)

    def batches_per_epoch(self) -> int:
        return max(1, len(self._rows) // self._options.batch)

    def epoch(self, generator: torch.Generator, shard: tuple[int, int]) -> Iterator[dict[str, Tensor]]:
        order = self._rows[torch.randperm(len(self._rows), generator=generator)]
        for number, rows in enumerate(order.split(self._options.batch)[: self.batches_per_epoch()]):
            batch = self._batch(rows, generator)
            if number % shard[1] == shard[0]:
                yield batch

    def loss(self, module: nn.Module, batch: dict[str, Tensor]) -> Tensor:
        options, count = self._options, len(self._table.modalities)
        inputs = tuple(batch[f"input{index}"] for index in range(2 * count))
        output, extra = module(inputs, batch["labels"])
        loss = F.cross_entropy(output.logits, batch["labels"], label_smoothing=options.smoothing)
        if self._teacher is not None:
            heat = options.teacher_temperature
            wanted = torch.softmax(batch["teacher"] / heat, dim=1)
            soft = F.kl_div(F.log_softmax(output.logits / heat, dim=1), wanted, reduction="batchmean") * heat**2
            loss = (1 - options.teacher_weight) * loss + options.teacher_weight * soft
        total: Tensor = loss + extra
        return total

    def validate(self, module: nn.Module) -> dict[str, float]:
        return {}

    def _batch(self, rows: Tensor, generator: torch.Generator) -> dict[str, Tensor]:
        table, options = self._table, self._options
        count = len(rows)

        def rand(*shape: int) -> Tensor:
            return torch.rand(*shape, generator=generator)

        baselines = random_baselines(table, rows, self._rows, self.populations, generator)
        dropped = rand(count, len(table.modalities)) < torch.tensor(options.drop)
        dropped &= ~dropped.all(dim=1, keepdim=True)
        batch = {"labels": table.labels[rows]}
        for index, modality in enumerate(table.modalities):
            copies = torch.randint(modality.windows.shape[1], (2, count), generator=generator)
            others = torch.tensor(
                [
                    self._partners[row][int(r * len(self._partners[row]))]
                    for row, r in zip(rows.tolist(), rand(count).tolist(), strict=True)
                ]
            )
            share = torch.where(rand(count) < options.swap[index], 1.0, rand(count) * options.mixing[index])
            mine, other = modality.windows[rows, copies[0]], modality.windows[others, copies[1]]
            mask, other_mask = modality.mask[rows, copies[0]], modality.mask[others, copies[1]]
            x = mine + share[:, None, None] * (other - mine)
            # A step is there where both have it; a swap has what the other has.
            mask = torch.where(
                share[:, None] == 1, other_mask, torch.where(share[:, None] > 0, mask * other_mask, mask)
            )
            x = x + torch.randn(x.shape, generator=generator) * self._spread[index] * options.noise[index]
            mask = mask * (~dropped[:, index, None]).float()
            batch[f"input{index}"] = (x - baselines[index][:, None]) * mask[..., None]
            batch[f"input{index + len(table.modalities)}"] = mask
        if self._teacher is not None:
            batch["teacher"] = self._teacher[rows]
        return batch


def network_inputs(
    table: UtteranceTable,
    rows: Tensor,
    populations: Sequence[Tensor],
    condition: str,
    seed: int = 0,
    present: Sequence[bool] | None = None,
) -> tuple[Tensor, ...]:
    """What a network reads of the utterances `rows` as they were recorded: features minus baseline (R, T, D) of each
    modality, then the masks (R, T).

    Args:
        condition, seed: as for `mer_fusion.training.utterances.table.condition_baselines`.
        present: whether each modality is there; all of them by default.
    """
    baselines = condition_baselines(table, rows, populations, condition, seed)
    features, masks = [], []
    for index, (modality, baseline) in enumerate(zip(table.modalities, baselines, strict=True)):
        mask = modality.mask[rows, 0] * float(present is None or present[index])
        features.append((modality.windows[rows, 0] - baseline[:, None]) * mask[..., None])
        masks.append(mask)
    return (*features, *masks)


@torch.no_grad()
def log_probabilities(
    network: Callable[..., Any],
    table: UtteranceTable,
    rows: Tensor,
    populations: Sequence[Tensor],
    condition: str,
    seed: int = 0,
    present: Sequence[bool] | None = None,
) -> Tensor:
    """What a network says of the utterances `rows`, (R, K); for the other arguments see `network_inputs`.

    Args:
        network: in evaluation mode, or what answers in its place: called with the inputs, gives an output with `logits`
            (R, K).
    """
    inputs = network_inputs(table, rows, populations, condition, seed, present)
    return F.log_softmax(network(*inputs).logits, dim=1)


def _spread(windows: Tensor, mask: Tensor) -> Tensor:
    """Standard deviation (D,) of the features over all present steps; 0 where there are none."""
    present = windows[mask > 0]
    return present.std(dim=0) if len(present) else torch.zeros(windows.shape[-1])


def _rows_of_same_person(table: UtteranceTable, rows: Tensor) -> dict[int, list[int]]:
    """Row -> the training rows of the same person, of all people where they are not known."""
    if table.people is None:
        everyone = rows.tolist()
        return dict.fromkeys(everyone, everyone)
    groups: dict[int, list[int]] = {}
    for row in rows.tolist():
        groups.setdefault(int(table.people[row]), []).append(row)
    return {row: groups[int(table.people[row])] for row in rows.tolist()}
