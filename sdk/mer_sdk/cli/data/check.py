"""`mer data check`: what a set of labelled clips holds, and what is wrong with it."""

from __future__ import annotations

import json as json_module
from functools import partial
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from mer_sdk.cli.data.plot import draw
from mer_sdk.cli.options import JsonOption, LabelsOption, dataset_path, label_names
from mer_sdk.cli.progress import progress_bars
from mer_sdk.cli.run.plot import PLOT_SUFFIXES, pyplot
from mer_sdk.cli.tables.columns import narrow_table
from mer_sdk.cli.tables.evaluation import left_out_table
from mer_sdk.contract.affect import NORMS
from mer_sdk.contract.codec import to_json
from mer_sdk.contract.output_files import check_outputs
from mer_sdk.errors import OptionError, counted
from mer_sdk.evaluation.data_check import DataCheck, check_clips, spread
from mer_sdk.evaluation.datasets import Clip, LeftOut, OwnClips, Ravdess, RavdessPairs, SpeechCorpus, open_dataset

ACTIONS = ("check",)
MOST_PEOPLE = 24


def data(
    action: Annotated[str, typer.Argument(metavar="check", help="What to do; check is all there is.")],
    spec: Annotated[
        str, typer.Argument(metavar="DATA", help="Data set as NAME:PATH, such as clips:FOLDER or clips:TABLE.csv.")
    ],
    labels: LabelsOption = "",
    plot: Annotated[Path | None, typer.Option("--plot", help="Write what was found as a picture (.png).")] = None,
    json: JsonOption = False,
) -> None:
    """Look at labelled clips before they are used: counts, lengths, levels, light, faces, balance, leaks.

    Every clip is read. A leak is a clip whose content is in two splits, or one of several people who is in two: the
    exit code is then 1. What cannot be used is listed, with the reason.

    Examples:

    mer data check clips:~/clips --plot clips.png

    mer data check clips:~/clips/labels.csv --labels joy=happy
    """
    if action not in ACTIONS:
        raise OptionError.unknown("action of mer data", action, ACTIONS)
    check_outputs({"--plot": plot}, {"the data set": dataset_path(spec)}, {"--plot": PLOT_SUFFIXES})
    if plot is not None:
        pyplot()
    clips, left = _clips(spec, label_names(labels))
    with progress_bars(quiet=json) as progress:
        found = check_clips(spec.partition(":")[0], clips, left, partial(progress, "reading clips"))
    if plot is not None:
        draw(found, plot)
    if json:
        print(json_module.dumps(to_json(found), indent=2))
    else:
        _show(found)
    if found.leaks:
        raise typer.Exit(1)


def _clips(spec: str, names: dict[str, str]) -> tuple[tuple[Clip, ...], tuple[LeftOut, ...]]:
    dataset = open_dataset(spec, names)
    if isinstance(dataset, OwnClips):
        chosen = dataset.select(tuple(NORMS))
        return chosen.clips, chosen.left_out
    if isinstance(dataset, Ravdess | RavdessPairs | SpeechCorpus):
        return dataset.clips(), ()
    raise OptionError(
        f"{spec} holds no sound and pictures that could be looked at; give clips:PATH, or ravdess_pairs:PATH, "
        "ravdess:PATH or a speech corpus"
    )


def _show(found: DataCheck) -> None:
    console = Console(highlight=False)
    total = sum(clip.seconds for clip in found.clips)
    console.print(
        f"[bold]{found.data}[/bold]: {counted(len(found.clips), 'clip')} of "
        f"{counted(len(_people(found)), 'person', 'people')}, {total / 60:.1f} min"
        f"{f', {len(found.left_out)} left out' if found.left_out else ''}",
        soft_wrap=True,
    )
    splits = list(found.labels)
    names = sorted({label for counts in found.labels.values() for label in counts})
    table = narrow_table("Clips per label", ("label",), [*(split or "clips" for split in splits), "with a face"])
    for name in names:
        seen = [clip for clip in found.clips if clip.label == name and clip.looks]
        faces = f"{sum(clip.faces > 0 for clip in seen)} of {len(seen)}" if seen else "-"
        table.add_row(name, *(str(found.labels[split].get(name, 0)) for split in splits), faces)
    console.print(table)
    table = narrow_table("What the clips are like", ("",), ("clips", "least", "median", "most"))
    for name, values, shape in (
        ("length, s", [clip.seconds for clip in found.clips if clip.seconds], "{:.1f}"),
        ("level, dB (0 is full scale)", [clip.level for clip in found.clips if clip.level is not None], "{:.0f}"),
        ("light, 0 to 255", [clip.light for clip in found.clips if clip.light is not None], "{:.0f}"),
        ("pictures with a face, %", [100 * clip.faces / clip.looks for clip in found.clips if clip.looks], "{:.0f}"),
        ("picture height, pixels", [float(clip.height) for clip in found.clips if clip.height], "{:.0f}"),
    ):
        if values:
            table.add_row(name, str(len(values)), *(shape.format(value) for value in spread(values)))
    console.print(table)
    people = _people(found)
    if 1 < len(people) <= MOST_PEOPLE:
        table = narrow_table("Clips per person", ("person",), [split or "clips" for split in splits])
        for who in people:
            table.add_row(who or "not named", *(str(found.people[split].get(who, 0)) for split in splits))
        console.print(table)
    for leak in found.leaks:
        console.print(f"LEAK: {leak}", style="red", markup=False, soft_wrap=True)
    for warning in found.warnings:
        console.print(warning, style="yellow", markup=False, soft_wrap=True)
    if found.left_out:
        console.print(left_out_table(found.left_out))
    if not (found.leaks or found.warnings or found.left_out):
        console.print("nothing wrong was found", style="green")


def _people(found: DataCheck) -> list[str]:
    return sorted({who for counts in found.people.values() for who in counts})
