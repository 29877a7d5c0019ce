"""From probabilities to what is said of them: the label, whether it is sure enough, valence and arousal."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mer_sdk.affect import expectation
from mer_sdk.estimate import UNKNOWN
from mer_sdk.manifest import Manifest


@dataclass(frozen=True)
class Verdict:
    """See `EmotionEstimate` for the fields."""

    emotion: str
    confidence: float
    probabilities: dict[str, float]
    valence: float
    arousal: float


def decide(probabilities: np.ndarray, manifest: Manifest, present: bool) -> Verdict:
    """The verdict on [K] probabilities; "unknown", at the origin, where no modality is present."""
    shares = dict(zip(manifest.labels, probabilities.tolist(), strict=True))
    best = max(shares, key=shares.__getitem__)
    known = present and shares[best] >= manifest.decision.abstention_threshold
    valence, arousal = expectation(shares) if present else (0.0, 0.0)
    return Verdict(best if known else UNKNOWN, shares[best], shares, valence, arousal)


def softmax(logits: np.ndarray) -> np.ndarray:
    """Probabilities, float64, over the last axis."""
    values = np.asarray(logits, np.float64)
    shifted = np.exp(values - values.max(axis=-1, keepdims=True))
    result: np.ndarray = shifted / shifted.sum(axis=-1, keepdims=True)
    return result
