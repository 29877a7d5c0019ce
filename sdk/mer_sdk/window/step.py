"""One step of a stream: the features that go into the window, and what the window then says."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, eq=False)
class StepFeatures:
    """Raw features of one step: vectors [Da] and [Df], None where the modality is missing."""

    audio: np.ndarray | None
    face: np.ndarray | None


@dataclass(frozen=True, eq=False)
class StepOutput:
    """What the window says at one step.

    Attributes:
        logits: [K], before the temperature; all 0 where the window is empty.
        shares: K probabilities, softmax of logits / temperature; uniform where the window is empty.
        reliance: modality -> share; sums to 1, all 0 where the window is empty.
        present: modality -> number of steps of the window that hold it.
        steps: steps of the window that hold any modality.
        state: which modalities the window holds, as in `EmotionEstimate.state`.
    """

    logits: np.ndarray
    shares: list[float]
    reliance: dict[str, float]
    present: dict[str, int]
    steps: int
    state: str

    @property
    def probabilities(self) -> np.ndarray:
        """The shares as an array, float64 [K]."""
        return np.array(self.shares)
