"""What `mer train` and `mer distill` share: read the data, run a recipe or one part of it, save the checkpoint."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import torch

from mer_fusion.checkpoint import Checkpoint, load_checkpoint, part_sources, save_checkpoint, shipped_checkpoint
from mer_fusion.training.fusion.data import open_sources
from mer_fusion.training.fusion.recipe import ENCODERS_OF, Recipe, shortened, with_encoders
from mer_fusion.training.fusion.train import train_audio, train_face, train_network
from mer_fusion.training.run import RunOptions
from mer_sdk.errors import OptionError


def run_recipe(
    recipe: Recipe, data: Sequence[str], out: Path, run: RunOptions, teacher: Checkpoint | None
) -> Path | None:
    """Train and save; returns the checkpoint's path, None where only one part was asked for.

    Where the encoders are those of a checkpoint in the folder of `out`, the new one names it and keeps only its fusion.

    Raises:
        OptionError: a file name that is no checkpoint's, or one encoder to be trained where encoders are taken.
        DataError: the data cannot be read.
        CheckpointError: the run's folder holds a run with other options.
    """
    if out.suffix != ".safetensors":
        raise OptionError(f"--out {out}: a checkpoint's name ends in .safetensors")
    if run.threads:
        torch.set_num_threads(run.threads)
    if run.epochs_share != 1.0:
        recipe = shortened(recipe, run.epochs_share)
    encoders = encoder_checkpoint(recipe, run)
    if encoders is not None:
        if run.part != "all":
            raise OptionError(f"--part {run.part}: encoders come from a checkpoint; add --encoders train to train them")
        recipe = with_encoders(recipe, encoders.card.network)
    stills = load_checkpoint(run.stills) if run.stills else None
    sources = open_sources(data, run.labels)
    if run.part == "audio":
        train_audio(recipe, sources, run.run_dir, teacher, run.quiet)
        return None
    if run.part == "face":
        train_face(recipe, sources, run.run_dir, teacher, stills, run.quiet)
        return None
    trained = train_network(recipe, sources, run.run_dir, teacher, encoders, stills, run.quiet)
    card = replace(trained.card, name=out.stem)
    if encoders is not None and encoders.path.resolve().parent == out.resolve().parent:
        # Side by side the weights that both have are kept once.
        borrowed = encoders.card.parts_from or part_sources(encoders.path, ("audio", "face"))
        card = replace(card, parts_from=borrowed)
    save_checkpoint(trained.network, card, out)
    print(f"{out}: {trained.card.parameters['total']:,} parameters, {out.stat().st_size / 1e6:.2f} MB", flush=True)
    return out


def encoder_checkpoint(recipe: Recipe, run: RunOptions) -> Checkpoint | None:
    """The checkpoint whose encoders a run takes, None where it trains them.

    Raises:
        OptionError: no checkpoint is shipped to take them from.
        CheckpointError: it cannot be read.
    """
    if run.encoders == "train" or (not run.encoders and recipe.name not in ENCODERS_OF):
        return None
    if run.encoders:
        return load_checkpoint(run.encoders)
    return load_checkpoint(shipped_checkpoint(ENCODERS_OF[recipe.name], recipe.role))
