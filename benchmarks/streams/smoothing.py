"""What smoothing buys and costs on P2: steps named rightly, label changes a minute, and the delay that it adds.

    python -m benchmarks.streams.smoothing --data ravdess_pairs:PATH --bundles bundles/grjca-tflite-fp32.mer ...

Real audio-visual clips of RAVDESS actor 08, who is in no training or tuning set. "cold": each clip is a stream of
its own. "warm": all clips one after another in random order as one stream, without a break, the baseline running;
several orders. Nothing is tuned here: every setting that was tried is written down. Writes docs/results/smoothing.json
and the table in docs/results/live.md.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.results.result_tables import table, write_result
from mer_fusion.training.fusion.data import STREAMED_ACTOR
from mer_sdk import Smoothing
from mer_sdk.contract.bundle import Bundle
from mer_sdk.contract.codec import to_json
from mer_sdk.contract.estimate import UNKNOWN
from mer_sdk.evaluation import metrics
from mer_sdk.evaluation.datasets import Selection, open_dataset
from mer_sdk.evaluation.datasets.ravdess import merge_labels
from mer_sdk.evaluation.features import ClipFeatures, encode_clip
from mer_sdk.window.engine import StepEngine
from mer_sdk.window.smoothing import Smoother

ROOT = Path(__file__).resolve().parents[2]
SETTINGS = [(0.0, 0.0), (0.5, 0.0), (1.0, 0.0), (2.0, 0.0), (0.0, 0.1), (0.0, 0.2), (0.5, 0.1), (1.0, 0.1), (2.0, 0.1)]
ORDERS, SEED = 5, 0
BEGIN, END = "<!-- smoothing: written by benchmarks/streams/smoothing.py -->", "<!-- end of smoothing -->"

# A stream: the clips' indices in order, and the probabilities [steps, K] of each clip.
Stream = tuple[list[int], list[np.ndarray]]


def cold(clips: Sequence[ClipFeatures], engine: StepEngine) -> list[list[Stream]]:
    """One run of one stream a clip."""
    streams: list[Stream] = []
    for index, clip in enumerate(clips):
        engine.reset()
        streams.append(([index], [np.stack([engine.advance(step).probabilities for step in clip.steps])]))
    return [streams]


def warm(clips: Sequence[ClipFeatures], engine: StepEngine) -> list[list[Stream]]:
    """A run of one stream an order."""
    runs = []
    for number in range(ORDERS):
        order = np.random.default_rng([SEED, number]).permutation(len(clips)).tolist()
        engine.reset()
        rows = [np.stack([engine.advance(step).probabilities for step in clips[index].steps]) for index in order]
        runs.append([(order, rows)])
    return runs


def labels_of(streams: list[Stream], options: Smoothing, threshold: float, step: float) -> Any:
    """(clip -> labels of its steps, label timelines of the streams, timelines as said, "unknown" among them)."""
    by_clip: dict[int, np.ndarray] = {}
    timelines, said = [], []
    for order, rows in streams:
        smoother, time = Smoother(options), 0.0
        timeline: list[int] = []
        words: list[object] = []
        for index, clip in zip(order, rows, strict=True):
            for row in clip:
                time += step
                smoothed = smoother.update(row, time)
                timeline.append(smoothed.label)
                words.append(smoothed.label if smoothed.probabilities[smoothed.label] >= threshold else UNKNOWN)
            by_clip[index] = np.array(timeline[-len(clip) :])
        timelines.append(timeline)
        said.append(words)
    return by_clip, timelines, said


def first_right(by_clip: dict[int, np.ndarray], truth: Sequence[int]) -> np.ndarray:
    """Steps until each clip's label is first named, [clips]; NaN where it never is."""
    found = np.full(len(truth), np.nan)
    for index, labels in by_clip.items():
        right = np.flatnonzero(labels == truth[index])
        found[index] = right[0] if len(right) else np.nan
    return found


def true_rate(runs: list[list[Stream]], truth: Sequence[int], step: float) -> float:
    """Changes a minute of the clips' own labels."""
    return metrics.flicker_rate(
        [
            [truth[index] for index, clip in zip(order, rows, strict=True) for _ in clip]
            for streams in runs
            for order, rows in streams
        ],
        step,
    )


def measured(runs: list[list[Stream]], truth: Sequence[int], bundle: Bundle) -> list[dict[str, Any]]:
    """A row a setting."""
    manifest = bundle.manifest
    step, threshold = manifest.clock.step_ms / 1000, manifest.decision.abstention_threshold
    rows: list[dict[str, Any]] = []
    plain: Any = None
    for seconds, margin in SETTINGS:
        parts = [labels_of(streams, Smoothing(seconds, margin), threshold, step) for streams in runs]
        chosen = np.stack([np.concatenate([part[0][i] for i in range(len(truth))]) for part in parts])
        lengths = [len(parts[0][0][i]) for i in range(len(truth))]
        target, groups = np.repeat(truth, lengths), np.repeat(np.arange(len(truth)), lengths)
        delays = np.stack([first_right(part[0], truth) for part in parts])
        plain = (chosen, delays) if plain is None else plain
        added = (delays - plain[1])[np.isfinite(delays) & np.isfinite(plain[1])]
        said = [timeline for part in parts for timeline in part[2]]
        rows.append(
            {
                "seconds": seconds,
                "margin": margin,
                "uar": metrics.uar(target, chosen),
                "uar_interval": to_json(metrics.bootstrap_interval(target, chosen, groups=groups)),
                "difference": to_json(metrics.paired_bootstrap(target, chosen, plain[0], groups=groups)),
                "flicker": metrics.flicker_rate([timeline for part in parts for timeline in part[1]], step),
                "true_changes": true_rate(runs, truth, step),
                "flicker_said": metrics.flicker_rate(said, step),
                "unknown": float(np.mean([word == UNKNOWN for timeline in said for word in timeline])),
                "added_delay_s": float(added.mean() * step),
                "named": float(np.isfinite(delays).mean()),
            }
        )
    return rows


def section(result: dict[str, Any]) -> list[str]:
    """The table of docs/results/live.md."""
    first = next(iter(result["bundles"].values()))
    unknown = max(one["unknown"] for runs in result["bundles"].values() for rows in runs.values() for one in rows)
    lines = [
        f"{result['clips']} clips of RAVDESS actor 08, {result['steps']} steps. *cold*: each clip is a stream of its",
        f"own. *warm*: all clips as one stream in random order, mean of {result['orders']} orders; the label of its",
        f"clips changes {first['warm'][0]['true_changes']:.1f} times a minute.",
        "",
        "- UAR of the steps in %, every step scored by the label of its clip; in *warm* the first steps of a clip",
        "  still see the clip before it. Abstention is left aside"
        + (" (no step was below a threshold)." if unknown == 0 else "."),
        "- difference: from no smoothing, in points [95 % interval over clips of this one man].",
        "- changes: of the label, a minute.",
        "- named: share of clips whose label is said at any step, in %.",
        "- delay: seconds by which it is first said later than without smoothing, mean of the clips named both ways;",
        "  clips that are no longer named are not in it.",
        "",
    ]
    rows = []
    for name, runs in result["bundles"].items():
        for protocol, settings in runs.items():
            for one in settings:
                off = one["seconds"] == one["margin"] == 0
                low, high = (100 * one["difference"]["interval"][key] for key in ("low", "high"))
                change = "" if off else f"{100 * one['difference']['difference']:+.1f} [{low:+.1f}, {high:+.1f}]"
                rows.append(
                    (
                        f"{name}, {protocol}",
                        "off" if off else f"{one['seconds']:g} s, {one['margin']:g}",
                        f"{100 * one['uar']:.1f}",
                        change,
                        f"{one['flicker']:.1f}",
                        f"{100 * one['named']:.0f}",
                        "" if off else f"{one['added_delay_s']:+.2f}",
                    )
                )
    header = ("bundle, protocol", "seconds, margin", "UAR", "difference", "changes", "named", "delay")
    return [*lines, *table(header, rows)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", required=True, help="ravdess_pairs:PATH")
    parser.add_argument("--bundles", nargs="+", required=True, help="bundles of window models")
    parser.add_argument("--out", type=Path, default=ROOT / "docs" / "results" / "smoothing.json")
    options = parser.parse_args()
    clips = open_dataset(options.data).clips(Selection(actors=(STREAMED_ACTOR,), paired_only=True))
    bundles: dict[str, Any] = {}
    steps = 0
    for path in options.bundles:
        bundle = Bundle.open(path)
        engine = StepEngine(bundle)
        encoded = [encode_clip(clip, engine) for clip in clips]
        names, known = merge_labels(bundle.manifest.labels), bundle.manifest.labels
        truth = [known.index(names[clip.label]) for clip in clips]
        steps = sum(len(item.steps) for item in encoded)
        bundles[bundle.name] = {run.__name__: measured(run(encoded, engine), truth, bundle) for run in (cold, warm)}
        print(f"{bundle.name}: {len(encoded)} clips, {steps} steps", flush=True)
    result = {"clips": len(clips), "steps": steps, "orders": ORDERS, "seed": SEED, "bundles": bundles}
    write_result(result, options.out, ROOT / "docs" / "results" / "live.md", (BEGIN, END), section(result))


if __name__ == "__main__":
    main()
