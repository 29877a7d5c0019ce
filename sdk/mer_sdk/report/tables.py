"""The tables of the page: bundles, gate, quantization."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from mer_sdk.report.contents import Contents, Entry, baseline_of
from mer_sdk.report.drawing import target_class
from mer_sdk.report.evidence import NONE, Confidence, GateAccuracy, percent, stored, total_shares
from mer_sdk.report.markup import Markup, element, joined
from mer_sdk.report.results import Measurement, headline


@dataclass(frozen=True)
class Column:
    """A column of a table: its cells are escaped unless they are markup. `prose` wraps and is set left."""

    name: str
    cells: tuple[str, ...]
    prose: bool = False


def bundle_table(contents: Contents) -> Markup:
    """Cost and worth of every bundle; columns of which nothing is known are left out."""
    entries = contents.entries
    ratios = [_ratio(entry, baseline_of(entry, entries)) for entry in entries]
    accuracy = [_scores(entry) for entry in entries]
    against = [_against(entry) for entry in entries]
    latency = [_milliseconds(entry) for entry in entries]
    return table(
        Column("bundle", tuple(_name(entry) for entry in entries)),
        Column("gate", tuple(_state(entry.evidence.gate_state or entry.gate) for entry in entries)),
        Column("graph files, kB", tuple(f"{entry.bytes / 1000:,.0f}" if entry.bytes else NONE for entry in entries)),
        Column("smaller than fp32", tuple(size for size, _ in ratios)),
        Column("accuracy, % [95 %]", tuple(cell for cell, _ in accuracy)),
        Column("same answer as fp32", tuple(cell for cell, _ in against)),
        Column("UAR against fp32, points", tuple(cell for _, cell in against)),
        Column("ECE, %", tuple(cell for _, cell in accuracy)),
        Column("step, ms, p50", tuple(p50 for p50, _ in latency)),
        Column("p90", tuple(p90 for _, p90 in latency)),
        Column("p50 of fp32 / p50", tuple(time for _, time in ratios)),
    )


def gate_table(entries: Sequence[Entry]) -> Markup:
    """Gate, distances, agreement and UAR at conversion; student against full model where a card says something."""
    found = [entry.evidence for entry in entries]
    said = tuple(entry.evidence.student_vs_full for entry in entries)
    return table(
        Column("bundle", tuple(_name(entry) for entry in entries)),
        Column("gate", tuple(_state(entry.evidence.gate_state or entry.gate) for entry in entries)),
        *([Column("student vs full model", said, prose=True)] if any(said) else []),
        Column("fp32 vs torch", tuple(_error(e.conversion) for e in found)),
        Column("scheme vs fp32", tuple(_error(e.quantization) for e in found)),
        Column("SQNR, dB", tuple(NONE if e.sqnr_db is None else f"{e.sqnr_db:.1f}" for e in found)),
        Column("same label as fp32", tuple(percent(e.accuracy.agreement if e.accuracy else None) for e in found)),
        Column("UAR, % (fp32)", tuple(_uar(e.accuracy) for e in found)),
        Column("moved to float by the gate", tuple(_moved(e.moved_to_float) for e in found), prose=True),
    )


def gate_reasons(entries: Sequence[Entry]) -> Markup:
    """Why each bundle passed or failed its gate, bundles with the same reason together, what failed first."""
    found: dict[tuple[str, str], list[str]] = {}
    for entry in entries:
        # The stand-in's note ends the reason; it is on the page once, with the facts.
        reason = entry.evidence.gate_reason.removesuffix(f"; {entry.note}")
        found.setdefault((entry.evidence.gate_state, reason), []).append(entry.label)
    rows = [
        element("li", {}, element("b", {}, ", ".join(labels)), ": ", _state(state), f", {reason}")
        for (state, reason), labels in sorted(found.items(), key=lambda item: item[0][0] != "failed")
    ]
    return element("ul", {"class": "facts"}, *rows)


def proof_table(entries: Sequence[Entry]) -> Markup:
    """Read back from each written graph: what is in 8-bit integers, and what stays in float."""
    rows = [(entry, graph, proof) for entry in entries for graph, proof in entry.evidence.proof.items()]
    totals = {entry.label: total_shares(entry.evidence.proof) for entry in entries}
    return table(
        Column("bundle", tuple(_name(entry) for entry, _, _ in rows)),
        Column("graph", tuple(graph for _, graph, _ in rows)),
        Column("weight bytes in int8", tuple(percent(proof.int8_share) for _, _, proof in rows)),
        Column("multiply-accumulates in int8", tuple(percent(proof.mac_share) for _, _, proof in rows)),
        Column(
            "whole bundle",
            tuple(" / ".join(percent(share) for share in totals[entry.label]) for entry, _, _ in rows),
        ),
        Column(
            "weights in float",
            tuple(_names(proof.float_weights, proof.operations) for _, _, proof in rows),
            prose=True,
        ),
        Column(
            "float input to int8 weights",
            tuple(_names(proof.float_inputs, proof.operations) for _, _, proof in rows),
            prose=True,
        ),
        Column("stored weights, bytes", tuple(stored(proof) for _, _, proof in rows)),
    )


def confidence_table(fitted: Sequence[tuple[Entry, Confidence]]) -> Markup:
    """Temperature and threshold as fitted at conversion, and what they are worth."""
    found = [sure for _, sure in fitted]
    return table(
        Column("bundle", tuple(_name(entry) for entry, _ in fitted)),
        Column("temperature (before)", tuple(f"{c.temperature:.2f} ({c.temperature_before:.2f})" for c in found)),
        Column("ECE before, %", tuple(f"{100 * c.ece_before:.1f}" for c in found)),
        Column("ECE after, %", tuple(f"{100 * c.ece:.1f}" for c in found)),
        Column("unknown below", tuple(f"{c.threshold:.2f}" for c in found)),
        Column("answered", tuple(percent(c.covered) for c in found)),
        Column("accuracy of these", tuple(percent(c.accuracy_covered) for c in found)),
        Column("of all", tuple(percent(c.accuracy) for c in found)),
        Column("answers", tuple(str(c.answers) for c in found)),
        Column("on", tuple(entry.evidence.checked_on or NONE for entry, _ in fitted), prose=True),
    )


def table(*columns: Column) -> Markup:
    """Columns with at least one known cell, in a frame that scrolls sideways where the screen is narrow."""
    shown = [column for column in columns if any(cell != NONE for cell in column.cells)]
    head = [element("th", {"class": "text"} if column.prose else {}, column.name) for column in shown]
    rows = [
        element("tr", {}, *(element("td", {"class": "text"} if column.prose else {}, cell) for column, cell in pairs))
        for pairs in ([(c, c.cells[index]) for c in shown] for index in range(len(shown[0].cells)))
    ]
    body = joined([element("thead", {}, element("tr", {}, *head)), element("tbody", {}, *rows)])
    return element("div", {"class": "scroll"}, element("table", {}, body))


def _name(entry: Entry) -> Markup:
    dot = element("i", {"class": f"dot {target_class(entry.target)}"})
    return joined([dot, entry.label])


def _state(state: str) -> str:
    if state in ("passed", "failed"):
        return element("span", {"class": state}, state if state == "passed" else "FAILED")
    return state or NONE


def _ratio(entry: Entry, base: Entry | None) -> tuple[str, str]:
    """How many times smaller and how many times faster than fp32 of the same target."""
    if base is None:
        return NONE, NONE
    size = f"{base.bytes / entry.bytes:.2f} ×" if entry.bytes and base.bytes else NONE
    mine, theirs = entry.step, base.step
    return size, NONE if mine is None or theirs is None or mine.p50 == 0 else f"{theirs.p50 / mine.p50:.2f}"


def _scores(entry: Entry) -> tuple[str, str]:
    if not entry.measurements:
        return NONE, NONE
    return (
        _lines([_score(item) for item in entry.measurements]),
        _lines([f"{100 * headline(item).ece:.1f}" for item in entry.measurements]),
    )


def _score(measurement: Measurement) -> str:
    first = headline(measurement)
    low, high = 100 * first.interval.low, 100 * first.interval.high
    return f"{measurement.metric} {100 * first.score:.1f} [{low:.0f}, {high:.0f}]"


def _against(entry: Entry) -> tuple[str, str]:
    found = [item.against for item in entry.measurements if item.against is not None]
    if not found:
        return NONE, NONE
    differences = [
        f"{100 * a.uar_difference:+.1f} [{100 * a.interval.low:+.1f}, {100 * a.interval.high:+.1f}]" for a in found
    ]
    return _lines([f"{100 * a.agreement:.1f} % of {a.answers}" for a in found]), _lines(differences)


def _milliseconds(entry: Entry) -> tuple[str, str]:
    step = entry.step
    return (NONE, NONE) if step is None else (f"{step.p50:.2f}", f"{step.p90:.2f}")


def _lines(values: Sequence[str]) -> Markup:
    """One value a line."""
    return Markup("<br>".join(joined([value]) for value in values))


def _uar(accuracy: GateAccuracy | None) -> str:
    if accuracy is None:
        return NONE
    said = f"{100 * accuracy.uar:.1f} ({100 * accuracy.uar_fp32:.1f})"
    if accuracy.low is None or accuracy.high is None:
        return said
    return f"{said}, [{100 * accuracy.low:+.1f}, {100 * accuracy.high:+.1f}]"


def _moved(layers: Sequence[str]) -> str:
    return ", ".join(layers) or NONE


def _error(value: float | None) -> str:
    return NONE if value is None else f"{value:.1e}"


def _names(names: Sequence[str], operations: int, most: int = 4) -> str:
    if not names:
        return "none"
    if len(names) == operations:
        return f"all {operations}"
    rest = f" and {len(names) - most} more" if len(names) > most else ""
    return f"{len(names)} of {operations}: {', '.join(names[:most])}{rest}"
