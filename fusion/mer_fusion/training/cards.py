"""What a training that is no recipe of a window model shares: its run, its card, its checkpoint."""

from __future__ import annotations

import platform
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from mer_fusion.checkpoint import Card, save_checkpoint
from mer_fusion.network import EmotionNetwork
from mer_fusion.training.episodes import PRIOR_STEPS
from mer_fusion.training.loop import LoopOptions
from mer_fusion.training.run import RunOptions, Trained
from mer_sdk.contract.manifest import BaselineContract, DataSource
from mer_sdk.errors import OptionError
from mer_sdk.evaluation.datasets import open_dataset


def checkpoint_path(out: Path) -> Path:
    """`out`, checked before anything is trained.

    Raises:
        OptionError: its name does not end in .safetensors.
    """
    if out.suffix != ".safetensors":
        raise OptionError(f"--out {out}: a checkpoint's name ends in .safetensors")
    return out


def open_only(data: Sequence[str], dataset: str, reader: str) -> Any:
    """The one data set that a training reads.

    Args:
        data: what --data gave; dataset: the name wanted; reader: what is trained, for the message.

    Raises:
        OptionError: none, several, or another data set.
        DataError: it cannot be read.
    """
    if len(data) != 1 or data[0].partition(":")[0] != dataset:
        given = ", ".join(data) or "nothing"
        raise OptionError(f"{reader} reads --data {dataset}:PATH and nothing else; {given} was given")
    return open_dataset(data[0])


def shortened_loop(loop: LoopOptions, run: RunOptions, seed: int) -> LoopOptions:
    """The loop with the run's share of its epochs (at least one), its threads, and the seed."""
    epochs = max(1, round(loop.epochs * run.epochs_share))
    return replace(loop, epochs=epochs, threads=run.threads, seed=seed)


def features_card(
    network: EmotionNetwork,
    labels: tuple[str, ...],
    source: DataSource,
    training: Mapping[str, Any],
    results: Mapping[str, Any],
    notes: tuple[str, ...],
) -> Card:
    """The card of a full-precision network that reads features which others extracted: no encoder, no baseline.

    Args:
        labels: empty where the output is a real number.
    """
    return Card(
        name=f"{network.config.model}-full",
        role="full",
        network=network.config,
        labels=labels,
        baseline=BaselineContract(PRIOR_STEPS, {}),
        data=(source,),
        parameters=network.parameters_by_part(),
        training={**training, "machine": f"{platform.machine()}, torch {torch.__version__}"},
        results=dict(results),
        notes=notes,
    )


def save_trained(trained: Trained, out: Path) -> Path:
    """Save a network and its card, named after the file; prints figures and size."""
    card = save_checkpoint(trained.network, replace(trained.card, name=out.stem), out)
    for where, figures in card.results.items():
        print(f"{where}: " + ", ".join(f"{name} {value}" for name, value in figures.items()), flush=True)
    print(f"{out}: {card.parameters['total']:,} parameters, {out.stat().st_size / 1e6:.2f} MB", flush=True)
    return out
