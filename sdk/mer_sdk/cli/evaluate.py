"""`mer evaluate`: accuracy of a bundle on labelled data, on the machine that runs it."""

from __future__ import annotations

import json as json_module
import os
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from mer_sdk.cli.bundles import Unfit, any_of, inputs_of, is_finder, open_bundles, simulation_note, without_runtime
from mer_sdk.cli.options import (
    BundlesArgument,
    ClusterOption,
    JsonOption,
    LabelsOption,
    RuntimeOption,
    SplitOption,
    ThreadsOption,
    actors_of,
    dataset_path,
    folds_of,
    label_names,
    names_of,
    open_workers,
)
from mer_sdk.cli.progress import Advance, progress_bars
from mer_sdk.cli.tables.evaluation import show_report
from mer_sdk.contract.bundle import Bundle
from mer_sdk.contract.codec import to_json
from mer_sdk.contract.output_files import atomic_output, check_outputs
from mer_sdk.dialogue.dialogue_file import Dialogue
from mer_sdk.errors import DataError, OptionError, reason_of
from mer_sdk.evaluation.conditions import PROTOCOLS, STATES
from mer_sdk.evaluation.datasets import LeftOut, Meld, OwnClips, Ravdess, RavdessPairs, Selection, open_dataset
from mer_sdk.evaluation.datasets.ravdess import merge_labels
from mer_sdk.evaluation.dialogues import DialogueOptions, DialogueReport, evaluate_dialogues
from mer_sdk.evaluation.evaluate import EvaluationOptions, EvaluationReport
from mer_sdk.evaluation.evaluate import evaluate as evaluate_bundle
from mer_sdk.evaluation.omissions import Omissions
from mer_sdk.jobs import completed

Report = EvaluationReport | DialogueReport


def evaluate(
    bundles: BundlesArgument,
    data: Annotated[
        str,
        typer.Option(
            help="Data set and where it lies: clips:PATH (your own: a table or folders), ravdess_pairs:PATH, "
            "ravdess:PATH, or meld:PATH."
        ),
    ],
    labels: LabelsOption = "",
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
    split: SplitOption = "",
    jobs: Annotated[
        int | None, typer.Option("--jobs", min=1, help="Bundles scored at the same time, each in a process.")
    ] = None,
    cluster: ClusterOption = None,
    json: JsonOption = False,
    out: Annotated[Path | None, typer.Option(help="Also write the report as JSON to this file.")] = None,
) -> None:
    """Score bundles on labelled clips: WAR, UAR, macro F1, calibration, per class, with 95 % intervals over clips.

    Every modality state is scored under every protocol: cold (no idea of the person), warm (a running baseline over
    the clips before, in random orders) and enrolled (four neutral clips of the person, which are not scored).

    A dialogue bundle is scored on the texts and speakers of MELD, utterance by utterance: weighted F1, accuracy, UAR,
    macro F1, calibration and F1 per class, with 95 % intervals over dialogues. --actors, --folds, --states, --protocol,
    --orders and --track-scale are for clips.

    Your own clips are a table (csv or parquet: file, label; optional speaker, start, end, split, text) or folders named
    by label. Where they have some of the bundle's labels alone, answers are the likeliest of those. What cannot be
    scored is left out and listed. A dialogue bundle reads the column text.

    Of several bundles those are scored that read the data; --json prints a list of reports. --jobs and --cluster score
    several at the same time, with the same reports.

    Examples:

    mer evaluate bundles/grjca-tflite-fp32.mer --data ravdess_pairs:~/data/ravdess_pairs

    mer evaluate bundles/grjca-tflite-fp32.mer --data clips:~/clips/labels.csv --labels joy=happy

    mer evaluate bundles/amb_dsgdn-onnx-fp32.mer --data meld:~/data/MELD
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
    inputs = {**inputs_of(bundles), "the data set": dataset_path(data)}
    check_outputs({"--out": out}, inputs, {"--out": (".json",)})
    people, parts = actors_of(actors), folds_of(folds)
    dataset = open_dataset(data, label_names(labels))
    if isinstance(dataset, OwnClips) and (people is not None or parts is not None):
        raise OptionError("--actors and --folds are of RAVDESS; of your own clips --split takes a part")
    opened = open_bundles(bundles, any_of(is_finder, _reads(data, dataset), without_runtime), simulation_note)
    asked = _EvaluationTask(
        os.path.abspath(dataset_path(data) or ""), data, label_names(labels), people, parts, split, options
    )
    with progress_bars(quiet=json) as progress:
        if cluster is None and (jobs or 1) == 1:
            reports = [_score(asked, bundle, dataset, _loading_first(bundle.name, progress)) for bundle in opened]
        else:
            reports = _score_together(asked, opened, jobs, cluster, progress)
    plain = [to_json(report) for report in reports]
    text = json_module.dumps(plain[0] if len(bundles) == 1 else plain, indent=2)
    if out is not None:
        _write(out, text + "\n")
    if json:
        print(text)
        return
    for report in reports:
        show_report(report)


@dataclass(frozen=True)
class _EvaluationTask:
    """What every bundle is scored on: the path of the data set, absolute, and the options of the command, read."""

    path: str
    data: str
    labels: dict[str, str]
    actors: tuple[int, ...] | None
    folds: tuple[int, ...] | None
    split: str
    options: EvaluationOptions


def _score_together(
    asked: _EvaluationTask, bundles: list[Bundle], jobs: int | None, cluster: str | None, progress: Advance
) -> list[Report]:
    """The reports of several bundles, each scored by a process of its own, in their order."""
    with open_workers(jobs, cluster, asked.options.threads) as workers:
        found: dict[int, Report] = {}
        paths = [str(bundle.path and bundle.path.absolute()) for bundle in bundles]
        progress("bundles", 0, len(bundles))
        for number, future in completed(workers, _score_in_a_process, range(len(bundles)), asked, paths):
            found[number] = future.result()
            progress("bundles", len(found), len(bundles))
    return [found[number] for number in range(len(bundles))]


def _score_in_a_process(asked: _EvaluationTask, paths: list[str], number: int) -> Report:
    dataset = open_dataset(f"{asked.data.partition(':')[0]}:{asked.path}", asked.labels)
    return _score(asked, Bundle.open(paths[number]), dataset, lambda what, done, total: None)


def _score(asked: _EvaluationTask, bundle: Bundle, dataset: object, shown: Advance) -> Report:
    """The report of one bundle on a data set that it reads."""
    options = asked.options
    if bundle.manifest.dialogue is not None:
        assert isinstance(dataset, Meld | OwnClips)
        talks, classes, left = talks_of(dataset, bundle.manifest.labels, asked.split)
        reading = DialogueOptions(seed=options.seed, runtime=options.runtime, threads=options.threads, classes=classes)
        return replace(evaluate_dialogues(bundle, talks, reading, partial(shown, "dialogues")), left_out=left)
    if isinstance(dataset, OwnClips):
        return score_own_clips(bundle, dataset, asked.split, options, shown)
    assert isinstance(dataset, Ravdess | RavdessPairs)
    return _score_clips(bundle, dataset, asked.actors, asked.folds, options, shown)


def _reads(spec: str, dataset: object) -> Unfit:
    """Why a bundle cannot be scored on a data set.

    Raises:
        OptionError: no bundle can.
    """
    if not isinstance(dataset, Ravdess | RavdessPairs | Meld | OwnClips):
        raise OptionError(
            f"--data {spec} is not for `mer evaluate`, which takes clips:PATH, ravdess_pairs:PATH, ravdess:PATH and "
            "meld:PATH"
        )

    def why_not(bundle: Bundle) -> str:
        if isinstance(dataset, OwnClips):
            mute = bundle.manifest.dialogue is not None and not any(clip.text for clip in dataset.clips_all)
            return f"reads what is said, and {dataset.path} has no column text: add what is said" if mute else ""
        if (bundle.manifest.dialogue is not None) == isinstance(dataset, Meld):
            return ""
        if isinstance(dataset, Meld):
            return "reads clips with sound and faces, and --data meld:PATH has dialogues: give ravdess_pairs:PATH"
        return f"reads dialogues, and --data {dataset.name}:PATH has clips with sound and faces: give meld:PATH"

    return why_not


def _score_clips(
    bundle: Bundle,
    dataset: Ravdess | RavdessPairs,
    actors: tuple[int, ...] | None,
    folds: tuple[int, ...] | None,
    options: EvaluationOptions,
    progress: Advance,
) -> EvaluationReport:
    if actors is None and folds is None:
        folds = dataset.tested_folds
    # Without actors the states are compared on the same clips, so each clip must hold both modalities.
    paired = "audio+face" in options.states or (actors is None and len(options.states) > 1)
    try:
        clips = dataset.clips(Selection(actors=actors, folds=folds, paired_only=paired))
    except DataError as error:
        if not paired:
            raise
        raise DataError(f"{error}; without faces: --states audio") from error

    return evaluate_bundle(bundle, clips, merge_labels(bundle.manifest.labels), options, progress)


def score_own_clips(
    bundle: Bundle, dataset: OwnClips, split: str, options: EvaluationOptions, progress: Advance
) -> EvaluationReport:
    """Score a window bundle on clips of one's own; what cannot be scored is left out, and stands in the report."""
    chosen = dataset.to_test(bundle.manifest.labels, split)
    omissions = Omissions(list(chosen.left_out))
    if len(set(chosen.labels.values())) == 1:
        omissions.notes.append("all clips have one label, so that no score of the labels that they have says anything")
    return evaluate_bundle(bundle, chosen.clips, chosen.labels, options, progress, omissions)


def talks_of(
    dataset: Meld | OwnClips, labels: tuple[str, ...], split: str
) -> tuple[tuple[Dialogue, ...], tuple[str, ...], tuple[LeftOut, ...]]:
    """The dialogues of a data set, the labels that they can have (() for all), and which clips have no part in them."""
    if isinstance(dataset, Meld):
        return dataset.dialogues(split or "dev"), (), ()
    talks, chosen = dataset.dialogues(labels, split)
    return talks, tuple(dict.fromkeys(chosen.labels.values())), chosen.left_out


def _loading_first(name: str, progress: Advance) -> Advance:
    """Progress of one bundle, which begins with loading: a runtime's imports may take longer than all clips."""
    loading = f"{name}: loading"
    progress(loading, 0, 1)

    def advance(what: str, done: float, total: float) -> None:
        progress(loading, 1, 1)
        progress(f"{name}: {what}", done, total)

    return advance


def _write(path: Path, text: str) -> None:
    try:
        with atomic_output(path) as aside:
            aside.write_text(text, encoding="utf-8")
    except OSError as error:
        raise OptionError(f"--out {path} cannot be written ({reason_of(error)}); give another place") from error
