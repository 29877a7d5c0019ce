"""Protocol P1: real sound and action units of the same RAVDESS takes, 8 classes, speaker-disjoint folds 0-3.

    python benchmarks/p1_paired.py --data ravdess:PATH [--seeds 5] [--student-seeds 3]

Writes docs/results/p1.json; finished pieces are kept under --run-dir and not made again. Clean by construction: fold K
is only answered by models whose every part, the published scores included, never saw fold K's actors.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import torch
from figures import accuracy_figure, difference_figure
from p1_students import StudentFold, encoder_figures, student_answers, student_folds, student_settings

from mer_fusion.training.loop import LoopOptions
from mer_fusion.training.paired import FOLDS, PairedClips, read_paired
from mer_fusion.training.utterance_networks import MODELS, logistic_regression
from mer_fusion.training.utterance_runs import Answers, Case, RunOptions, run_answers
from mer_fusion.training.utterance_task import UtteranceOptions
from mer_fusion.training.utterances import CONDITIONS, UtteranceTable, single_step
from mer_sdk.evaluation.datasets import open_dataset
from mer_sdk.evaluation.datasets.ravdess import LABELS

ROOT = Path(__file__).resolve().parent.parent
ORDERS = 3
REMOVED = CONDITIONS[2]
# Not tuned; swap and mixing of the voice are, with dropout, for each model and fold on another fold.
LEARNING = UtteranceOptions(drop=(0.3, 0.1), swap=(0.0, 0.0), mixing=(0.0, 0.0), noise=(0.3, 0.2), batch=128)
LOOP = LoopOptions(epochs=60, learning_rate=3e-3, weight_decay=0.05, precision="no", threads=1)
WIDTH = 32
TUNING_SEEDS = 2


@dataclass(frozen=True)
class Candidate:
    """What is tuned: dropout, and how the voice is corrupted in training (see `UtteranceOptions`)."""

    dropout: float
    swap: float
    mixing: float


CANDIDATES = (Candidate(0.3, 0.0, 0.0), Candidate(0.3, 0.1, 0.7), Candidate(0.1, 0.1, 0.7), Candidate(0.1, 0.2, 0.9))
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


def rows_of(condition: np.ndarray) -> torch.Tensor:
    """Indices where a boolean array is true."""
    return torch.from_numpy(np.flatnonzero(condition))


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


def cases() -> list[Case]:
    """Every baseline condition with both modalities, then each modality alone with the person's mean removed."""
    both = (True, True)
    warm = [Case("warm", order, both) for order in range(ORDERS)]
    alone = [Case(REMOVED, 0, (True, False)), Case(REMOVED, 0, (False, True))]
    return [Case("cold", 0, both), *warm, Case(REMOVED, 0, both), *alone]


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
    asked = cases()
    said = np.zeros((seeds, len(asked), len(paired), len(LABELS)), np.float32)
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


class FullPrecision:
    """Fusion networks on wav2vec2 scores and action units, tuned for each fold without it.

    Args:
        paired: all takes; run_dir: where runs are kept.
    """

    def __init__(self, paired: PairedClips, run_dir: Path) -> None:
        self._paired, self._folder = paired, run_dir / "full"
        self._tables = {fold: full_table(paired, fold) for fold in FOLDS}
        self.tuning: dict[str, dict[int, dict[str, Any]]] = {}

    def answers(self, model: str, fold: int, seed: int) -> Answers:
        """For the fold's clips, every case."""
        chosen = self.tuned(model, fold)
        return self._run(model, chosen, fold, self._paired.folds != fold, seed, self._paired.folds == fold, cases())

    def teaching(self, model: str, fold: int) -> Answers:
        """For the clips that seed 0 learned from: a student's soft targets."""
        others = self._paired.folds != fold
        return self._run(model, self.tuned(model, fold), fold, others, 0, others, [Case(REMOVED, 0, (True, True))])

    def tuned(self, model: str, fold: int) -> Candidate:
        """The candidate that does best on another fold.

        For fold K networks learn from the two folds other than K and J = K + 1 (modulo 4), with the published scores of
        the model that never saw J, and are asked about J. Fold K's clips and labels are not used. That published model
        had fold K among its own training clips, which reaches fold K's result through this choice alone.
        """
        known = self.tuning.setdefault(model, {})
        if fold not in known:
            inner = (fold + 1) % len(FOLDS)
            asked = self._paired.folds == inner
            learning = ~asked & (self._paired.folds != fold)
            scores = []
            for candidate in CANDIDATES:
                hits = []
                for seed in range(TUNING_SEEDS):
                    question = [Case(REMOVED, 0, (True, True))]
                    answers = self._run(model, candidate, inner, learning, seed, asked, question)
                    hits.append((answers.log_probabilities[0].argmax(1) == self._paired.labels[asked]).mean())
                scores.append(round(100 * float(np.mean(hits)), 2))
            best = int(np.argmax(scores))
            known[fold] = {"asked_fold": inner, "war_of_candidates": scores, "chosen": best}
            print(f"{model}, fold {fold}: tuned on fold {inner}: {scores}", flush=True)
        return CANDIDATES[known[fold]["chosen"]]

    def _run(
        self,
        model: str,
        candidate: Candidate,
        unseen: int,
        learning: np.ndarray,
        seed: int,
        asked: np.ndarray,
        questions: list[Case],
    ) -> Answers:
        """Train on the scores that never saw the fold `unseen`; boolean arrays say which clips to learn and ask."""
        options = replace(LEARNING, swap=(candidate.swap, 0.0), mixing=(candidate.mixing, 0.0))
        run = RunOptions(model, WIDTH, candidate.dropout, len(LABELS), options, replace(LOOP, seed=seed))
        table = self._tables[unseen]
        return run_answers(run, table, rows_of(learning), rows_of(asked), questions, self._folder)


def student_figures(
    paired: PairedClips, folds: dict[int, StudentFold], full: FullPrecision, model: str, seeds: int, run_dir: Path
) -> dict[str, Any]:
    """Figures of one student, beside its encoder's."""

    def answers_of(fold: int, seed: int) -> Answers:
        learning, asked = rows_of(paired.folds != fold), rows_of(paired.folds == fold)
        teacher = full.teaching(model, fold)
        return student_answers(model, seed, folds[fold], teacher, learning, asked, cases(), run_dir)

    return model_figures(paired, answers_of, seeds)


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
    full = FullPrecision(paired, arguments.run_dir)
    models: dict[str, Any] = {}
    for model in arguments.models:
        models[model] = model_figures(paired, partial(full.answers, model), arguments.seeds, against)
        print(f"full precision, {model}: " + _line(models[model]), flush=True)
    result: dict[str, Any] = {
        "protocol": "P1: RAVDESS speech and action units of the same takes, 8 classes, folds 0-3, in percent",
        "settings": {"learning": asdict(LEARNING), "loop": asdict(LOOP), "width": WIDTH, "orders": ORDERS},
        "seeds": arguments.seeds,
        "yardsticks": shown,
        "best_published_yardstick": best[0],
        "best_yardstick": best[1],
        "full_precision": {
            "candidates": [asdict(candidate) for candidate in CANDIDATES],
            "tuning": full.tuning,
            "models": models,
        },
    }
    if arguments.student_seeds:
        folds = student_folds(ravdess, paired, arguments.run_dir)
        students = {}
        for model in arguments.models:
            students[model] = student_figures(paired, folds, full, model, arguments.student_seeds, arguments.run_dir)
            print(f"student, {model}: " + _line(students[model]), flush=True)
        result["students"] = {
            "settings": student_settings(),
            "seeds": arguments.student_seeds,
            "encoders": encoder_figures(folds),
            "models": students,
        }
    result["seconds"] = round(time.perf_counter() - begun)
    arguments.out.parent.mkdir(parents=True, exist_ok=True)
    arguments.out.write_text(json.dumps(result, indent=1) + "\n")
    print(f"written: {arguments.out}", flush=True)


if __name__ == "__main__":
    main()
