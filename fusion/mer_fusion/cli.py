"""`mer train`: a full-precision model from data; `mer calibrate`: how sure it may say that it is; `mer adapt`: own
clips."""

from __future__ import annotations

import json as json_module
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from mer_fusion.options import (
    DataOption,
    EncodersOption,
    EpochsShareOption,
    OutOption,
    PartOption,
    QuietOption,
    RunDirOption,
    SeedOption,
    StillsOption,
    TrainingThreadsOption,
    UnseenOption,
    refuse_inputs,
)
from mer_sdk.cli.options import JsonOption, LabelsOption, label_names
from mer_sdk.cli.progress import progress_bars, told_when_slow
from mer_sdk.errors import OptionError


def train(
    model: Annotated[
        str, typer.Argument(help="Fusion model: grjca, hgrjca (hierarchical gates), atsuko, fdrl or amb_dsgdn.")
    ],
    data: DataOption,
    labels: LabelsOption = "",
    config: Annotated[
        str,
        typer.Option(
            help="A paper's own data set, for who holds it, with --data: amb_dsgdn iemocap (iemocap-features:PATH), "
            "meld (meld-features:PATH); fdrl iemocap (iemocap-features:PATH); atsuko mosi, mosei, sims, simsv2 "
            "(mmsa:PATH), mintrec (mintrec:PATH); grjca affwild2 (affwild2:PATH)."
        ),
    ] = "",
    out: OutOption = None,
    run_dir: RunDirOption = Path("runs/full"),
    encoders: EncodersOption = "",
    stills: StillsOption = "",
    unseen: UnseenOption = "",
    seed: SeedOption = 0,
    threads: TrainingThreadsOption = 0,
    part: PartOption = "all",
    epochs_share: EpochsShareOption = 1.0,
    quiet: QuietOption = False,
) -> None:
    """Train a full-precision model: audio encoder, face encoder, then fusion; amb_dsgdn reads text and speakers.

    RAVDESS speech with the faces of the same takes, FER+ faces and further speech, or MELD's dialogues, are read with
    `--data`; RAVDESS fold 3 (actors 8, 17, 21, 23, 24) is kept for testing.
    Several GPUs: `accelerate launch -m mer_sdk.cli train ...` or `torchrun -m mer_sdk.cli train ...`, unchanged.

    Next: `mer distill MODEL --teacher runs/MODEL-full.safetensors ...`, then `mer evaluate`.
    """
    from mer_fusion.training.dialogue.launch import is_dialogue_model, train_dialogue_model
    from mer_fusion.training.fusion.launch import run_recipe
    from mer_fusion.training.fusion.recipe import full_precision_recipe
    from mer_fusion.training.published.configs import published_config, train_published
    from mer_fusion.training.run import RunOptions

    out = out or Path(f"runs/{model}-{config}-full.safetensors" if config else f"runs/{model}-full.safetensors")
    refuse_inputs(out, encoders, data, stills=Path(stills) if stills else None)
    run = RunOptions(run_dir, part, threads, epochs_share, quiet, encoders, stills, label_names(labels), unseen)
    if config:
        chosen = published_config(model, config)
        train_published(chosen, data, out, run, seed)
        return
    if is_dialogue_model(model):
        train_dialogue_model(data, out, run, seed)
    else:
        run_recipe(full_precision_recipe(seed, model), data, out, run, teacher=None)


def calibrate(
    checkpoint: Annotated[
        str, typer.Argument(help="Checkpoint (.safetensors), or with --out a shipped one: grjca-student.")
    ],
    data: Annotated[
        str,
        typer.Option(
            help="People whom the model has not learned from: clips:PATH (all but the split test), or "
            "ravdess_pairs:PATH (fold 0). For a dialogue model dialogues: clips:PATH with the column text, or "
            "meld:PATH (dev)."
        ),
    ],
    unseen: Annotated[
        str,
        typer.Option(
            help="A checkpoint of the same recipe that was trained without these people, and answers in place of the "
            "other: NAME-unseen.safetensors, which mer train and mer distill write."
        ),
    ] = "",
    labels: LabelsOption = "",
    split: Annotated[
        str,
        typer.Option(
            help="Part of the data: train, dev, test. Default: dev of MELD; of your own clips all but test, which "
            "scores the model."
        ),
    ] = "",
    out: Annotated[
        Path | None,
        typer.Option(help="Copy of the checkpoint to write, its card beside it. Default: the checkpoint's own card."),
    ] = None,
    json: JsonOption = False,
) -> None:
    """Fit temperature and abstention threshold of each modality state to people whom the model has not learned from.

    The weights stay as they are: the likeliest label stays, its probability changes. Below the threshold the emotion
    is "unknown"; it is where naming begins to pay if a wrong name costs as much as a right one gains.

    Next: `mer-convert --checkpoint CHECKPOINT --target all --out bundles/mine`, whose bundles take it over.

    Examples:

    mer calibrate grjca-student --data clips:~/clips/labels.csv --out runs/mine.safetensors

    mer calibrate runs/amb_dsgdn-student.safetensors --data meld:~/data/MELD

    mer calibrate runs/mine.safetensors --unseen runs/mine-unseen.safetensors --data ravdess_pairs:PATH
    """
    from mer_fusion.calibration import calibrate as fit
    from mer_fusion.checkpoint import find_checkpoint
    from mer_fusion.tables import show_calibration
    from mer_fusion.training.cards import checkpoint_path
    from mer_sdk.contract.codec import to_json

    source = find_checkpoint(checkpoint)
    if out is not None:
        checkpoint_path(out)
        refuse_inputs(out, "", [data], checkpoint=source)
    elif source != Path(checkpoint).expanduser():
        raise OptionError(f"{source.stem} is shipped and stays as it is; give --out runs/{source.stem}.safetensors")
    with progress_bars(quiet=json) as progress:
        found = fit(source, data, Path(unseen) if unseen else None, label_names(labels), split, progress, out)
    if json:
        print(json_module.dumps(to_json(found), indent=2))
    else:
        show_calibration(found, out or source)


def adapt(
    checkpoint: Annotated[
        str, typer.Argument(help="Checkpoint (.safetensors) of a window model, or a shipped one: grjca-student.")
    ],
    data: Annotated[
        str,
        typer.Option(
            help="Your clips: clips:PATH, a table (file, label; optional speaker, split) or folders named by label."
        ),
    ],
    out: Annotated[Path, typer.Option(help="Checkpoint to write, its card beside it.")] = Path(
        "runs/adapted.safetensors"
    ),
    check_data: Annotated[
        str,
        typer.Option(help="ravdess_pairs:PATH: the adapted model may lose at most 2 points on its test fold."),
    ] = "",
    labels: LabelsOption = "",
    level: Annotated[
        str, typer.Option(help="What learns: head (the last layer) or fusion. Default: fusion from 300 clips on.")
    ] = "",
    seed: SeedOption = 0,
    threads: TrainingThreadsOption = 0,
    json: JsonOption = False,
) -> None:
    """Adapt a trained model to your own clips, a few dozen to a few thousand, in minutes on a laptop.

    The last layer learns, or all of the fusion where there are many clips; the encoders stay as they are. Temperature
    and thresholds are fitted anew. Every clip is judged by a model that has not learned from it: clips of the split
    "test" where there are some, else in five parts, by person where there are five people or more. Where the result is
    worse than before, nothing is written and the exit code is 1.

    Next: `mer-convert --checkpoint runs/adapted.safetensors --target all --out bundles/adapted`.

    Examples:

    mer adapt grjca-student --data clips:~/clips/labels.csv --labels joy=happy
    """
    with told_when_slow("loading torch", json):
        from mer_fusion.checkpoint import find_checkpoint
        from mer_fusion.tables import show_adaptation
        from mer_fusion.training.adapt.learning import AdaptOptions
        from mer_fusion.training.adapt.procedure import adapt as learn
        from mer_sdk.contract.codec import to_json

    options = AdaptOptions(level=level, seed=seed)
    source = find_checkpoint(checkpoint)
    refuse_inputs(out, "", [data, *([check_data] if check_data else [])], checkpoint=source)
    if threads:
        import torch

        torch.set_num_threads(threads)
    with progress_bars(quiet=json) as progress:
        found = learn(source, data, out, check_data, label_names(labels), options, progress)
    if json:
        print(json_module.dumps(to_json(replace(found, checkpoint=None)) | {"checkpoint": str(found.checkpoint or "")}))
    else:
        show_adaptation(found, source)
    if found.checkpoint is None:
        raise typer.Exit(1)
