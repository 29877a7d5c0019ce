"""Training of dialogue networks: dialogues as tensors of fixed size, and the task that the loop runs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from mer_fusion.models.amb_dsgdn import AmbDsgdn
from mer_fusion.models.amb_dsgdn_objective import UNLABELLED, AmbDsgdnObjective
from mer_sdk.dialogue.engine import speaker_numbers
from mer_sdk.errors import DataError, OptionError
from mer_sdk.evaluation import metrics
from mer_sdk.evaluation.datasets.published.features import FeatureDialogue


@dataclass(frozen=True)
class DialogueLearning:
    """How a dialogue network learns.

    Attributes:
        batch: dialogues in a batch.
        smoothing: of the labels, at least 0 and below 1.
        noise: standard deviation of what is added to the features, as a share of theirs over the training set.
        drop: share of utterances that lose one of their modalities; one with a single modality keeps it.
        teacher_weight, teacher_temperature: share of the loss on a teacher's logits, where the task has them.

    Raises:
        OptionError: a value outside its range.
    """

    batch: int = 32
    smoothing: float = 0.0
    noise: float = 0.0
    drop: float = 0.0
    teacher_weight: float = 0.5
    teacher_temperature: float = 2.0

    def __post_init__(self) -> None:
        shares = (self.smoothing, self.drop, self.teacher_weight)
        if self.batch < 1 or self.noise < 0 or self.teacher_temperature <= 0 or not all(0 <= s <= 1 for s in shares):
            raise OptionError(
                f"{self}: batch is 1 or more, noise 0 or more, teacher_temperature above 0, "
                "smoothing, drop and teacher_weight are within 0 and 1"
            )


@dataclass(frozen=True, eq=False)
class DialogueSet:
    """Windows of dialogues, the newest utterance in the last row.

    Attributes:
        names: the modalities.
        features: of each modality [W, N, D], 0 where missing; masks: of each [W, N].
        speakers: [W, N], numbered from 0 by first appearance in the window.
        labels: [W, N], -1 where there is no utterance, or where another window has its label.
        dialogue: [W], the dialogue of each window.
    """

    names: tuple[str, ...]
    features: tuple[Tensor, ...]
    masks: tuple[Tensor, ...]
    speakers: Tensor
    labels: Tensor
    dialogue: Tensor

    def __len__(self) -> int:
        return len(self.labels)

    def inputs(self, rows: Tensor | slice = slice(None)) -> tuple[Tensor, ...]:
        """What the network reads of some windows: features, masks, speakers."""
        return (*(x[rows] for x in self.features), *(m[rows] for m in self.masks), self.speakers[rows])

    @property
    def judged(self) -> tuple[np.ndarray, np.ndarray]:
        """(labels [n], dialogue of each [n]) of the labelled utterances, window by window."""
        wanted = self.labels != UNLABELLED
        owner = self.dialogue[:, None].expand_as(self.labels)
        return self.labels[wanted].numpy(), owner[wanted].numpy()


def dialogue_set(
    dialogues: Sequence[FeatureDialogue], names: tuple[str, ...], utterances: int, speakers: int
) -> DialogueSet:
    """Dialogues as windows of N utterances.

    A row of zeros is a missing modality. A dialogue longer than a window gives several that overlap by half; an
    utterance's label is in the first window that has it.

    Args:
        utterances: rows N of a window.
        speakers: different speakers that the network tells apart; later ones share the last number.

    Raises:
        DataError: no dialogue, or one without a modality.
    """
    if not dialogues:
        raise DataError("there are no dialogues to learn from; give a data set that has some")
    for talk in dialogues:
        missing = [name for name in names if name not in talk.features]
        if missing:
            raise DataError(f"dialogue {talk.id} has no {', '.join(missing)}; it has {', '.join(talk.features)}")
    spans = [
        (number, first, end, new)
        for number, talk in enumerate(dialogues)
        for first, end, new in _windows(len(talk), utterances)
    ]
    widths = [dialogues[0].features[name].shape[1] for name in names]
    features = [torch.zeros(len(spans), utterances, width) for width in widths]
    masks = [torch.zeros(len(spans), utterances) for _ in names]
    who = torch.zeros(len(spans), utterances)
    labels = torch.full((len(spans), utterances), UNLABELLED)
    for window, (number, first, end, new) in enumerate(spans):
        talk, row = dialogues[number], utterances - (end - first)
        for m, name in enumerate(names):
            rows = torch.from_numpy(talk.features[name][first:end])
            features[m][window, row:] = rows
            masks[m][window, row:] = (rows != 0).any(dim=1).float()
        who[window, row:] = torch.tensor(speaker_numbers(talk.speakers[first:end].tolist(), speakers)).float()
        labels[window, row + new - first :] = torch.from_numpy(talk.labels[new:end]).long()
    owners = torch.tensor([number for number, *_ in spans])
    return DialogueSet(names, tuple(features), tuple(masks), who, labels, owners)


def _windows(length: int, most: int) -> Iterator[tuple[int, int, int]]:
    """(first, end, first new) utterance of the windows over a dialogue."""
    end = min(length, most)
    yield 0, end, 0
    while end < length:
        new, end = end, min(length, end + max(1, most // 2))
        yield end - most, end, new


class DialogueTask:
    """See `mer_fusion.training.loop.Task`.

    Args:
        objective: its network reads the windows.
        learning: what is learned from; tuning: what validation looks at, None for none.
        teacher: logits [W, N, K] of a teacher on the windows of `learning`, or None.
    """

    def __init__(
        self,
        objective: AmbDsgdnObjective,
        learning: DialogueSet,
        options: DialogueLearning,
        tuning: DialogueSet | None = None,
        teacher: Tensor | None = None,
        name: str = "dialogue",
    ) -> None:
        self.name = name
        self.module: nn.Module = objective
        self._learning, self._options, self._tuning, self._teacher = learning, options, tuning, teacher
        self._spread = [
            x[mask > 0].std(dim=0) if len(x[mask > 0]) > 1 else torch.zeros(x.shape[2])
            for x, mask in zip(learning.features, learning.masks, strict=True)
        ]

    def batches_per_epoch(self) -> int:
        return -(-len(self._learning) // self._options.batch)

    def epoch(self, generator: torch.Generator, shard: tuple[int, int]) -> Iterator[dict[str, Tensor]]:
        order = torch.randperm(len(self._learning), generator=generator)
        for number, rows in enumerate(order.split(self._options.batch)):
            batch = self._batch(rows, generator)
            if number % shard[1] == shard[0]:
                yield batch

    def loss(self, module: nn.Module, batch: dict[str, Tensor]) -> Tensor:
        options, count = self._options, len(self._learning.names)
        inputs = tuple(batch[f"input{index}"] for index in range(2 * count + 1))
        output, extra = module(inputs, batch["labels"])
        objective: AmbDsgdnObjective = getattr(module, "module", module)  # as several processes wrap it
        loss = objective.cross_entropy(output.logits, batch["labels"], options.smoothing)
        if self._teacher is not None:
            heat, wanted = options.teacher_temperature, batch["labels"] != UNLABELLED
            soft = F.kl_div(
                F.log_softmax(output.logits[wanted] / heat, dim=1),
                torch.softmax(batch["teacher"][wanted] / heat, dim=1),
                reduction="batchmean",
            )
            loss = (1 - options.teacher_weight) * loss + options.teacher_weight * heat**2 * soft
        total: Tensor = loss + extra
        return total

    def validate(self, module: nn.Module) -> dict[str, float]:
        if self._tuning is None:
            return {}
        labels, _ = self._tuning.judged
        chosen = dialogue_predictions(module.network, self._tuning)
        return {"weighted_f1": metrics.weighted_f1(labels, chosen), "accuracy": metrics.war(labels, chosen)}

    def _batch(self, rows: Tensor, generator: torch.Generator) -> dict[str, Tensor]:
        data, options = self._learning, self._options
        count = len(data.names)
        inputs = list(data.inputs(rows))
        if options.drop > 0 and count > 1:
            masks = _without_one(torch.stack(inputs[count : 2 * count]), options.drop, generator)
            inputs[count : 2 * count] = list(masks)
            inputs[:count] = [x * mask.unsqueeze(2) for x, mask in zip(inputs[:count], masks, strict=True)]
        if options.noise > 0:
            for m, spread in enumerate(self._spread):
                drawn = torch.randn(inputs[m].shape, generator=generator)
                inputs[m] = inputs[m] + options.noise * spread * drawn * inputs[count + m].unsqueeze(2)
        batch = {f"input{index}": x for index, x in enumerate(inputs)} | {"labels": data.labels[rows]}
        return batch if self._teacher is None else batch | {"teacher": self._teacher[rows]}


def _without_one(masks: Tensor, share: float, generator: torch.Generator) -> Tensor:
    """Masks [M, B, N] of which a share of the utterances that have several modalities lose one of them."""
    scores = torch.rand(masks.shape, generator=generator) * masks
    lost = F.one_hot(scores.argmax(dim=0), len(masks)).permute(2, 0, 1)
    hit = (torch.rand(masks.shape[1:], generator=generator) < share) & (masks.sum(dim=0) > 1)
    return masks * (1 - lost * hit)


@torch.no_grad()
def dialogue_logits(network: AmbDsgdn, data: DialogueSet, batch: int = 64) -> Tensor:
    """Logits [W, N, K] of a network in its present mode; set it to evaluation first."""
    device = next(network.parameters()).device
    parts = [
        network(*(x.to(device) for x in data.inputs(slice(start, start + batch)))).logits.cpu()
        for start in range(0, len(data), batch)
    ]
    return torch.cat(parts)


def dialogue_predictions(network: AmbDsgdn, data: DialogueSet) -> np.ndarray:
    """The class of every labelled utterance, in the order of `DialogueSet.judged`."""
    return dialogue_logits(network, data)[data.labels != UNLABELLED].argmax(dim=1).numpy()
