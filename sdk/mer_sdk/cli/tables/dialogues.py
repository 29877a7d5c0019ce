"""`mer evaluate` of a dialogue bundle: the tables of its report."""

from __future__ import annotations

from collections.abc import Iterable

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from mer_sdk.evaluation.curves import Curves, accuracy_at
from mer_sdk.evaluation.dialogues import DialogueReport
from mer_sdk.evaluation.metrics import Interval

# Shares of the answers at which the accuracy of the most confident ones is shown.
COVERAGES = (1.0, 0.9, 0.8, 0.7, 0.5)
COVERAGE_TITLE = "Accuracy in % of the most confident answers, by the share that is answered"


def show_dialogues(report: DialogueReport) -> None:
    """Print a report."""
    console = Console(highlight=False)
    merged = ", ".join(f"{old} as {new}" for old, new in report.merged.items() if old != new)
    console.print(
        f"[bold]{report.bundle}[/bold] ({report.model}, {report.target} {report.scheme}) in {report.runtime}: "
        f"{report.utterances} utterances of {report.dialogues} dialogues"
        + (f", {report.wordless} without a word" if report.wordless else "")
        + (f"; {merged}" if merged else ""),
        soft_wrap=True,
    )
    if report.note:
        console.print(report.note, style="yellow")
    console.print(_scores(report))
    console.print(_coverage(report))
    console.print(_classes(report))


def _scores(report: DialogueReport) -> Table:
    table = _empty_table("Scores in % with 95 % intervals over dialogues")
    for name in ("weighted F1", "accuracy", "UAR", "macro F1", "ECE", "NLL"):
        table.add_column(name, justify="right", no_wrap=True)
    for result in report.results:
        table.add_row(
            result.reading,
            score_cell(result.weighted_f1, result.weighted_f1_interval),
            score_cell(result.war, result.war_interval),
            score_cell(result.uar, result.uar_interval),
            f"{100 * result.macro_f1:.1f}",
            f"{100 * result.ece:.1f}",
            f"{result.nll:.2f}",
        )
    return table


def _classes(report: DialogueReport) -> Table:
    table = _empty_table("F1 per class in % (- where no utterance has the label), and how many utterances have it")
    for label in report.labels:
        table.add_column(label, justify="right", no_wrap=True)
    for result in report.results:
        cells = ["-" if value is None else f"{100 * value:.0f}" for value in result.f1.values()]
        table.add_row(result.reading, *cells)
    table.add_row("utterances", *(str(count) for count in report.support.values()))
    return table


def _coverage(report: DialogueReport) -> Table:
    table = _empty_table(COVERAGE_TITLE)
    add_coverage(table, (((result.reading,), result.curves) for result in report.results))
    return table


def add_coverage(table: Table, rows: Iterable[tuple[tuple[str, ...], Curves | None]]) -> None:
    """Add to a table with columns for the first cells of `rows` the accuracies at `COVERAGES`, "-" without curves."""
    for share in COVERAGES:
        table.add_column(f"{share:.0%}", justify="right", no_wrap=True)
    for first, found in rows:
        cells = ["-" if found is None else f"{100 * accuracy_at(found, share):.1f}" for share in COVERAGES]
        table.add_row(*first, *cells)


def _empty_table(title: str) -> Table:
    table = Table(title=title, title_justify="left", box=SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
    table.add_column("reading", no_wrap=True)
    return table


def score_cell(value: float, interval: Interval) -> str:
    """A score in % with its interval, as Rich markup."""
    return f"{100 * value:.1f} \\[{100 * interval.low:.0f}, {100 * interval.high:.0f}]"
