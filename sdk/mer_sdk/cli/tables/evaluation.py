"""`mer evaluate`: the tables of a report, of clips or of dialogues."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console
from rich.table import Table

from mer_sdk.cli.tables.columns import narrow_table
from mer_sdk.evaluation.curves import accuracy_at
from mer_sdk.evaluation.dialogues import DialogueReport, DialogueResult
from mer_sdk.evaluation.evaluate import ConditionResult, EvaluationReport
from mer_sdk.evaluation.metrics import Interval

Report = EvaluationReport | DialogueReport
Result = ConditionResult | DialogueResult
# Shares of the answers at which the accuracy of the most confident ones is shown.
COVERAGES = (1.0, 0.9, 0.8, 0.7, 0.5)


def show_report(report: Report) -> None:
    """Print a report."""
    console = Console(highlight=False)
    console.print(_summary(report), soft_wrap=True)
    if report.note:
        console.print(report.note, style="yellow")
    for table in (_scores(report), _coverage(report), _classes(report)):
        console.print(table)
    if isinstance(report, EvaluationReport) and len(report.speakers) > 1:
        console.print(_people(report))


def _people(report: EvaluationReport) -> Table:
    names = [str(speaker) for speaker in report.speakers]
    table = narrow_table("UAR per person in %", _keys(report), names)
    for result in report.results:
        values = (result.uar_by_speaker.get(name) for name in names)
        table.add_row(*_key(result), *("-" if value is None else f"{100 * value:.0f}" for value in values))
    return table


def _summary(report: Report) -> str:
    merged = ", ".join(f"{old} as {new}" for old, new in report.merged.items() if old != new)
    if isinstance(report, DialogueReport):
        said = f"{report.utterances} utterances of {report.dialogues} dialogues"
        said += f", {report.wordless} without a word" if report.wordless else ""
    else:
        said = f"{report.clips} clips, {report.steps} steps, speakers {', '.join(map(str, report.speakers))}"
    return (
        f"[bold]{report.bundle}[/bold] ({report.model}, {report.target} {report.scheme}) in {report.runtime}: {said}"
        + (f"; {merged}" if merged else "")
    )


def _scores(report: Report) -> Table:
    if isinstance(report, DialogueReport):
        title, names = "Scores in % with 95 % intervals over dialogues", ("weighted F1", "accuracy", "UAR", "macro F1")
        table = narrow_table(title, _keys(report), (*names, "ECE", "NLL"))
        for result in report.results:
            table.add_row(
                *_key(result),
                _score(result.weighted_f1, result.weighted_f1_interval),
                _score(result.war, result.war_interval),
                *_common(result),
            )
        return table
    title = "Scores in %, [95 % bootstrap interval over clips]"
    table = narrow_table(title, _keys(report), ("clips", "WAR", "UAR", "F1", "ECE", "NLL"))
    for condition in report.results:
        state, protocol = _key(condition)
        runs = f" x{condition.runs}" if condition.runs > 1 else ""
        cells = (str(condition.clips), _score(condition.war, condition.war_interval), *_common(condition))
        table.add_row(state, f"{protocol}{runs}", *cells)
    return table


def _common(result: Result) -> tuple[str, ...]:
    return (
        _score(result.uar, result.uar_interval),
        f"{100 * result.macro_f1:.1f}",
        f"{100 * result.ece:.1f}",
        f"{result.nll:.2f}",
    )


def _coverage(report: Report) -> Table:
    title = "Accuracy in % of the most confident answers, by the share that is answered"
    table = narrow_table(title, _keys(report), [f"{share:.0%}" for share in COVERAGES])
    for result in report.results:
        found = result.curves
        cells = ["-" if found is None else f"{100 * accuracy_at(found, share):.1f}" for share in COVERAGES]
        table.add_row(*_key(result), *cells)
    return table


def _classes(report: Report) -> Table:
    spoken = isinstance(report, DialogueReport)
    title = (
        "F1 per class in % (- where no utterance has the label), and how many utterances have it"
        if spoken
        else "Recall per class in % (- where no clip has the label)"
    )
    table = narrow_table(title, _keys(report), report.labels)
    for result in report.results:
        shares = result.f1 if isinstance(result, DialogueResult) else result.recall
        table.add_row(*_key(result), *("-" if value is None else f"{100 * value:.0f}" for value in shares.values()))
    if isinstance(report, DialogueReport):
        table.add_row("utterances", *(str(count) for count in report.support.values()))
    return table


def _keys(report: Report) -> Sequence[str]:
    return ("reading",) if isinstance(report, DialogueReport) else ("state", "protocol")


def _key(result: Result) -> tuple[str, ...]:
    return (result.reading,) if isinstance(result, DialogueResult) else (result.state, result.protocol)


def _score(value: float, interval: Interval) -> str:
    """A score in % with its interval, as Rich markup."""
    return f"{100 * value:.1f} \\[{100 * interval.low:.0f}, {100 * interval.high:.0f}]"
