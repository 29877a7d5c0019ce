"""The charts of the page. Each takes plain values, draws one SVG and says what it shows in its label."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from mer_sdk.evaluation.curves import Curves
from mer_sdk.report.drawing import (
    WIDTH,
    Scale,
    box,
    chart,
    frame,
    line,
    mark,
    number,
    path,
    scale,
    target_class,
    text,
)
from mer_sdk.report.markup import Markup, element, joined

ROW = 20.0
# No score and no share lies outside.
PERCENT = (0.0, 100.0)
MATRIX_LEFT, MATRIX_TOP, MATRIX_RIGHT = 74.0, 60.0, 34.0


@dataclass(frozen=True)
class Point:
    """One bundle of a scatter chart."""

    x: float
    y: float
    target: str
    scheme: str
    title: str


@dataclass(frozen=True)
class Bar:
    """One row of a bar chart, with its interval and other values that are drawn as small marks with a name each."""

    label: str
    value: float
    kind: str
    title: str
    low: float | None = None
    high: float | None = None
    others: tuple[tuple[str, float], ...] = ()


def scatter(points: Sequence[Point], x_label: str, y_label: str) -> Markup:
    """Cost to the right, worth upwards (percent)."""
    height = 300.0
    x = scale([point.x for point in points], 44, WIDTH - 22, zero=True)
    y = scale([point.y for point in points], height - 40, 34, least=10.0, bounds=PERCENT)
    drawn = [mark(x.at(p.x), y.at(p.y), p.scheme, p.target, p.title) for p in points]
    return chart(height, f"{y_label} against {x_label}", frame(x, y, x_label, y_label), *drawn)


def confusion(table: np.ndarray, labels: Sequence[str]) -> Markup:
    """Rows are true labels; the shade and the number are the share of the row in percent."""
    size = len(labels)
    cell = (WIDTH - MATRIX_LEFT - MATRIX_RIGHT) / size
    side = min(cell, 36.0)
    support = table.sum(axis=1, keepdims=True)
    shares = np.divide(table, support, out=np.zeros_like(table), where=support > 0)
    parts: list[str] = []
    for row, truth in enumerate(labels):
        top = MATRIX_TOP + row * side
        parts.append(text(MATRIX_LEFT - 6, top + side / 2 + 4, _cut(truth, 11), "end"))
        for column, answer in enumerate(labels):
            share, left = float(shares[row, column]), MATRIX_LEFT + column * cell
            said = f"{truth} taken for {answer}: {table[row, column]:g} of {support[row, 0]:g} ({100 * share:.0f} %)"
            parts.append(box(left + 1, top + 1, cell - 2, side - 2, "empty", said))
            if share > 0:
                parts.append(box(left + 1, top + 1, cell - 2, side - 2, "heat", said, 0.12 + 0.88 * share))
            shown = f"{100 * share:.0f}" if support[row, 0] > 0 and share >= 0.005 else ""
            kind = "on-heat" if share > 0.55 else "cell"
            parts.append(text(left + cell / 2, top + side / 2 + 4, shown, "middle", kind))
    for column, answer in enumerate(labels):
        place = f"translate({MATRIX_LEFT + (column + 0.5) * cell - 2:.1f} {MATRIX_TOP - 7:.1f}) rotate(-38)"
        parts.append(element("text", {"transform": place, "class": "label"}, _cut(answer, 11)))
    return chart(MATRIX_TOP + size * side + 6, "confusion matrix, rows are true labels", *parts)


def reliability(curves: Curves, colour: str) -> Markup:
    """Accuracy by confidence: bars against the diagonal, and below how many answers each bin holds."""
    top, bottom, floor = 26.0, 226.0, 282.0
    x, y = _unit(44, WIDTH - 22), _unit(bottom, top)
    most = max(item.answers for item in curves.reliability)
    parts: list[str] = [frame(x, y, "", "accuracy, %")]
    for item in curves.reliability:
        left, right = x.at(100 * item.low) + 1, x.at(100 * item.high) - 1
        said = (
            f"confidence {100 * item.confidence:.0f} % on average, accuracy {100 * item.accuracy:.0f} %, "
            f"{item.answers:g} answers"
        )
        tall = y.at(100 * item.accuracy)
        parts.append(box(left, tall, right - left, bottom - tall, f"bar {colour}", said))
        deep = 30 * item.answers / most
        parts.append(box(left, floor - deep, right - left, deep, "muted", said))
    parts.append(line(x.start, y.start, x.end, y.end, "diagonal"))
    parts += [
        line(x.start, floor, x.end, floor, "axis"),
        text(x.start, floor + 15, f"answers a bin, at most {most:g}"),
        text(x.end, floor + 15, "confidence, %", "end"),
    ]
    return chart(floor + 22, "accuracy by confidence", *parts)


def coverage(lines: Sequence[tuple[str, str, str, Curves, float]]) -> Markup:
    """Accuracy of the most confident answers; `lines` holds (label, target, scheme, curves, abstention threshold)."""
    height = 300.0
    x = _unit(44, WIDTH - 22)
    accuracies = [100 * p.accuracy for _, _, _, c, _ in lines for p in c.coverage]
    y = scale(accuracies, height - 40, 34, least=20.0, bounds=PERCENT)
    parts: list[str] = [frame(x, y, "share answered, most confident first, %", "accuracy, %")]
    for label, target, scheme, found, threshold in lines:
        places = [(x.at(100 * p.coverage), y.at(100 * p.accuracy)) for p in found.coverage]
        half = min(found.coverage, key=lambda p: abs(p.coverage - 0.5))
        said = (
            f"{label}: {100 * half.accuracy:.0f} % at {100 * half.coverage:.0f} % coverage, "
            f"{100 * found.coverage[-1].accuracy:.0f} % on all"
        )
        parts.append(path(places, f"line {target_class(target)} s-{scheme}", said))
        kept = [p for p in found.coverage if p.threshold >= threshold] if threshold > 0 else []
        if kept:
            at = kept[-1]
            said = f"{label}: threshold {threshold:g} answers {100 * at.coverage:.0f} %"
            parts.append(mark(x.at(100 * at.coverage), y.at(100 * at.accuracy), scheme, target, said))
    return chart(height, "accuracy over coverage", *parts)


def bars(rows: Sequence[Bar], unit: str, *, ceiling: float | None = None, left: float = 118.0) -> Markup:
    """Horizontal bars from 0 (or from below 0 where a value is), each with its number at the right edge."""
    height = ROW * len(rows) + 30
    values = [v for r in rows for v in (r.value, r.high, *(other for _, other in r.others)) if v is not None]
    low = min(0.0, *values) if values else 0.0
    x = scale([low, *values, *([] if ceiling is None else [ceiling])], left, WIDTH - 46)
    bottom = ROW * len(rows) + 4
    parts: list[str] = [line(x.at(tick), 2, x.at(tick), bottom) for tick in x.ticks]
    parts += [text(x.at(tick), bottom + 16, number(tick), "middle", "tick") for tick in x.ticks]
    parts.append(text(WIDTH - 4, bottom + 16, unit, "end"))
    for index, row in enumerate(rows):
        top = 4 + index * ROW
        middle = top + ROW / 2 - 1
        begin, end = sorted((x.at(0.0), x.at(row.value)))
        parts.append(text(left - 6, middle + 4, _tail(row.label, int(left / 6.6)), "end"))
        parts.append(box(begin, top + 2, end - begin, ROW - 6, f"bar {row.kind}", row.title))
        if row.low is not None and row.high is not None:
            parts.append(line(x.at(row.low), middle, x.at(row.high), middle, "whisker"))
        for name, other in row.others:
            at = x.at(other)
            where = f"M{at - 3.5:.1f} {middle:.1f}l3.5 -3.5 3.5 3.5 -3.5 3.5z"
            parts.append(element("path", {"d": where, "class": "other"}, element("title", {}, f"{name}: {other:.1f}")))
        parts.append(text(WIDTH - 4, middle + 4, f"{row.value:.1f}", "end", "value"))
    parts.append(line(x.at(0.0), 2, x.at(0.0), bottom, "axis"))
    return chart(height, f"bars in {unit}", *parts)


def stacks(rows: Sequence[tuple[str, Mapping[str, float]]], names: Sequence[str], unit: str) -> Markup:
    """Horizontal bars made of named parts; the number at the right edge is the sum."""
    height, left = ROW * len(rows) + 30, 118.0
    totals = [sum(parts.values()) for _, parts in rows]
    x = scale(totals, left, WIDTH - 46, zero=True)
    bottom = ROW * len(rows) + 4
    drawn: list[str] = [line(x.at(tick), 2, x.at(tick), bottom) for tick in x.ticks]
    drawn += [text(x.at(tick), bottom + 16, number(tick), "middle", "tick") for tick in x.ticks]
    drawn.append(text(WIDTH - 4, bottom + 16, unit, "end"))
    for index, ((label, parts), total) in enumerate(zip(rows, totals, strict=True)):
        top, begun = 4 + index * ROW, 0.0
        drawn.append(text(left - 6, top + ROW / 2 + 3, _tail(label, int(left / 6.6)), "end"))
        for place, name in enumerate(names):
            size = parts.get(name, 0.0)
            if size > 0:
                said = f"{label}, {name}: {size:,.1f} {unit}"
                wide = x.at(begun + size) - x.at(begun)
                drawn.append(box(x.at(begun), top + 2, wide - 1, ROW - 6, f"part p{place % 4}", said))
                begun += size
        drawn.append(text(WIDTH - 4, top + ROW / 2 + 3, f"{total:,.0f}", "end", "value"))
    return chart(height, f"{' + '.join(names)} in {unit}", *drawn)


def legend(targets: Sequence[str], schemes: Sequence[str], dashes: bool = False) -> Markup:
    """Colours of targets and marks of schemes (or dashes, for charts of lines), as text that wraps."""
    keys = [_key(mark(7, 7, "fp16", target, "", 5), 14, target) for target in targets]
    for scheme in schemes:
        if dashes:
            keys.append(_key(line(0, 7, 34, 7, f"line t-other s-{scheme}"), 34, scheme))
        else:
            keys.append(_key(mark(7, 7, scheme, "", "", 5), 14, scheme))
    return element("p", {"class": "legend"}, *keys)


def _key(sign: Markup, width: int, name: str) -> Markup:
    drawn = element("svg", {"viewBox": f"0 0 {width} 14", "width": width, "height": 14, "aria-hidden": "true"}, sign)
    return element("span", {"class": "key"}, drawn, name)


def parts_legend(names: Sequence[str]) -> Markup:
    """Shades of the parts of `stacks`."""
    keys = [
        element("span", {"class": "key"}, element("i", {"class": f"swatch p{place % 4}"}), name)
        for place, name in enumerate(names)
    ]
    return element("p", {"class": "legend"}, joined(keys))


def _unit(start: float, end: float) -> Scale:
    return Scale(0.0, 100.0, start, end, (0.0, 20.0, 40.0, 60.0, 80.0, 100.0))


def _tail(name: str, most: int) -> str:
    """The end of a path in a network says more than its beginning."""
    return name if len(name) <= most else "…" + name[1 - most :]


def _cut(name: str, most: int) -> str:
    return name if len(name) <= most else name[: most - 1] + "…"
