"""Accuracy of one bundle as the page shows it: measured now, or read from what `mer evaluate --json` wrote."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from mer_sdk.contract.codec import from_json
from mer_sdk.errors import OptionError, counted, reason_of
from mer_sdk.evaluation.curves import Curves
from mer_sdk.evaluation.dialogues import DialogueReport, DialogueResult
from mer_sdk.evaluation.evaluate import EvaluationReport
from mer_sdk.evaluation.metrics import Interval
from mer_sdk.limits import check_path
from mer_sdk.report.own_answers import OwnAnswers

# People whom a chart's caption names.
MOST_NAMES = 24
# What a window model is judged by first: all modalities, and a person whom the device has met before.
HEADLINE = (("audio+face", "warm"), ("audio+face", "cold"))


@dataclass(frozen=True)
class ReferenceComparison:
    """A scheme against fp32 of the same target on the same answers, over all conditions.

    Attributes:
        reference: name of the fp32 bundle.
        answers: how many answers both gave.
        agreement: share of them on which both name the same label, 0-1.
        uar_difference: this bundle minus the reference under the headline condition, with its paired 95 % interval.
    """

    reference: str
    answers: int
    agreement: float
    uar_difference: float
    interval: Interval


@dataclass(frozen=True)
class Measurement:
    """One evaluation of one bundle, and what it was measured on.

    Attributes:
        report: scores.
        data: name of the data set, "" where a saved file does not say it.
        machine: where it ran, "" where a saved file does not say it.
        against: None for fp32, or where its fp32 bundle was not measured beside it.
        own: clip by clip, of one's own clips; None for others, and where it was read from a saved file.
    """

    report: EvaluationReport | DialogueReport
    data: str = ""
    machine: str = ""
    against: ReferenceComparison | None = None
    own: OwnAnswers | None = None

    @property
    def curves(self) -> tuple[Curves, ...]:
        """One a condition; empty where a saved file lacks them."""
        return tuple(item.curves for item in self.report.results if item.curves is not None)

    @property
    def metric(self) -> str:
        """What the headline score is called."""
        return "UAR" if isinstance(self.report, EvaluationReport) else "weighted F1"

    @property
    def test(self) -> str:
        """What it was measured on: measurements with the same text can stand in one chart."""
        report = self.report
        data = self.data or "data as in the saved file"
        if isinstance(report, DialogueReport):
            said = f"{counted(report.utterances, 'utterance')} of {counted(report.dialogues, 'dialogue')}"
            return f"{data}: {said}; seed {report.options.seed}"
        named = [report.names.get(str(speaker), "" if report.names else str(speaker)) for speaker in report.speakers]
        known = [name for name in named if name]
        speakers = ", ".join(known[:MOST_NAMES]) + (" and others" if len(known) > MOST_NAMES else "")
        merged = ", ".join(f"{old} as {new}" for old, new in report.merged.items() if old != new)
        people = "speaker" if len(report.speakers) == 1 else "speakers"
        return (
            f"{data}: {counted(report.clips, 'clip')} of {people} {speakers}, {counted(report.steps, 'step')}"
            f"{f', {merged}' if merged else ''}; seed {report.options.seed}"
            f"{f', {report.options.orders} orders in warm' if 'warm' in report.options.protocols else ''}"
        )


@dataclass(frozen=True)
class Condition:
    """One row of a measurement. `score` is the headline metric, 0-1; `protocol` is "" for a dialogue's reading.
    `decided` is the modality state whose temperature and threshold hold: a dialogue is evaluated by its texts."""

    state: str
    protocol: str
    decided: str
    score: float
    interval: Interval
    war: float
    ece: float
    confusion: np.ndarray
    curves: Curves | None

    @property
    def name(self) -> str:
        """Such as "audio+face, warm"."""
        return f"{self.state}, {self.protocol}" if self.protocol else self.state


def conditions(measurement: Measurement) -> tuple[Condition, ...]:
    """All conditions of a measurement in its own order."""
    report = measurement.report
    if isinstance(report, DialogueReport):
        return tuple(
            Condition(
                item.reading, "", "text", item.weighted_f1, item.weighted_f1_interval, item.war, item.ece,
                np.array(item.confusion, np.float64), item.curves,
            )
            for item in report.results
        )  # fmt: skip
    return tuple(
        Condition(
            item.state, item.protocol, item.state, item.uar, item.uar_interval, item.war, item.ece,
            np.array(item.confusion, np.float64), item.curves,
        )
        for item in report.results
    )  # fmt: skip


def headline(measurement: Measurement) -> Condition:
    """The condition that stands for the measurement: audio+face and warm where it is there, else the first."""
    rows = conditions(measurement)
    named = {(row.state, row.protocol): row for row in rows}
    return next((named[key] for key in HEADLINE if key in named), rows[0])


def read_measurements(path: str | Path) -> tuple[Measurement, ...]:
    """Read what `mer evaluate --json` or `mer report --json` wrote.

    Raises:
        OptionError: not readable, not such a file, or without results.
    """
    check_path("the evaluation", path, "the path of a file that `mer evaluate --json` wrote")
    try:
        data = json.loads(Path(path).read_text(encoding="utf-8"))
        if isinstance(data, dict) and "evaluations" in data:
            found = [_measurement(item) for item in data["evaluations"]]
        else:
            # Of several bundles `mer evaluate` writes a list.
            found = [Measurement(_report(item)) for item in (data if isinstance(data, list) else [data])]
    except (OSError, ValueError, TypeError, KeyError, OverflowError, RecursionError) as error:
        told = isinstance(error, OSError | ValueError)
        why = reason_of(error) if told else "a field is missing or of another kind, or it is nested too deep"
        raise OptionError(
            f"--evaluation {path} is no saved evaluation ({why}); give a file that `mer evaluate --json` or "
            "`mer report --json` wrote"
        ) from error
    return tuple(found)


def _measurement(data: Mapping[str, Any]) -> Measurement:
    return Measurement(
        report=_report(data["report"]),
        data=str(data["data"]),
        machine=str(data["machine"]),
        against=None if data["against"] is None else from_json(ReferenceComparison, data["against"]),
    )


def _check_curves(found: Curves) -> None:
    if not found.reliability or not found.coverage:
        raise ValueError("curves must have at least one bin and one point")
    for item in found.reliability:
        _shares((item.low, item.high, item.confidence, item.accuracy), "bins")
        if not 0 < item.answers < np.inf:
            raise ValueError("a bin must hold some answers")
    for point in found.coverage:
        _shares((point.coverage, point.accuracy, point.threshold), "points")


def _shares(values: Iterable[float], what: str) -> None:
    """Python reads NaN and Infinity in JSON, and a chart of them is empty or wrong."""
    # The mean of probabilities may end a last digit above 1.
    if not all(-1e-9 <= value <= 1.0 + 1e-9 for value in values):
        raise ValueError(f"{what} must lie between 0 and 1")


def _report(data: Any) -> EvaluationReport | DialogueReport:
    if not isinstance(data, dict):
        raise ValueError(f"an object is expected, found {type(data).__name__}")
    report: EvaluationReport | DialogueReport
    report = from_json(DialogueReport, data) if "dialogues" in data else from_json(EvaluationReport, data)
    if not report.results:
        raise ValueError("results is empty")
    for item in report.results:
        scores = [item.war, item.uar, item.macro_f1, item.ece]
        scores += [
            edge for i in (item.war_interval, item.uar_interval, item.macro_f1_interval) for edge in (i.low, i.high)
        ]
        if isinstance(item, DialogueResult):
            scores += [item.weighted_f1, item.weighted_f1_interval.low, item.weighted_f1_interval.high]
        _shares(scores, "scores")
        if item.curves is not None:
            _check_curves(item.curves)
    size = len(report.labels)
    for item in report.results:
        if np.shape(item.confusion) != (size, size):
            raise ValueError(f"a confusion matrix must have {size} rows and columns, one a label")
        if not (np.isfinite(item.confusion).all() and np.min(item.confusion) >= 0):
            raise ValueError("a confusion matrix must hold counts of at least 0")
    return report
