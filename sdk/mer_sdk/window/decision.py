"""From probabilities to what is said of them: the label, whether it is sure enough, valence and arousal."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from mer_sdk.contract.affect import expected
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


def decide(shares: Sequence[float], manifest: Manifest, state: str, label: int | None = None) -> DecidedLabel:
    """The decision on the probabilities of the labels in a modality state; "unknown", at the origin, in the state
    "none".

    `label` is the index of the one that holds, see `Smoother`; None takes the likeliest.
    """
    if label is None:
        label = shares.index(max(shares))
    labels, confidence = manifest.labels, shares[label]
    present = state != NOTHING
    known = present and confidence >= manifest.decision.of(state).abstention_threshold
    valence, arousal = expected(labels, shares) if present else (0.0, 0.0)
    named = dict(zip(labels, shares, strict=True))
    return DecidedLabel(labels[label] if known else UNKNOWN, confidence, named, valence, arousal)


def softmax(logits: np.ndarray, temperature: float = 1.0) -> np.ndarray:
    """Probabilities, float64, of logits over a temperature, over the last axis."""
    if logits.ndim > 1:
        return np.stack([softmax(row, temperature) for row in logits])
    return np.array(shares_of(logits.tolist(), temperature))


def shares_of(logits: Sequence[float], temperature: float) -> list[float]:
    """`softmax` of a handful of logits: quicker than six calls of numpy, whose code is not cached after a graph."""
    most = max(logits)
    shares = [math.exp((value - most) / temperature) for value in logits]
    total = sum(shares)
    return [share / total for share in shares]
