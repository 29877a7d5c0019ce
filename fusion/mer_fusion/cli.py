"""`mer train`: a full-precision model from data."""

from __future__ import annotations

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
    refuse_inputs,
)
from mer_sdk.cli.options import LabelsOption, label_names


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
    run = RunOptions(run_dir, part, threads, epochs_share, quiet, encoders, stills, label_names(labels))
    if config:
        chosen = published_config(model, config)
        train_published(chosen, data, out, run, seed)
        return
    if is_dialogue_model(model):
        train_dialogue_model(data, out, run, seed)
    else:
        run_recipe(full_precision_recipe(seed, model), data, out, run, teacher=None)
