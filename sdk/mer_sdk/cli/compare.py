"""`mer compare`: do several bundles say the same."""

from __future__ import annotations

import json as json_module
from pathlib import Path
from typing import Annotated

import typer

from mer_sdk.cli.options import DetectorOption, JsonOption, ThreadsOption
from mer_sdk.contract.bundle import Bundle
from mer_sdk.contract.codec import to_json
from mer_sdk.parity.comparison import Comparison, compare_bundles


def compare(
    bundles: Annotated[
        list[str],
        typer.Argument(metavar="BUNDLE...", help="Bundles or checkpoints; the first is the reference."),
    ],
    reference: Annotated[
        str | None, typer.Option("--reference", help="Bundle or checkpoint (.safetensors) that the others are held to.")
    ] = None,
    data: Annotated[
        Path | None,
        typer.Option(
            "--data", help="Media file or folder of them; dialogue models: a csv file. Default: the golden cases."
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

    Example: mer compare build/*.mer --reference grjca-student.safetensors
    """
    from rich.console import Console

    named = [reference, *bundles] if reference is not None else bundles
    opened = [Bundle.open(name) for name in named]
    status = Console(stderr=True)
    comparison = compare_bundles(
        opened, data, tolerance, threads, detector, lambda name: status.print(f"running {name}", style="dim")
    )
    if json:
        print(json_module.dumps(to_json(comparison), indent=2))
    else:
        _show(comparison)


def _show(comparison: Comparison) -> None:
    from rich.console import Console
    from rich.table import Table

    console = Console(highlight=False)
    console.print(f"reference: {comparison.reference}; input: {comparison.data}", soft_wrap=True)
    for note in comparison.notes:
        console.print(note, style="yellow")
    table = Table("bundle", "graph", "max abs error", "SQNR dB", "cosine", "label flips", "first to diverge")
    for agreement in comparison.agreements:
        for index, (graph, found) in enumerate(agreement.graphs.items()):
            last = index == len(agreement.graphs) - 1
            table.add_row(
                agreement.name if index == 0 else "",
                graph,
                f"{found.max_abs_error:.2e}",
                "equal" if found.sqnr_db is None else f"{found.sqnr_db:.1f}",
                "-" if found.cosine is None else f"{found.cosine:.6f}",
                f"{agreement.flips} of {agreement.estimates}" if last else "",
                (agreement.first_diverging or "none") if last else "",
                end_section=last,
            )
    console.print(table)
    if len(comparison.names) > 2:
        matrix = Table("max abs error of logits / same label", *comparison.names)
        for name, errors, same in zip(comparison.names, comparison.matrix, comparison.argmax_agreement, strict=True):
            matrix.add_row(name, *(f"{e:.1e} / {100 * s:.0f} %" for e, s in zip(errors, same, strict=True)))
        console.print(matrix)
