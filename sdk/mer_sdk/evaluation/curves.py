"""Confidence against accuracy: the bins of a reliability diagram, and accuracy over coverage. numpy alone."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mer_sdk.errors import OptionError

BINS = 10
COVERAGES = 20


@dataclass(frozen=True)
class Bin:
    """Answers whose confidence lies in (low, high]: how many (mean over the runs), and what they are worth, 0-1."""

    low: float
    high: float
    answers: float
    confidence: float
    accuracy: float


@dataclass(frozen=True)
class CoveragePoint:
    """Accuracy of the most confident share `coverage` of the answers, all of which have `threshold` or more; 0-1."""

    coverage: float
    accuracy: float
    threshold: float


@dataclass(frozen=True)
class Curves:
    """Both curves of one condition; `state` and `protocol` as in `ConditionResult`, or a dialogue's reading and ""."""

    state: str
    protocol: str
    reliability: tuple[Bin, ...]
    coverage: tuple[CoveragePoint, ...]


def accuracy_at(found: Curves, coverage: float) -> float:
    """Accuracy of the most confident share of at least `coverage` of the answers, 0-1."""
    return next(point.accuracy for point in found.coverage if point.coverage >= coverage - 1e-9)


def curves(state: str, protocol: str, truth: np.ndarray, log_probabilities: np.ndarray) -> Curves:
    """Curves of a condition over all runs together.

    Args:
        state, protocol: the condition.
        truth: int [N], class indices.
        log_probabilities: [R, N, K], each row normalised.

    Raises:
        OptionError: no answers, or shapes that do not fit.
    """
    if log_probabilities.ndim != 3 or log_probabilities.shape[1] != len(truth) or log_probabilities.size == 0:
        raise OptionError(
            f"log-probabilities {log_probabilities.shape} and labels {truth.shape} do not fit: [R, N, K] and [N]"
        )
    confidence = np.exp(log_probabilities.max(axis=2)).ravel()
    correct = (log_probabilities.argmax(axis=2) == truth).ravel()
    runs = len(log_probabilities)
    return Curves(state, protocol, _reliability(confidence, correct, runs), _coverage(confidence, correct))


def _reliability(confidence: np.ndarray, correct: np.ndarray, runs: int) -> tuple[Bin, ...]:
    index = np.clip(np.ceil(confidence * BINS).astype(int) - 1, 0, BINS - 1)
    return tuple(
        Bin(
            low=number / BINS,
            high=(number + 1) / BINS,
            answers=float(held.sum() / runs),
            confidence=float(confidence[held].mean()),
            accuracy=float(correct[held].mean()),
        )
        for number in range(BINS)
        if (held := index == number).any()
    )


def _coverage(confidence: np.ndarray, correct: np.ndarray) -> tuple[CoveragePoint, ...]:
    # Stable, so that answers of one confidence keep their order on every machine.
    order = np.argsort(-confidence, kind="stable")
    right = np.cumsum(correct[order])
    counts = np.unique(np.ceil(np.arange(1, COVERAGES + 1) / COVERAGES * len(order)).astype(int))
    return tuple(
        CoveragePoint(
            coverage=float(count / len(order)),
            accuracy=float(right[count - 1] / count),
            threshold=float(confidence[order[count - 1]]),
        )
        for count in counts
    )
