"""The picture of a run: bars of milliseconds a second of sound and video, by part; peers are darker."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from benchmarks.speed.parts import REFERENCE
from mer_sdk.cli.run.plot import pyplot
from mer_sdk.contract.output_files import atomic_output
from mer_sdk.report.colours import INK, PAPER, SOFT

PEERS = ("MediaPipe", "UltraFace", "eGeMAPS")
# Stages that hold the others of their part.
WHOLE = ("all", "step", "utterance", "decode", "detect", "front_end")


def draw(entry: dict[str, Any], path: Path) -> None:
    """Write the image.

    Raises:
        MissingExtra: matplotlib is not installed.
    """
    rows = [row for row in entry["rows"] if row["part"] != REFERENCE and row["stage"] in WHOLE]
    names = [row["part"] if row["stage"] == "all" else f"{row['part']}, {row['stage']}" for row in rows]
    figure, axes = pyplot().subplots(figsize=(9, 0.6 + 0.22 * len(rows)), facecolor=PAPER)
    axes.set_facecolor(PAPER)
    values = [row["a_second"] for row in rows]
    axes.barh(range(len(rows)), values, color=[INK if row["part"].startswith(PEERS) else SOFT for row in rows])
    for place, value in enumerate(values):
        axes.text(value, place, f" {value:.2f}", va="center", fontsize=7, color=INK)
    axes.set_yticks(range(len(rows)), names, fontsize=7)
    axes.invert_yaxis()
    axes.tick_params(axis="x", labelsize=7)
    machine = entry["machine"]
    axes.set_xlabel(f"ms a second of sound and video, one core of {machine['cpu'] or machine['machine']}", fontsize=7)
    with atomic_output(path) as aside:
        figure.savefig(aside, format="svg", bbox_inches="tight")
    pyplot().close(figure)
