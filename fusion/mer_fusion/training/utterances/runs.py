"""Runs over tables of utterances: train on some rows, answer for others, keep the answers and the network on disk.

A run is named by a hash of everything it depends on (options, seed, the table's numbers, the rows), so that a script
that is started again does only what is missing or has changed.
"""

from __future__ import annotations

import hashlib
import json
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from mer_fusion.training.loop import LoopOptions, fit
from mer_fusion.training.utterances.networks import fusion_objective
from mer_fusion.training.utterances.table import UtteranceTable
from mer_fusion.training.utterances.task import UtteranceOptions, UtteranceTask, log_probabilities
from mer_sdk.contract.output_files import atomic_output


@dataclass(frozen=True)
class RunOptions:
    """A model and how it learns; see `mer_fusion.training.utterances.networks.fusion_objective` for its first four
    and the last two fields."""

    model: str
    width: int
    dropout: float
    classes: int
    learning: UtteranceOptions
    loop: LoopOptions
    network_options: Mapping[str, Any] = field(default_factory=dict)
    objective_options: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Case:
    """A question to a trained network: under which baseline, and with which modalities.

    Attributes:
        condition, order: as `condition` and `seed` of `mer_fusion.training.utterances.table.condition_baselines`.
        present: whether each modality is there.
    """

    condition: str
    order: int
    present: tuple[bool, ...]


@dataclass(frozen=True)
class Answers:
    """What a run says.

    Attributes:
        log_probabilities: float32 [cases, R, K], in the order of the cases and rows asked for.
        seconds: training took; of the first time, where the answers come from disk.
        parameters: of the network that would be deployed.
        weights: safetensors file of that network, whose configuration is `RunOptions`'s.
    """

    log_probabilities: np.ndarray
    seconds: float
    parameters: int
    weights: Path


def run_answers(
    options: RunOptions,
    table: UtteranceTable,
    learning: Tensor,
    asked: Tensor,
    cases: Sequence[Case],
    folder: Path,
    teacher: Tensor | None = None,
) -> Answers:
    """Train a model on the rows `learning` and answer every case for the rows `asked`, or read that from `folder`.

    Args:
        teacher: (N, K) log probabilities for the table's utterances, for distillation.
    """
    from safetensors.torch import save_file

    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{options.model}-{_digest(options, table, learning, asked, cases, teacher)}.npz"
    weights = path.with_suffix(".safetensors")
    if path.exists():
        with np.load(path) as kept:
            return Answers(kept["log_probabilities"], float(kept["seconds"]), int(kept["parameters"]), weights)
    begun = time.perf_counter()
    torch.manual_seed(options.loop.seed)
    objective = fusion_objective(
        options.model,
        table,
        options.classes,
        options.width,
        options.dropout,
        options.network_options,
        options.objective_options,
    )
    task = UtteranceTask(objective, table, learning, options.learning, teacher)
    with tempfile.TemporaryDirectory() as scratch:
        fit(task, options.loop, Path(scratch), quiet=True, validate_every=options.loop.epochs)
    seconds = time.perf_counter() - begun
    network = task.module.network.eval()
    said = [
        log_probabilities(network, table, asked, task.populations, case.condition, case.order, case.present)
        for case in cases
    ]
    parameters = sum(parameter.numel() for parameter in network.parameters())
    answers = Answers(torch.stack(said).numpy().astype(np.float32), seconds, parameters, weights)
    # The weights first: a run is there once its answers are. Another process may be making the same run.
    with atomic_output(weights) as aside:
        save_file({name: value.contiguous() for name, value in network.state_dict().items()}, str(aside))
    figures = {"log_probabilities": answers.log_probabilities, "seconds": seconds, "parameters": parameters}
    with atomic_output(path) as aside, aside.open("wb") as file:
        np.savez(file, **figures)
    return answers


def _digest(
    options: RunOptions,
    table: UtteranceTable,
    learning: Tensor,
    asked: Tensor,
    cases: Sequence[Case],
    teacher: Tensor | None,
) -> str:
    described = asdict(options)
    described["loop"]["threads"] = 0  # the same numbers, other speed
    words = json.dumps([described, [asdict(case) for case in cases], table.names], sort_keys=True)
    total = hashlib.sha256(words.encode())
    arrays = [table.labels, learning, asked]
    arrays += [tensor for m in table.modalities for tensor in (m.windows, m.mask, m.sums, m.counts)]
    arrays += [tensor for tensor in (table.people, teacher) if tensor is not None]
    for tensor in arrays:
        total.update(tensor.contiguous().numpy().tobytes())
    return total.hexdigest()[:20]
