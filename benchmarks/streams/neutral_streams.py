"""What a personal baseline is worth to people who are neutral most of the time.

    python -m benchmarks.streams.neutral_streams --data ravdess_pairs:PATH --bundles bundles/grjca-tflite-fp32.mer ...

RAVDESS fold 3, whose five actors nothing learned from; sound and face. Half of each person's neutral clips (calm ones
count) are scored among all their other clips, in a random order, as one stream; before each of these come neutral clips
of the other half, drawn again and again. The baseline runs along, corrected for neutral steps as the bundle says
(`baseline.neutral_prior`), or with each step as it is. Writes docs/results/neutral_streams.json and its table in
docs/results/live.md.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.results.figures import accuracy_figure
from benchmarks.results.result_tables import Json, percent, points, prose, table, write_result
from mer_sdk.contract.bundle import Bundle
from mer_sdk.contract.manifest import NEUTRAL, BaselineContract
from mer_sdk.evaluation import metrics
from mer_sdk.evaluation.conditions import clip_answer
from mer_sdk.evaluation.datasets import TEST_FOLD, Selection, open_dataset
from mer_sdk.evaluation.datasets.ravdess import merge_labels
from mer_sdk.evaluation.features import ClipFeatures, encode_clip
from mer_sdk.window.baseline import PersonalBaseline
from mer_sdk.window.engine import StepEngine

ROOT = Path(__file__).resolve().parents[2]
MARKERS = (
    "<!-- neutral streams: written by benchmarks/streams/neutral_streams.py -->",
    "<!-- end of neutral streams -->",
)
# Neutral clips before each scored one.
BETWEEN = (0, 1, 4, 10)
ORDERS, SEED = 2, 0
BASELINES = ("none", "as they are", "corrected")


@dataclass(frozen=True, eq=False)
class Person:
    """One person's encoded clips: those that are scored, and neutral ones for between them."""

    scored: list[ClipFeatures]
    history: list[ClipFeatures]


def stream(
    person: Person, between: int, engine: StepEngine, baseline: PersonalBaseline, random: np.random.Generator
) -> np.ndarray:
    """One person's stream: the label [N] of each scored clip, in the order of `person.scored`."""
    said = np.zeros(len(person.scored), int)
    for index in random.permutation(len(said)):
        for place in random.integers(0, len(person.history), between):
            _answer(person.history[place], engine, baseline)
        said[index] = _answer(person.scored[index], engine, baseline)
    return said


def _answer(item: ClipFeatures, engine: StepEngine, baseline: PersonalBaseline) -> int:
    engine.reset(baseline)
    outputs = [engine.advance(features) for features in item.steps]
    engine.finish()
    return int(clip_answer(outputs, engine.manifest.decision).argmax())


def streams(
    people: Sequence[Person], between: int, engine: StepEngine, contract: BaselineContract, fixed: bool = False
) -> np.ndarray:
    """Labels [ORDERS, N] of everybody's scored clips; each person's baseline is one of `contract`."""
    runs = []
    for order in range(ORDERS):
        said = []
        for person in people:
            random = np.random.default_rng([SEED, order, person.scored[0].clip.speaker])
            said.append(stream(person, between, engine, PersonalBaseline(contract, fixed), random))
        runs.append(np.concatenate(said))
    return np.stack(runs)


def measured(engine: StepEngine, clips: Sequence[ClipFeatures]) -> list[dict[str, Any]]:
    """How many clips come between, and how right each baseline's labels are."""
    labels, contract = engine.manifest.labels, engine.manifest.baseline
    merged, random, people = merge_labels(labels), np.random.default_rng(SEED), []
    for speaker in sorted({item.clip.speaker for item in clips}):
        mine = [item for item in clips if item.clip.speaker == speaker]
        still = [item for item in mine if merged[item.clip.label] == NEUTRAL]
        history = [still[place] for place in sorted(random.permutation(len(still))[: len(still) // 2])]
        people.append(Person([item for item in mine if item not in history], history))
    truth = np.array([labels.index(merged[item.clip.label]) for person in people for item in person.scored])
    neutral = truth == labels.index(NEUTRAL)
    # Nothing comes into a baseline that stays as it is, so that what is between does not matter.
    none, rows = streams(people, 0, engine, contract, fixed=True), []
    for between in BETWEEN:
        plain = streams(people, between, engine, replace(contract, neutral_prior=0.0))
        said = dict(zip(BASELINES, (none, plain, streams(people, between, engine, contract)), strict=True))
        row: dict[str, Any] = {"neutral": float((neutral.mean() + between) / (1 + between)), "clips": len(truth)}
        for baseline, found in said.items():
            paired = metrics.paired_bootstrap(truth, found, none)
            row[baseline] = accuracy_figure(truth, found) | {
                "difference": 100 * paired.difference,
                "interval": [100 * paired.interval.low, 100 * paired.interval.high],
                "neutral_recall": 100 * float((found == truth)[:, neutral].mean()),
            }
        rows.append(row)
    return rows


def section(result: Json) -> list[str]:
    """The table of docs/results/live.md."""
    lines = prose(
        f"{result['clips']} clips of 5 actors whom no model has seen (RAVDESS fold 3), sound and face; "
        f"{result['orders']} random orders. *neutral*: how much of the stream is neutral. *none*: the population's "
        "mean throughout. *as they are*: the baseline runs along and takes each step in as it is. *corrected*: it runs "
        "along as the bundle says. UAR in % [95 % interval over clips], the difference from *none* in points, and in "
        "brackets how many of the neutral clips are called neutral."
    )
    rows = []
    for name, found in result["bundles"].items():
        for one in found:
            plain = one["none"]
            cells = [f"{percent(plain['uar'], plain['uar_interval'])} ({plain['neutral_recall']:.0f})"]
            cells += [
                f"{one[kind]['uar']:.1f}, {points(one[kind])} ({one[kind]['neutral_recall']:.0f})"
                for kind in BASELINES[1:]
            ]
            rows.append((name, f"{100 * one['neutral']:.0f} %", *cells))
    return lines + table(("bundle", "neutral", *BASELINES), rows)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", required=True, help="ravdess_pairs:PATH")
    parser.add_argument("--bundles", nargs="+", required=True, help="bundles of window models")
    parser.add_argument("--out", type=Path, default=ROOT / "docs" / "results" / "neutral_streams.json")
    options = parser.parse_args()
    clips = open_dataset(options.data).clips(Selection(folds=(TEST_FOLD,)))
    bundles: dict[str, Any] = {}
    for path in options.bundles:
        begun, bundle = time.perf_counter(), Bundle.open(path)
        engine = StepEngine(bundle)
        rows = measured(engine, [encode_clip(clip, engine) for clip in clips])
        bundles[bundle.name] = rows
        print(f"{bundle.name}: {len(rows)} streams, {time.perf_counter() - begun:.0f} s", flush=True)
    scored = next(iter(bundles.values()))[0]["clips"]
    result = {"clips": scored, "orders": ORDERS, "seed": SEED, "bundles": bundles}
    write_result(result, options.out, ROOT / "docs" / "results" / "live.md", MARKERS, section(result))


if __name__ == "__main__":
    main()
