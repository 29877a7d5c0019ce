"""`mer train`: a full-precision model from data."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from mer_fusion.options import (
    DataOption,
    EpochsShareOption,
    OutOption,
    PartOption,
    QuietOption,
    RunDirOption,
    SeedOption,
    TrainingThreadsOption,
)


def train(
    model: Annotated[str, typer.Argument(help="Fusion model: grjca or hgrjca (hierarchical gates).")],
    data: DataOption,
    out: OutOption = Path("runs/grjca-full.safetensors"),
    run_dir: RunDirOption = Path("runs/full"),
    seed: SeedOption = 0,
    threads: TrainingThreadsOption = 0,
    part: PartOption = "all",
    epochs_share: EpochsShareOption = 1.0,
    quiet: QuietOption = False,
) -> None:
    """Train a full-precision model: audio encoder, face encoder, then fusion.

    RAVDESS speech and FER+ faces are read with `--data`; RAVDESS actor 05 is kept for testing. Several GPUs:
    `accelerate launch -m mer_sdk.cli train ...` or `torchrun -m mer_sdk.cli train ...`, unchanged.

    Next: `mer distill grjca --teacher runs/grjca-full.safetensors ...`, then `mer evaluate`.
    """
    from mer_fusion.training.launch import RunOptions, run_recipe
    from mer_fusion.training.recipe import full_precision_recipe

    run = RunOptions(run_dir, part, threads, epochs_share, quiet)
    run_recipe(full_precision_recipe(seed, model_gating(model)), data, out, run, teacher=None)


def model_gating(model: str) -> str:
    """The gating option of a model's name on the command line.

    Raises:
        OptionError: a model that cannot be trained here.
    """
    from mer_fusion.models.grjca import GATINGS
    from mer_sdk.errors import OptionError

    if model not in GATINGS:
        raise OptionError(f"model {model!r} is unknown; allowed: {', '.join(GATINGS)}")
    return model
