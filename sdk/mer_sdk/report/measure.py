"""Accuracy of several bundles on the same labelled data: scores, curves, and each scheme against its fp32."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from mer_sdk.contract.bundle import Bundle
from mer_sdk.dialogue.dialogue_file import Dialogue
from mer_sdk.evaluation import metrics
from mer_sdk.evaluation.datasets.clip import Clip
from mer_sdk.evaluation.dialogues import DialogueOptions, scored_dialogues
from mer_sdk.evaluation.evaluate import EvaluationOptions, Progress, predict_clips, report_of
from mer_sdk.evaluation.omissions import Omissions
from mer_sdk.report.results import Measurement, ReferenceComparison, headline


@dataclass(frozen=True, eq=False)
class Answers:
    """Every answer of a bundle: condition (state or reading, protocol) -> truth [N] and log-probabilities [R, N, K].

    `groups` [N] numbers what is drawn together by the bootstrap: a dialogue's utterances; None for clips. `names` has
    the ids of the clips of each condition, {} for dialogues.
    """

    rows: dict[tuple[str, str], tuple[np.ndarray, np.ndarray]]
    groups: np.ndarray | None = None
    names: dict[tuple[str, str], tuple[str, ...]] = field(default_factory=dict)


def measure_clips(
    bundle: Bundle,
    clips: Sequence[Clip],
    labels: Mapping[str, str],
    options: EvaluationOptions,
    progress: Progress,
    omissions: Omissions | None = None,
) -> tuple[Measurement, Answers]:
    """Score a window bundle; `labels` is label of the data -> label of the bundle, `omissions` see `evaluate`.

    Raises:
        As `mer_sdk.evaluation.evaluate.predict_clips`.
    """
    predictions, steps = predict_clips(bundle, clips, options, progress, omissions)
    truth = {clip.id: bundle.manifest.labels.index(labels[clip.label]) for clip in clips}
    report = report_of(bundle, clips, labels, options, predictions, steps, omissions)
    rows = {
        (item.state, item.protocol): (np.array([truth[clip] for clip in item.clips]), item.log_probabilities)
        for item in predictions
    }
    return Measurement(report), Answers(rows, names={(item.state, item.protocol): item.clips for item in predictions})


def measure_dialogues(
    bundle: Bundle, dialogues: Sequence[Dialogue], options: DialogueOptions, progress: Callable[[int, int], None]
) -> tuple[Measurement, Answers]:
    """Score a dialogue bundle.

    Raises:
        As `mer_sdk.evaluation.dialogues.scored_dialogues`.
    """
    report, readings = scored_dialogues(bundle, dialogues, options, progress)
    truth = np.array(
        [report.labels.index(report.merged[line.label or ""]) for talk in dialogues for line in talk.utterances]
    )
    rows = {(reading, ""): (truth, scores[None]) for reading, scores in readings.items()}
    groups = np.repeat(np.arange(len(dialogues)), [len(talk.utterances) for talk in dialogues])
    return Measurement(report), Answers(rows, groups)


def against(measurement: Measurement, mine: Answers, reference: str, theirs: Answers, seed: int) -> ReferenceComparison:
    """A scheme against the fp32 bundle `reference` of its target, both measured on the same data.

    Raises:
        ValueError: the answers are of other conditions or of other clips.
    """
    if list(mine.rows) != list(theirs.rows):
        raise ValueError(f"conditions {list(mine.rows)} and {list(theirs.rows)} cannot be compared")
    same = [mine.rows[key][1].argmax(axis=2).ravel() == theirs.rows[key][1].argmax(axis=2).ravel() for key in mine.rows]
    first = headline(measurement)
    truth, scores = mine.rows[first.state, first.protocol]
    other, base = theirs.rows[first.state, first.protocol]
    if not np.array_equal(truth, other):
        raise ValueError("the answers are of different clips")
    found = metrics.paired_bootstrap(
        truth, scores.argmax(axis=2), base.argmax(axis=2), "uar", seed=seed, groups=mine.groups
    )
    every = np.concatenate(same)
    return ReferenceComparison(reference, len(every), float(every.mean()), found.difference, found.interval)
