"""Protocol P1: real sound and action units of the same RAVDESS takes, 8 classes, speaker-disjoint folds 0-3.

    python -m benchmarks.accuracy.action_units.paired --data ravdess:PATH [--seeds 5] [--student-seeds 3]

Writes docs/results/p1.json; finished pieces are kept under --run-dir and not made again. Clean by construction: fold K
is only answered by models whose every part, the published scores included, never saw fold K's actors.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import torch

from benchmarks.accuracy.action_units.fusion import ORDERS, REMOVED, Candidate, FusionSettings, TunedFusion, cases
from benchmarks.accuracy.action_units.students import STUDENT_SETTINGS, encoder_figures, encoder_settings, student_folds
from benchmarks.results.figures import accuracy_figure, difference_figure
from mer_fusion.training.loop import LoopOptions
from mer_fusion.training.utterances.networks import MODELS, logistic_regression
from mer_fusion.training.utterances.paired_clips import FOLDS, PairedClips, read_paired
from mer_fusion.training.utterances.runs import Answers
from mer_fusion.training.utterances.table import CONDITIONS, UtteranceTable, single_step
from mer_fusion.training.utterances.task import UtteranceOptions
from mer_sdk.evaluation.datasets import open_dataset
from mer_sdk.evaluation.datasets.ravdess import LABELS

ROOT = Path(__file__).resolve().parents[3]
SETTINGS = FusionSettings(
    UtteranceOptions(drop=(0.3, 0.1), swap=(0.0, 0.0), mixing=(0.0, 0.0), noise=(0.3, 0.2), batch=225),
    LoopOptions(epochs=50, learning_rate=5e-3, weight_decay=0.05, average=0.97, precision="no", threads=1),
    (Candidate(0.3, 0.0, 0.0), Candidate(0.3, 0.1, 0.7), Candidate(0.1, 0.1, 0.7), Candidate(0.1, 0.2, 0.9)),
)
# What issue and literature measure fusion by; the other yardsticks are ours.
PUBLISHED = (
    "wav2vec2 alone",
    "sum of probabilities (published)",
    "sum of log probabilities",
    "sum of log probabilities, person's mean removed",
)


def person_removed(scores: np.ndarray, people: np.ndarray) -> np.ndarray:
    """Scores [N, K] minus the mean over all clips of the same person; labels are not used."""
    result = scores.astype(np.float64)
    for person in np.unique(people):
        result[people == person] -= result[people == person].mean(axis=0)
    return result


def full_table(paired: PairedClips, fold: int) -> UtteranceTable:
    """What full-precision fusion reads: wav2vec2 scores of the model that never saw `fold`, and action units.

    The root of the action units, because their spread grows with their size.
    """
    voice = torch.from_numpy(paired.scores_without(fold).voice)
    face = torch.from_numpy(np.sqrt(paired.action_units))
    return UtteranceTable(
        (single_step("audio", voice), single_step("face", face)),
        torch.from_numpy(paired.labels),
        torch.from_numpy(paired.speakers),
    )


def yardsticks(paired: PairedClips) -> dict[str, np.ndarray]:
    """Predictions [N] of everything that the fusion models are measured against, each fold answered cleanly."""
    told: dict[str, np.ndarray] = {}

    def tell(name: str, test: np.ndarray, scores: np.ndarray) -> None:
        told.setdefault(name, np.zeros(len(paired), np.int64))[test] = scores.argmax(axis=1)

    units = np.sqrt(paired.action_units)
    removed_units = person_removed(units, paired.speakers)
    labels = torch.from_numpy(paired.labels)
    for fold in FOLDS:
        test = paired.folds == fold
        people, published = paired.speakers[test], paired.scores_without(fold)
        voice, face = published.voice[test].astype(np.float64), published.face[test].astype(np.float64)
        tell("wav2vec2 alone", test, voice)
        tell("action-unit MLP alone (published)", test, face)
        tell("sum of probabilities (published)", test, np.exp(voice) + np.exp(face))
        tell("sum of log probabilities", test, voice + face)
        tell("wav2vec2 alone, person's mean removed", test, person_removed(voice, people))
        tell("sum of log probabilities, person's mean removed", test, person_removed(voice + face, people))

        def regress(x: np.ndarray, test: np.ndarray = test) -> np.ndarray:
            wanted = torch.from_numpy(x)
            return logistic_regression(wanted[~test], labels[~test], wanted[test], len(LABELS)).numpy()

        of_units, of_removed = regress(paired.action_units), regress(removed_units)
        tell("logistic regression on action units", test, of_units)
        tell("logistic regression on action units, person's mean removed", test, of_removed)
        both = np.concatenate([published.voice, units], axis=1)
        tell("logistic regression on both", test, regress(both))
        tell("logistic regression on both, person's mean removed", test, regress(person_removed(both, paired.speakers)))
        tell("late average of wav2vec2 and logistic regression", test, np.exp(voice) + np.exp(of_units))
        late = np.exp(voice) + np.exp(of_removed)
        tell("late average of wav2vec2 and logistic regression, person's mean removed", test, late)
        late = person_removed(voice, people) + of_removed
        tell("sum of log probabilities with logistic regression, person's mean removed", test, late)
    return told


def model_figures(
    paired: PairedClips,
    answers_of: Callable[[int, int], Answers],
    seeds: int,
    against: Mapping[str, np.ndarray] = MappingProxyType({}),
) -> dict[str, Any]:
    """Figures of one model over all folds and seeds.

    Args:
        answers_of: (fold, seed) -> its answers for the clips of the fold.
        against: predictions [N] of yardsticks, for paired tests with the person's mean removed.
    """
    conditions = cases()
    said = np.zeros((seeds, len(conditions), len(paired), len(LABELS)), np.float32)
    seconds, parameters = 0.0, 0
    for fold in FOLDS:
        for seed in range(seeds):
            answers = answers_of(fold, seed)
            said[seed][:, paired.folds == fold] = answers.log_probabilities
            seconds, parameters = seconds + answers.seconds, answers.parameters
    labels = paired.labels
    groups = {"cold": [0], "warm": list(range(1, 1 + ORDERS)), REMOVED: [1 + ORDERS]}
    groups |= {f"audio alone, {REMOVED}": [2 + ORDERS], f"face alone, {REMOVED}": [3 + ORDERS]}
    shown: dict[str, Any] = {"parameters": parameters, "training_seconds": round(seconds)}
    for name, places in groups.items():
        runs = said[:, places].argmax(axis=3).reshape(-1, len(labels))
        shown[name] = accuracy_figure(labels, runs)
        together = said[:, places].mean(axis=0).argmax(axis=2)
        shown[f"{name}, ensemble of {seeds} seeds"] = accuracy_figure(labels, together)
        if name == REMOVED:
            for yardstick, told in against.items():
                shown[f"minus {yardstick}"] = difference_figure(labels, runs, told)
                shown[f"ensemble minus {yardstick}"] = difference_figure(labels, together, told)
    return shown


def _line(figures: dict[str, Any]) -> str:
    words = [f"{name} {figures[name]['war']}" for name in CONDITIONS]
    return "  ".join([*words, f"({figures['training_seconds']} s)"])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", required=True, help="ravdess:PATH, with action_units.csv and the published scores")
    parser.add_argument("--seeds", type=int, default=5, help="seeds of every fusion model (default 5)")
    parser.add_argument("--student-seeds", type=int, default=3, help="seeds of every student; 0 leaves students out")
    parser.add_argument("--models", nargs="+", default=["concatenation", *MODELS])
    parser.add_argument("--run-dir", type=Path, default=ROOT / "runs" / "p1")
    parser.add_argument("--out", type=Path, default=ROOT / "docs" / "results" / "p1.json")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    begun = time.perf_counter()
    ravdess = open_dataset(arguments.data)
    paired = read_paired(ravdess)
    told = yardsticks(paired)
    shown = {name: accuracy_figure(paired.labels, predictions) for name, predictions in told.items()}
    for name, figure in shown.items():
        print(f"{figure['war']:6.2f}  {name}", flush=True)
    best = [max(names, key=lambda name: shown[name]["war"]) for names in (PUBLISHED, tuple(shown))]
    against = {name: told[name] for name in dict.fromkeys(best)}
    tables = {fold: full_table(paired, fold) for fold in FOLDS}
    full = TunedFusion(paired, tables, SETTINGS, arguments.run_dir / "full")
    models: dict[str, Any] = {}
    for model in arguments.models:
        models[model] = model_figures(paired, partial(full.answers, model), arguments.seeds, against)
        print(f"full precision, {model}: " + _line(models[model]), flush=True)
    result: dict[str, Any] = {
        "protocol": "P1: RAVDESS speech and action units of the same takes, 8 classes, folds 0-3, in percent",
        "yardsticks": shown,
        "best_published_yardstick": best[0],
        "best_yardstick": best[1],
        "full_precision": {
            "settings": SETTINGS.shown(),
            "seeds": arguments.seeds,
            "tuning": full.tuning,
            "models": models,
        },
    }
    if arguments.student_seeds:
        folds = student_folds(ravdess, paired, arguments.run_dir)
        student_tables = {fold: student.table for fold, student in folds.items()}
        small = TunedFusion(paired, student_tables, STUDENT_SETTINGS, arguments.run_dir / "students", full.teaching)
        students = {}
        for model in arguments.models:
            students[model] = model_figures(paired, partial(small.answers, model), arguments.student_seeds)
            print(f"student, {model}: " + _line(students[model]), flush=True)
        result["students"] = {
            "settings": STUDENT_SETTINGS.shown() | encoder_settings(),
            "seeds": arguments.student_seeds,
            "encoders": encoder_figures(folds),
            "tuning": small.tuning,
            "models": students,
        }
    result["seconds"] = round(time.perf_counter() - begun)
    arguments.out.parent.mkdir(parents=True, exist_ok=True)
    arguments.out.write_text(json.dumps(result, indent=1) + "\n")
    print(f"written: {arguments.out}", flush=True)


if __name__ == "__main__":
    main()
