"""`mer runs`: the figures of several trainings, checkpoints and evaluations side by side."""

from __future__ import annotations

import json as json_module
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from mer_sdk.cli.options import JsonOption
from mer_sdk.cli.tables.columns import narrow_table
from mer_sdk.cli.typed import typed
from mer_sdk.contract.codec import to_json
from mer_sdk.errors import OptionError
from mer_sdk.evaluation.runs import RunFigures, read_run, write_tensorboard


def runs(
    run: Annotated[
        list[Path],
        typer.Argument(
            metavar="RUN",
            help="A --run-dir of mer train or mer distill, a checkpoint (.safetensors), or what mer evaluate --out "
            "wrote.",
        ),
    ],
    tensorboard: Annotated[
        Path | None, typer.Option("--tensorboard", help="Also write the runs to this folder, for TensorBoard.")
    ] = None,
    json: JsonOption = False,
) -> None:
    """Compare runs: the last value of every figure, a row a figure and a column a run; TensorBoard shows their course.

    Examples:

    mer runs runs/full runs/student before.json after.json

    mer runs runs/full runs/student --tensorboard board
    """
    if tensorboard is not None and tensorboard.exists() and not tensorboard.is_dir():
        raise OptionError(f"--tensorboard {tensorboard} is a file; give a folder")
    found = _distinct([item for path in run for item in read_run(path)])
    if tensorboard is not None:
        write_tensorboard(found, tensorboard)
    if json:
        print(json_module.dumps([to_json(item) for item in found], indent=2))
        return
    _show(found)
    if tensorboard is not None:
        print(f"Next: {typed('mer').removesuffix('mer')}tensorboard --logdir {tensorboard}")


def _distinct(found: list[RunFigures]) -> list[RunFigures]:
    """The same runs, those of one name numbered."""
    seen: dict[str, int] = {}
    named = []
    for item in found:
        seen[item.name] = seen.get(item.name, 0) + 1
        number = seen[item.name]
        named.append(item if number == 1 else RunFigures(f"{item.name} ({number})", item.kind, item.series))
    return named


def _show(found: list[RunFigures]) -> None:
    """A row a figure, those of several runs first, and a column a run."""
    held: dict[str, int] = {}
    for item in found:
        for figure, points in item.series.items():
            held[figure] = held.get(figure, 0) + bool(points)
    numbers = [str(number) for number in range(1, len(found) + 1)]
    table = narrow_table("Last value of each figure", ("figure",), numbers, fold=True)
    for figure in sorted(filter(held.get, held), key=lambda name: -held[name]):
        courses = [item.series.get(figure) for item in found]
        table.add_row(figure, *(f"{course[-1][1]:.4g}" if course else "-" for course in courses))
    console = Console(highlight=False)
    console.print(table)
    for number, item in zip(numbers, found, strict=True):
        longest = max(map(len, item.series.values()), default=0)
        epochs = f", {longest} epochs" if item.kind == "training" else ""
        console.print(f"{number}: {item.name}{epochs}", markup=False, soft_wrap=True)
