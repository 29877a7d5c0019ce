"""What the small text encoder keeps of the sentence encoder's: emotions of MELD, one utterance at a time.

    python -m benchmarks.accuracy.dialogues.text_encoder --data meld:PATH [--tune]
        [--save runs/text/student_text.safetensors]

Trains the small encoder with several seeds on MELD train and texts made of it, fits the same two classifiers on the
features of each encoder, and writes `docs/results/text_encoder.json`: figures on MELD dev with 95 % intervals from a
bootstrap over dialogues. With `--tune` the same is measured on a seventh of the training dialogues that nothing was
learned from, which is where the options below were chosen; dev was not looked at for that.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import platform
import random
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import save_file
from torch import Tensor
from torch.nn import functional as F

from mer_fusion.encoders.sentence import SentenceEncoder
from mer_fusion.encoders.text import TextEncoder, TextEncoderConfig
from mer_fusion.training.text.corpus import CorpusOptions, teacher_corpus
from mer_fusion.training.text.encoder import (
    Teachers,
    TextOptions,
    TextSet,
    teaching_set,
    text_features,
    text_ids,
    train_text_encoder,
)
from mer_fusion.training.text.probe import ProbeOptions, fit_probe
from mer_sdk.dialogue.dialogue_file import Dialogue
from mer_sdk.evaluation.datasets import open_dataset
from mer_sdk.evaluation.datasets.meld import LABELS
from mer_sdk.evaluation.metrics import bootstrap_interval, paired_bootstrap, uar, war, weighted_f1

ROOT = Path(__file__).resolve().parents[3]

SMALL = "small encoder, logistic regression"

CONFIG = TextEncoderConfig()
TRAINING = TextOptions()
CORPUS = CorpusOptions()
LINEAR = ProbeOptions(decay=0.06, balance=0.25)
HIDDEN = Teachers(len(LABELS)).probe
WORDS = ProbeOptions(decay=3e-3, balance=0.25, iterations=60)


@dataclass(frozen=True)
class Labelled:
    """Utterances: their texts, label numbers (N,) and the number of the dialogue that each is from (N,)."""

    texts: tuple[str, ...]
    labels: Tensor
    dialogues: np.ndarray


def labelled(dialogues: Sequence[Dialogue]) -> Labelled:
    """All utterances of the dialogues, in their order."""
    lines = [(number, line) for number, dialogue in enumerate(dialogues) for line in dialogue.utterances]
    return Labelled(
        tuple(line.text for _, line in lines),
        torch.tensor([LABELS.index(line.label or "") for _, line in lines]),
        np.array([number for number, _ in lines]),
    )


def split(dialogues: Sequence[Dialogue], seed: int = 0) -> tuple[list[Dialogue], list[Dialogue]]:
    """The dialogues to learn from while options are chosen, and the seventh of them to choose on."""
    held = set(random.Random(seed).sample(range(len(dialogues)), len(dialogues) // 7))
    parts: tuple[list[Dialogue], list[Dialogue]] = ([], [])
    for number, dialogue in enumerate(dialogues):
        parts[number in held].append(dialogue)
    return parts


def corpus_of(dialogues: Sequence[Dialogue]) -> list[str]:
    return teacher_corpus([[line.text for line in dialogue.utterances] for dialogue in dialogues], CORPUS)


def bags(ids: Tensor) -> Tensor:
    """Hashed bags of words and n-grams (N, buckets): the ids that the small encoder reads, counted, unit length."""
    ids = ids.flatten(1).long()
    counts = torch.zeros(len(ids), CONFIG.buckets).scatter_add_(1, ids, torch.ones(ids.shape))
    counts[:, 0] = 0
    return F.normalize(counts, dim=1)


def predictions(features: tuple[Tensor, Tensor], labels: Tensor, options: ProbeOptions) -> np.ndarray:
    """Labels of the second part's features from a probe on the first part's."""
    probe = fit_probe(features[0], labels, len(LABELS), options)
    with torch.no_grad():
        return probe(features[1]).argmax(dim=1).numpy()


def figures(test: Labelled, runs: Sequence[np.ndarray]) -> dict[str, Any]:
    """Weighted F1, UAR and WAR in percent: mean of the runs, its interval from a bootstrap over dialogues, each run."""
    labels, predicted = test.labels.numpy(), np.stack(runs)
    result: dict[str, Any] = {"runs": len(runs)}
    for name, metric in (("weighted_f1", weighted_f1), ("uar", uar), ("war", war)):
        each = [100 * metric(labels, run) for run in runs]
        interval = bootstrap_interval(labels, predicted, name, groups=test.dialogues)
        result[name] = {
            "mean": round(float(np.mean(each)), 2),
            "interval": [round(100 * interval.low, 2), round(100 * interval.high, 2)],
            "each": [round(value, 2) for value in each],
        }
    return result


def differences(test: Labelled, runs: dict[str, list[np.ndarray]]) -> dict[str, Any]:
    """Weighted F1 of the small encoder less that of each other system, in points, paired over the same dialogues."""
    labels, small = test.labels.numpy(), np.stack(runs[SMALL])
    result = {}
    for name, others in runs.items():
        if not name.startswith("small"):
            found = paired_bootstrap(labels, small, np.stack(others), "weighted_f1", groups=test.dialogues)
            interval = [round(100 * found.interval.low, 2), round(100 * found.interval.high, 2)]
            result[name] = {"difference": round(100 * found.difference, 2), "interval": interval}
    return result


def save_encoder(encoder: TextEncoder, path: Path, training: dict[str, Any]) -> None:
    """Write the encoder's weights and, beside them, a JSON with its configuration and how it was trained."""
    path.parent.mkdir(parents=True, exist_ok=True)
    save_file({name: value.contiguous() for name, value in encoder.state_dict().items()}, str(path))
    path.chmod(0o644)
    card = {
        "config": encoder.config.to_dict(),
        "weights_sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
        "training": training,
    }
    path.with_suffix(".json").write_text(json.dumps(card, indent=2) + "\n")


@dataclass(frozen=True)
class Experiment:
    """Everything that the seeds share. Pairs are (train, test).

    Attributes:
        data: what the small encoder is taught.
        tuning: the held-out texts, for the log; None where the test is dev.
        ids, large, bags: of each utterance: word ids, the sentence encoder's embeddings, bags of words.
    """

    train: Labelled
    test: Labelled
    data: TextSet
    tuning: TextSet | None
    ids: tuple[Tensor, Tensor]
    large: tuple[Tensor, Tensor]
    bags: tuple[Tensor, Tensor]


def prepared(data: str, tune: bool, cache: Path) -> Experiment:
    """Read MELD, make the texts to teach from, and let the sentence encoder and a classifier on it label them."""
    meld = open_dataset(data)
    everything = meld.dialogues("train")
    learned, held = split(everything)
    train = labelled(learned if tune else everything)
    test = labelled(held if tune else meld.dialogues("dev"))
    # Each part by itself: what is made for one never shows the other, and dev needs few embeddings that tuning has not.
    texts = list(dict.fromkeys(corpus_of(learned) + ([] if tune else corpus_of(held))))
    print(f"{len(texts)} texts to teach from", flush=True)
    data = teaching_set(texts, train.texts, train.labels, CONFIG, Teachers(len(LABELS), HIDDEN, cache))
    sentences = SentenceEncoder()
    first, second = (torch.from_numpy(sentences.embeddings(part.texts, cache)) for part in (train, test))
    ids = text_ids(train.texts, CONFIG), text_ids(test.texts, CONFIG)
    tuning = TextSet(ids[1], second, torch.zeros(len(second), len(LABELS)), test.labels) if tune else None
    return Experiment(train, test, data, tuning, ids, (first, second), (bags(ids[0]), bags(ids[1])))


def measured(
    experiment: Experiment, seeds: int, run_dir: Path, save: Path | None
) -> tuple[dict[str, list[np.ndarray]], list[int]]:
    """Predictions of every encoder with every classifier, and the seconds that each seed's training took."""
    runs: dict[str, list[np.ndarray]] = {}
    seconds = []

    def add(name: str, features: tuple[Tensor, Tensor], probe: ProbeOptions) -> None:
        runs.setdefault(name, []).append(predictions(features, experiment.train.labels, probe))

    for seed in range(seeds):
        options = replace(TRAINING, loop=replace(TRAINING.loop, seed=seed))
        learner, history = train_text_encoder(
            CONFIG, experiment.data, experiment.tuning, options, run_dir / f"seed-{seed}"
        )
        seconds.append(round(history.seconds))
        if save and seed == 0:
            save_encoder(learner.encoder, save, {"options": asdict(options), "seconds": seconds[0]})
        small = (text_features(learner.encoder, experiment.ids[0]), text_features(learner.encoder, experiment.ids[1]))
        add(SMALL, small, LINEAR)
        add("small encoder, hidden layer", small, replace(HIDDEN, seed=seed))
        add("sentence encoder, hidden layer", experiment.large, replace(HIDDEN, seed=seed))
    add("sentence encoder, logistic regression", experiment.large, LINEAR)
    add("hashed bag of words, logistic regression", experiment.bags, WORDS)
    return runs, seconds


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", required=True, help="meld:PATH with train_sent_emo.csv and dev_sent_emo.csv")
    parser.add_argument("--run-dir", type=Path, default=ROOT / "runs" / "text", help="state and cached embeddings")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--tune", action="store_true", help="measure on held-out training dialogues, write nothing")
    parser.add_argument("--save", type=Path, help="write the encoder of seed 0 to this .safetensors")
    options = parser.parse_args()
    torch.set_num_threads(1)
    experiment = prepared(options.data, options.tune, options.run_dir / "minilm.npz")
    run_dir = options.run_dir / ("tune" if options.tune else "train")
    runs, seconds = measured(experiment, options.seeds, run_dir, options.save)
    rows = {name: figures(experiment.test, predicted) for name, predicted in runs.items()}
    for name, row in rows.items():
        print(f"{name:42} weighted F1 {row['weighted_f1']}  UAR {row['uar']['mean']}", flush=True)
    if options.tune:
        return
    report = {
        "protocol": "MELD train -> dev, one utterance at a time; intervals: 95 % bootstrap over dialogues",
        "utterances": {"train": len(experiment.train.texts), "dev": len(experiment.test.texts)},
        "texts_taught": len(experiment.data),
        "seeds": list(range(options.seeds)),
        "seconds_per_seed": seconds,
        "machine": f"{platform.machine()}, 1 thread",
        "measured": time.strftime("%Y-%m-%d"),
        "parameters": sum(p.numel() for p in TextEncoder(CONFIG).parameters()),
        "encoder": CONFIG.to_dict(),
        "training": asdict(TRAINING),
        "corpus": asdict(CORPUS),
        "probes": {"logistic regression": asdict(LINEAR), "hidden layer": asdict(HIDDEN), "words": asdict(WORDS)},
        "figures": rows,
        f"weighted_f1 of '{SMALL}' less that of": differences(experiment.test, runs),
    }
    out = ROOT / "docs" / "results" / "text_encoder.json"
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(json.dumps(report, indent=2) + "\n")


if __name__ == "__main__":
    main()
