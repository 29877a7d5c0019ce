"""What the personal baseline and abstention buy and cost live, on P2: steps named rightly, label changes, delay.

    python -m benchmarks.streams.live_baseline --data ravdess_pairs:PATH --bundles bundles/grjca-tflite-fp32.mer ...

Real audio-visual clips of RAVDESS actor 08, who is in no training or tuning set. Each clip is a stream of its own
with an empty window; what differs is where the baseline stands when it begins. "none": the population's mean, always.
"cold": the population's mean, then running. "warm": what the clips before left, in random order, several orders.
"enrolled": four neutral clips. The enrolment's clips are scored nowhere. Nothing is tuned here: every threshold that
was tried is written down. Writes docs/results/live_baseline.json and its tables in docs/results/live.md.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.results.result_tables import table, write_result
from benchmarks.streams.smoothing import first_right
from mer_fusion.training.fusion.data import STREAMED_ACTOR
from mer_sdk.contract.bundle import Bundle
from mer_sdk.contract.codec import to_json
from mer_sdk.contract.manifest import NEUTRAL
from mer_sdk.evaluation import metrics
from mer_sdk.evaluation.conditions import enrol
from mer_sdk.evaluation.datasets import Selection, open_dataset
from mer_sdk.evaluation.datasets.ravdess import merge_labels
from mer_sdk.evaluation.features import ClipFeatures, encode_clip
from mer_sdk.window.baseline import PersonalBaseline
from mer_sdk.window.engine import MODALITIES, StepEngine

ROOT = Path(__file__).resolve().parents[2]
PROTOCOLS = ("none", "cold", "warm", "enrolled")
THRESHOLDS = (0.0, 0.4, 0.5, 0.6, 0.7)
ENROL_CLIPS, ORDERS, SEED = 4, 5, 0
BEGIN, END = "<!-- baseline: written by benchmarks/streams/live_baseline.py -->", "<!-- end of baseline -->"


def enrolled(engine: StepEngine, clips: Sequence[ClipFeatures]) -> PersonalBaseline:
    """The baseline of a person of whom these clips were taken in."""
    baseline = PersonalBaseline(engine.manifest.baseline)
    for clip in clips:
        enrol(baseline, clip, MODALITIES)
    return baseline


def streams(
    protocol: str, clips: Sequence[ClipFeatures], neutral: Sequence[ClipFeatures], engine: StepEngine
) -> list[list[np.ndarray]]:
    """Per run, the probabilities [steps, K] of every clip, in the order of `clips`."""
    runs = []
    for number in range(ORDERS if protocol == "warm" else 1):
        rows: list[Any] = [None] * len(clips)
        order = (
            np.random.default_rng([SEED, number]).permutation(len(clips)) if protocol == "warm" else range(len(clips))
        )
        carried = PersonalBaseline(engine.manifest.baseline)
        for index in order:
            begins = {
                "none": lambda: PersonalBaseline(engine.manifest.baseline, fixed=True),
                "cold": lambda: PersonalBaseline(engine.manifest.baseline),
                "warm": lambda kept=carried: kept,
                "enrolled": lambda: enrolled(engine, neutral),
            }
            engine.reset(begins[protocol]())
            rows[index] = np.stack([engine.advance(step).probabilities for step in clips[index].steps])
            engine.finish()
        runs.append(rows)
    return runs


def measured(runs: list[list[np.ndarray]], truth: Sequence[int], step: float, plain: Any) -> tuple[dict[str, Any], Any]:
    """One protocol's figures, and its labels and delays, to which others are compared; `plain` are those of "none"."""
    lengths = [len(rows) for rows in runs[0]]
    target, groups = np.repeat(truth, lengths), np.repeat(np.arange(len(truth)), lengths)
    labels = [[rows.argmax(axis=1) for rows in run] for run in runs]
    chosen = np.stack([np.concatenate(run) for run in labels])
    delays = np.stack([first_right(dict(enumerate(run)), truth) for run in labels])
    base, base_delays = plain if plain is not None else (chosen, delays)
    added = (delays - base_delays)[np.isfinite(delays) & np.isfinite(base_delays)]
    repeated = np.repeat(base, len(chosen), axis=0) if len(base) != len(chosen) else base
    confidence = np.stack([np.concatenate([rows.max(axis=1) for rows in run]) for run in runs])
    figures = {
        "uar": metrics.uar(target, chosen),
        "uar_interval": to_json(metrics.bootstrap_interval(target, chosen, groups=groups)),
        "difference": to_json(metrics.paired_bootstrap(target, chosen, repeated, groups=groups)),
        "flicker": metrics.flicker_rate([timeline for run in labels for timeline in run], step),
        "named": float(np.isfinite(delays).mean()),
        "added_delay_s": float(added.mean() * step),
        "abstention": [abstained(labels, confidence, chosen == target, limit, truth, step) for limit in THRESHOLDS],
    }
    return figures, (chosen, delays)


def abstained(
    labels: list[list[np.ndarray]],
    confidence: np.ndarray,
    right: np.ndarray,
    threshold: float,
    truth: Sequence[int],
    step: float,
) -> dict[str, float]:
    """What is said where answers below a threshold are "unknown" (-1 here)."""
    said = confidence >= threshold
    ends = np.cumsum([len(timeline) for timeline in labels[0]])[:-1]
    spoken = [
        [np.where(kept, timeline, -1) for timeline, kept in zip(run, np.split(mask, ends), strict=True)]
        for run, mask in zip(labels, said, strict=True)
    ]
    delays = np.stack([first_right(dict(enumerate(run)), truth) for run in spoken])
    return {
        "threshold": threshold,
        "coverage": float(said.mean()),
        "accuracy": float(right[said].mean()) if said.any() else float("nan"),
        "flicker": metrics.flicker_rate([timeline.tolist() for run in spoken for timeline in run], step),
        "named": float(np.isfinite(delays).mean()),
        "first_right_s": float(np.nanmean(delays) * step),
    }


def section(result: dict[str, Any]) -> list[str]:
    """The tables of docs/results/live.md."""
    lines = [
        f"{result['clips']} clips of RAVDESS actor 08, {result['steps']} steps; {ENROL_CLIPS} more, neutral, enrol.",
        "Every clip is a stream of its own with an empty window. The table's words are those of the table above;",
        "difference and delay are from *none*, the population's mean throughout.",
        "",
    ]
    rows, answers = [], []
    for name, protocols in result["bundles"].items():
        for protocol, one in protocols.items():
            low, high = (100 * one["difference"]["interval"][key] for key in ("low", "high"))
            change = f"{100 * one['difference']['difference']:+.1f} [{low:+.1f}, {high:+.1f}]"
            rows.append(
                (
                    name,
                    protocol,
                    f"{100 * one['uar']:.1f}",
                    "" if protocol == "none" else change,
                    f"{one['flicker']:.1f}",
                    f"{100 * one['named']:.0f}",
                    "" if protocol == "none" else f"{one['added_delay_s']:+.2f}",
                )
            )
            answers += [
                (
                    f"{name}, {protocol}",
                    f"{said['threshold']:g}" if said["threshold"] else "off",
                    f"{100 * said['coverage']:.0f}",
                    f"{100 * said['accuracy']:.1f}",
                    f"{said['flicker']:.1f}",
                    f"{100 * said['named']:.0f}",
                    f"{said['first_right_s']:.2f}",
                )
                for said in one["abstention"]
                if protocol in ("cold", "warm")
            ]
    lines += table(("bundle", "baseline", "UAR", "difference", "changes", "named", "delay"), rows)
    lines += ["", "Abstention: steps below a confidence are `unknown`. *said*: share of steps with an answer, in %;"]
    lines += ["*right*: of these, in %; *changes* counts those to and from `unknown`; *first*: seconds until a clip's"]
    lines += ["label is first said, mean of the clips that are named.", ""]
    return lines + table(("bundle, baseline", "threshold", "said", "right", "changes", "named", "first"), answers)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", required=True, help="ravdess_pairs:PATH")
    parser.add_argument("--bundles", nargs="+", required=True, help="bundles of window models")
    parser.add_argument("--out", type=Path, default=ROOT / "docs" / "results" / "live_baseline.json")
    options = parser.parse_args()
    clips = open_dataset(options.data).clips(Selection(actors=(STREAMED_ACTOR,), paired_only=True))
    neutral = sorted((clip for clip in clips if clip.label == NEUTRAL), key=lambda clip: clip.id)[:ENROL_CLIPS]
    scored = [clip for clip in clips if clip not in neutral]
    bundles: dict[str, Any] = {}
    steps = 0
    for path in options.bundles:
        bundle = Bundle.open(path)
        engine = StepEngine(bundle)
        still, moving = ([encode_clip(clip, engine) for clip in part] for part in (neutral, scored))
        names, known = merge_labels(bundle.manifest.labels), bundle.manifest.labels
        truth = [known.index(names[clip.label]) for clip in scored]
        steps, plain = sum(len(item.steps) for item in moving), None
        bundles[bundle.name] = {}
        for protocol in PROTOCOLS:
            runs = streams(protocol, moving, still, engine)
            figures, kept = measured(runs, truth, bundle.manifest.clock.step_ms / 1000, plain)
            bundles[bundle.name][protocol] = figures
            plain = plain or kept
        print(f"{bundle.name}: {len(scored)} clips, {steps} steps", flush=True)
    result = {"clips": len(scored), "steps": steps, "orders": ORDERS, "seed": SEED, "bundles": bundles}
    write_result(result, options.out, ROOT / "docs" / "results" / "live.md", (BEGIN, END), section(result))


if __name__ == "__main__":
    main()
