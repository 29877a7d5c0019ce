"""The timeline of a sustained run: one line for a terminal, and an SVG of its own."""

from __future__ import annotations

from collections.abc import Sequence

from mer_sdk.phone.report import Point
from mer_sdk.report.drawing import WIDTH, chart, frame, path, scale, text
from mer_sdk.report.markup import Markup, joined

BLOCKS = "▁▂▃▄▅▆▇█"
# Points of a line that are shown in a terminal.
COLUMNS = 60
HEIGHT = 220.0
STYLE = (
    "<style>svg{font:12px system-ui,sans-serif;background:#fff;color-scheme:light dark}text{fill:#1d2126}"
    ".tick,.label{fill:#5a626c}.grid{stroke:#e3e5e8}.axis{stroke:#9aa1a9}path{fill:none;stroke-width:2}"
    ".p50{stroke:#b96a00}.p90{stroke:#7fa6bf}@media (prefers-color-scheme:dark){svg{background:#1b1f23}"
    "text{fill:#e6e8ea}.tick,.label{fill:#a0a8b1}.grid{stroke:#2d3339}.axis{stroke:#6b747d}}</style>"
)


def terminal_curve(points: Sequence[Point]) -> str:
    """The medians as blocks, from 0 to the highest."""
    most = max(point.p50 for point in points) or 1.0
    picked = [points[index * len(points) // COLUMNS] for index in range(COLUMNS)] if len(points) > COLUMNS else points
    return "".join(BLOCKS[min(len(BLOCKS) - 1, int(point.p50 / most * len(BLOCKS)))] for point in picked)


def curve_svg(points: Sequence[Point], title: str) -> str:
    """The medians and 90th percentiles over time, as a file of its own that follows light and dark."""
    across = scale([point.seconds for point in points], 46.0, WIDTH - 12.0, zero=True)
    up = scale([point.p90 for point in points], HEIGHT - 44.0, 46.0, zero=True)
    lines = [
        path([(across.at(point.seconds), up.at(getattr(point, name))) for point in points], name, said)
        for name, said in (("p90", "90th percentile"), ("p50", "median"))
    ]
    drawn = chart(
        HEIGHT,
        title,
        Markup(STYLE),
        text(2, 14, title, kind="title"),
        frame(across, up, "seconds", "ms a step: median, and 90th percentile above it"),
        joined(lines),
    )
    return str(drawn).replace("<svg", '<svg xmlns="http://www.w3.org/2000/svg"', 1) + "\n"
