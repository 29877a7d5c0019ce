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
from mer_sdk.evaluation.datasets.clip import Clip, LeftOut
from mer_sdk.evaluation.features import detector_of, encode_clip
from mer_sdk.evaluation.metrics import Interval, log_softmax
from mer_sdk.evaluation.omissions import Omissions, possible_protocols, possible_states
from mer_sdk.runtimes import runtime_note
from mer_sdk.window.engine import StepEngine

__all__ = [
    "AllLabels",
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
class AllLabels:
    """Scores where every label of the bundle may be answered, of data that have some of the labels alone.

    Attributes:
        war, uar, ece: as in `ConditionResult`.
        outside: share of the answers that are none of the data's labels, 0-1.
    """

    war: float
    uar: float
    ece: float
    outside: float


@dataclass(frozen=True)
class ConditionResult:
    """The score of one state under one protocol. Every measure is the mean over the runs (orders of "warm", else 1).

    Where the data have some of the bundle's labels alone, an answer is the likeliest of those: a label that no clip can
    have is never right, and would be counted against the bundle. `all_labels` has the scores without that.

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
        all_labels: None where the data have all labels of the bundle.
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
    all_labels: AllLabels | None = None


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
        names: number of each person -> their name, where the data set names people.
        left_out: clips that could not be scored, and why.
        omitted: sentences on states, protocols and people that were left out.
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
    names: dict[str, str] = field(default_factory=dict)
    left_out: tuple[LeftOut, ...] = ()
    omitted: tuple[str, ...] = ()

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
    omissions: Omissions | None = None,
) -> EvaluationReport:
    """Score a bundle on labelled clips.

    Args:
        bundle: with the graphs audio, face and fusion.
        clips: not empty.
        labels: label of the clips -> label of the bundle (for RAVDESS `ravdess.merge_labels`).
        options: None for the defaults.
        progress: called as the work goes on.
        omissions: where it is given, what cannot be done is left out and noted there: clips that cannot be read, states
            that no clip holds, protocols that no person (or, for "enrolled", this person) can have.

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
    if omissions is None and "enrolled" in chosen.protocols:
        check_enrolment(clips, chosen.enrol_clips)
    predictions, steps = predict_clips(bundle, clips, chosen, progress, omissions)
    return report_of(bundle, clips, labels, chosen, predictions, steps, omissions)


def report_of(
    bundle: Bundle,
    clips: Sequence[Clip],
    labels: Mapping[str, str],
    options: EvaluationOptions,
    predictions: Sequence[ConditionPredictions],
    steps: int,
    omissions: Omissions | None = None,
) -> EvaluationReport:
    """The scores of what `predict_clips` gave; arguments as for `evaluate`, every label of the clips in `labels`."""
    manifest = bundle.manifest
    left = omissions or Omissions()
    lost = {item.clip for item in left.clips}
    clips = [clip for clip in clips if clip.id not in lost]
    truth = {clip.id: manifest.labels.index(labels[clip.label]) for clip in clips}
    people = {clip.id: clip.speaker for clip in clips}
    meant = set(labels.values())
    held = np.array([label in meant for label in manifest.labels])
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
        results=tuple(summarise(item, truth, people, manifest.labels, options, held) for item in predictions),
        note=runtime_note(options.runtime or bundle.runtime),
        names={str(clip.speaker): clip.person for clip in clips if clip.person},
        left_out=tuple(left.clips),
        omitted=tuple(left.notes),
    )


def predict_clips(
    bundle: Bundle,
    clips: Sequence[Clip],
    options: EvaluationOptions,
    progress: Progress | None = None,
    omissions: Omissions | None = None,
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
    protocols = options.protocols if omissions is None else possible_protocols(options.protocols, clips, omissions)
    engine = StepEngine(bundle, options.runtime, options.threads)
    detector = detector_of(clips)
    encoded = []
    for index, clip in enumerate(clips):
        report("encoding clips", index, len(clips))
        try:
            encoded.append(encode_clip(clip, engine, options.track_scale, detector))
        except DataError as error:
            if omissions is None:
                raise
            omissions.clips.append(LeftOut(clip.id, str(error)))
    report("encoding clips", len(clips), len(clips))
    states = options.states if omissions is None else possible_states(options.states, encoded, omissions)
    runs = sum(options.orders if protocol == "warm" else 1 for protocol in protocols)
    total, done = len(encoded) * runs * len(states), 0

    def advance(count: int) -> None:
        nonlocal done
        done += count
        report("fusing", done, total)

    predictions = predict(
        encoded,
        engine,
        states,
        protocols,
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
    held: np.ndarray | None = None,
) -> ConditionResult:
    """Score one condition.

    Args:
        truth: clip id -> index of `labels`.
        people: clip id -> number of its speaker.
        held: bool [K], the labels that the data have; None for all.
    """
    target = np.array([truth[clip] for clip in predictions.clips])
    scores, everything = predictions.log_probabilities, None
    if held is not None and not held.all():
        everything = _all_labels(target, scores, held)
        scores = log_softmax(np.where(held, scores, -np.inf))
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
        all_labels=everything,
    )


def _all_labels(target: np.ndarray, scores: np.ndarray, held: np.ndarray) -> AllLabels:
    chosen = scores.argmax(axis=2)
    return AllLabels(
        war=metrics.war(target, chosen),
        uar=metrics.uar(target, chosen),
        ece=float(np.mean([metrics.ece(target, np.exp(run)) for run in scores])),
        outside=float(1 - held[chosen].mean()),
    )
