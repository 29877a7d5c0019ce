"""Baselines of protocol P2: what fusion models must beat over the same encoders, clips and number of epochs.

    python -m benchmarks.accuracy.clips.baselines --data ravdess:PATH --data ravdess_pairs:PATH --data ferplus:PATH ...
        [--seeds 3]

As benchmarks/accuracy/clips/ablations.py, which leaves its models in --run-dir: labels alone, encoders of the shipped
GRJCA student, real pairs of fold 3. Writes docs/results/p2_baselines.json: UAR with 95 %
intervals, and the paired difference of each fusion model as published from each baseline.

- logistic regression and concatenation MLP: the means over the present steps of both modalities and whether they are
  there, without and with a hidden layer;
- late average: one such MLP a modality, each trained alone; the mean of their probabilities, of those that are present.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from benchmarks.accuracy.clips.ablations import VARIANTS, Bench, Variant, figures, open_bench, trained
from mer_fusion.models.registry import PlainObjective
from mer_fusion.models.window import WindowOutput, masked_mean
from mer_fusion.training.fusion.data import LABELS
from mer_fusion.training.fusion.recipe import student_recipe
from mer_fusion.training.fusion.task import FusionTask
from mer_fusion.training.fusion.windows import WindowSampler
from mer_fusion.training.loop import LoopOptions, fit
from mer_fusion.training.utterances.networks import ConcatenationMlp

ROOT = Path(__file__).resolve().parents[3]
WIDTH, DROPOUT = 64, 0.2


class Concatenation(nn.Module):
    """The concatenation MLP as a window model; its reliance is that of presence alone."""

    def __init__(self, dims: tuple[int, ...]) -> None:
        super().__init__()
        self.inner = ConcatenationMlp(dims, len(LABELS), WIDTH, DROPOUT)

    def forward(self, *inputs: Tensor) -> WindowOutput:
        return WindowOutput(self.inner(*inputs).logits, presence(inputs), None)


class Linear(nn.Module):
    """Logistic regression on the means over present steps and the presence of each modality."""

    def __init__(self, dims: tuple[int, ...]) -> None:
        super().__init__()
        self.norm, self.out = nn.BatchNorm1d(sum(dims)), nn.Linear(sum(dims) + len(dims), len(LABELS))

    def forward(self, *inputs: Tensor) -> WindowOutput:
        count = len(inputs) // 2
        means = [masked_mean(x, mask) for x, mask in zip(inputs[:count], inputs[count:], strict=True)]
        there = [mask.amax(dim=1, keepdim=True) for mask in inputs[count:]]
        logits = self.out(torch.cat((self.norm(torch.cat(means, dim=1)), *there), dim=1))
        return WindowOutput(logits, presence(inputs), None)


class LateAverage(nn.Module):
    """One MLP a modality; log of the mean probability of those that are present."""

    def __init__(self, dims: tuple[int, ...]) -> None:
        super().__init__()
        self.parts = nn.ModuleList(ConcatenationMlp((size,), len(LABELS), WIDTH, DROPOUT) for size in dims)

    def alone(self, inputs: tuple[Tensor, ...]) -> list[Tensor]:
        """Logits [B, K] of each modality."""
        count = len(self.parts)
        return [part(inputs[index], inputs[count + index]).logits for index, part in enumerate(self.parts)]

    def forward(self, *inputs: Tensor) -> WindowOutput:
        shares = presence(inputs)
        stacked = torch.stack([torch.softmax(logits, dim=1) for logits in self.alone(inputs)], dim=1)
        mean = (stacked * shares.unsqueeze(2)).sum(dim=1)
        return WindowOutput(torch.log(mean.clamp_min(1e-9)), shares, None)


class EachAlone(nn.Module):
    """The objective of the late average: every part learns where its modality is there, from its own answers alone."""

    def __init__(self, network: LateAverage) -> None:
        super().__init__()
        self.network = network

    def forward(self, inputs: tuple[Tensor, ...], labels: Tensor) -> tuple[WindowOutput, Tensor]:
        output = self.network(*inputs)
        extra = torch.zeros(())
        for logits, mask in zip(self.network.alone(inputs), inputs[len(inputs) // 2 :], strict=True):
            there = mask.amax(dim=1) > 0
            if there.any():
                extra = extra + F.cross_entropy(logits[there], labels[there])
        return WindowOutput(output.logits.detach(), output.reliance, None), extra


def presence(inputs: tuple[Tensor, ...]) -> Tensor:
    """[B, M]: 1 over the number of modalities that are there, 0 for those that are not."""
    there = torch.stack([mask.amax(dim=1) for mask in inputs[len(inputs) // 2 :]], dim=1)
    return there / there.sum(dim=1, keepdim=True).clamp_min(1.0)


BASELINES: dict[str, Callable[[tuple[int, ...]], nn.Module]] = {
    "logistic regression": lambda dims: PlainObjective(Linear(dims)),
    "concatenation MLP": lambda dims: PlainObjective(Concatenation(dims)),
    "late average": lambda dims: EachAlone(LateAverage(dims)),
}


def baseline(name: str, seed: int, bench: Bench, epochs: int, run_dir: Path) -> nn.Module:
    """A trained baseline, by the recipe of the GRJCA student."""
    recipe = student_recipe(seed)
    torch.manual_seed(seed + 2)
    cache = bench.learning
    objective = BASELINES[name]((cache.audio.shape[-1], cache.face.shape[-1]))
    sampler = WindowSampler(cache, recipe.fusion.windows)
    task = FusionTask(objective, cache, sampler, recipe.fusion, name=f"{name.replace(' ', '-')}-{seed}")
    loop = replace(recipe.fusion_loop, epochs=epochs)
    fit(task, LoopOptions(**vars(loop)), run_dir, quiet=True, validate_every=epochs)
    return objective.network.eval()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", action="append", required=True, help="NAME:PATH, as for mer train")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--epochs", type=int, default=30)
    parser.add_argument("--run-dir", type=Path, default=ROOT / "runs" / "p2_ablations")
    parser.add_argument("--out", type=Path, default=ROOT / "docs" / "results" / "p2_baselines.json")
    options = parser.parse_args()
    torch.set_num_threads(1)
    bench = open_bench(options.data, options.run_dir)

    def answers(make: Callable[[int], nn.Module]) -> dict[str, tuple[np.ndarray, np.ndarray]]:
        runs = [bench.asked(make(seed)) for seed in range(options.seeds)]
        return {name: (runs[0][name][0], np.concatenate([run[name][1] for run in runs])) for name in runs[0]}

    def made(name: str) -> Callable[[int], nn.Module]:
        return lambda seed: baseline(name, seed, bench, options.epochs, options.run_dir)

    def published(variant: Variant) -> Callable[[int], nn.Module]:
        place = (bench.learning, options.epochs, options.run_dir)
        return lambda seed: trained(variant, seed, *place)[0]

    told = {name: answers(made(name)) for name in BASELINES}
    shown = {
        name: {measure: figures(labels, table, None) for measure, (labels, table) in found.items()}
        for name, found in told.items()
    }
    models: dict[str, Any] = {}
    for variant in (item for item in VARIANTS if item.name == "published"):
        found = answers(published(variant))
        models[variant.model] = {
            name: {measure: figures(labels, table, other[measure][1]) for measure, (labels, table) in found.items()}
            for name, other in told.items()
        }
        gains = {name: one["P2 audio+face warm"]["difference"] for name, one in models[variant.model].items()}
        print(f"{variant.model}: {gains}", flush=True)
    report = {"seeds": options.seeds, "epochs": options.epochs, "width": WIDTH, "baselines": shown, "models": models}
    options.out.write_text(json.dumps(report, indent=1) + "\n")
    print(f"written: {options.out}")


if __name__ == "__main__":
    main()
