"""What a bundle said of each of one's own clips, beside what the clip is like."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from mer_sdk.contract.bundle import Bundle
from mer_sdk.errors import DataError
from mer_sdk.evaluation.clip_facts import ClipFacts, clip_facts
from mer_sdk.evaluation.conditions import STATES
from mer_sdk.evaluation.datasets.clip import Clip
from mer_sdk.evaluation.features import encode_clip
from mer_sdk.evaluation.metrics import log_softmax
from mer_sdk.frontends.face_detection import FaceDetector, open_detector
from mer_sdk.window.engine import StepEngine
from mer_sdk.window.step import StepFeatures


@dataclass(frozen=True)
class OwnAnswer:
    """One clip under one condition.

    Attributes:
        facts: what the clip is like.
        answer, probability: the likeliest label, and its probability, mean over the runs.
        of_label: the probability of the clip's own label.
        media, start, end: the file, and the part of it in seconds.
        steps: (likeliest label, its probability) of each step from a cold baseline; () where it was not run.
    """

    facts: ClipFacts
    answer: str
    probability: float
    of_label: float
    media: str
    start: float
    end: float | None
    steps: tuple[tuple[str, float], ...] = ()

    @property
    def right(self) -> bool:
        """Whether the answer is the clip's label."""
        return self.answer == self.facts.label


@dataclass(frozen=True)
class OwnAnswers:
    """All clips of one condition, the worst first, by the probability of their own label.

    Attributes:
        state, protocol: the condition.
        step_seconds: of the timelines.
        clips: one each.
    """

    state: str
    protocol: str
    step_seconds: float
    clips: tuple[OwnAnswer, ...] = field(default=())


def own_answers(
    bundle: Bundle,
    clips: Sequence[Clip],
    condition: tuple[str, str],
    scored: Sequence[str],
    log_probabilities: np.ndarray,
    held: np.ndarray,
    worst: int,
    progress: Callable[[int, int], None],
) -> OwnAnswers:
    """Measure every clip, and run the worst again step by step.

    Args:
        bundle: a window bundle.
        clips: of one's own, labelled in the bundle's words.
        condition: (state, protocol).
        scored: ids of the N clips that were scored under it.
        log_probabilities: [R, N, K].
        held: bool [K], the labels that the clips have.
        worst: how many clips get a timeline.
        progress: told how many clips are done, and how many there are.
    """
    labels, by_id = bundle.manifest.labels, {clip.id: clip for clip in clips}
    shares = np.exp(log_softmax(np.where(held, log_probabilities, -np.inf))).mean(axis=0)
    opened: list[FaceDetector] = []

    def detector() -> FaceDetector:
        if not opened:
            opened.append(open_detector(None))
        return opened[0]

    found: list[OwnAnswer] = []
    for number, (name, row) in enumerate(zip(scored, shares, strict=True)):
        progress(number, len(scored))
        clip, likeliest = by_id[name], int(row.argmax())
        try:
            facts = clip_facts(clip, detector)
        except DataError:
            continue  # it was read a moment ago, and is gone
        share = float(row[labels.index(clip.label)])
        media = str(clip.media or "")
        found.append(OwnAnswer(facts, labels[likeliest], float(row[likeliest]), share, media, clip.start, clip.end))
    found.sort(key=lambda item: (item.of_label, item.facts.clip))
    engine = StepEngine(bundle)
    shown = [
        replace(item, steps=_timeline(by_id[item.facts.clip], engine, condition[0], held, detector))
        for item in found[:worst]
    ]
    progress(len(scored), len(scored))
    seconds = bundle.manifest.clock.step_ms / 1000
    return OwnAnswers(*condition, seconds, (*shown, *found[worst:]))


def _timeline(
    clip: Clip, engine: StepEngine, state: str, held: np.ndarray, detector: Callable[[], FaceDetector]
) -> tuple[tuple[str, float], ...]:
    """(likeliest label, its probability) of each step; ("", 0) of a step whose window holds nothing."""
    engine.reset()
    decision, seen, steps = engine.manifest.decision, STATES[state], []
    for features in encode_clip(clip, engine, detector=detector() if clip.paired else None).steps:
        output = engine.advance(
            StepFeatures(
                audio=features.audio if "audio" in seen else None, face=features.face if "face" in seen else None
            )
        )
        if not output.steps:
            steps.append(("", 0.0))
            continue
        heat = decision.of(output.state).temperature
        row = np.exp(log_softmax(np.where(held, np.asarray(output.logits, np.float64) / heat, -np.inf)))
        steps.append((engine.manifest.labels[int(row.argmax())], float(row.max())))
    return tuple(steps)
