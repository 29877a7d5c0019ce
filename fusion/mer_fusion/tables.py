"""A calibration as a table on the terminal."""

from __future__ import annotations

from pathlib import Path

from rich.console import Console
from rich.table import Table

from mer_fusion.calibration import Calibration
from mer_sdk.evaluation.calibration import StateCalibration


def show_calibration(found: Calibration, checkpoint: Path) -> None:
    """Print what was fitted, and what it is worth on people whom it was not fitted to."""
    console = Console(highlight=False)
    title = f"{checkpoint.name}: {found.data}"
    table = Table(
        "state",
        "temperature",
        "unknown below",
        "named",
        "right of those",
        "right of all",
        "ECE before",
        "ECE",
        title=title,
    )
    for state, decision in found.decision.states.items():
        before = found.before[state]
        after: StateCalibration | None = found.after.get(state)
        table.add_row(
            state,
            f"{decision.temperature:.2f}",
            f"{decision.abstention_threshold:.2f}",
            f"{100 * (after.covered if after else decision.coverage):.0f} %",
            f"{100 * after.accuracy_covered:.0f} %" if after else "-",
            f"{100 * before.accuracy:.0f} %",
            f"{100 * before.ece:.1f} %",
            f"{100 * after.ece:.1f} %" if after else "-",
        )
    console.print(table)
    judged = "each person by what the others gave" if found.after else "one person alone: nobody else can judge it"
    console.print(
        f"Steps of {found.clips} clips of {found.people} people, cold and warm; {judged}. Written to the card."
    )
