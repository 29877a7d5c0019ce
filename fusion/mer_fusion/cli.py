"""`mer train`: a full-precision model from data."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def train(
    model: Annotated[str, typer.Argument(help="Fusion model: grjca or hgrjca (hierarchical gates).")],
    data: Annotated[
        list[str], typer.Option(help="Data set as NAME:PATH; give ravdess:PATH and ferplus:PATH.", show_default=False)
    ],
    out: Annotated[Path, typer.Option(help="Checkpoint to write; its JSON card goes beside it.")] = Path(
        "runs/grjca-full.safetensors"
    ),
    run_dir: Annotated[Path, typer.Option(help="Where state is kept; a run that was interrupted continues.")] = Path(
        "runs/full"
    ),
    seed: Annotated[int, typer.Option(help="One seed gives one result on one machine.")] = 0,
    threads: Annotated[int, typer.Option(help="CPU threads; 0 takes torch's default.")] = 0,
    part: Annotated[str, typer.Option(help="all; or audio, face: only that encoder, to train both at once.")] = "all",
    epochs_share: Annotated[float, typer.Option(help="Share of the usual epochs; below 1 only to try the line.")] = 1.0,
    quiet: Annotated[bool, typer.Option("--quiet", help="No line per epoch.")] = False,
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
