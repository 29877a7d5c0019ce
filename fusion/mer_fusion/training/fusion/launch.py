"""What `mer train` and `mer distill` share: read the data, run a recipe or one part of it, save the checkpoint."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import torch

from mer_fusion.calibration import calibrate
from mer_fusion.checkpoint import Checkpoint, load_checkpoint, part_sources, save_checkpoint, shipped_checkpoint
from mer_fusion.training.fusion.data import Sources, open_sources, without_held_out
from mer_fusion.training.fusion.encoders import taken_encoders, train_audio, unseen_encoders
from mer_fusion.training.fusion.face_encoder import train_face
from mer_fusion.training.fusion.recipe import ENCODERS_OF, Recipe, shortened, with_encoders
from mer_fusion.training.fusion.train import train_fusion, train_network
from mer_fusion.training.run import RunOptions
from mer_sdk.errors import OptionError
from mer_sdk.evaluation.datasets import RavdessPairs


def run_recipe(
    recipe: Recipe, data: Sequence[str], out: Path, run: RunOptions, teacher: Checkpoint | None
) -> Path | None:
    """Train and save; returns the checkpoint's path, None where only one part was asked for.

    Where the encoders are those of a checkpoint in the folder of `out`, the new one names it and keeps only its fusion.
    The decision is fitted to what a second network, which has not met the held-out speakers, says of them; it is kept
    beside `out` (`unseen_path`), for networks that take its encoders.

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
    if run.part == "audio" and teacher is not None and teacher.network.audio.config == recipe.network.audio:
        raise OptionError(
            "--part audio: a student takes its teacher's audio encoder as it is, so there is nothing to train; use "
            "--part face, or leave it out"
        )
    stills = load_checkpoint(run.stills) if run.stills else None
    sources = open_sources(data, run.labels)
    if run.part == "audio":
        train_audio(recipe, sources, run.run_dir, run.quiet)
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
    unseen = train_unseen(recipe, sources, out, run, teacher, encoders, stills)
    if unseen is None:
        print(
            "temperature and threshold are not fitted: there is no checkpoint whose encoders have not met the held-out "
            "speakers; give one with --unseen, or fit them later with mer calibrate",
            flush=True,
        )
        return out
    pairs = next(spec for spec in data if spec.partition(":")[0] == RavdessPairs.name)
    for state, found in calibrate(out, pairs, unseen).after.items():
        print(f"{state}: ECE {100 * found.ece:.1f} % on people not fitted to, names {found.covered:.0%}", flush=True)
    return out


def unseen_path(checkpoint: Path) -> Path:
    """Where the network lies that is like a checkpoint's but has not met the held-out speakers."""
    return checkpoint.with_name(f"{checkpoint.stem}-unseen.safetensors")


def train_unseen(
    recipe: Recipe,
    sources: Sources,
    out: Path,
    run: RunOptions,
    teacher: Checkpoint | None,
    encoders: Checkpoint | None,
    stills: Checkpoint | None,
) -> Path | None:
    """Train and save the network that is asked about the held-out speakers; None where there are no encoders for it.

    Args:
        encoders: the checkpoint whose encoders the network at `out` has; None where they were trained.
    """
    if run.unseen:
        donor = Path(run.unseen)
    elif encoders is not None:
        donor = unseen_path(encoders.path)
    elif teacher is not None and teacher.network.audio.config == recipe.network.audio:
        donor = unseen_path(teacher.path)
    else:
        donor = None
    if donor is not None and not donor.exists() and not run.unseen:
        return None
    given = load_checkpoint(donor) if donor else None
    if given is not None and (run.unseen or encoders is not None):
        ready = taken_encoders(recipe, given)
    else:
        audio = given.network.audio if given else None
        ready = unseen_encoders(recipe, sources, run.run_dir, teacher, stills, audio, run.quiet)
    folder = run.run_dir / "unseen"
    trained = train_fusion(recipe, ready, without_held_out(sources), folder, teacher, run.quiet)
    path = unseen_path(out)
    note = "It was made to fit the decision of another checkpoint: its encoders have met fewer people."
    card = replace(trained.card, name=path.stem, notes=(*trained.card.notes, note))
    save_checkpoint(trained.network, card, path)
    return path


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
