"""`mer compare`: do several bundles give the same."""

from __future__ import annotations

import json as json_module
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from mer_sdk.cli.bundles import any_of, is_finder, left_out, open_bundle, open_bundles, simulation_note, without_runtime
from mer_sdk.cli.options import BundlesArgument, DetectorOption, JsonOption, ThreadsOption
from mer_sdk.cli.progress import progress_bars
from mer_sdk.cli.tables.columns import narrow_table
from mer_sdk.contract.bundle import Bundle
from mer_sdk.contract.codec import to_json
from mer_sdk.parity.comparison import Comparison, comparable, compare_bundles
from mer_sdk.runtimes import runtime_note


def compare(
    bundles: BundlesArgument,
    reference: Annotated[
        str | None, typer.Option("--reference", help="Bundle or checkpoint (.safetensors) that the others are held to.")
    ] = None,
    input: Annotated[
        Path | None,
        typer.Option(
            "--input", help="Media file or folder of them; dialogue models: a csv file. Default: the golden cases."
        ),
    ] = None,
    tolerance: Annotated[
        float, typer.Option("--tolerance", min=0.0, help="Absolute error of a graph's output that counts as equal.")
    ] = 1e-4,
    threads: ThreadsOption = 1,
    detector: DetectorOption = None,
    json: JsonOption = False,
) -> None:
    """Run several bundles on the same input and show how far they are apart.

    Per bundle: max abs error, SQNR and cosine against the reference, estimates whose label flips, and the first graph
    (encoders, then fusion) whose output is beyond the tolerance. Every step counts, not only full windows.

    The reference is --reference, or the first bundle at full precision (fp32) in a runtime of this machine. Bundles of
    several models are compared model by model, and --json then prints a list.

    Examples:

    mer compare bundles/grjca-*.mer

    mer compare bundles/grjca-tflite-fp16.mer --reference bundles/grjca-tflite-fp32.mer
    """
    from rich.console import Console

    slow = simulation_note if input is not None else (lambda bundle: "")
    opened = open_bundles(bundles, any_of(is_finder, without_runtime), slow)
    held_to = None if reference is None else open_bundle(reference)
    with progress_bars(quiet=json) as progress:
        found = [
            compare_bundles(group, input, tolerance, threads, detector, progress) for group in _groups(opened, held_to)
        ]
    if json:
        plain = [to_json(comparison) for comparison in found]
        print(json_module.dumps(plain if len(plain) > 1 else plain[0], indent=2))
        return
    for comparison in found:
        _show(comparison, tolerance)
    for note in dict.fromkeys(note for comparison in found for note in comparison.notes):
        Console(highlight=False).print(note, style="yellow")


def _groups(bundles: Sequence[Bundle], reference: Bundle | None) -> list[list[Bundle]]:
    """What is compared with one another, the reference first."""
    if reference is not None:
        fitting = [bundle for bundle in bundles if comparable(bundle, reference)]
        if fitting:
            _tell([bundle for bundle in bundles if bundle not in fitting], f"not comparable with {reference.name}")
        return [[reference, *(fitting or bundles)]]
    models: dict[str, list[Bundle]] = {}
    for bundle in bundles:
        models.setdefault(bundle.manifest.model, []).append(bundle)
    if max(map(len, models.values())) == 1:
        return [_reference_first(bundles)]
    _tell([group[0] for group in models.values() if len(group) == 1], "the only bundle of its model")
    return [_reference_first(group) for group in models.values() if len(group) > 1]


def _tell(bundles: Sequence[Bundle], reason: str) -> None:
    if bundles:
        left_out([bundle.name for bundle in bundles], reason)


def _reference_first(bundles: Sequence[Bundle]) -> list[Bundle]:
    full = [bundle for bundle in bundles if bundle.manifest.scheme == "fp32"]
    real = [bundle for bundle in full if not runtime_note(bundle.runtime)]
    first = next(iter((*real, *full, *bundles)))
    return [first, *(bundle for bundle in bundles if bundle is not first)]


def _show(comparison: Comparison, tolerance: float) -> None:
    from rich.console import Console

    console = Console(highlight=False)
    console.print(
        f"[bold]reference: {comparison.reference}[/]; input: {comparison.data}; equal: within {tolerance:g} of it",
        soft_wrap=True,
    )
    table = narrow_table(
        "", ("bundle", "graph"), ("max abs\nerror", "SQNR\ndB", "cosine", "label\nflips", "beyond\ntolerance")
    )
    table.columns[1].no_wrap = True
    for agreement in comparison.agreements:
        for index, (graph, found) in enumerate(agreement.graphs.items()):
            last = index == len(agreement.graphs) - 1
            table.add_row(
                agreement.name if index == 0 else "",
                graph,
                f"{found.max_abs_error:.1e}",
                "equal" if found.sqnr_db is None else f"{found.sqnr_db:.0f}",
                "-" if found.cosine is None else f"{found.cosine:.6f}",
                f"{agreement.flips}/{agreement.estimates}" if last else "",
                (agreement.first_diverging or "none") if last else "",
                end_section=last,
            )
    console.print(table)
    if len(comparison.names) > 2:
        _show_pairs(comparison)


def _show_pairs(comparison: Comparison) -> None:
    """All against all, by numbers, as the names of a dozen bundles find no room beside one another."""
    from rich.console import Console

    numbers = [str(index + 1) for index in range(len(comparison.names))]
    table = narrow_table("Max abs error of the logits, each bundle against each", ("bundle",), numbers)
    for number, name, errors in zip(numbers, comparison.names, comparison.matrix, strict=True):
        cells = ["" if str(other + 1) == number else _short(error) for other, error in enumerate(errors)]
        table.add_row(f"{number} {name}", *cells)
    console = Console(highlight=False)
    console.print(table)
    least = min(share for row in comparison.argmax_agreement for share in row)
    said = "every pair gives the same labels" if least == 1.0 else f"pairs give the same label in {least:.1%} or more"
    console.print(said)


def _short(error: float) -> str:
    """Such as 5e-6: one digit is enough to find who is apart."""
    if error == 0.0:
        return "0"
    mantissa, _, exponent = f"{error:.0e}".partition("e")
    return f"{mantissa}e{int(exponent)}" if exponent else mantissa
