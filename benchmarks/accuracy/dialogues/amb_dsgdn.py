"""Protocol P4: AMB-DSGDN on MELD's text and speakers, train -> dev, and what its parts bring.

    python -m benchmarks.accuracy.dialogues.amb_dsgdn --data meld:PATH
        [--text-encoder runs/text/student_text.safetensors] [--tune]

Trains every variant with several seeds on MELD train, of which a tenth of the dialogues is held out for the
temperature, and writes `docs/results/p4.json`: figures on dev with 95 % intervals from a bootstrap over dialogues, and
paired differences on the same dialogues. With `--tune` it measures on those held-out dialogues instead and writes
nothing; it says nothing of the small encoder, which saw their labels. The networks of the first seed are saved in
`RUN_DIR/checkpoints`.

Adaptive modality balancing compares modalities; with text alone it does nothing.
"""

from __future__ import annotations

import argparse
import json
import platform
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import load_file

from mer_fusion.checkpoint import Checkpoint, load_checkpoint, save_checkpoint
from mer_fusion.encoders.text import TextEncoder, TextEncoderConfig
from mer_fusion.training.dialogue.recipe import (
    DialogueRecipe,
    Encode,
    feature_dialogues,
    full_dialogue_recipe,
    sentence_features,
    small_encoder_features,
    student_dialogue_recipe,
    train_dialogue_network,
    tuning_split,
    windows_of,
)
from mer_fusion.training.dialogue.task import dialogue_predictions, dialogue_set
from mer_sdk.dialogue.dialogue_file import Dialogue
from mer_sdk.evaluation import metrics
from mer_sdk.evaluation.datasets import Meld, open_dataset

ROOT = Path(__file__).resolve().parents[3]
GRAPH, ALONE = "dialogue graph", "one utterance at a time"
SMALL_GRAPH, SMALL_ALONE = "small encoder, dialogue graph", "small encoder, one utterance at a time"

Change = Callable[[DialogueRecipe], DialogueRecipe]


def fusion_change(**options: Any) -> Change:
    """A recipe whose fusion network has other options."""
    return lambda recipe: recipe.with_fusion(replace(recipe.fusion, **options))


# What is changed in the recipe; the first is the recipe itself, which every other is compared with.
VARIANTS: dict[str, Change] = {
    GRAPH: lambda recipe: recipe,
    ALONE: fusion_change(past=0, future=0),
    "dialogue graph that sees later utterances": fusion_change(causal=False),
    "plain instead of differential attention": fusion_change(differential=False),
    "without squared unimodal loss": lambda recipe: replace(
        recipe, objective=replace(recipe.objective, unimodal_weight=0.0)
    ),
}


@dataclass(frozen=True)
class Setting:
    """What all runs share: the dialogues to train on and to measure on, and where things are kept."""

    train: list[Dialogue]
    test: list[Dialogue]
    seeds: int
    run_dir: Path
    checkpoints: Path


def runs_of(
    setting: Setting,
    name: str,
    recipe: Callable[[int], DialogueRecipe],
    encode: Encode,
    text: TextEncoder | None = None,
    teacher: tuple[Checkpoint, Encode] | None = None,
    keep: bool = False,
) -> tuple[np.ndarray, dict[str, Any]]:
    """Predictions [R, n] of one variant with every seed, and what its training took."""
    predicted, seconds, total = [], [], 0
    for seed in range(setting.seeds):
        folder = setting.run_dir / name.replace(" ", "-").replace(",", "") / f"seed-{seed}"
        chosen = recipe(seed)
        trained = train_dialogue_network(chosen, setting.train, encode, folder, text, teacher, quiet=True)
        windows = windows_of(chosen, setting.test, encode)
        predicted.append(dialogue_predictions(trained.network.fusion, windows))
        seconds.append(trained.card.training["seconds"])
        total = trained.card.parameters["fusion"]
        score = metrics.weighted_f1(windows.judged[0], predicted[-1])
        print(f"{name:44} seed {seed}  weighted F1 {100 * score:.2f}  {seconds[-1]} s", flush=True)
        if keep and seed == 0:
            save_checkpoint(trained.network, trained.card, setting.checkpoints / f"{trained.card.name}.safetensors")
    return np.stack(predicted), {"seconds": seconds, "fusion_parameters": total}


def figures(labels: np.ndarray, groups: np.ndarray, runs: np.ndarray) -> dict[str, Any]:
    """In percent: mean over the runs, its interval over dialogues, and each run."""
    result: dict[str, Any] = {"runs": len(runs)}
    for name in ("weighted_f1", "war", "uar", "macro_f1"):
        metric = getattr(metrics, name)
        interval = metrics.bootstrap_interval(labels, runs, name, groups=groups)
        result[name] = {
            "mean": round(100 * metric(labels, runs), 2),
            "interval": [round(100 * interval.low, 2), round(100 * interval.high, 2)],
            "each": [round(100 * metric(labels, run), 2) for run in runs],
        }
    return result


def difference(labels: np.ndarray, groups: np.ndarray, first: np.ndarray, second: np.ndarray) -> dict[str, Any]:
    """Weighted F1 of `first` minus `second` in points, paired over dialogues."""
    paired = metrics.paired_bootstrap(labels, first, second, "weighted_f1", groups=groups)
    return {
        "weighted_f1": round(100 * paired.difference, 2),
        "interval": [round(100 * paired.interval.low, 2), round(100 * paired.interval.high, 2)],
        "share_better": round(paired.share_better, 4),
    }


def small_encoder(path: Path) -> TextEncoder:
    """The small text encoder that `benchmarks/accuracy/dialogues/text_encoder.py --save` wrote."""
    encoder = TextEncoder(TextEncoderConfig.from_dict(json.loads(path.with_suffix(".json").read_text())["config"]))
    encoder.load_state_dict(load_file(str(path)))
    return encoder.eval()


def measured(setting: Setting, cache: Path, text: Path | None) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """Predictions [R, n] of every variant, and what each run took."""
    sentences = sentence_features(cache)
    runs: dict[str, np.ndarray] = {}
    costs: dict[str, Any] = {}
    for name, change in VARIANTS.items():
        runs[name], costs[name] = runs_of(
            setting, name, lambda seed, change=change: change(full_dialogue_recipe(seed)), sentences, keep=name == GRAPH
        )
    if text is None:
        return runs, costs
    encoder = small_encoder(text)
    teacher = (load_checkpoint(setting.checkpoints / "amb_dsgdn-full.safetensors"), sentences)
    for name, change in ((SMALL_GRAPH, VARIANTS[GRAPH]), (SMALL_ALONE, VARIANTS[ALONE])):
        runs[name], costs[name] = runs_of(
            setting,
            name,
            lambda seed, change=change: change(student_dialogue_recipe(seed, encoder.config)),
            small_encoder_features(encoder),
            encoder,
            teacher,
            keep=name == SMALL_GRAPH,
        )
    return runs, costs


def judged(dialogues: Sequence[Dialogue]) -> tuple[np.ndarray, np.ndarray]:
    """Label and dialogue of every utterance, in the order of the predictions."""
    recipe = full_dialogue_recipe(0).fusion
    plain = feature_dialogues(dialogues, lambda texts: np.ones((len(texts), 1), np.float32))
    return dialogue_set(plain, recipe.names, recipe.utterances, recipe.speakers).judged


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", required=True, help="meld:PATH with train_sent_emo.csv and dev_sent_emo.csv")
    parser.add_argument(
        "--text-encoder", type=Path, help="small encoder of benchmarks/accuracy/dialogues/text_encoder.py, for students"
    )
    parser.add_argument("--run-dir", type=Path, default=ROOT / "runs" / "p4", help="state, embeddings, checkpoints")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--tune", action="store_true", help="measure on held-out training dialogues, write nothing")
    options = parser.parse_args()
    torch.set_num_threads(1)
    data = open_dataset(options.data)
    assert isinstance(data, Meld), "P4 is defined on MELD"
    train = list(data.dialogues("train"))
    test = tuning_split(train)[1] if options.tune else list(data.dialogues("dev"))
    folder = options.run_dir / "train"
    setting = Setting(train, test, options.seeds, folder, options.run_dir / "checkpoints")
    runs, costs = measured(setting, options.run_dir / "minilm.npz", options.text_encoder)
    labels, groups = judged(test)
    rows = {name: figures(labels, groups, predicted) | costs[name] for name, predicted in runs.items()}
    pairs = [(GRAPH, name) for name in runs if name != GRAPH]
    pairs += [(SMALL_GRAPH, SMALL_ALONE)] if SMALL_ALONE in runs else []
    gains = [{"first": a, "second": b} | difference(labels, groups, runs[a], runs[b]) for a, b in pairs]
    for name, row in rows.items():
        print(f"{name:44} weighted F1 {row['weighted_f1']['mean']} {row['weighted_f1']['interval']}", flush=True)
    for gain in gains:
        print(f"{gain['first']} minus {gain['second']}: {gain['weighted_f1']:+} {gain['interval']}", flush=True)
    if options.tune:
        return
    recipe = full_dialogue_recipe(0)
    report = {
        "protocol": "P4: MELD text and speakers, train -> dev; intervals: 95 % bootstrap over dialogues",
        "features": "all-MiniLM-L6-v2 sentence vectors, not tuned on the task; 'small encoder': its distilled student",
        "dialogues": {"train": len(train), "dev": len(test)},
        "utterances": {"dev": len(labels)},
        "seeds": list(range(options.seeds)),
        "machine": f"{platform.machine()}, 1 thread, torch {torch.__version__}",
        "measured": time.strftime("%Y-%m-%d"),
        "recipe": {key: value for key, value in asdict(recipe).items() if key != "network"} | recipe.network.fusion,
        "figures": rows,
        "differences": gains,
        "notes": [
            "Adaptive modality balancing needs two modalities: with text alone it does nothing.",
            "The small encoder learned from MELD's labels, the sentence encoder did not: the two do not compare sizes.",
            "'one utterance at a time': the same network whose edges reach no other utterance.",
        ],
    }
    out = ROOT / "docs" / "results" / "p4.json"
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(json.dumps(report, indent=2) + "\n")


if __name__ == "__main__":
    main()
