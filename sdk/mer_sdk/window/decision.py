"""From probabilities to what is said of them: the label, whether it is sure enough, valence and arousal."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from mer_sdk.contract.affect import expectation
from mer_sdk.contract.estimate import NOTHING, UNKNOWN
from mer_sdk.contract.manifest import Manifest


@dataclass(frozen=True)
class DecidedLabel:
    """See `EmotionEstimate` for the fields."""

    emotion: str
    confidence: float
    probabilities: dict[str, float]
    valence: float
    arousal: float


def decide(probabilities: np.ndarray, manifest: Manifest, state: str, label: int | None = None) -> DecidedLabel:
    """The decision on [K] probabilities in a modality state; "unknown", at the origin, in the state "none".

    `label` is the index of the one that holds, see `Smoother`; None takes the likeliest.
    """
    values = probabilities.tolist()
    if label is None:
        label = values.index(max(values))
    shares, confidence = dict(zip(manifest.labels, values, strict=True)), values[label]
    present = state != NOTHING
    known = present and confidence >= manifest.decision.of(state).abstention_threshold
    valence, arousal = expectation(shares) if present else (0.0, 0.0)
    return DecidedLabel(manifest.labels[label] if known else UNKNOWN, confidence, shares, valence, arousal)


def softmax(logits: np.ndarray, temperature: float = 1.0) -> np.ndarray:
    """Probabilities, float64, of logits over a temperature, over the last axis."""
    if logits.ndim > 1:
        return np.stack([softmax(row, temperature) for row in logits])
    # For a handful of labels this is quicker than six calls of numpy, whose code is no longer cached after a graph.
    values = logits.tolist()
    most = max(values)
    shares = [math.exp((value - most) / temperature) for value in values]
    total = sum(shares)
    return np.array([share / total for share in shares])
