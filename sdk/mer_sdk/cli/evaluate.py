"""`mer evaluate`: accuracy of a bundle on labelled data, on the machine that runs it."""

from __future__ import annotations

import json as json_module
from functools import partial
from pathlib import Path
from typing import Annotated

import typer
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from mer_sdk.cli.options import (
    BundleArgument,
    JsonOption,
    RuntimeOption,
    ThreadsOption,
    actors_of,
    folds_of,
    names_of,
    progress_bars,
    writable,
)
from mer_sdk.cli.tables.dialogues import COVERAGE_TITLE, add_coverage, score_cell, show_dialogues
from mer_sdk.contract.bundle import Bundle
from mer_sdk.contract.codec import to_json
from mer_sdk.dialogue.dialogue_file import Dialogue
from mer_sdk.errors import OptionError
from mer_sdk.evaluation.conditions import PROTOCOLS, STATES
from mer_sdk.evaluation.datasets import Clip, Meld, Ravdess, RavdessPairs, Selection, open_dataset
from mer_sdk.evaluation.datasets.ravdess import merge_labels
from mer_sdk.evaluation.dialogues import DialogueOptions, DialogueReport, evaluate_dialogues
from mer_sdk.evaluation.evaluate import EvaluationOptions, EvaluationReport
from mer_sdk.evaluation.evaluate import evaluate as evaluate_bundle


def evaluate(
    bundle: BundleArgument,
    data: Annotated[
        str, typer.Option(help="Data set and where it lies: ravdess:PATH, ravdess_pairs:PATH, or meld:PATH.")
    ],
    actors: Annotated[
        str, typer.Option(help="Actors to test on, such as 5 or 5,12. Default: all with both sound and face.")
    ] = "",
    folds: Annotated[
        str,
        typer.Option(
            help="Speaker-disjoint folds of RAVDESS to test on, such as 3. Default: 3 for ravdess_pairs, whose "
            "speakers no shipped model has learned from; all for ravdess."
        ),
    ] = "",
    states: Annotated[str, typer.Option(help=f"Modality states, of {', '.join(STATES)}.")] = "audio+face,audio,face",
    protocol: Annotated[
        str, typer.Option(help=f"Where the personal baseline stands, of {', '.join(PROTOCOLS)}.")
    ] = "cold,warm,enrolled",
    runtime: RuntimeOption = None,
    threads: ThreadsOption = 1,
    orders: Annotated[int, typer.Option(min=1, help="Random orders of a person's clips in 'warm'.")] = 5,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the orders and of the bootstrap.")] = 0,
    track_scale: Annotated[
        float, typer.Option(help="Part of a face track's image that is used, as a share of its side.")
    ] = 1.0,
    split: Annotated[str, typer.Option(help="Part of MELD: train, dev or test.")] = "dev",
    json: JsonOption = False,
    out: Annotated[Path | None, typer.Option(help="Also write the report as JSON to this file.")] = None,
) -> None:
    """Score a bundle on labelled clips: WAR, UAR, macro F1, calibration, per class, with 95 % intervals over clips.

    Every modality state is scored under every protocol: cold (no idea of the person), warm (a running baseline over
    the clips before, in random orders) and enrolled (four neutral clips of the person, which are not scored).

    A dialogue bundle is scored on the texts and speakers of MELD, utterance by utterance: weighted F1, accuracy, UAR,
    macro F1, calibration and F1 per class, with 95 % intervals over dialogues. --actors, --folds, --states, --protocol,
    --orders and --track-scale are for clips, --split for dialogues.

    Example: mer evaluate build/grjca-tflite.mer --data ravdess_pairs:~/data/ravdess_pairs --out report.json
    """
    options = EvaluationOptions(
        states=names_of(states),
        protocols=names_of(protocol),
        orders=orders,
        track_scale=track_scale,
        seed=seed,
        runtime=runtime,
        threads=threads,
    )
    writable(out, "--out")
    opened = Bundle.open(bundle)
    report: EvaluationReport | DialogueReport
    if opened.manifest.dialogue is None:
        clips, labels = _clips(data, actors_of(actors), folds_of(folds), opened, options)
        with progress_bars(Console(stderr=True)) as progress:
            report = evaluate_bundle(opened, clips, labels, options, progress)
    else:
        dialogues = _dialogues(data, split, opened)
        reading = DialogueOptions(seed=seed, runtime=runtime, threads=threads)
        with progress_bars(Console(stderr=True)) as progress:
            report = evaluate_dialogues(opened, dialogues, reading, partial(progress, "dialogues"))
    text = json_module.dumps(to_json(report), indent=2)
    if out is not None:
        _write(out, text + "\n")
    if json:
        print(text)
    elif isinstance(report, DialogueReport):
        show_dialogues(report)
    else:
        _show(report)


def _show(report: EvaluationReport) -> None:
    shown = Console()
    shown.print(_summary(report), soft_wrap=True, highlight=False)
    if report.note:
        shown.print(report.note, style="yellow", highlight=False)
    shown.print(_table(report))
    shown.print(_coverage(report))
    shown.print(_classes(report))
    if len(report.speakers) > 1:
        shown.print(_people(report))


def _clips(
    data: str,
    actors: tuple[int, ...] | None,
    folds: tuple[int, ...] | None,
    bundle: Bundle,
    options: EvaluationOptions,
) -> tuple[tuple[Clip, ...], dict[str, str]]:
    dataset = open_dataset(data)
    if not isinstance(dataset, Ravdess | RavdessPairs):
        raise OptionError(
            f"{data!r} has no clips with sound and faces, which {bundle.name} reads; `mer evaluate` takes ravdess:PATH "
            "or ravdess_pairs:PATH for it"
        )
    if actors is None and folds is None:
        folds = dataset.tested_folds
    # Without actors the states are compared on the same clips, so each clip must hold both modalities.
    paired = actors is None or "audio+face" in options.states
    selection = Selection(actors=actors, folds=folds, paired_only=paired)
    return dataset.clips(selection), merge_labels(bundle.manifest.labels)


def _dialogues(data: str, split: str, bundle: Bundle) -> tuple[Dialogue, ...]:
    dataset = open_dataset(data)
    if not isinstance(dataset, Meld):
        raise OptionError(
            f"{data!r} has no dialogues, which {bundle.name} reads; `mer evaluate` takes meld:PATH for it"
        )
    return dataset.dialogues(split)


def _write(path: Path, text: str) -> None:
    aside = path.with_name(path.name + ".part")
    try:
        aside.write_text(text, encoding="utf-8")
        aside.replace(path)
    except OSError as error:
        aside.unlink(missing_ok=True)
        raise OptionError(f"--out {path} cannot be written ({error}); give another place") from error


def _summary(report: EvaluationReport) -> str:
    merged = ", ".join(f"{old} as {new}" for old, new in report.merged.items() if old != new)
    return (
        f"[bold]{report.bundle}[/bold] ({report.model}, {report.target} {report.scheme}) in {report.runtime}: "
        f"{report.clips} clips, {report.steps} steps, speakers {', '.join(map(str, report.speakers))}"
        + (f"; {merged}" if merged else "")
    )


def _table(report: EvaluationReport) -> Table:
    table = _empty_table("Scores in %, [95 % bootstrap interval over clips]")
    for name in ("clips", "WAR", "UAR", "F1", "ECE", "NLL"):
        table.add_column(name, justify="right", no_wrap=True)
    for result in report.results:
        table.add_row(
            result.state,
            f"{result.protocol} x{result.runs}" if result.runs > 1 else result.protocol,
            str(result.clips),
            score_cell(result.war, result.war_interval),
            score_cell(result.uar, result.uar_interval),
            f"{100 * result.macro_f1:.1f}",
            f"{100 * result.ece:.1f}",
            f"{result.nll:.2f}",
        )
    return table


def _classes(report: EvaluationReport) -> Table:
    table = _empty_table("Recall per class in % (- where no clip has the label)")
    for label in report.labels:
        table.add_column(label, justify="right", no_wrap=True)
    for result in report.results:
        cells = ["-" if value is None else f"{100 * value:.0f}" for value in result.recall.values()]
        table.add_row(result.state, result.protocol, *cells)
    return table


def _people(report: EvaluationReport) -> Table:
    table = _empty_table("UAR per person in %")
    for speaker in report.speakers:
        table.add_column(str(speaker), justify="right", no_wrap=True)
    for result in report.results:
        values = (result.uar_by_speaker.get(str(speaker)) for speaker in report.speakers)
        table.add_row(result.state, result.protocol, *("-" if v is None else f"{100 * v:.0f}" for v in values))
    return table


def _coverage(report: EvaluationReport) -> Table:
    table = _empty_table(COVERAGE_TITLE)
    add_coverage(table, (((result.state, result.protocol), result.curves) for result in report.results))
    return table


def _empty_table(title: str) -> Table:
    # Narrow enough for 80 columns, which is what a board's serial console has.
    table = Table(title=title, title_justify="left", box=SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
    for name in ("state", "protocol"):
        table.add_column(name, no_wrap=True)
    return table
