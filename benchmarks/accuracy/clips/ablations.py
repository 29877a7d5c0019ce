"""What each paper's own idea, and each choice in how windows are drawn, buys on protocol P2; several seeds.

    python -m benchmarks.accuracy.clips.ablations --data ravdess:PATH --data ravdess_pairs:PATH --data ferplus:PATH ...
        [--seeds 3]

Every variant is trained on the labels alone (no teacher that could bring the idea in again), over the encoders of the
shipped GRJCA student, with the real pairs of folds 0 to 2 and speech without faces as the recipe takes them. What is
asked: the real pairs of fold 3 (P2), audio and face, warm (5 orders) and cold.

Writes docs/results/p2_ablations.json: UAR with 95 % intervals over clips, and the paired difference of each variant
from its model as published. All seeds and orders of a clip are resampled together. Trained pieces are kept
in --run-dir, so that an interrupted run goes on where it stopped.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from benchmarks.streams.recorded_windows import RecordedWindows
from mer_fusion.checkpoint import Checkpoint, load_checkpoint, shipped_checkpoint
from mer_fusion.models.registry import fusion_model
from mer_fusion.training.fusion.data import LABELS, open_sources
from mer_fusion.training.fusion.recipe import student_recipe
from mer_fusion.training.fusion.task import FusionTask
from mer_fusion.training.fusion.train import feature_cache_of
from mer_fusion.training.fusion.windows import FeatureCache, WindowOptions, WindowSampler
from mer_fusion.training.loop import LoopOptions, fit
from mer_sdk.evaluation.datasets import TEST_FOLD, Selection, open_dataset
from mer_sdk.evaluation.datasets.ravdess import merge_labels
from mer_sdk.evaluation.metrics import bootstrap_interval, paired_bootstrap, uar

ROOT = Path(__file__).resolve().parents[3]
OUT = ROOT / "docs" / "results" / "p2_ablations.json"
STATES, PROTOCOLS = ("audio+face",), ("warm", "cold")


@dataclass(frozen=True)
class Variant:
    """A model as published (`name` is "published"), or with one thing changed.

    Attributes:
        fusion, objective, windows: options that differ from the recipe's.
    """

    model: str
    name: str
    fusion: Mapping[str, Any] = field(default_factory=dict)
    objective: Mapping[str, Any] = field(default_factory=dict)
    windows: Mapping[str, Any] = field(default_factory=dict)

    @property
    def tag(self) -> str:
        return f"{self.model}-{self.name}".replace(" ", "-")


VARIANTS = (
    Variant("grjca", "published"),
    Variant("grjca", "last iteration instead of gates", {"gating": "none"}),
    Variant("grjca", "hierarchical gates", {"gating": "hgrjca"}),
    Variant("grjca", "half of the faces paired by label", windows={"paired_by_label": 0.5}),
    Variant("grjca", "no mismatched windows", windows={"mismatch": 0.0}),
    Variant("grjca", "both modalities always there", windows={"audio_alone": 0.0, "face_alone": 0.0}),
    Variant("grjca", "no gaps in the face", windows={"face_gaps": 0.0}),
    Variant("grjca", "no noise on features", windows={"noise": 0.0}),
    Variant("grjca", "no speech without faces", windows={"speech_share": 0.0}),
    Variant("atsuko", "published"),
    Variant("atsuko", "no band routing", {"band_routing": False}),
    Variant("atsuko", "bands pooled by mean", {"band_pooling": "mean"}),
    Variant("atsuko", "bands pooled by absolute value", {"band_pooling": "absolute"}),
    Variant("atsuko", "router not supervised", {}, {"router_weight": 0.0}),
    Variant("atsuko", "no complementarity module", {}, {"router_weight": 0.0, "branch_weight": 0.0}),
    Variant("fdrl", "published"),
    Variant("fdrl", "as few mismatched windows as the others", windows={"mismatch": WindowOptions.mismatch}),
    Variant("fdrl", "no alignment", {}, {"alignment": 0.0}),
    Variant("fdrl", "no disparity", {}, {"disparity": 0.0}),
    Variant("fdrl", "no predictors", {}, {"prediction": 0.0}),
    Variant("fdrl", "none of the three", {}, {"alignment": 0.0, "disparity": 0.0, "prediction": 0.0}),
)


def trained(variant: Variant, seed: int, cache: FeatureCache, epochs: int, run_dir: Path) -> tuple[nn.Module, float]:
    """The fusion network of a variant and the seconds that its training took."""
    recipe = student_recipe(seed, variant.model)
    loop = replace(recipe.fusion_loop, epochs=epochs)
    torch.manual_seed(seed + 2)
    model = fusion_model(recipe.network.model)
    network = model.network(recipe.network.fusion | variant.fusion)
    objective = model.objective(network, variant.objective)
    options = replace(recipe.fusion, windows=replace(recipe.fusion.windows, **variant.windows))
    sampler = WindowSampler(cache, options.windows)
    task = FusionTask(objective, cache, sampler, options, name=f"{variant.tag}-{seed}")
    history = fit(task, LoopOptions(**vars(loop)), run_dir, quiet=True, validate_every=epochs)
    return network.eval(), history.seconds


@dataclass(frozen=True, eq=False)
class Bench:
    """What networks over the encoders of the shipped GRJCA student learn from, and what they are asked.

    Attributes:
        donor: that student.
        learning: features of the takes that fusions learn from.
        windows: of the test fold's clips.
        truth: clip -> index of its label.
    """

    donor: Checkpoint
    learning: FeatureCache
    windows: RecordedWindows
    truth: Mapping[str, int]

    def asked(self, network: nn.Module) -> dict[str, tuple[np.ndarray, np.ndarray]]:
        """Measure -> labels [N] and predictions [R, N] of a network."""
        found = {}
        for item in self.windows.predictions(network):
            labels = np.array([self.truth[clip] for clip in item.clips])
            found[f"P2 {item.state} {item.protocol}"] = labels, item.log_probabilities.argmax(axis=2)
        return found


def open_bench(data: list[str], run_dir: Path) -> Bench:
    """Features of all takes, made once and kept in `run_dir`."""
    sources = open_sources(data)
    path = shipped_checkpoint("grjca", "student")
    donor = load_checkpoint(path)
    network, means = donor.network, donor.card.baseline.population_mean
    cache = feature_cache_of(network.audio, network.face, sources, student_recipe(0).cache, run_dir, means)
    pairs = next(open_dataset(spec) for spec in data if spec.startswith("ravdess_pairs:"))
    clips = pairs.clips(Selection(folds=(TEST_FOLD,)))
    merged = merge_labels(LABELS)
    return Bench(
        donor,
        cache,
        RecordedWindows(path, clips, STATES, PROTOCOLS),
        {clip.id: LABELS.index(merged[clip.label]) for clip in clips},
    )


def figures(labels: np.ndarray, table: np.ndarray, published: np.ndarray | None) -> dict[str, Any]:
    """UAR of predictions [R, N] with its interval, and the paired difference from the published variant's."""
    interval = bootstrap_interval(labels, table)
    result: dict[str, Any] = {"uar": round(uar(labels, table), 4), "interval": _pair(interval)}
    if published is not None:
        paired = paired_bootstrap(labels, table, published)
        result["difference"] = round(paired.difference, 4)
        result["difference_interval"] = _pair(paired.interval)
    return result


def _pair(interval: Any) -> list[float]:
    return [round(interval.low, 4), round(interval.high, 4)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", action="append", required=True, help="NAME:PATH, as for mer train")
    parser.add_argument("--models", nargs="+", default=sorted({variant.model for variant in VARIANTS}))
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--epochs", type=int, default=30)
    parser.add_argument("--run-dir", type=Path, default=ROOT / "runs" / "p2_ablations")
    parser.add_argument("--out", type=Path, default=OUT)
    options = parser.parse_args()
    torch.set_num_threads(1)
    bench = open_bench(options.data, options.run_dir)
    tables: dict[tuple[str, str], dict[str, np.ndarray]] = {}
    results: dict[str, Any] = {}
    for variant in [variant for variant in VARIANTS if variant.model in options.models]:
        begun, seconds = time.perf_counter(), []
        gathered: dict[str, list[np.ndarray]] = {}
        wanted: dict[str, np.ndarray] = {}
        for seed in range(options.seeds):
            network, spent = trained(variant, seed, bench.learning, options.epochs, options.run_dir)
            seconds.append(round(spent))
            for name, (labels, table) in bench.asked(network).items():
                wanted[name] = labels
                gathered.setdefault(name, []).append(table)
        stacked = {name: np.concatenate(parts) for name, parts in gathered.items()}
        tables[variant.model, variant.name] = stacked
        first = tables[variant.model, "published"]
        results.setdefault(variant.model, {})[variant.name] = {
            "options": {
                "fusion": dict(variant.fusion),
                "objective": dict(variant.objective),
                "windows": dict(variant.windows),
            },
            "seconds": seconds,
            "figures": {
                name: figures(wanted[name], table, None if variant.name == "published" else first[name])
                | {"per_seed": [round(uar(wanted[name], part), 4) for part in gathered[name]]}
                for name, table in stacked.items()
            },
        }
        shown = results[variant.model][variant.name]["figures"]
        words = "  ".join(f"{name}: {100 * value['uar']:.1f}" for name, value in shown.items())
        print(f"{variant.model}, {variant.name}: {words}  ({time.perf_counter() - begun:.0f} s)", flush=True)
    report = {
        "protocol": "student-sized fusion, labels alone, encoders of the shipped GRJCA student",
        "encoders_sha256": bench.donor.sha256,
        "seeds": list(range(options.seeds)),
        "epochs": options.epochs,
        "models": results,
    }
    options.out.parent.mkdir(parents=True, exist_ok=True)
    options.out.write_text(json.dumps(report, indent=1) + "\n")
    print(options.out)


if __name__ == "__main__":
    main()
