"""What `mer verify` prints."""

from __future__ import annotations

from collections.abc import Sequence

from mer_sdk.cli.tables.columns import narrow_table
from mer_sdk.cli.verify.outcome import Damaged, Verified
from mer_sdk.parity.face_finder_golden import FinderVerification
from mer_sdk.parity.verification import Verification


def show_several(results: Sequence[Verified]) -> None:
    """A table with a line a bundle, then the reasons of those that failed."""
    from rich.console import Console

    console = Console(highlight=False)
    table = narrow_table("", ("bundle", "golden cases in", ""), ("cases", "max abs difference"))
    for result in results:
        outcome = "[green]passed[/]" if result.passed else "[red]FAILED[/]"
        if isinstance(result, Damaged):
            table.add_row(result.bundle, "-", outcome, "-", "-")
        else:
            table.add_row(result.bundle, result.runtime, outcome, str(len(result.cases)), f"{_worst(result):.1e}")
    console.print(table)
    for result in results:
        if isinstance(result, Damaged):
            console.print(f"{result.bundle}: {result.reason}", style="red", soft_wrap=True, markup=False)
    notes = (result.note for result in results if not isinstance(result, Damaged))
    for note in dict.fromkeys(note for note in notes if note):
        console.print(note, style="yellow")
    failed = sum(not result.passed for result in results)
    said = f"{failed} of {len(results)} FAILED" if failed else f"{len(results)} bundles passed"
    console.print(said, style="red" if failed else "green")


def _worst(result: Verification | FinderVerification) -> float:
    """The largest difference of what is judged: logits, or scores and boxes."""
    if isinstance(result, FinderVerification):
        return max(max(case["scores"], case["boxes"]) for case in result.cases)
    return max(case.logits for case in result.cases)


def show(result: Verification | FinderVerification) -> None:
    """One bundle, case by case."""
    if isinstance(result, FinderVerification):
        print(result.text())
    else:
        _show_cases(result)


def _show_cases(result: Verification) -> None:
    from rich.console import Console

    console = Console(highlight=False)
    console.print(f"{result.bundle}: {result.files} files equal their hashes; golden cases in {result.runtime}:")
    if result.note:
        console.print(result.note, style="yellow")
    names = [f"{name} features" for name in result.cases[0].features]
    table = narrow_table("Max abs difference", ("case",), (*names, "reliance", "logits", ""))
    for case in result.cases:
        numbers = (*case.features.values(), case.reliance, case.logits)
        table.add_row(str(case.case), *(f"{value:.1e}" for value in numbers), "ok" if case.passed else "FAILED")
    console.print(table)
    for text in {text: None for case in result.cases for text in case.wrong_texts}:
        console.print(f"this machine's front end gives other ids for the text {text!r}", style="red", markup=False)
    if result.against is not None:
        apart = {f"{name} features": value for name, value in result.against.features.items()}
        apart["logits"] = result.against.logits
        shown = ", ".join(f"{name} {value:.1e}" for name, value in apart.items())
        console.print(f"{result.against.runtime} against {result.runtime}, max abs difference: {shown}")
        console.print(result.against.note, style="yellow")
    console.print(
        f"{'passed' if result.passed else 'FAILED'}: {result.rule}", style="green" if result.passed else "red"
    )
