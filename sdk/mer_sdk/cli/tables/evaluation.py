"""`mer evaluate`: the tables of a report, of clips or of dialogues."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text

from mer_sdk.cli.tables.columns import narrow_table
from mer_sdk.errors import counted
from mer_sdk.evaluation.curves import accuracy_at
from mer_sdk.evaluation.datasets.clip import LeftOut
from mer_sdk.evaluation.dialogues import DialogueReport, DialogueResult
from mer_sdk.evaluation.evaluate import ConditionResult, EvaluationReport
from mer_sdk.evaluation.metrics import Interval

Report = EvaluationReport | DialogueReport
Result = ConditionResult | DialogueResult
# Shares of the answers at which the accuracy of the most confident ones is shown.
COVERAGES = (1.0, 0.9, 0.8, 0.7, 0.5)
# More people than this have no column each; more clips left out no row each.
MOST_PEOPLE, MOST_ROWS = 24, 12


def show_report(report: Report) -> None:
    """Print a report."""
    console = Console(highlight=False)
    console.print(_summary(report), soft_wrap=True)
    if report.note:
        console.print(report.note, style="yellow")
    for table in (_scores(report), _coverage(report), _classes(report)):
        console.print(table)
    if isinstance(report, EvaluationReport):
        if report.caution:
            console.print(report.caution, style="yellow", soft_wrap=True)
        if 1 < len(_named(report)) <= MOST_PEOPLE:
            console.print(_people(report))
        if any(result.all_labels for result in report.results):
            console.print(_all_labels(report))
        for note in report.omitted:
            console.print(note, style="yellow", markup=False, soft_wrap=True)
    if report.left_out:
        console.print(left_out_table(report.left_out))


def left_out_table(left_out: Sequence[LeftOut]) -> Table:
    """Clips that were not used: one row each, and where they are many one row a reason."""
    counts: dict[str, list[LeftOut]] = {}
    for item in left_out:
        counts.setdefault(item.reason, []).append(item)
    table = narrow_table(f"Left out: {len(left_out)}", ("clip", "why"))
    if len(left_out) <= MOST_ROWS:
        for item in left_out:
            table.add_row(Text(item.clip), Text(item.reason))
        return table
    ranked = sorted(counts.items(), key=lambda pair: -len(pair[1]))
    for reason, items in ranked[:MOST_ROWS]:
        table.add_row(
            Text(items[0].clip if len(items) == 1 else f"{items[0].clip} and {len(items) - 1} more"), Text(reason)
        )
    rest = sum(len(items) for _, items in ranked[MOST_ROWS:])
    if rest:
        table.add_row(f"{rest} more", "other reasons: --json lists each clip")
    return table


def _named(report: EvaluationReport) -> dict[str, str]:
    """Number -> name of the people who are known by one; where the data set has numbers alone, all of them."""
    numbers = [str(speaker) for speaker in report.speakers]
    if report.names or report.left_out or report.omitted:
        return {number: report.names[number] for number in numbers if number in report.names}
    return {number: number for number in numbers}


def _all_labels(report: EvaluationReport) -> Table:
    held = sum(value > 0 for value in report.results[0].support.values())
    title = (
        f"With all {len(report.labels)} labels allowed, in %; above, the likeliest of the {held} that the clips have"
    )
    table = narrow_table(title, _keys(report), ("WAR", "UAR", "ECE", "other labels"))
    for result in report.results:
        found = result.all_labels
        if found is not None:
            shares = (found.war, found.uar, found.ece, found.outside)
            table.add_row(*_key(result), *(f"{100 * share:.1f}" for share in shares))
    return table


def _people(report: EvaluationReport) -> Table:
    named = _named(report)
    names = list(named)
    table = narrow_table("UAR per person in %", _keys(report), list(named.values()))
    for result in report.results:
        values = (result.uar_by_speaker.get(name) for name in names)
        table.add_row(*_key(result), *("-" if value is None else f"{100 * value:.0f}" for value in values))
    return table


def _summary(report: Report) -> str:
    merged = ", ".join(f"{old} as {new}" for old, new in report.merged.items() if old != new)
    if isinstance(report, DialogueReport):
        said = f"{counted(report.utterances, 'utterance')} of {counted(report.dialogues, 'dialogue')}"
        said += f", {report.wordless} without a word" if report.wordless else ""
    else:
        people = list(_named(report).values())
        strangers = len(report.speakers) - len(people)
        said = f"{counted(report.clips, 'clip')}, {counted(report.steps, 'step')}"
        said += f", speakers {', '.join(people)}" if people else ""
        said += f", {counted(strangers, 'clip')} of nobody named" if strangers else ""
        said += f", {len(report.left_out)} left out" if report.left_out else ""
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
        _percent(result.macro_f1),
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
    return f"{_percent(value)} \\[{100 * interval.low:.0f}, {100 * interval.high:.0f}]"


def _percent(value: float) -> str:
    """In percent; of 100 without a decimal, so that rows of it fit 80 columns."""
    return f"{100 * value:.1f}".replace("100.0", "100")
