"""Windows of features that others extracted: from sequences of any length to fixed ones, and the task on them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from mer_fusion.models.window import sample_losses
from mer_sdk.errors import DataError
from mer_sdk.evaluation import metrics


@dataclass(frozen=True, eq=False)
class WindowSet:
    """Clips with one window each.

    Attributes:
        names: the modalities.
        features: of each [N, T, D], 0 where missing; masks: of each [N, T].
        labels: [N], int64 classes or float32 values.
    """

    names: tuple[str, ...]
    features: tuple[Tensor, ...]
    masks: tuple[Tensor, ...]
    labels: Tensor

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def dims(self) -> tuple[int, ...]:
        """Features per step of each modality."""
        return tuple(x.shape[2] for x in self.features)

    def inputs(self, rows: Tensor | slice = slice(None)) -> tuple[Tensor, ...]:
        """What the network reads of some clips: features, then masks."""
        return (*(x[rows] for x in self.features), *(mask[rows] for mask in self.masks))


def window_set(
    features: Mapping[str, np.ndarray], masks: Mapping[str, np.ndarray], labels: np.ndarray, steps: int
) -> WindowSet:
    """Clips as windows of `steps`, whatever the lengths of their modalities; see `averaged_steps`.

    Args:
        features: modality -> [N, T_m, D_m]; masks: modality -> [N, T_m].
        labels: [N], whole numbers for classes.

    Raises:
        DataError: there is no clip.
    """
    if len(labels) == 0:
        raise DataError("there are no clips to learn from or to measure on; give a data set that has some")
    averaged = [averaged_steps(features[name], masks[name], steps) for name in features]
    kind = np.int64 if np.asarray(labels).dtype.kind in "iu" else np.float32
    return WindowSet(
        tuple(features),
        tuple(torch.from_numpy(values) for values, _ in averaged),
        tuple(torch.from_numpy(mask) for _, mask in averaged),
        torch.from_numpy(np.asarray(labels, kind)),
    )


def averaged_steps(values: np.ndarray, mask: np.ndarray, steps: int) -> tuple[np.ndarray, np.ndarray]:
    """Sequences averaged over `steps` equal parts of their present steps, in their order.

    A step on the border of two parts counts for both by its share; where fewer steps are present than parts, each
    stands for several. So nothing of a sequence is cut off, and all modalities of a clip run over the same parts of it.

    Args:
        values: [N, T, D]; mask: bool [N, T], which steps are present.

    Returns:
        float32 [N, steps, D], and float32 [N, steps]: 1, or 0 throughout for a sequence without a present step.
    """
    count, _, width = values.shape
    result = np.zeros((count, steps, width), np.float32)
    held = np.zeros((count, steps), np.float32)
    for row in range(count):
        present = values[row][mask[row]].astype(np.float64)
        if len(present) == 0:
            continue
        sums = np.concatenate([np.zeros((1, width)), np.cumsum(present, axis=0)])
        edges = np.arange(steps + 1) * len(present) / steps
        whole = np.minimum(edges.astype(int), len(present) - 1)
        integral = sums[whole] + (edges - whole)[:, None] * present[whole]
        result[row] = np.diff(integral, axis=0) * steps / len(present)
        held[row] = 1.0
    return result, held


class WindowTask:
    """Cross-entropy or mean absolute error, as the labels are, and the paper's extra loss.

    See `mer_fusion.training.loop.Task`.

    Args:
        objective: its `network` reads the windows.
        learning: what is learned from; tuning: what the log shows, or None.
        batch: clips, at least 2 for batch normalisation.

    Raises:
        DataError: fewer than two clips to learn from.
    """

    def __init__(self, objective: nn.Module, learning: WindowSet, tuning: WindowSet | None, batch: int, name: str):
        if len(learning) < 2:
            raise DataError(f"{len(learning)} clip is too few to learn from; the least is two: give the whole data set")
        self.name = name
        self.module = objective
        self._learning, self._tuning, self._batch = learning, tuning, min(batch, len(learning))

    def batches_per_epoch(self) -> int:
        return len(self._learning) // self._batch

    def epoch(self, generator: torch.Generator, shard: tuple[int, int]) -> Iterator[dict[str, Tensor]]:
        order = torch.randperm(len(self._learning), generator=generator)
        for number, rows in enumerate(order.split(self._batch)[: self.batches_per_epoch()]):
            if number % shard[1] == shard[0]:
                inputs = self._learning.inputs(rows)
                yield {f"input{i}": x for i, x in enumerate(inputs)} | {"labels": self._learning.labels[rows]}

    def loss(self, module: nn.Module, batch: dict[str, Tensor]) -> Tensor:
        inputs = tuple(batch[f"input{index}"] for index in range(len(batch) - 1))
        output, extra = module(inputs, batch["labels"])
        total: Tensor = sample_losses((output.logits, output.regression), batch["labels"]).mean() + extra
        return total

    def validate(self, module: nn.Module) -> dict[str, float]:
        if self._tuning is None:
            return {}
        network: nn.Module = module.get_submodule("network")
        truth, said = self._tuning.labels.numpy(), window_answers(network, self._tuning)
        if self._tuning.labels.is_floating_point():
            return {"mae": float(np.abs(truth - said).mean()), "correlation": correlation(truth, said)}
        return {"war": metrics.war(truth, said), "uar": metrics.uar(truth, said)}


@torch.no_grad()
def window_answers(network: nn.Module, data: WindowSet, batch: int = 256) -> np.ndarray:
    """[N] the chosen class of every clip, or its value where the labels are real numbers; call in evaluation mode."""
    device = next(network.parameters()).device
    said = []
    for start in range(0, len(data), batch):
        output = network(*(x.to(device) for x in data.inputs(slice(start, start + batch))))
        values = data.labels.is_floating_point()
        said.append((output.regression[:, 0] if values else output.logits.argmax(dim=1)).cpu())
    return torch.cat(said).numpy()


def correlation(truth: np.ndarray, said: np.ndarray) -> float:
    """Pearson's correlation of two series; 0 where one is constant."""
    x, y = np.asarray(truth, np.float64), np.asarray(said, np.float64)
    spread = x.std() * y.std()
    return float(((x - x.mean()) * (y - y.mean())).mean() / spread) if spread > 0 else 0.0


def class_figures(truth: np.ndarray, said: np.ndarray) -> dict[str, float]:
    """Clips, WAR (accuracy), UAR and weighted F1, 0-1."""
    scores = {"war": metrics.war, "uar": metrics.uar, "weighted_f1": metrics.weighted_f1}
    return {"clips": len(truth)} | {name: round(score(truth, said), 4) for name, score in scores.items()}


def sentiment_figures(truth: np.ndarray, said: np.ndarray) -> dict[str, float]:
    """What is usually reported of MOSI and MOSEI, scores -3 to 3.

    Mean absolute error, Pearson's correlation, and accuracy and weighted F1 of two classes in both conventions:
    negative against not negative, and negative against positive with labels of 0 left out (`_without_zeros`).
    """
    result = _value_figures(truth, said) | _two_classes(truth >= 0, said >= 0)
    clear = truth != 0
    if clear.any():
        result |= _two_classes(truth[clear] > 0, said[clear] > 0, "_without_zeros")
    return result


def sims_figures(truth: np.ndarray, said: np.ndarray) -> dict[str, float]:
    """What is usually reported of CH-SIMS, scores -1 to 1: as above, with positive against not positive."""
    return _value_figures(truth, said) | _two_classes(truth > 0, said > 0)


def _value_figures(truth: np.ndarray, said: np.ndarray) -> dict[str, float]:
    error = float(np.abs(truth - said).mean())
    return {"clips": len(truth), "mae": round(error, 4), "correlation": round(correlation(truth, said), 4)}


def _two_classes(truth: np.ndarray, said: np.ndarray, suffix: str = "") -> dict[str, float]:
    labels, chosen = truth.astype(int), said.astype(int)
    return {
        f"accuracy{suffix}": round(metrics.war(labels, chosen), 4),
        f"f1{suffix}": round(metrics.weighted_f1(labels, chosen), 4),
    }
