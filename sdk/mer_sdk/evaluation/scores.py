"""The scores of a bundle on labelled clips, and how they come from its predictions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from mer_sdk.errors import OptionError
from mer_sdk.evaluation import metrics
from mer_sdk.evaluation.conditions import ConditionPredictions, check_conditions
from mer_sdk.evaluation.curves import Curves, curves
from mer_sdk.evaluation.datasets.clip import LeftOut
from mer_sdk.evaluation.metrics import Interval, log_softmax
from mer_sdk.limits import check_kind, check_number, check_seed, check_threads


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

    Raises:
        OptionError: an unknown state or protocol, one that is there twice, or a number outside its range: `orders`,
            `enrol_clips` and `resamples` are whole and at least 1, `seed` at least 0.
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

    def __post_init__(self) -> None:
        check_conditions(self.states, self.protocols)
        for name in ("orders", "enrol_clips", "resamples"):
            check_number(name, getattr(self, name), "give a whole number of at least 1", least=1, whole=True)
        wanted = "it must be above 0, 1 takes the whole image"
        check_number("track_scale", self.track_scale, wanted, above=0)
        check_seed(self.seed)
        check_kind("runtime", self.runtime, str, "a runtime's name, such as 'onnx'")
        check_threads(self.threads)


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
        omitted: sentences on states, protocols and people that were left out, and on clips that are few.
        caution: why the scores may be better than those of strangers; "" where nothing speaks for it.
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
    caution: str = ""

    def result(self, state: str, protocol: str) -> ConditionResult:
        """The score of one condition; OptionError where it was not evaluated."""
        for result in self.results:
            if (result.state, result.protocol) == (state, protocol):
                return result
        done = ", ".join(f"{result.state}/{result.protocol}" for result in self.results)
        raise OptionError(f"{state}/{protocol} was not evaluated; there is {done}")


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
