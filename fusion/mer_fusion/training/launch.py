"""What `mer train` and `mer distill` share: read the data, run a recipe or one part of it, save the checkpoint."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import torch

from mer_fusion.checkpoint import Checkpoint, save_checkpoint
from mer_fusion.training.recipe import Recipe, shortened, train_audio, train_face, train_network
from mer_fusion.training.sources import open_sources
from mer_sdk.errors import OptionError

PARTS = ("all", "audio", "face")


def run_recipe(
    recipe: Recipe,
    data: Sequence[str],
    out: Path,
    run_dir: Path,
    part: str,
    threads: int,
    epochs_share: float,
    quiet: bool,
    teacher: Checkpoint | None,
) -> Path | None:
    """Train and save; returns the checkpoint's path, None where only one part was asked for.

    Raises:
        OptionError: an unknown part, or a file name that is no checkpoint's.
        DataError: the data cannot be read.
        CheckpointError: `run_dir` holds a run with other options.
    """
    if part not in PARTS:
        raise OptionError(f"part {part!r} is unknown; allowed: {', '.join(PARTS)}")
    if out.suffix != ".safetensors":
        raise OptionError(f"--out {out}: a checkpoint's name ends in .safetensors")
    if threads:
        torch.set_num_threads(threads)
    if epochs_share != 1.0:
        recipe = shortened(recipe, epochs_share)
    sources = open_sources(data)
    if part == "audio":
        train_audio(recipe, sources, run_dir, teacher, quiet)
        return None
    if part == "face":
        train_face(recipe, sources, run_dir, teacher, quiet)
        return None
    trained = train_network(recipe, sources, run_dir, teacher, quiet)
    save_checkpoint(trained.network, replace(trained.card, name=out.stem), out)
    print(f"{out}: {trained.card.parameters['total']:,} parameters, {out.stat().st_size / 1e6:.2f} MB", flush=True)
    return out
