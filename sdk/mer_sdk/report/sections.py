"""The sections with charts. Each gives its markup, or nothing where its data are not there."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from mer_sdk.report import charts, tables
from mer_sdk.report.charts import Bar, Point
from mer_sdk.report.contents import Contents, Entry, Group, baseline_of, groups, machines
from mer_sdk.report.drawing import SCHEMES, TARGETS, target_class
from mer_sdk.report.evidence import Sensitivity
from mer_sdk.report.markup import Markup, element, joined
from mer_sdk.report.results import Condition, Measurement, conditions, headline

# Operations a chart shows: the most sensitive ones; the rest matters less than the list is long.
MOST_OPERATIONS = 12
# Order of a bundle's graphs in the charts.
GRAPHS = ("audio", "face", "text", "fusion")


@dataclass(frozen=True)
class Score:
    """One bundle's place in the first charts, in percent, and how it was come by."""

    entry: Entry
    value: float
    said: str


def cost_and_worth(contents: Contents) -> Markup:
    """Accuracy against size and against latency, for every model and test."""
    parts: list[str] = []
    for group in groups(contents.entries):
        first = headline(group.members[0][1])
        metric = group.members[0][1].metric
        scores = [Score(entry, 100 * headline(m).score, _interval(m)) for entry, m in group.members]
        widths = [100 * (headline(m).interval.high - headline(m).interval.low) / 2 for _, m in group.members]
        width = sum(widths) / len(widths)
        # All clips right, or all wrong, give an interval without width, which says nothing of how sure that is.
        sure = (
            f"The 95 % interval of a point is about ±{width:.0f} points; the bundles share the data, so their "
            "differences are surer than that."
            if width >= 0.5
            else "The clips are answered too much alike to give a 95 % interval."
        )
        caption = f"{metric}, {first.name}. {group.test}. {sure} {machines(group.members)}."
        parts += _pair(group.model, scores, metric, caption, contents)
    measured = {entry.label for entry in contents.entries if entry.measurements}
    for model, scores in _judged_at_conversion(contents.entries):
        if not any(score.entry.label in measured for score in scores):
            caption = (
                "UAR on labelled clips that did not calibrate the scheme, all modality states together, as measured "
                "by the gate on the converting machine; fp32 as measured beside its schemes."
            )
            parts += _pair(model, scores, "UAR", caption, contents)
    return _grid(parts, wide=True) if parts else Markup("")


def states(contents: Contents) -> Markup:
    """Bars per modality state (for dialogues: per reading), other protocols as small marks."""
    parts: list[str] = []
    for group in groups(contents.entries):
        names = list(dict.fromkeys(row.state for _, item in group.members for row in conditions(item)))
        figures = []
        for state in names:
            rows = [bar for entry, item in group.members if (bar := _state_bar(entry, item, state)) is not None]
            figures.append(_figure(state, "", charts.bars(rows, "%", ceiling=100.0)))
        metric = group.members[0][1].metric
        shown = {row.protocol for _, item in group.members for row in conditions(item)}
        main = next((name for name in ("warm", "cold") if name in shown), "")
        others = ", ".join(sorted(name for name in shown if name not in (main, "")))
        marks = f" Bar: {main}{f'; small marks: {others}' if others else ''}." if main else ""
        said = f"{metric} with its 95 % interval.{marks} {group.test}. {machines(group.members)}."
        parts += [_heading(group), _grid(figures), element("p", {"class": "note"}, said)]
    return joined(parts)


def confusions(contents: Contents) -> Markup:
    """Confusion matrices of the headline condition; bundles with the same matrix share one."""
    parts: list[str] = []
    for group in groups(contents.entries):
        found: dict[bytes, list[tuple[Entry, Measurement]]] = {}
        for entry, item in group.members:
            found.setdefault(headline(item).confusion.tobytes(), []).append((entry, item))
        figures = [
            _figure(
                ", ".join(entry.short for entry, _ in same),
                "",
                charts.confusion(headline(same[0][1]).confusion, same[0][1].report.labels),
            )
            for same in found.values()
        ]
        first = headline(group.members[0][1])
        said = (
            f"{first.name}. Rows are true labels, columns answers; numbers are percent of a row. Bundles that answer "
            f"alike share a matrix. {group.test}. {machines(group.members)}."
        )
        parts += [_heading(group), _grid(figures), element("p", {"class": "note"}, said)]
    return joined(parts)


def confidence(contents: Contents) -> Markup:
    """Reliability diagrams and accuracy over coverage, where answers were measured and not scores alone."""
    parts: list[str] = []
    for group in groups(contents.entries):
        known = [(entry, item, row) for entry, item in group.members if (row := headline(item)).curves is not None]
        if not known:
            continue
        found: dict[object, list[tuple[Entry, Condition]]] = {}
        for entry, _, row in known:
            assert row.curves is not None
            # Bundles that agree to a tenth of a percent in every bin would give the same picture twice.
            key = tuple((round(b.low, 2), b.answers, round(b.accuracy, 3)) for b in row.curves.reliability)
            found.setdefault(key, []).append((entry, row))
        figures = [_reliability(same) for same in found.values()]
        lines = [
            (
                entry.short,
                entry.target,
                entry.scheme if entry.scheme in SCHEMES else "",
                row.curves,
                entry.decision.of(row.decided).abstention_threshold,
            )
            for entry, _, row in known
            if row.curves is not None
        ]
        figures.append(_figure("Accuracy over coverage", "", charts.coverage(lines)))
        first = known[0][2]
        said = (
            f"{first.name}, all runs together, with each bundle's own temperature. A bar on the dashed line is as "
            "right as it is sure; grey: how many answers a bin holds. In the coverage chart colour is the target, "
            f"dashes are the scheme, a mark is the abstention threshold where one is set. {group.test}. "
            f"{machines(group.members)}."
        )
        parts += [_heading(group), _grid(figures), _legend([e for e, _, _ in known], dashes=True)]
        parts.append(element("p", {"class": "note"}, said))
    fitted = [(e, sure) for e in contents.entries if (sure := e.evidence.confidence) is not None]
    if fitted:
        said = (
            "Temperature and threshold fitted to each bundle's own answers at conversion; the errors are cross-fitted, "
            "so that no answer is judged by what was fitted on it."
        )
        parts += [element("h3", {}, "As fitted at conversion"), tables.confidence_table(fitted)]
        parts.append(element("p", {"class": "note"}, said))
    return joined(parts)


def sensitivity(contents: Contents) -> Markup:
    """Operations by how much the scheme disturbs each alone, the most disturbed first."""
    # The table is of a scheme and a network, so bundles of several targets may hold the same one.
    found: dict[tuple[str, tuple[Sensitivity, ...]], list[Entry]] = {}
    for entry in contents.entries:
        for graph, rows in entry.evidence.sensitivity.items():
            found.setdefault((graph, rows), []).append(entry)
    figures = [_sensitive(graph, rows, entries) for (graph, rows), entries in found.items()]
    if not figures:
        return Markup("")
    note = (
        "Signal to noise of the graph's output against fp32 when this operation alone is in the scheme, on the "
        "calibration's input at conversion. Short bars are operations that quantization hurts."
    )
    return joined([_grid(figures), element("p", {"class": "note"}, note)])


def sizes(contents: Contents) -> Markup:
    """Graph files of each bundle, a model a chart."""
    figures: list[str] = []
    names: list[str] = []
    by_model: dict[str, list[Entry]] = {}
    for entry in contents.entries:
        if entry.sizes:
            by_model.setdefault(entry.model, []).append(entry)
            names += [name for name in entry.sizes if name not in names]
    if not by_model:
        return Markup("")
    names = [name for name in GRAPHS if name in names] + [name for name in names if name not in GRAPHS]
    for model, entries in by_model.items():
        rows = [(entry.short, {name: size / 1000 for name, size in entry.sizes.items()}) for entry in entries]
        figures.append(_figure(model, "", charts.stacks(rows, names, "kB")))
    note = "Bytes of the graph files as the manifest hashes them; 1 kB is 1000 bytes."
    return joined([_grid(figures, wide=True), charts.parts_legend(names), element("p", {"class": "note"}, note)])


def _sensitive(graph: str, rows: Sequence[Sensitivity], entries: Sequence[Entry]) -> Markup:
    ranked = sorted(rows, key=lambda row: math.inf if row.sqnr_db is None else row.sqnr_db)
    changed = [(row.name, row.sqnr_db) for row in ranked if row.sqnr_db is not None]
    title = f"{graph}: {', '.join(entry.label for entry in entries)}"
    if not changed:
        return element("figure", {}, element("h4", {}, title), element("p", {}, "No operation changes the output."))
    shown = [
        Bar(name, value, _colour(entries), f"{name}: {value:.1f} dB alone") for name, value in changed[:MOST_OPERATIONS]
    ]
    rest = len(rows) - len(shown)
    said = f"{rest} more of {len(rows)} operations at {shown[-1].value:.0f} dB or above, or unchanged" if rest else ""
    return _figure(title, said, charts.bars(shown, "dB", left=150.0))


def _pair(title: str, scores: Sequence[Score], metric: str, caption: str, contents: Contents) -> list[str]:
    """Accuracy against size, and against latency where that was measured; nothing where neither is known."""
    sized = [(score, score.entry.bytes / 1000) for score in scores if score.entry.bytes]
    timed = [(score, step.p50) for score in scores if (step := score.entry.step) is not None]
    figures: list[str] = []
    if sized:
        points = [_point(score, size, "kB") for score, size in sized]
        drawn = charts.scatter(points, "graph files, kB", f"{metric}, %")
        figures.append(
            _figure(f"{title}: accuracy against size", "", drawn, _legend([s.entry for s, _ in sized]), caption)
        )
    if timed:
        points = [_point(score, time, "ms") for score, time in timed]
        stage = next(reversed(timed[0][0].entry.latency))  # the whole: a step, or an utterance
        drawn = charts.scatter(points, f"ms per {stage}, median, one core", f"{metric}, %")
        left_out = ", ".join(score.entry.short for score in scores if score.entry.step is None)
        said = (
            f"{f'Without latency here: {left_out}. ' if left_out else ''}Median of {contents.latency_rounds} rounds, "
            f"all bundles interleaved, one core, seeded noise (seed {contents.latency_seed}), {contents.machine}. "
            f"Accuracy: {'as beside.' if sized else caption}"
        )
        figures.append(
            _figure(f"{title}: accuracy against latency", "", drawn, _legend([s.entry for s, _ in timed]), said)
        )
    return figures


def _judged_at_conversion(entries: Sequence[Entry]) -> list[tuple[str, list[Score]]]:
    """Scores that the gate measured: (model, scores), one list for each number of held-out clips and answers."""
    found: dict[tuple[str, int, int], dict[str, Score]] = {}
    for entry in entries:
        accuracy = entry.evidence.accuracy
        if accuracy is None:
            continue
        rows = found.setdefault((entry.model, accuracy.clips, accuracy.answers), {})
        said = f"gate, {accuracy.answers} answers on {accuracy.clips} clips"
        rows[entry.label] = Score(entry, 100 * accuracy.uar, said)
        base = baseline_of(entry, entries)
        if base is not None:
            rows.setdefault(base.label, Score(base, 100 * accuracy.uar_fp32, said))
    return [
        (f"{model}, {answers} answers on {clips} held-out clips", list(rows.values()))
        for (model, clips, answers), rows in found.items()
    ]


def _point(score: Score, cost: float, unit: str) -> Point:
    entry = score.entry
    said = f"{entry.label}: {score.value:.1f} %, {cost:,.2f} {unit}; {score.said}"
    return Point(cost, score.value, entry.target, entry.scheme, said)


def _state_bar(entry: Entry, measurement: Measurement, state: str) -> Bar | None:
    rows = [row for row in conditions(measurement) if row.state == state]
    if not rows:
        return None
    main = next((row for name in ("warm", "cold") for row in rows if row.protocol == name), rows[0])
    others = tuple((row.protocol, 100 * row.score) for row in rows if row is not main)
    low, high = 100 * main.interval.low, 100 * main.interval.high
    said = f"{entry.label}, {main.name}: {100 * main.score:.1f} % [{low:.1f}, {high:.1f}], WAR {100 * main.war:.1f} %"
    return Bar(entry.short, 100 * main.score, target_class(entry.target), said, low, high, others)


def _reliability(same: Sequence[tuple[Entry, Condition]]) -> Markup:
    entry, row = same[0]
    assert row.curves is not None
    errors = sorted({f"{100 * found.ece:.1f}" for _, found in same})
    heat = entry.decision.of(row.decided).temperature
    said = f"ECE {' to '.join(dict.fromkeys((errors[0], errors[-1])))} %, temperature {heat:g}"
    return _figure(
        ", ".join(e.short for e, _ in same), said, charts.reliability(row.curves, _colour([e for e, _ in same]))
    )


def _interval(measurement: Measurement) -> str:
    row = headline(measurement)
    return f"95 % interval {100 * row.interval.low:.1f} to {100 * row.interval.high:.1f}, WAR {100 * row.war:.1f} %"


def _heading(group: Group) -> Markup:
    return element("h3", {}, group.model)


def _colour(entries: Sequence[Entry]) -> str:
    """CSS class of what the entries share: their target's, or grey for several."""
    targets = {entry.target for entry in entries}
    return target_class(targets.pop() if len(targets) == 1 else "")


def _legend(entries: Sequence[Entry], dashes: bool = False) -> Markup:
    used = {entry.target for entry in entries}, {entry.scheme for entry in entries}
    targets = [name for name in TARGETS if name in used[0]] + sorted(used[0].difference(TARGETS))
    schemes = [name for name in SCHEMES if name in used[1]] + sorted(used[1].difference(SCHEMES))
    return charts.legend(targets, schemes, dashes)


def _figure(title: str, note: str, drawing: Markup, legend: str = "", caption: str = "") -> Markup:
    said = [element("p", {}, note)] if note else []
    below = [element("figcaption", {}, caption)] if caption else []
    return element("figure", {}, element("h4", {}, title), *said, drawing, legend, *below)


def _grid(figures: Sequence[str], wide: bool = False) -> Markup:
    return element("div", {"class": "grid wide" if wide else "grid"}, *figures)
