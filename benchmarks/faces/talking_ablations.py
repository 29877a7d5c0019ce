"""What each choice buys the face encoder that learns from people who talk: one left out at a time.

    python -m benchmarks.faces.talking_ablations --data ravdess_pairs:PATH --data ferplus:PATH
        [--start CHECKPOINT] [--epochs 12] [--precision no] [--run-dir runs/talking_ablations]

The student's face encoder goes on from one that knows stills (--start; by default the shipped GRJCA student's, which
has learned from the people asked here, too: give one that has not) on folds 1 and 2, for --epochs passes. What is
asked: the takes of fold 0, cold and warm, with the head of training. Writes docs/results/talking_ablations.json
and the table in docs/models/train.md: UAR with 95 % intervals over takes, and the paired difference from all choices
together.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from benchmarks.results.result_tables import percent, points, prose, table
from benchmarks.results.write_results import write_block
from mer_fusion.checkpoint import load_checkpoint, shipped_checkpoint
from mer_fusion.encoders.face import FaceEncoder
from mer_fusion.training.faces.talking import talking_figures
from mer_fusion.training.faces.talking_sets import STORED_SIZE, TalkingFaces, read_talking_faces
from mer_fusion.training.fusion.data import LABELS, TUNING_FOLD, read_faces
from mer_fusion.training.fusion.face_encoder import train_talking
from mer_fusion.training.fusion.recipe import Recipe, student_recipe
from mer_sdk.evaluation.datasets import TEST_FOLD, RavdessPairs, open_dataset
from mer_sdk.evaluation.datasets.ravdess import merge_labels
from mer_sdk.evaluation.metrics import bootstrap_interval, paired_bootstrap, uar

ROOT = Path(__file__).resolve().parents[2]
OUT = ROOT / "docs" / "results" / "talking_ablations.json"


def variants(base: Recipe) -> dict[str, Recipe]:
    """Name -> recipe; the first has all choices."""
    talking, loss = base.talking, base.talking_loss
    return {
        "as in the recipe": base,
        "people not blended": replace(base, talking=replace(talking, blend=0.0)),
        "one image of a take": replace(base, talking=replace(talking, images=1, takes=3 * talking.takes)),
        "no personal baseline": replace(base, talking=replace(talking, prior_steps=1e9)),
        "one still in place of 64": replace(base, talking_loss=replace(loss, stills=1)),
        "crops not varied": replace(base, talking=replace(talking, zoom=(1.0, 1.0), take_zoom=0.0, shift=0.0)),
        "faces read at 48 pixels": replace(
            base, network=replace(base.network, face=replace(base.network.face, size=48))
        ),
    }


def takes(pairs: RavdessPairs, folds: list[int], size: int) -> TalkingFaces:
    """Faces of some folds, at a size."""
    mapping = merge_labels(LABELS)
    clips = pairs.clips_to_learn_from(folds)
    return read_talking_faces(clips, [LABELS.index(mapping[clip.label]) for clip in clips], size)


def section(report: dict[str, Any]) -> list[str]:
    """The table of docs/models/train.md."""

    def cell(row: dict[str, Any]) -> str:
        found = percent(100 * row["uar"], [100 * value for value in row["interval"]])
        if "difference" not in row:
            return found
        return f"{found} ({points(row, interval='difference_interval', scale=100)})"

    rows = ((name, cell(one["cold"]), cell(one["warm"])) for name, one in report["variants"].items())
    return [
        *prose(
            f"Each choice left out: UAR in % [95 % interval] of {report['takes']} takes of fold 0, face alone, after "
            f"{report['epochs']} passes over folds 1 and 2, with the head of training; in parentheses the paired "
            "difference."
        ),
        *table(("face encoder", "cold", "warm"), rows),
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", action="append", required=True, help="ravdess_pairs:PATH and ferplus:PATH")
    parser.add_argument("--start", type=Path, default=shipped_checkpoint("grjca", "student"))
    parser.add_argument("--epochs", type=int, default=12)
    parser.add_argument("--precision", choices=("no", "bf16"), default="no", help="of training; bf16 for matrix units")
    parser.add_argument("--run-dir", type=Path, default=ROOT / "runs" / "talking_ablations")
    options = parser.parse_args()
    torch.set_num_threads(1)
    opened = {item.name: item for item in map(open_dataset, options.data)}
    pairs, stills = opened["ravdess_pairs"], read_faces(opened["ferplus"], "train")
    recipe = student_recipe(0)
    loop = replace(recipe.talking_loop, epochs=options.epochs, precision=options.precision)
    recipe = replace(recipe, talking_loop=loop)
    start, recipes = load_checkpoint(options.start), variants(recipe)
    learned = [fold for fold in (0, 1, 2) if fold not in (TUNING_FOLD, TEST_FOLD)]
    learning = takes(pairs, learned, STORED_SIZE)
    asked = {size: takes(pairs, [TUNING_FOLD], size) for size in {one.network.face.size for one in recipes.values()}}
    results: dict[str, Any] = {}
    labels, first = asked[recipe.network.face.size].labels.numpy(), None
    for name, variant in recipes.items():
        # A network of convolutions and a mean: its weights fit every size of crop.
        encoder = FaceEncoder(variant.network.face)
        encoder.load_state_dict(start.network.face.state_dict())
        folder = options.run_dir / name.replace(" ", "-")
        learner, _ = train_talking(variant, encoder, stills, learning, None, folder)
        found = talking_figures(learner, asked[variant.network.face.size]).predicted.numpy()
        first = found if first is None else first
        rows: dict[str, Any] = {}
        for protocol, runs, reference in (("cold", found[:1], first[:1]), ("warm", found[1:], first[1:])):
            interval = bootstrap_interval(labels, runs)
            rows[protocol] = {"uar": round(uar(labels, runs), 4), "interval": [interval.low, interval.high]}
            if name != "as in the recipe":
                paired = paired_bootstrap(labels, runs, reference)
                rows[protocol]["difference"] = round(paired.difference, 4)
                rows[protocol]["difference_interval"] = [paired.interval.low, paired.interval.high]
        results[name] = rows
        print(name, {key: value["uar"] for key, value in rows.items()}, flush=True)
    report = {"start_sha256": start.sha256, "epochs": options.epochs, "takes": len(labels), "variants": results}
    OUT.write_text(json.dumps(report, indent=1) + "\n")
    write_block(ROOT / "docs" / "models" / "train.md", "talking", section(report))
    print(OUT)


if __name__ == "__main__":
    main()
