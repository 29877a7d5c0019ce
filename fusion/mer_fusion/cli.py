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
    TrainingThreadsOption,
)


def train(
    model: Annotated[str, typer.Argument(help="Fusion model: grjca, hgrjca (hierarchical gates), atsuko or fdrl.")],
    data: DataOption,
    out: OutOption = None,
    run_dir: RunDirOption = Path("runs/full"),
    encoders: EncodersOption = "",
    seed: SeedOption = 0,
    threads: TrainingThreadsOption = 0,
    part: PartOption = "all",
    epochs_share: EpochsShareOption = 1.0,
    quiet: QuietOption = False,
) -> None:
    """Train a full-precision model: audio encoder, face encoder, then fusion.

    RAVDESS speech and FER+ faces are read with `--data`; RAVDESS actor 05 is kept for testing. Several GPUs:
    `accelerate launch -m mer_sdk.cli train ...` or `torchrun -m mer_sdk.cli train ...`, unchanged.

    Next: `mer distill MODEL --teacher runs/MODEL-full.safetensors ...`, then `mer evaluate`.
    """
    from mer_fusion.training.launch import RunOptions, run_recipe
    from mer_fusion.training.recipe import full_precision_recipe

    run = RunOptions(run_dir, part, threads, epochs_share, quiet, encoders)
    out = out or Path(f"runs/{model}-full.safetensors")
    run_recipe(full_precision_recipe(seed, model), data, out, run, teacher=None)
