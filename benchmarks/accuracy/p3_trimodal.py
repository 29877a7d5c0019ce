"""Protocol P3: text, audio and video features of CMU-MOSI, negative or positive, contiguous blocks held out.

    python -m benchmarks.accuracy.p3_trimodal --data mosi:PATH [--seeds 3] [--ablations]

Writes docs/results/p3.json; finished runs are kept under --run-dir and not made again.

The published rows are ordered by label (see `mer_sdk.evaluation.datasets.mosi`). So blocks are cut within each label,
rows at a border between blocks are not learned from, and no model sees another utterance than the one it is asked
about: neighbours give the label away. What that would bring is measured and named as a leak.
"""

from __future__ import annotations

import argparse
import json
import time
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks.results.figures import accuracy_figure, difference_figure
from mer_fusion.training.loop import LoopOptions
from mer_fusion.training.utterances.networks import logistic_regression
from mer_fusion.training.utterances.runs import Case, RunOptions, run_answers
from mer_fusion.training.utterances.table import UtteranceTable, single_step
from mer_fusion.training.utterances.task import UtteranceOptions
from mer_sdk.evaluation.datasets import open_dataset
from mer_sdk.evaluation.datasets.mosi import LABELS, Utterances, contiguous_blocks
from mer_sdk.evaluation.metrics import weighted_f1

ROOT = Path(__file__).resolve().parents[2]
BLOCKS, MARGIN = 5, 3
# The bundles' names of the modalities; MOSI's video features are of the face.
NAMES = ("text", "audio", "face")
MODELS = ("atsuko", "fdrl", "amb_dsgdn")
# One setting for every model and baseline. Length and noise come from tries with FDRL and the concatenation baseline in
# which block K + 1 was asked after learning from the three blocks other than K and K + 1, over all K: that choice has
# seen every label once, for models and baselines alike.
LEARNING = UtteranceOptions(
    drop=(0.2, 0.2, 0.2), swap=(0.0,) * 3, mixing=(0.0,) * 3, noise=(0.5, 0.5, 0.5), batch=256, smoothing=0.05
)
LOOP = LoopOptions(epochs=40, learning_rate=5e-3, weight_decay=0.05, average=0.95, precision="no", threads=1)
WIDTH, DROPOUT = 32, 0.2
STATES = tuple((bool(k & 1), bool(k & 2), bool(k & 4)) for k in (7, 3, 5, 6, 1, 2, 4))
# Ablation -> options of the objective, options of the network.
ABLATIONS: dict[str, dict[str, tuple[dict[str, Any], dict[str, Any]]]] = {
    "atsuko": {
        "no complementarity supervision of the router": ({"router_weight": 0.0}, {}),
        "no Marginal Complementarity Module": ({"router_weight": 0.0, "branch_weight": 0.0}, {}),
    },
    "fdrl": {
        "no alignment": ({"alignment": 0.0}, {}),
        "no disparity": ({"disparity": 0.0}, {}),
        "no predictors on the encoders": ({"prediction": 0.0}, {}),
    },
    "amb_dsgdn": {
        "no modality balancing": ({"drop_rate": 0.0}, {}),
        "no squared unimodal losses": ({"unimodal_weight": 0.0}, {}),
        "no differential attention": ({}, {"differential": False}),
    },
}
_LEAK_ROWS = 8


def mosi_table(data: Utterances) -> UtteranceTable:
    """Features as windows of one step; nobody's name is known, so there are no personal baselines."""
    features = (data.text, data.audio, data.video)
    modalities = tuple(single_step(name, torch.from_numpy(x)) for name, x in zip(NAMES, features, strict=True))
    return UtteranceTable(modalities, torch.from_numpy(data.labels), None)


def splits(labels: np.ndarray) -> list[tuple[torch.Tensor, torch.Tensor]]:
    """(rows to learn from, rows asked) of every block."""
    block, border = contiguous_blocks(labels, BLOCKS, MARGIN)
    return [
        (torch.from_numpy(np.flatnonzero((block != k) & ~border)), torch.from_numpy(np.flatnonzero(block == k)))
        for k in range(BLOCKS)
    ]


class Bench:
    """Runs models over all blocks and seeds.

    Args:
        data: all utterances; seeds: how many; run_dir: where finished runs are kept.
    """

    def __init__(self, data: Utterances, seeds: int, run_dir: Path) -> None:
        self.labels = data.labels
        self.table = mosi_table(data)
        self.splits = splits(data.labels)
        self.seeds, self.run_dir = seeds, run_dir

    def log_probabilities(
        self,
        model: str,
        modality: str | None = None,
        objective: dict[str, Any] | None = None,
        network: dict[str, Any] | None = None,
    ) -> np.ndarray:
        """Float32 [seeds, states, N, 2]: of `STATES`, or, for a model that learns one modality, of that alone."""
        table = self.table if modality is None else self.table.only(modality)
        states = STATES if modality is None else STATES[:1]
        learning = LEARNING if modality is None else replace(LEARNING, drop=(0.0,) * 3)
        said = np.zeros((self.seeds, len(states), len(self.labels), len(LABELS)), np.float32)
        for known, asked in self.splits:
            for seed in range(self.seeds):
                run = RunOptions(
                    model,
                    WIDTH,
                    DROPOUT,
                    len(LABELS),
                    learning,
                    replace(LOOP, seed=seed),
                    network or {},
                    objective or {},
                )
                cases = [Case("cold", 0, state) for state in states]
                answers = run_answers(run, table, known, asked, cases, self.run_dir)
                said[seed][:, asked.numpy()] = answers.log_probabilities
        return said

    def regression(self, x: np.ndarray) -> np.ndarray:
        """Predictions [N] of a logistic regression on features [N, D]."""
        told = np.zeros(len(self.labels), np.int64)
        features, labels = torch.from_numpy(x), torch.from_numpy(self.labels)
        for known, asked in self.splits:
            scores = logistic_regression(features[known], labels[known], features[asked], len(LABELS), decay=0.03)
            told[asked.numpy()] = scores.argmax(dim=1).numpy()
        return told


def figure(labels: np.ndarray, runs: np.ndarray) -> dict[str, Any]:
    """Accuracy with its interval and weighted F1, in percent."""
    runs = np.atleast_2d(runs)
    return accuracy_figure(labels, runs) | {"weighted_f1": round(100 * weighted_f1(labels, runs), 2)}


def baselines(bench: Bench, data: Utterances) -> dict[str, np.ndarray]:
    """Predictions [R, N] of what the fusion models must beat, and of the leak."""
    parts = {"text": data.text, "audio": data.audio, "face": data.video}
    told = {f"logistic regression, {name}": bench.regression(x) for name, x in parts.items()}
    told["logistic regression, all three"] = bench.regression(np.concatenate(list(parts.values()), axis=1))
    told["concatenation MLP"] = bench.log_probabilities("concatenation")[:, 0].argmax(axis=2)
    alone = {name: bench.log_probabilities("concatenation", name)[:, 0] for name in NAMES}
    told |= {f"MLP, {name}": said.argmax(axis=2) for name, said in alone.items()}
    told["late average of the three MLPs"] = sum(np.exp(said) for said in alone.values()).argmax(axis=2)
    before = np.stack([data.text[max(0, i - _LEAK_ROWS) : max(1, i)].mean(axis=0) for i in range(len(data))])
    told[f"LEAK: logistic regression, text of the {_LEAK_ROWS} rows before, not of the row itself"] = bench.regression(
        before
    )
    return {name: np.atleast_2d(runs) for name, runs in told.items()}


def model_figures(bench: Bench, model: str, told: dict[str, np.ndarray], ablations: bool) -> dict[str, Any]:
    """A model with three modalities, each of its unimodal versions, the states it meets, and, asked for, ablations."""
    labels = bench.labels
    whole = bench.log_probabilities(model)
    runs = whole[:, 0].argmax(axis=2)
    shown: dict[str, Any] = {"three modalities": figure(labels, runs), "against": {}}
    for name in NAMES:
        alone = bench.log_probabilities(model, name)[:, 0].argmax(axis=2)
        shown[f"{name} alone (trained alone)"] = figure(labels, alone)
        shown["against"][f"the same model, {name} alone"] = difference_figure(labels, runs, alone)
    for name in ("concatenation MLP", "late average of the three MLPs", "logistic regression, all three"):
        shown["against"][name] = difference_figure(labels, runs, told[name])
    for place, state in enumerate(STATES[1:], start=1):
        words = "+".join(name for name, there in zip(NAMES, state, strict=True) if there)
        shown[f"three-modality model, given {words}"] = figure(labels, whole[:, place].argmax(axis=2))
    for name, (objective, network) in ABLATIONS[model].items() if ablations else ():
        without = bench.log_probabilities(model, objective=objective, network=network)[:, 0].argmax(axis=2)
        shown.setdefault("ablations", {})[name] = figure(labels, without) | {
            "whole minus ablated": difference_figure(labels, runs, without)
        }
    print(f"{model}: {shown['three modalities']['war']}  against {shown['against']}", flush=True)
    return shown


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", required=True, help="mosi:PATH, the folder with text.csv, audio.csv and video.csv")
    parser.add_argument("--seeds", type=int, default=3, help="seeds of every model (default 3)")
    parser.add_argument("--models", nargs="+", default=list(MODELS), choices=MODELS)
    parser.add_argument("--ablations", action="store_true", help="also train each model without its parts")
    parser.add_argument("--run-dir", type=Path, default=ROOT / "runs" / "p3")
    parser.add_argument("--out", type=Path, default=ROOT / "docs" / "results" / "p3.json")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    begun = time.perf_counter()
    data = open_dataset(arguments.data).utterances()
    bench = Bench(data, arguments.seeds, arguments.run_dir)
    told = baselines(bench, data)
    shown = {name: figure(data.labels, runs) for name, runs in told.items()}
    for name, one in shown.items():
        print(f"{one['war']:6.2f}  {name}", flush=True)
    models = {model: model_figures(bench, model, told, arguments.ablations) for model in arguments.models}
    result = {
        "protocol": "P3: MOSI features, two classes, five contiguous blocks within each label, one utterance at a time",
        "settings": {
            "learning": asdict(LEARNING),
            "loop": asdict(LOOP),
            "width": WIDTH,
            "dropout": DROPOUT,
            "margin": MARGIN,
        },
        "seeds": arguments.seeds,
        "seconds": round(time.perf_counter() - begun),
        "baselines": shown,
        "models": models,
    }
    arguments.out.parent.mkdir(parents=True, exist_ok=True)
    arguments.out.write_text(json.dumps(result, indent=1) + "\n")
    print(f"written: {arguments.out}", flush=True)


if __name__ == "__main__":
    main()
