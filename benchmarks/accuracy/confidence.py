"""Whether confidence means what it says, on people whom nothing has learned from: ECE and risk of each modality state.

    python -m benchmarks.accuracy.confidence CHECKPOINT ... --data ravdess_pairs:PATH [--data urdu:PATH ...] [--every 1]

Writes docs/results/confidence.json. Pairs: RAVDESS fold 3, whose actors are in no training, tuning or calibration set.
Corpora: those for evaluation alone, sound alone, every emotion of the model allowed as an answer. Answers are those of
every step whose window is at least half full, cold and warm. "before" is one temperature for all states, that of the
card which is fitted to all answers together, and no threshold; "after" is the card's decision of each state.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.accuracy.held_out_sets import held_out_sets
from mer_fusion.calibration import answers_of
from mer_fusion.checkpoint import load_checkpoint
from mer_sdk.contract.codec import to_json
from mer_sdk.contract.manifest import Decision, StateDecision
from mer_sdk.evaluation import metrics
from mer_sdk.evaluation.calibration import StateAnswers, calibration_of
from mer_sdk.evaluation.datasets import TEST_FOLD, RavdessPairs, Selection, SpeechCorpus
from mer_sdk.evaluation.datasets.classes import class_of
from mer_sdk.evaluation.datasets.ravdess import merge_labels
from mer_sdk.evaluation.metrics import log_softmax

ROOT = Path(__file__).resolve().parents[2]
RESAMPLES = 500


def figures(answers: StateAnswers, decision: Decision, state: str) -> dict[str, Any]:
    """What one state's answers are worth, before and after, with the ECE's interval over people or clips."""
    before = StateDecision(decision.temperature)
    after = decision.of(state)
    return {
        "temperature": after.temperature,
        "threshold": after.abstention_threshold,
        "before": to_json(calibration_of(answers, before)),
        "after": to_json(calibration_of(answers, after)),
        "ece_interval": ece_interval(answers, after.temperature),
    }


def ece_interval(answers: StateAnswers, temperature: float) -> tuple[float, float]:
    """95 % of the ECE where the people are drawn again."""
    rng, shares = np.random.default_rng(0), np.exp(log_softmax(answers.logits / temperature))
    people = [np.flatnonzero(answers.people == person) for person in np.unique(answers.people)]
    found = []
    for _ in range(RESAMPLES):
        rows = np.concatenate([people[place] for place in rng.integers(len(people), size=len(people))])
        found.append(metrics.ece(answers.truth[rows], shares[rows]))
    low, high = np.quantile(found, [0.025, 0.975])
    return float(low), float(high)


def measured(path: Path, pairs: RavdessPairs | None, corpora: list[SpeechCorpus], every: int) -> dict[str, Any]:
    """All figures of one checkpoint."""
    card = load_checkpoint(path).card
    result: dict[str, Any] = {"sha256": card.weights_sha256, "every": every, "pairs": {}, "corpora": {}}
    if pairs is not None:
        clips, words = pairs.clips(Selection(folds=(TEST_FOLD,)))[::every], merge_labels(card.labels)
        answers = answers_of(path, clips, [card.labels.index(words[clip.label]) for clip in clips])
        result["pairs"] = {state: figures(found, card.decision, state) for state, found in answers.items()}
    for corpus in corpora:
        heard = corpus.clips()[::every]
        answers = answers_of(path, heard, [card.labels.index(class_of(clip.label, card.labels)) for clip in heard])
        found = figures(answers["audio"], card.decision, "audio")
        result["corpora"][corpus.name] = {"language": corpus.facts.language, **found}
    return result


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("checkpoints", nargs="+", type=Path)
    parser.add_argument("--data", action="append", required=True, help="ravdess_pairs:PATH, or NAME:PATH of a corpus")
    parser.add_argument("--every", type=int, default=1, help="take each so-manieth clip alone")
    parser.add_argument("--out", type=Path, default=ROOT / "docs" / "results" / "confidence.json")
    options = parser.parse_args()
    pairs, corpora = held_out_sets(options.data, RavdessPairs, parser)
    for path in options.checkpoints:
        begun = time.perf_counter()
        found = measured(path, pairs, corpora, options.every)
        whole = json.loads(options.out.read_text()) if options.out.exists() else {"models": {}}
        whole["models"][path.stem] = found
        options.out.parent.mkdir(parents=True, exist_ok=True)
        options.out.write_text(json.dumps(whole, indent=1) + "\n")
        said = ", ".join(f"{state} {100 * one['after']['ece']:.1f} %" for state, one in found["pairs"].items())
        heard = ", ".join(f"{name} {100 * one['after']['ece']:.1f} %" for name, one in found["corpora"].items())
        print(
            f"{path.stem}: ECE {said}; {heard} ({time.perf_counter() - begun:.0f} s), written: {options.out}",
            flush=True,
        )


if __name__ == "__main__":
    main()
