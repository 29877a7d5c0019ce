"""The parts of a chart: axes, marks, text. Colours come from the page's CSS, so that they follow light and dark.

A chart is drawn on 380 units of width and scaled to its place by the browser. On a phone a unit is about a pixel less a
tenth, so text is 12 units high.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from mer_sdk.report.markup import Markup, element, joined

WIDTH = 380.0
TARGETS = ("tflite", "onnx", "executorch", "coreml", "torch")
SCHEMES = ("fp32", "fp16", "w8", "dyn8", "int8", "w4")


@dataclass(frozen=True)
class Scale:
    """From values to places on the chart, with round ticks."""

    low: float
    high: float
    start: float
    end: float
    ticks: tuple[float, ...]

    def at(self, value: float) -> float:
        """Where a value lies."""
        return self.start + (value - self.low) / (self.high - self.low) * (self.end - self.start)


def scale(
    values: Sequence[float],
    start: float,
    end: float,
    *,
    zero: bool = False,
    least: float = 0.0,
    bounds: tuple[float, float] = (-math.inf, math.inf),
) -> Scale:
    """A scale over all values, widened to round ticks.

    Args:
        values: at least one, finite.
        start, end: places of the lowest and the highest value.
        zero: begin at 0.
        least: smallest range, so that small differences do not look large.
        bounds: no axis is widened beyond them, as no share is above 100 %; they are round, and hold all values.
    """
    low, high = (0.0 if zero else min(values)), max(values)
    missing = max(least, 1e-9, abs(high) * 1e-6) - (high - low)
    if missing > 0:
        low, high = (low, high + missing) if zero else (low - missing / 2, high + missing / 2)
    if high > bounds[1]:
        low, high = low - (high - bounds[1]), bounds[1]
    if low < bounds[0]:
        low, high = bounds[0], min(high + bounds[0] - low, bounds[1])
    step = _round_step((high - low) / 4)
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    ticks = tuple(number * step for number in range(first, last + 1))
    return Scale(ticks[0], ticks[-1], start, end, ticks)


def _round_step(rough: float) -> float:
    power = 10.0 ** math.floor(math.log10(rough))
    return next(factor * power for factor in (1, 2, 2.5, 5, 10) if factor * power >= rough * (1 - 1e-9))


def number(value: float) -> str:
    """Short: no exponent, no trailing zeros."""
    return f"{value:,.3f}".rstrip("0").rstrip(".") if abs(value) < 1000 else f"{value:,.0f}"


def chart(height: float, label: str, *parts: str) -> Markup:
    """The SVG itself; `label` is what a screen reader says."""
    attributes = {"viewBox": f"0 0 {WIDTH:.0f} {height:.0f}", "role": "img", "aria-label": label}
    return element("svg", attributes, *parts)


def text(x: float, y: float, what: str, anchor: str = "start", kind: str = "label") -> Markup:
    """Text whose baseline begins, is centred ("middle") or ends ("end") at (x, y)."""
    return element("text", {"x": x, "y": y, "text-anchor": anchor, "class": kind}, what)


def line(x1: float, y1: float, x2: float, y2: float, kind: str = "grid") -> Markup:
    """A straight line."""
    return element("line", {"x1": x1, "y1": y1, "x2": x2, "y2": y2, "class": kind})


def path(points: Sequence[tuple[float, float]], kind: str, title: str) -> Markup:
    """A line through points."""
    where = "M" + "L".join(f"{x:.1f} {y:.1f}" for x, y in points)
    return element("path", {"d": where, "class": kind}, element("title", {}, title))


def box(x: float, y: float, width: float, height: float, kind: str, title: str, opacity: float = 1.0) -> Markup:
    """A filled rectangle with a tooltip."""
    place: dict[str, str | float] = {"x": x, "y": y, "width": max(width, 0.0), "height": height, "class": kind}
    if opacity < 1.0:
        place["fill-opacity"] = f"{opacity:.3f}"
    return element("rect", place, element("title", {}, title))


def frame(x: Scale, y: Scale, x_label: str, y_label: str) -> Markup:
    """Horizontal grid lines, tick labels of both axes, and what they show."""
    left, right, bottom = x.start, x.end, y.start
    parts = [line(left, y.at(tick), right, y.at(tick)) for tick in y.ticks]
    parts += [text(left - 6, y.at(tick) + 4, number(tick), "end", "tick") for tick in y.ticks]
    parts += [line(x.at(tick), bottom, x.at(tick), bottom + 4, "axis") for tick in x.ticks]
    parts += [text(x.at(tick), bottom + 17, number(tick), "middle", "tick") for tick in x.ticks]
    parts.append(line(left, bottom, right, bottom, "axis"))
    parts.append(text(right, bottom + 33, x_label, "end"))
    parts.append(text(2, y.end - 10, y_label))
    return joined(parts)


def target_class(target: str) -> str:
    """CSS class of a target's colour; targets that the page does not know share one."""
    return f"t-{target}" if target in TARGETS else "t-other"


def mark(x: float, y: float, scheme: str, target: str, title: str, size: float = 5.5) -> Markup:
    """One mark: shape by scheme, colour by target, tooltip by title."""
    kind = f"mark {target_class(target)}"
    said = element("title", {}, title) if title else Markup("")
    if scheme == "fp32":
        return element("circle", {"cx": x, "cy": y, "r": size, "class": kind}, said)
    corners = " ".join(f"{x + size * dx:.1f},{y + size * dy:.1f}" for dx, dy in _SHAPES.get(scheme, _OTHER))
    return element("polygon", {"points": corners, "class": kind}, said)


_SHAPES = {
    "fp16": ((-0.9, -0.9), (0.9, -0.9), (0.9, 0.9), (-0.9, 0.9)),
    "w8": ((0.0, -1.3), (1.2, 0.0), (0.0, 1.3), (-1.2, 0.0)),
    "dyn8": ((0.0, -1.2), (1.15, 0.9), (-1.15, 0.9)),
    "int8": ((0.0, 1.2), (1.15, -0.9), (-1.15, -0.9)),
    "w4": tuple(
        (math.sin(k * math.pi / 5) * (1.45, 0.62)[k % 2], -math.cos(k * math.pi / 5) * (1.45, 0.62)[k % 2])
        for k in range(10)
    ),
}
_OTHER = ((-1.2, -0.4), (1.2, -0.4), (1.2, 0.4), (-1.2, 0.4))
