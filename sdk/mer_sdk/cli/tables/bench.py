"""The text of `mer bench`, for a terminal of 80 columns."""

from __future__ import annotations

from collections.abc import Sequence
from textwrap import fill
from typing import Any

from mer_sdk.bench.fresh import STEPS
from mer_sdk.bench.result import BenchResult, BundleResult, Machine
from mer_sdk.bench.timing import Quantiles

WORDS = {
    "front_end": "front ends",
    "audio": "audio graph",
    "face": "face graph",
    "text": "text graph",
    "fusion": "fusion graph",
    "sdk": "SDK",
    "cpu": "graphs + SDK, CPU time",
}
NONE = "–"


def show(result: BenchResult) -> None:
    """Print everything of a result."""
    from rich.console import Console
    from rich.markup import escape

    console = Console(highlight=False)

    def say(line: str, style: str | None = None) -> None:
        # Wrapped lines keep their indent.
        indent = " " * (len(line) - len(line.lstrip()) + 2)
        wrapped = fill(line, console.width, subsequent_indent=indent)
        console.print(escape(wrapped), style=style, soft_wrap=True)

    for line in _head(result):
        say(line, "dim")
    for warning in result.warnings:
        say(f"warning: {warning}", "yellow")
    console.print(_stages(result))
    console.print(_totals(result.bundles))
    for line in _lines(result):
        say(line)
    if result.sensors:
        console.print(_sensors(result))
    if result.missing:
        console.print("not measured, or not shown by this machine:")
        for line in result.missing:
            say(f"  {line}", "dim")


def _head(result: BenchResult) -> list[str]:
    machine, options = result.machine, result.options
    used = {bundle.runtime: machine.runtimes.get(bundle.runtime, "") for bundle in result.bundles}
    runtimes = ", ".join(f"{name} ({version})" if version else name for name, version in used.items())
    warm = f" after {options.warm_up} of warm-up" if options.warm_up else ", warm-up included"
    return [
        _machine(machine),
        f"mer-edge {machine.mer_edge}, Python {machine.python}, numpy {machine.numpy}; runtime: {runtimes}",
        f"{options.rounds} interleaved rounds{warm}; {options.threads} thread{'s' * (options.threads > 1)}; "
        f"seeded noise (seed {options.seed})",
        *([f"clip: {result.clip}"] if result.clip else []),
    ]


def _machine(machine: Machine) -> str:
    facts = [
        machine.board,
        machine.cpu,
        f"{machine.cpus} CPUs ({machine.machine})",
        f"{machine.memory_mb / 1000:.1f} GB" if machine.memory_mb else "",
        machine.system,
        f"governor {machine.governor}" if machine.governor else "",
        f"load {machine.load:.1f}" if machine.load is not None else "",
    ]
    return ", ".join(fact for fact in facts if fact)


def _stages(result: BenchResult):  # type: ignore[no-untyped-def]  # a rich table
    """Every stage of every bundle."""
    several = len(result.bundles) > 1
    table = _table("milliseconds", "p50", "p90", "p99", *(["ratio", "95 %"] if several else []))
    blank = ["", ""] if several else []
    for stage, value in result.media.items():
        last = stage == list(result.media)[-1]
        table.add_row(f"{stage} (all bundles)" if several else stage, *_three(value), *blank, end_section=last)
    for bundle in result.bundles:
        if several:
            table.add_row(f"[bold]{_escaped(bundle.name)}[/]", "", "", "", *blank)
        for stage, value in bundle.stages.items():
            found = bundle.ratio.get(stage)
            compared = ["", ""] if found is None else [f"{found.p50:.2f}", f"{found.low:.2f}-{found.high:.2f}"]
            whole = stage == bundle.whole
            name = f"{stage} (graphs + SDK)" if whole else WORDS.get(stage, stage)
            row = [f"{'  ' * several}{name}", *_three(value), *(compared if several else [])]
            table.add_row(*row, style="bold" if whole else None, end_section=whole)
    return table


def _totals(bundles: Sequence[BundleResult]):  # type: ignore[no-untyped-def]  # a rich table
    """What a bundle costs beside the time of a step."""
    names = ("\nMB", "first\nms", "SDK\n%", "cold\ns", "peak\nMB", "step\nx real", "clip\nx real", "clip\nMB")
    rows = []
    for bundle in bundles:
        cold, clip, warm = bundle.cold_start, bundle.whole_run, bundle.warm_up
        row = (
            _escaped(bundle.name),
            f"{bundle.graph_bytes / 1e6:.2f}" if bundle.graph_bytes else NONE,
            f"{warm.first_ms:.2f}" if warm else NONE,
            f"{100 * bundle.sdk_share:.0f}",
            f"{cold.median:.2f}" if cold else NONE,
            f"{cold.peak_mb:.0f}" if cold and cold.peak_mb else NONE,
            f"{bundle.real_time_factor:.4f}" if bundle.real_time_factor is not None else NONE,
            f"{clip.real_time_factor:.3f}" if clip else NONE,
            f"{clip.peak_mb:.0f}" if clip and clip.peak_mb else NONE,
        )
        rows.append(row)
    # A column that nobody has is left out; what was not measured is said below.
    shown = [index for index, values in enumerate(zip(*rows, strict=True)) if set(values) != {NONE}]
    table = _table(*(("\nbundle", *names)[index] for index in shown))
    for row in rows:
        table.add_row(*(row[index] for index in shown))
    return table


def _lines(result: BenchResult) -> list[str]:
    """What the columns mean, and what has no column; a line that begins with blanks goes on with what stands above."""
    said = [
        "first: the very first step. SDK: on top of the graphs' time. cold, peak: a fresh process up to its first "
        f"estimate, and its memory over {STEPS + 1} of them. x real: time over the signal's length, of a step (front "
        "ends, graphs, SDK) and of the whole clip from file to estimates, with its memory."
    ]
    for bundle in result.bundles:
        cold, clip, warm = bundle.cold_start, bundle.whole_run, bundle.warm_up
        said.append(bundle.name)
        if warm:
            after = bundle.stages[bundle.whole].p50
            said.append(f"  warm-up: first {warm.first_ms:.2f} ms, median {warm.p50:.2f}, after it {after:.2f}")
        if cold:
            runs = f"{cold.runs} fresh process{'es' * (cold.runs > 1)}"
            said.append(f"  cold start: {cold.shortest:.2f} to {cold.longest:.2f} s in {runs}")
            phases = ", ".join(f"{name.replace('_', ' ')} {value:.2f}" for name, value in cold.phases.items())
            said.append(f"    {phases}")
        if clip:
            said.append(
                f"  clip: {clip.steps} steps, {clip.faces} with a face, CPU time {clip.cpu_factor:.3f} of its length"
            )
    lasting = result.sustained
    if lasting:
        said += [
            f"sustained {lasting.seconds / 60:.1f} min, {name}: {ends.steps} times; p50 {ends.first.p50:.3f} ms in the "
            f"first {lasting.span:.0f} s, {ends.last.p50:.3f} in the last: {ends.ratio:.2f} times"
            for name, ends in lasting.bundles.items()
        ]
        if lasting.memory_first_mb is not None and lasting.memory_last_mb is not None:
            grown = lasting.memory_last_mb - lasting.memory_first_mb
            said.append(
                f"memory of the sustained run: {lasting.memory_first_mb:.1f} MB after the first {lasting.span:.0f} s, "
                f"{lasting.memory_last_mb:.1f} at the end ({grown:+.1f})"
            )
    return said


def _sensors(result: BenchResult):  # type: ignore[no-untyped-def]  # a rich table
    table = _table("sensor", "unit", "first", "last", "highest", "mean")
    for timeline in result.sensors:
        values = (timeline.first, timeline.last, timeline.highest, timeline.mean)
        table.add_row(_escaped(timeline.name), timeline.unit, *(f"{value:.1f}" for value in values))
    return table


def _table(first: str, *names: str) -> Any:
    from rich import box
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
    table.add_column(first, overflow="fold")
    for name in names:
        table.add_column(name, justify="right", no_wrap=True)
    return table


def _three(value: Quantiles) -> tuple[str, str, str]:
    return f"{value.p50:.3f}", f"{value.p90:.3f}", f"{value.p99:.3f}"


def _escaped(text: str) -> str:
    from rich.markup import escape

    return escape(text)
