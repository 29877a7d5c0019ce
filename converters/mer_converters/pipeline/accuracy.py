"""A scheme against fp32 of the same target on labelled clips that did not calibrate it: agreement and accuracy."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from mer_fusion.calibration import learned_from
from mer_fusion.checkpoint import Checkpoint
from mer_fusion.torch_bundle import manifest_of, sentence_encoder
from mer_quantization.recordings import DataOptions, dialogues, recordings
from mer_sdk.contract.bundle import Bundle
from mer_sdk.evaluation import metrics
from mer_sdk.evaluation.conditions import STATES, predict
from mer_sdk.evaluation.datasets import OwnClips
from mer_sdk.evaluation.dialogues import DialogueOptions, predict_dialogues
from mer_sdk.evaluation.features import ClipFeatures
from mer_sdk.runtimes import Graph
from mer_sdk.window.engine import StepEngine

# Limits of the gate for quantized schemes (design, section 6).
LEAST_AGREEMENT, MOST_UAR_LOST = 0.98, 0.01
# A scaled head changes no label; how loud the scores are must stay within this range of fp32's.
LOUDNESS = (0.8, 1.25)


@dataclass(frozen=True, eq=False)
class Answers:
    """Labels and predictions of all held-out clips in all modality states, or of all utterances.

    Attributes:
        clips: how many clips (dialogues) they come from.
        truth: int [n], index of the bundle's labels.
        log_probabilities: float64 [n, K], after the checkpoint's temperature, each row normalised.
        groups: int [n], numbers from 0: the clip (dialogue) of each answer. Answers of one are not independent.
        composed: whether the faces come from another data set than the sound.
        states: modality state -> its rows; empty where there is one.
        met: whether any part of the network has learned from these people: it is surer of them than of others.
    """

    clips: int
    truth: np.ndarray
    log_probabilities: np.ndarray
    groups: np.ndarray
    composed: bool = False
    states: Mapping[str, slice] = field(default_factory=dict)
    met: bool = False

    @property
    def chosen(self) -> np.ndarray:
        """int [n], the most probable label."""
        result: np.ndarray = self.log_probabilities.argmax(axis=1)
        return result


@dataclass(frozen=True)
class Agreement:
    """In how many of `answers` (at least 1) answers a scheme names the same label as fp32."""

    same: int
    answers: int

    @property
    def share(self) -> float:
        """0-1."""
        return self.same / self.answers

    def is_below(self, limit: float) -> bool:
        """Whether all of the share's 95 % interval (Wilson, 1927) lies below `limit`."""
        spread = 1.96**2 / self.answers
        half = 1.96 * math.sqrt(self.share * (1 - self.share) / self.answers + spread / (4 * self.answers))
        return (self.share + spread / 2 + half) / (1 + spread) < limit


@dataclass(frozen=True)
class Accuracy:
    """A scheme against fp32 on the same clips.

    Attributes:
        clips: how many clips (dialogues) that were not used for calibration.
        answers: how many predictions: each clip with sound and face, with sound alone, with a face alone; or each
            utterance.
        agreement: share of answers on which both name the same label, 0-1.
        uar_fp32, uar: unweighted average recall of fp32 and of the scheme, 0-1.
        interval: 95 % of a paired bootstrap over clips (dialogues), of `uar - uar_fp32`.
        loudness: by what fp32's scores are best multiplied to give the scheme's (least squares, each answer's scores
            about their mean), 1 where both are as sure.
        by_state: modality state -> the agreement in it; empty where there is one state.
    """

    clips: int
    answers: int
    agreement: float
    uar_fp32: float
    uar: float
    interval: metrics.Interval
    loudness: float = 1.0
    by_state: dict[str, Agreement] = field(default_factory=dict)

    @property
    def passed(self) -> bool:
        """Whether agreement, loss and loudness are within the gate's limits, and agreement in no state clearly below.

        States are asked one by one because an app may see one alone: with sound an answer is sure and survives what
        turns it over where there is a face alone. One state has few answers, so that only a share whose whole interval
        lies below the limit counts: asked for the limit itself, GRJCA moved nine layers to float for two answers.
        """
        # A loss of exactly the limit passes, whatever its last binary digit.
        near = self.agreement >= LEAST_AGREEMENT and self.uar_fp32 - self.uar <= MOST_UAR_LOST + 1e-9
        near = near and not any(found.is_below(LEAST_AGREEMENT) for found in self.by_state.values())
        return near and LOUDNESS[0] <= self.loudness <= LOUDNESS[1]


def held_out_answers(checkpoint: Checkpoint, graphs: Mapping[str, Graph], options: DataOptions) -> Answers:
    """Run loaded graphs over the held-out clips by the SDK's own engines, baselines warm.

    Raises:
        OptionError, DataError: as `mer_quantization.recordings`.
    """
    manifest = manifest_of(checkpoint)
    bundle = Bundle(manifest, None, lambda threads: dict(graphs), sentence_encoder(checkpoint.card))
    known = manifest.labels
    if manifest.dialogue is not None:
        talks = dialogues(options, manifest, held_out=True)
        readings, _ = predict_dialogues(bundle, talks, DialogueOptions())
        truth = [known.index(line.label or "") for talk in talks for line in talk.utterances]
        groups = np.repeat(np.arange(len(talks)), [len(talk.utterances) for talk in talks])
        # The reading that a network which looks ahead gives once the dialogue is over comes last.
        return Answers(len(talks), np.array(truth), list(readings.values())[-1], groups)
    engine, clips = StepEngine(bundle), []
    for recording in recordings(options, manifest, held_out=True):
        steps = zip(recording.chunks, recording.crops, strict=True)
        clips.append(ClipFeatures(recording.clip, tuple(engine.encode(chunk, crop) for chunk, crop in steps)))
    found = predict(clips, engine, tuple(STATES), ("warm",), orders=1, seed=options.seed)
    numbers = {item.clip.id: number for number, item in enumerate(clips)}
    groups = np.array([numbers[name] for item in found for name in item.clips])
    truth = [known.index(clips[number].clip.label) for number in groups]
    rows = np.concatenate([item.log_probabilities[0] for item in found])
    composed = not all(item.clip.paired for item in clips)
    ends = np.cumsum([len(item.clips) for item in found])
    states = {item.state: slice(int(end) - len(item.clips), int(end)) for item, end in zip(found, ends, strict=True)}
    own = any(spec.partition(":")[0] == OwnClips.name for spec in options.data)
    met = not own and bool(learned_from(checkpoint.card) & {item.clip.speaker for item in clips})
    return Answers(len(clips), np.array(truth), rows, groups, composed, states, met)


def compare_answers(scheme: Answers, fp32: Answers) -> Accuracy:
    """Both of the same clips in the same order.

    Raises:
        ValueError: they are not.
    """
    if not np.array_equal(scheme.truth, fp32.truth):
        raise ValueError("the answers are of different clips")
    same = scheme.chosen == fp32.chosen
    paired = metrics.paired_bootstrap(fp32.truth, scheme.chosen, fp32.chosen, groups=fp32.groups)
    return Accuracy(
        clips=scheme.clips,
        answers=len(scheme.truth),
        agreement=float(np.mean(same)),
        uar_fp32=metrics.uar(fp32.truth, fp32.chosen),
        uar=metrics.uar(scheme.truth, scheme.chosen),
        interval=paired.interval,
        loudness=_loudness(scheme.log_probabilities, fp32.log_probabilities),
        by_state={state: Agreement(int(same[rows].sum()), same[rows].size) for state, rows in fp32.states.items()},
    )


def _loudness(rows: np.ndarray, reference: np.ndarray) -> float:
    """0 where a score is not finite, which no gate lets through."""
    if not (np.isfinite(rows).all() and np.isfinite(reference).all()):
        return 0.0
    mine, theirs = (item - item.mean(axis=1, keepdims=True) for item in (rows, reference))
    return float((mine * theirs).sum() / max((theirs**2).sum(), 1e-12))
