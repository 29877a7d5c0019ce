"""What a bundle's report.json says of it: gate, distances, agreement, proof of quantization, sensitivity, confidence.

A report is written by a converter of any version, so what it lacks is None or empty here; what it has is checked.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mer_sdk.errors import BundleError

REPORT = "report.json"
# What stands where something is not known.
NONE = "–"


@dataclass(frozen=True)
class GraphProof:
    """How a written graph holds its weights and where it computes in 8 bits; see `mer_quantization.proof`.

    Attributes:
        weight_bytes: element type -> stored bytes of weights.
        operations: how many operations have a weight.
        float_weights: names of the operations whose weight is in floating point.
        float_inputs: names of the operations whose weight is in integers and whose input is not.
        int8_share: share of the weight bytes in 8-bit integers, 0-1.
        macs: multiply-accumulates of one run, 0 where the report does not count them.
        int8_macs: those whose weight and input are both in 8-bit integers.
    """

    weight_bytes: dict[str, int]
    operations: int
    float_weights: tuple[str, ...]
    float_inputs: tuple[str, ...]
    int8_share: float
    macs: int
    int8_macs: int

    @property
    def mac_share(self) -> float | None:
        """Share of the multiply-accumulates in 8-bit integers, 0-1; None where the report does not count them."""
        return self.int8_macs / self.macs if self.macs else None


@dataclass(frozen=True)
class GateAccuracy:
    """A scheme against fp32 on labelled clips at conversion; shares are 0-1.

    `low` and `high` bound 95 % of `uar - uar_fp32`, where the report has them.
    """

    clips: int
    answers: int
    agreement: float
    uar_fp32: float
    uar: float
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True)
class Confidence:
    """What was fitted to the artifact's own answers at conversion; shares are 0-1.

    Attributes:
        temperature, temperature_before: of the artifact, and of the checkpoint.
        ece_before, ece: expected calibration error with the checkpoint's temperature and with the fitted one.
        threshold: answers less confident than this are "unknown".
        covered: share of answers that it lets through.
        accuracy, accuracy_covered: of all answers, and of those.
        answers: how many.
    """

    temperature: float
    temperature_before: float
    ece_before: float
    ece: float
    threshold: float
    covered: float
    accuracy: float
    accuracy_covered: float
    answers: int


@dataclass(frozen=True)
class Sensitivity:
    """One operation in the scheme, everything else in fp32; `sqnr_db` is None where nothing changed."""

    name: str
    sqnr_db: float | None


@dataclass(frozen=True)
class Evidence:
    """The parts of report.json that people look at.

    Distances are largest absolute differences of the logits. `student_vs_full` is a sentence of the checkpoint's card.
    `calibration` and `checked_on` say on what, in words; `moved_to_float` are layers that the gate forced back.
    """

    gate_state: str = ""
    gate_reason: str = ""
    student_vs_full: str = ""
    conversion: float | None = None
    quantization: float | None = None
    sqnr_db: float | None = None
    accuracy: GateAccuracy | None = None
    confidence: Confidence | None = None
    calibration: str = ""
    checked_on: str = ""
    moved_to_float: tuple[str, ...] = ()
    proof: dict[str, GraphProof] = field(default_factory=dict)
    sensitivity: dict[str, tuple[Sensitivity, ...]] = field(default_factory=dict)


def read_evidence(folder: Path | None) -> Evidence:
    """The evidence of a bundle's folder; nothing for a checkpoint (a file), or a bundle without report.json.

    Raises:
        BundleError: report.json is not readable, or a part of it is not what it must be.
    """
    if folder is None or not folder.is_dir() or not (folder / REPORT).is_file():
        return Evidence()
    try:
        report = json.loads((folder / REPORT).read_text(encoding="utf-8"))
        return _evidence(_Part(report, REPORT))
    except (OSError, ValueError, OverflowError, RecursionError) as error:
        told = isinstance(error, OSError | ValueError)
        why = error if told else "a number is too large, or it is nested too deep"
        raise BundleError(f"{folder / REPORT} cannot be read ({why}); convert the bundle again") from error


def stored(proof: GraphProof) -> str:
    """Bytes of weights by element type."""
    return ", ".join(f"{size:,} {kind}" for kind, size in proof.weight_bytes.items()) or NONE


def percent(share: float | None) -> str:
    """A share of 0-1 in percent; almost everything is not called everything, and what is not known is `NONE`."""
    if share is None:
        return NONE
    return "> 99.9 %" if 0.9995 <= share < 1 else f"{100 * share:.1f} %"


def total_shares(proof: dict[str, GraphProof]) -> tuple[float | None, float | None]:
    """(share of weight bytes, share of multiply-accumulates) in int8 over all graphs; None where it is not known."""
    weights = {name: sum(graph.weight_bytes.values()) for name, graph in proof.items()}
    total, macs = sum(weights.values()), sum(graph.macs for graph in proof.values())
    return (
        sum(proof[name].int8_share * size for name, size in weights.items()) / total if total else None,
        sum(graph.int8_macs for graph in proof.values()) / macs if macs else None,
    )


class _Part:
    """One object of the report, with its place for the error message. Missing and null read as None or empty."""

    def __init__(self, value: Any, place: str) -> None:
        if value is not None and not isinstance(value, dict):
            raise ValueError(f"{place} must be an object, found {type(value).__name__}")
        self.values: dict[str, Any] = value or {}
        self.place = place

    def __bool__(self) -> bool:
        return bool(self.values)

    def part(self, name: str) -> _Part:
        return _Part(self.values.get(name), f"{self.place}: {name}")

    def parts(self, name: str) -> dict[str, _Part]:
        return {key: _Part(value, f"{self.place}: {name}.{key}") for key, value in self.part(name).values.items()}

    def text(self, name: str) -> str:
        return str(self.values.get(name) or "")

    def number(self, name: str) -> float | None:
        value = self.values.get(name)
        if value is None:
            return None
        if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
            raise ValueError(f"{self.place}: {name} must be a number, found {value!r}")
        return float(value)

    def needed(self, name: str) -> float:
        value = self.number(name)
        if value is None:
            raise ValueError(f"{self.place}: {name} is missing")
        return value

    def items(self, name: str) -> list[Any]:
        value = self.values.get(name) or []
        if not isinstance(value, list):
            raise ValueError(f"{self.place}: {name} must be a list, found {type(value).__name__}")
        return value


def _evidence(report: _Part) -> Evidence:
    distances, gate, accuracy = report.part("distances"), report.part("gate"), report.part("accuracy")
    return Evidence(
        gate_state=gate.text("state"),
        gate_reason=gate.text("reason"),
        student_vs_full=report.text("student_vs_full"),
        conversion=distances.part("conversion").number("logits"),
        quantization=distances.part("quantization").number("logits"),
        sqnr_db=distances.part("quantization").number("sqnr_db"),
        accuracy=_accuracy(accuracy) if accuracy else None,
        confidence=_confidence(report.part("confidence")),
        calibration=_clips("calibrated over", report.part("calibration")),
        checked_on=_clips("checked on", report.part("checked_on")),
        moved_to_float=tuple(str(name) for name in report.part("moved_to_float").items("layers")),
        proof={name: _proof(part) for name, part in report.parts("proof").items()},
        sensitivity=_sensitivity(report.part("sensitivity")),
    )


def _accuracy(part: _Part) -> GateAccuracy:
    return GateAccuracy(
        clips=int(part.needed("clips")),
        answers=int(part.needed("answers")),
        agreement=part.needed("agreement"),
        uar_fp32=part.needed("uar_fp32"),
        uar=part.needed("uar"),
        low=part.part("interval").number("low"),
        high=part.part("interval").number("high"),
    )


def _confidence(part: _Part) -> Confidence | None:
    if not part:
        return None
    return Confidence(
        temperature=part.needed("temperature"),
        temperature_before=part.needed("temperature_before"),
        ece_before=part.needed("ece_before"),
        ece=part.needed("ece"),
        threshold=part.needed("abstention_threshold"),
        covered=part.needed("covered"),
        accuracy=part.needed("accuracy"),
        accuracy_covered=part.needed("accuracy_covered"),
        answers=int(part.needed("answers")),
    )


def _clips(what: str, part: _Part) -> str:
    if not part:
        return ""
    names = ", ".join(str(name) for name in part.items("data"))
    return f"{what} {part.needed('clips'):.0f} clips of {names}, seed {part.number('seed') or 0:.0f}"


def _proof(part: _Part) -> GraphProof:
    sizes = part.part("weight_bytes")
    return GraphProof(
        weight_bytes={kind: int(sizes.needed(kind)) for kind in sizes.values},
        operations=int(part.needed("operations")),
        float_weights=tuple(str(name) for name in part.items("float_weights")),
        float_inputs=tuple(str(name) for name in part.items("float_inputs")),
        int8_share=part.number("int8_share") or 0.0,
        macs=int(part.number("macs") or 0),
        int8_macs=int(part.number("int8_macs") or 0),
    )


def _sensitivity(part: _Part) -> dict[str, tuple[Sensitivity, ...]]:
    found = {}
    for graph in part.values:
        rows = [_Part(row, f"{part.place}.{graph}") for row in part.items(graph)]
        found[graph] = tuple(Sensitivity(row.text("name"), row.number("sqnr_db")) for row in rows)
    return {graph: rows for graph, rows in found.items() if rows}
