"""Accuracy of a bundle on labelled clips, per modality state and baseline protocol, on any machine that runs it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from mer_sdk.contract.bundle import Bundle
from mer_sdk.errors import DataError, OptionError
from mer_sdk.evaluation import metrics
from mer_sdk.evaluation.conditions import (
    ConditionPredictions,
    check_conditions,
    check_enrolment,
    clip_log_probabilities,
    predict,
)
from mer_sdk.evaluation.curves import Curves, curves
from mer_sdk.evaluation.datasets.clip import Clip
from mer_sdk.evaluation.features import encode_clip
from mer_sdk.evaluation.metrics import Interval
from mer_sdk.runtimes import runtime_note
from mer_sdk.window.engine import StepEngine

__all__ = [
    "ConditionResult",
    "EvaluationOptions",
    "EvaluationReport",
    "Progress",
    "clip_log_probabilities",
    "evaluate",
    "predict_clips",
    "report_of",
    "summarise",
]

# Called with what is being done, how many are done, and how many there are.
Progress = Callable[[str, int, int], None]


@dataclass(frozen=True)
class EvaluationOptions:
    """How to evaluate.

    Attributes:
        states: of "audio+face", "audio", "face".
        protocols: of "cold", "warm", "enrolled", "none"; see `mer_sdk.evaluation.conditions`.
        orders: random orders of a person's clips in "warm".
        enrol_clips: neutral clips per person in "enrolled".
        track_scale: see `mer_sdk.evaluation.features.encode_clip`; above 0.
        resamples: of the bootstrap.
        seed: of the orders and of the bootstrap.
        runtime: None for the bundle's own.
        threads: CPU threads of the runtime.
    """

    states: tuple[str, ...] = ("audio+face", "audio", "face")
    protocols: tuple[str, ...] = ("cold", "warm", "enrolled")
    orders: int = 5
    enrol_clips: int = 4
    track_scale: float = 1.0
    resamples: int = metrics.RESAMPLES
    seed: int = 0
    runtime: str | None = None
    threads: int = 1


@dataclass(frozen=True)
class ConditionResult:
    """The score of one state under one protocol. Every measure is the mean over the runs (orders of "warm", else 1).

    Attributes:
        state, protocol: the condition.
        clips: number of scored clips.
        runs: number of runs.
        war, uar, macro_f1: 0-1, with their 95 % intervals over clips.
        ece: expected calibration error, 15 bins, 0-1.
        nll: mean negative log-likelihood in nats.
        recall: label -> recall, None for a label that no scored clip has.
        support: label -> number of scored clips.
        confusion: K x K, row = label, column = prediction, counts averaged over the runs.
        skipped: ids of clips without any of the state's modalities, not scored.
        curves: reliability, and accuracy over coverage, over all runs together; None where a saved file lacks them.
        uar_by_speaker: number of each person -> UAR of their clips; empty where a saved file lacks it.
    """

    state: str
    protocol: str
    clips: int
    runs: int
    war: float
    war_interval: Interval
    uar: float
    uar_interval: Interval
    macro_f1: float
    macro_f1_interval: Interval
    ece: float
    nll: float
    recall: dict[str, float | None]
    support: dict[str, int]
    confusion: tuple[tuple[float, ...], ...]
    skipped: tuple[str, ...] = ()
    curves: Curves | None = None
    uar_by_speaker: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class EvaluationReport:
    """Scores of one bundle; plain values, `mer_sdk.contract.codec.to_json` writes it.

    Attributes:
        bundle, model, target, scheme, runtime: what ran.
        labels: in the order of `confusion`.
        merged: label of the data set -> label of the bundle, as scored.
        speakers: of the scored clips.
        clips, steps: number of clips and of their steps.
        options: as given.
        results: one a state and protocol.
        note: what results of this runtime do not prove; "" for a real runtime.
    """

    bundle: str
    model: str
    target: str
    scheme: str
    runtime: str
    labels: tuple[str, ...]
    merged: dict[str, str]
    speakers: tuple[int, ...]
    clips: int
    steps: int
    options: EvaluationOptions
    results: tuple[ConditionResult, ...]
    note: str = ""

    def result(self, state: str, protocol: str) -> ConditionResult:
        """The score of one condition; OptionError where it was not evaluated."""
        for result in self.results:
            if (result.state, result.protocol) == (state, protocol):
                return result
        done = ", ".join(f"{result.state}/{result.protocol}" for result in self.results)
        raise OptionError(f"{state}/{protocol} was not evaluated; there is {done}")


def evaluate(
    bundle: Bundle,
    clips: Sequence[Clip],
    labels: Mapping[str, str],
    options: EvaluationOptions | None = None,
    progress: Progress | None = None,
) -> EvaluationReport:
    """Score a bundle on labelled clips.

    Args:
        bundle: with the graphs audio, face and fusion.
        clips: not empty.
        labels: label of the clips -> label of the bundle (for RAVDESS `ravdess.merge_labels`).
        options: None for the defaults.
        progress: called as the work goes on.

    Raises:
        OptionError: an unknown state, protocol or runtime.
        DataError: no clips, a clip's file that cannot be read, or a label that is not in `labels`.
    """
    chosen = options or EvaluationOptions()
    known = bundle.manifest.labels
    unlabelled = next((clip for clip in clips if labels.get(clip.label) not in known), None)
    if unlabelled is not None:
        raise DataError(
            f"clip {unlabelled.id} is labelled {unlabelled.label!r}, which is none of the bundle's labels "
            f"({', '.join(known)}); give a mapping or leave the clip out"
        )
    check_conditions(chosen.states, chosen.protocols)
    if "enrolled" in chosen.protocols:
        check_enrolment(clips, chosen.enrol_clips)
    predictions, steps = predict_clips(bundle, clips, chosen, progress)
    return report_of(bundle, clips, labels, chosen, predictions, steps)


def report_of(
    bundle: Bundle,
    clips: Sequence[Clip],
    labels: Mapping[str, str],
    options: EvaluationOptions,
    predictions: Sequence[ConditionPredictions],
    steps: int,
) -> EvaluationReport:
    """The scores of what `predict_clips` gave; arguments as for `evaluate`, every label of the clips in `labels`."""
    manifest = bundle.manifest
    truth = {clip.id: manifest.labels.index(labels[clip.label]) for clip in clips}
    people = {clip.id: clip.speaker for clip in clips}
    return EvaluationReport(
        bundle=manifest.name,
        model=manifest.model,
        target=manifest.target,
        scheme=manifest.scheme,
        runtime=options.runtime or bundle.runtime,
        labels=manifest.labels,
        merged=dict(labels),
        speakers=tuple(sorted({clip.speaker for clip in clips})),
        clips=len(clips),
        steps=steps,
        options=options,
        results=tuple(summarise(item, truth, people, manifest.labels, options) for item in predictions),
        note=runtime_note(options.runtime or bundle.runtime),
    )


def predict_clips(
    bundle: Bundle, clips: Sequence[Clip], options: EvaluationOptions, progress: Progress | None = None
) -> tuple[list[ConditionPredictions], int]:
    """The predictions behind `evaluate`, and the number of steps; for comparing two bundles clip by clip.

    Raises:
        As `evaluate`.
    """
    if not clips:
        raise DataError("there are no clips to evaluate; give a selection that fits some")
    if options.track_scale <= 0:
        raise OptionError(f"track_scale is {options.track_scale}; it must be above 0, 1 takes the whole image")
    check_conditions(options.states, options.protocols)
    report = progress or (lambda what, done, total: None)
    missing = [name for name in ("audio", "face") if name not in bundle.manifest.graphs]
    if missing:
        raise OptionError(f"{bundle.name} has no {missing[0]} graph; evaluation needs an audio-visual window model")
    engine = StepEngine(bundle, options.runtime, options.threads)
    encoded = []
    for index, clip in enumerate(clips):
        report("encoding clips", index, len(clips))
        encoded.append(encode_clip(clip, engine, options.track_scale))
    report("encoding clips", len(clips), len(clips))
    runs = sum(options.orders if protocol == "warm" else 1 for protocol in options.protocols)
    total, done = len(clips) * runs * len(options.states), 0

    def advance(count: int) -> None:
        nonlocal done
        done += count
        report("fusing", done, total)

    predictions = predict(
        encoded,
        engine,
        options.states,
        options.protocols,
        orders=options.orders,
        enrol_clips=options.enrol_clips,
        seed=options.seed,
        advance=advance,
    )
    # Enrolment clips and skipped ones are not run, so the count may have stopped short of the total.
    report("fusing", total, total)
    return predictions, sum(len(item.steps) for item in encoded)


def summarise(
    predictions: ConditionPredictions,
    truth: Mapping[str, int],
    people: Mapping[str, int],
    labels: Sequence[str],
    options: EvaluationOptions,
) -> ConditionResult:
    """Score one condition; `truth` maps clip ids to indices of `labels`, `people` to numbers of speakers."""
    target = np.array([truth[clip] for clip in predictions.clips])
    scores = predictions.log_probabilities
    chosen = scores.argmax(axis=2)
    classes = len(labels)
    table = np.mean([metrics.confusion(target, run, classes) for run in chosen], axis=0)
    support = np.bincount(target, minlength=classes)
    speakers = np.array([people[clip] for clip in predictions.clips])
    intervals = {
        name: metrics.bootstrap_interval(target, chosen, name, options.resamples, options.seed)
        for name in metrics.METRICS
    }
    recall = {
        label: float(table[index, index] / support[index]) if support[index] else None
        for index, label in enumerate(labels)
    }
    return ConditionResult(
        state=predictions.state,
        protocol=predictions.protocol,
        clips=len(target),
        runs=len(scores),
        war=metrics.war(target, chosen),
        war_interval=intervals["war"],
        uar=metrics.uar(target, chosen),
        uar_interval=intervals["uar"],
        macro_f1=metrics.macro_f1(target, chosen),
        macro_f1_interval=intervals["macro_f1"],
        ece=float(np.mean([metrics.ece(target, np.exp(run)) for run in scores])),
        nll=float(np.mean([metrics.nll(target, run) for run in scores])),
        recall=recall,
        support={label: int(count) for label, count in zip(labels, support, strict=True)},
        confusion=tuple(tuple(float(value) for value in row) for row in table),
        skipped=predictions.skipped,
        curves=curves(predictions.state, predictions.protocol, target, scores),
        uar_by_speaker={
            str(person): metrics.uar(target[speakers == person], chosen[:, speakers == person])
            for person in sorted(set(speakers.tolist()))
        },
    )
