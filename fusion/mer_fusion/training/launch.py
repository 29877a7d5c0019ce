"""What `mer train` and `mer distill` share: read the data, run a recipe or one part of it, save the checkpoint."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch

from mer_fusion.checkpoint import Checkpoint, save_checkpoint
from mer_fusion.training.recipe import Recipe, shortened, train_audio, train_face, train_network
from mer_fusion.training.sources import open_sources
from mer_sdk.errors import OptionError

PARTS = ("all", "audio", "face")


@dataclass(frozen=True)
class RunOptions:
    """How a recipe is run, whichever it is.

    Attributes:
        run_dir: where state is kept.
        part: "all", or one encoder alone, so that both can be trained at once.
        threads: CPU threads, 0 for torch's default.
        epochs_share: share of the recipe's epochs.
        quiet: no line per epoch.

    Raises:
        OptionError: an unknown part.
    """

    run_dir: Path
    part: str = "all"
    threads: int = 0
    epochs_share: float = 1.0
    quiet: bool = False

    def __post_init__(self) -> None:
        if self.part not in PARTS:
            raise OptionError(f"part {self.part!r} is unknown; allowed: {', '.join(PARTS)}")


def run_recipe(
    recipe: Recipe, data: Sequence[str], out: Path, run: RunOptions, teacher: Checkpoint | None
) -> Path | None:
    """Train and save; returns the checkpoint's path, None where only one part was asked for.

    Raises:
        OptionError: a file name that is no checkpoint's.
        DataError: the data cannot be read.
        CheckpointError: the run's folder holds a run with other options.
    """
    if out.suffix != ".safetensors":
        raise OptionError(f"--out {out}: a checkpoint's name ends in .safetensors")
    if run.threads:
        torch.set_num_threads(run.threads)
    if run.epochs_share != 1.0:
        recipe = shortened(recipe, run.epochs_share)
    sources = open_sources(data)
    if run.part == "audio":
        train_audio(recipe, sources, run.run_dir, teacher, run.quiet)
        return None
    if run.part == "face":
        train_face(recipe, sources, run.run_dir, teacher, run.quiet)
        return None
    trained = train_network(recipe, sources, run.run_dir, teacher, run.quiet)
    save_checkpoint(trained.network, replace(trained.card, name=out.stem), out)
    print(f"{out}: {trained.card.parameters['total']:,} parameters, {out.stat().st_size / 1e6:.2f} MB", flush=True)
    return out
