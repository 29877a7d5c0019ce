"""The tables that `mer phone-check` shows."""

from __future__ import annotations

from rich.console import Console
from rich.table import Table

from mer_sdk.contract.device_evidence import EVIDENCE
from mer_sdk.phone.clips import PhoneAccuracy
from mer_sdk.phone.curve import terminal_curve
from mer_sdk.phone.merging import DeviceEntry, VerifiedRun
from mer_sdk.phone.report import SustainedRun


def show(entry: DeviceEntry, console: Console) -> None:
    """What it ran on, agreement, latency, the timeline and the scores of one phone."""
    console.print(f"what it is evidence of: {EVIDENCE[entry.evidence]}", markup=False)
    console.print(_agreement(entry))
    console.print(entry.runs[0].golden.rule, style="dim")
    console.print(_times(entry))
    timeline = entry.runs[0].sustained
    if timeline is not None:
        _show_timeline(timeline, console)
    battery = entry.battery
    if battery is None:
        console.print("battery: this browser does not tell it", style="dim")
    else:
        plugged = ", charging" if battery.charging else ""
        console.print(f"battery: {100 * battery.begin:.0f} % before, {100 * battery.end:.0f} % after{plugged}")
    if any(run.hidden for run in entry.runs):
        console.print("the page was out of sight for a while, where browsers slow it down", style="yellow")
    if entry.accuracy is not None:
        _show_accuracy(entry.accuracy, console)


def _agreement(entry: DeviceEntry) -> Table:
    table = Table(title="Golden cases, logits", title_justify="left")
    for name in ("run", "cases", "max error", "to torch fp32", "SQNR dB", "same label", ""):
        table.add_column(name, justify="left" if name in ("run", "") else "right")
    for run in entry.runs:
        found = run.golden
        table.add_row(
            _name(run),
            str(found.cases),
            f"{found.max_abs_error:.1e}",
            f"{found.to_torch:.1e}",
            "equal" if found.sqnr_db is None else f"{found.sqnr_db:.1f}",
            f"{found.same_label} of {found.rows}",
            "ok" if found.passed else "FAILED",
        )
    return table


def _times(entry: DeviceEntry) -> Table:
    table = Table(title="Milliseconds", title_justify="left")
    for name in ("run", "graph", "first", "p50", "p90", "p99"):
        table.add_column(name, justify="left" if name in ("run", "graph") else "right")
    for run in entry.runs:
        for index, (graph, value) in enumerate(run.latency_ms.items()):
            numbers = (value.first, value.p50, value.p90, value.p99)
            table.add_row("" if index else _name(run), graph, *(f"{number:.2f}" for number in numbers))
    return table


def _show_timeline(timeline: SustainedRun, console: Console) -> None:
    change = 100 * (timeline.last / timeline.first - 1) if timeline.first else 0.0
    console.print(f"{terminal_curve(timeline.points)}  median of a step over {timeline.seconds:.0f} s", soft_wrap=True)
    console.print(
        f"first {timeline.span:.0f} s: {timeline.first:.2f} ms, last {timeline.span:.0f} s: {timeline.last:.2f} ms "
        f"({change:+.0f} %), {timeline.steps} steps"
    )


def _show_accuracy(score: PhoneAccuracy, console: Console) -> None:
    uar, low, high, war, here, steps, clips = (
        f"{100 * value:.1f}"
        for value in (
            *(score.uar, score.uar_interval.low, score.uar_interval.high, score.war),
            *(score.reference_uar, score.same_steps, score.same_clips),
        )
    )
    console.print(f"{score.clips} labelled clips: UAR {uar} % [{low}, {high}], WAR {war} %", markup=False)
    same = f"the same label in {steps} % of {score.steps} steps and {clips} % of clips"
    console.print(f"{score.reference} here: UAR {here} %; {same}", markup=False)


def _name(run: VerifiedRun) -> str:
    """Provider and threads."""
    return f"{run.provider} {run.threads}"
