"""Measures of a classifier on labelled clips, and how sure they are. numpy alone.

Terms: WAR is the weighted average recall, that is the accuracy; UAR the unweighted average recall over the classes
that occur in the labels; macro F1 averages the F1 of the same classes, weighted F1 weighs them by how often they occur.
Labels and predictions are class indices.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from mer_sdk.errors import OptionError
from mer_sdk.limits import check_number

METRICS = ("war", "uar", "macro_f1", "weighted_f1")
RESAMPLES = 2000


@dataclass(frozen=True)
class Interval:
    """The middle part of a bootstrap distribution, 95 % unless asked otherwise."""

    low: float
    high: float


@dataclass(frozen=True)
class PairedDifference:
    """System A minus system B on the same clips.

    Attributes:
        difference: of the metric, on the clips as they are.
        interval: of the difference.
        share_better: share of the resamples in which A is ahead; ties count half.
    """

    difference: float
    interval: Interval
    share_better: float


def war(labels: np.ndarray, predictions: np.ndarray) -> float:
    """Accuracy, 0-1."""
    return _scalar("war", labels, predictions)


def uar(labels: np.ndarray, predictions: np.ndarray) -> float:
    """Mean recall over the classes that occur in the labels, 0-1."""
    return _scalar("uar", labels, predictions)


def macro_f1(labels: np.ndarray, predictions: np.ndarray) -> float:
    """Mean F1 over the classes that occur in the labels, 0-1."""
    return _scalar("macro_f1", labels, predictions)


def weighted_f1(labels: np.ndarray, predictions: np.ndarray) -> float:
    """Mean F1 over the classes, each weighed by its share of the labels, 0-1."""
    return _scalar("weighted_f1", labels, predictions)


def class_f1(labels: np.ndarray, predictions: np.ndarray, classes: int) -> np.ndarray:
    """float64 [classes], NaN for a class that does not occur in the labels."""
    table = confusion(labels, predictions, classes)
    support = table.sum(axis=1)
    return np.where(support > 0, 2 * np.diag(table) / np.maximum(support + table.sum(axis=0), 1), np.nan)


def confusion(labels: np.ndarray, predictions: np.ndarray, classes: int) -> np.ndarray:
    """int64 [classes, classes]: row = label, column = prediction."""
    labels, predictions = _checked(labels, predictions)
    table = np.zeros((classes, classes), np.int64)
    np.add.at(table, (labels, predictions[0]), 1)
    return table


def class_recall(labels: np.ndarray, predictions: np.ndarray, classes: int) -> np.ndarray:
    """float64 [classes], NaN for a class that does not occur in the labels."""
    table = confusion(labels, predictions, classes)
    support = table.sum(axis=1)
    return np.where(support > 0, np.diag(table) / np.maximum(support, 1), np.nan)


def log_softmax(logits: np.ndarray) -> np.ndarray:
    """Log-probabilities of scores over their last axis, in the dtype given."""
    shifted = logits - logits.max(axis=-1, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True))


def nll(labels: np.ndarray, log_probabilities: np.ndarray) -> float:
    """Mean negative log-likelihood in nats; `log_probabilities` is [N, K]."""
    chosen = np.asarray(log_probabilities, np.float64)[np.arange(len(labels)), np.asarray(labels)]
    return float(-chosen.mean())


def ece(labels: np.ndarray, probabilities: np.ndarray, bins: int = 15) -> float:
    """Expected calibration error, 0-1: the gap between confidence and accuracy, averaged over equally wide bins of
    confidence (each closed above) with the share of clips in a bin as its weight. `probabilities` is [N, K]."""
    probabilities = np.asarray(probabilities, np.float64)
    confidence = probabilities.max(axis=1)
    correct = probabilities.argmax(axis=1) == np.asarray(labels)
    index = np.clip(np.ceil(confidence * bins).astype(int) - 1, 0, bins - 1)
    gap = np.bincount(index, weights=confidence - correct, minlength=bins)
    return float(np.abs(gap).sum() / len(confidence))


def ccc(truth: np.ndarray, estimate: np.ndarray) -> float:
    """Lin's concordance correlation coefficient of two series, -1 to 1; 0 where both are one constant."""
    x, y = np.asarray(truth, np.float64), np.asarray(estimate, np.float64)
    spread = x.var() + y.var() + (x.mean() - y.mean()) ** 2
    return float(2 * ((x - x.mean()) * (y - y.mean())).mean() / spread) if spread > 0 else 0.0


def argmax_agreement(first: np.ndarray, second: np.ndarray) -> float:
    """Share of rows in which two score tables [N, K] have their largest value in the same column."""
    return float((np.asarray(first).argmax(axis=1) == np.asarray(second).argmax(axis=1)).mean())


def flicker_rate(timelines: Sequence[Sequence[object]], step_seconds: float) -> float:
    """How often the label of a timeline changes, per minute; changes to and from "unknown" count.

    Args:
        timelines: the labels (names or indices) of consecutive steps of each clip; nothing is counted between clips.
        step_seconds: time between two steps, above 0.

    Raises:
        OptionError: no timeline has two steps, or the time is not above 0.
    """
    check_number("step_seconds", step_seconds, "it must be above 0, such as 0.25", above=0)
    pairs = [pair for timeline in timelines for pair in pairwise(timeline)]
    if not pairs:
        raise OptionError("no timeline has two steps, so no label can change; give longer timelines")
    return 60.0 * sum(before != after for before, after in pairs) / (len(pairs) * step_seconds)


def bootstrap_interval(
    labels: np.ndarray,
    predictions: np.ndarray,
    metric: str = "uar",
    resamples: int = RESAMPLES,
    seed: int = 0,
    level: float = 0.95,
    groups: np.ndarray | None = None,
) -> Interval:
    """Percentile interval of a metric under resampling of the clips.

    Clips are drawn with replacement, without regard to their class; in a resample that lacks a class, UAR and macro F1
    average over the classes that it has. Clips of one speaker are not independent, so the interval speaks of other
    clips of these speakers and not of other speakers.

    Args:
        labels: int [N].
        predictions: int [N], or [R, N] for R runs over the same clips; the metric is then the mean over the runs, and
            all runs of a clip are drawn together.
        metric: one of `METRICS`.
        groups: int [N], numbers from 0: clips of one group (the utterances of a dialogue) are drawn together, as they
            are not independent. None draws each by itself.
    """
    labels, runs = _checked(labels, predictions)
    values = _metric(metric, labels, runs, _clip_draws(len(labels), groups, resamples, seed))
    return _interval(values, level)


def paired_bootstrap(
    labels: np.ndarray,
    first: np.ndarray,
    second: np.ndarray,
    metric: str = "uar",
    resamples: int = RESAMPLES,
    seed: int = 0,
    level: float = 0.95,
    groups: np.ndarray | None = None,
) -> PairedDifference:
    """How system `first` differs from `second` on the same clips; arguments as for `bootstrap_interval`."""
    labels, a = _checked(labels, first)
    _, b = _checked(labels, second)
    draws = _clip_draws(len(labels), groups, resamples, seed)
    differences = _metric(metric, labels, a, draws) - _metric(metric, labels, b, draws)
    once = np.ones((1, len(labels)))
    observed = float(_metric(metric, labels, a, once)[0] - _metric(metric, labels, b, once)[0])
    better = float(((differences > 0) + 0.5 * (differences == 0)).mean())
    return PairedDifference(observed, _interval(differences, level), better)


def _checked(labels: np.ndarray, predictions: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    labels, runs = np.asarray(labels, np.int64), np.atleast_2d(np.asarray(predictions, np.int64))
    if labels.ndim != 1 or runs.shape[1] != len(labels) or len(labels) == 0:
        raise OptionError(
            f"labels {labels.shape} and predictions {runs.shape} do not fit: [N] and [N] or [R, N], N >= 1"
        )
    return labels, runs


def _scalar(metric: str, labels: np.ndarray, predictions: np.ndarray) -> float:
    labels, runs = _checked(labels, predictions)
    return float(_metric(metric, labels, runs, np.ones((1, len(labels))))[0])


def _clip_draws(clips: int, groups: np.ndarray | None, resamples: int, seed: int) -> np.ndarray:
    """float64 [resamples, clips], clips of one group drawn together."""
    owner = np.arange(clips) if groups is None else np.asarray(groups)
    return _draws(int(owner.max()) + 1, resamples, seed)[:, owner]


def _draws(clips: int, resamples: int, seed: int) -> np.ndarray:
    """float64 [resamples, clips]: how often each clip is in each resample."""
    return np.random.default_rng(seed).multinomial(clips, np.full(clips, 1 / clips), size=resamples).astype(np.float64)


def _metric(metric: str, labels: np.ndarray, runs: np.ndarray, draws: np.ndarray) -> np.ndarray:
    """The metric of every resample, mean over the runs: [B] from labels [N], runs [R, N] and draws [B, N]."""
    if metric not in METRICS:
        raise OptionError(f"metric {metric!r} is unknown; allowed are {', '.join(METRICS)}")
    if metric == "war":
        return draws @ (runs == labels).mean(axis=0) / draws.sum(axis=1)
    classes = int(max(labels.max(), runs.max())) + 1
    truth = np.eye(classes)[labels]
    support = draws @ truth
    present = support > 0
    total = np.zeros(len(draws))
    for run in runs:
        hits = draws @ (truth * (run == labels)[:, None])
        if metric == "uar":
            scores = hits / np.maximum(support, 1)
        else:
            predicted = draws @ np.eye(classes)[run]
            scores = 2 * hits / np.maximum(support + predicted, 1)
        shares = support if metric == "weighted_f1" else present
        total += (np.where(present, scores, 0) * shares).sum(axis=1) / shares.sum(axis=1)
    return total / len(runs)


def _interval(values: np.ndarray, level: float) -> Interval:
    low, high = np.quantile(values, [(1 - level) / 2, (1 + level) / 2])
    return Interval(float(low), float(high))
