"""Calibrations and adaptations as tables on the terminal."""

from __future__ import annotations

from pathlib import Path

from rich.console import Console

from mer_fusion.calibration import Calibration
from mer_fusion.training.adapt.procedure import Adaptation, HeldOutComparison
from mer_sdk.cli.tables.columns import narrow_table
from mer_sdk.errors import counted
from mer_sdk.evaluation.calibration import StateCalibration


def show_calibration(found: Calibration, checkpoint: Path) -> None:
    """Print what was fitted, and what it is worth on people whom it was not fitted to."""
    console = Console(highlight=False)
    numbers = (
        "temperature",
        "unknown\nbelow",
        "named",
        "right\nof those",
        "right\nof all",
        "ECE\nbefore",
        "ECE\nafter",
    )
    table = narrow_table(f"{checkpoint.name}: {found.data}", ("state",), numbers)
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
    one, many = ("dialogue", "dialogues") if found.dialogue else ("person", "people")
    whom = counted(found.people, one, many)
    judged = f"each {one} by what the others gave" if found.after else f"one {one} alone: no other can judge it"
    what = "utterances, when they are said," if found.dialogue else "clips, cold and warm,"
    console.print(f"{found.clips} {what} of {whom}; {judged}. Written to the card.", soft_wrap=True)


def show_adaptation(found: Adaptation, checkpoint: Path) -> None:
    """Print what the adapted network is worth on clips that it has not learned from, and whether it was written."""
    console = Console(highlight=False)
    title = f"{checkpoint.name}: cold and warm together, in %, [95 % interval]"
    table = narrow_table(
        title, ("judged on",), ("clips", "UAR before", "UAR after", "difference", "least", ""), fold=True
    )
    for item in found.judged:
        table.add_row(
            item.what,
            str(item.clips),
            _interval(item.before, item.before_interval.low, item.before_interval.high),
            _interval(item.after, item.after_interval.low, item.after_interval.high),
            _points(item),
            f"{100 * item.required:+.0f}" if item.required > -1 else "-",
            "passed" if item.passed else "FAILED",
        )
    console.print(table)
    for one in found.left_out:
        console.print(f"left out: {one.clip}: {one.reason}", markup=False)
    console.print(f"The {found.level} learned from {found.learned} clips; {found.held_out}.")
    if found.checkpoint is None:
        console.print(
            "Refused, nothing is written: it would be worse than before. Give more clips, or keep the weights and fit "
            "confidence alone: mer calibrate"
        )
        return
    next_one = f"mer-convert --checkpoint {found.checkpoint} --target tflite --out bundles/adapted"
    console.print(f"Written: {found.checkpoint}. Next: {next_one}", soft_wrap=True)


def _interval(value: float, low: float, high: float) -> str:
    return f"{100 * value:.1f}\n\\[{100 * low:.0f}, {100 * high:.0f}]"


def _points(item: HeldOutComparison) -> str:
    low, high = item.difference_interval.low, item.difference_interval.high
    return f"{100 * item.difference:+.1f}\n\\[{100 * low:+.1f}, {100 * high:+.1f}]"
