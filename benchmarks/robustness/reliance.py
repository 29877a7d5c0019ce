"""Whether reliance follows reliability: how much a fusion leans on sound or face, and how often each alone is right.

    python -m benchmarks.robustness.reliance bundles/grjca-tflite-fp32.mer ... --data ravdess_pairs:PATH [--every 1]

RAVDESS fold 3, whose five actors nothing learned from; baselines warm, one seeded random order. A clip's reliance is
the mean over its steps with sound and face in the window, each weighted with the steps that the window holds. How often
sound alone and a face alone are right comes from the same clips, in the same order.

- as recorded, the clips sorted by their reliance on sound into five bins of the same size;
- with the sound or the face damaged: mean reliance on sound, and how often each alone, and both, are right.

Checkpoints may stand in place of bundles. Writes docs/results/reliance.json and its table in docs/results.md.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.results.result_tables import Json, prose, table, write_result
from mer_sdk.contract.bundle import open_trusted
from mer_sdk.evaluation.conditions import predict
from mer_sdk.evaluation.datasets import TEST_FOLD, Clip, RavdessPairs, Selection, load_audio_at, open_dataset
from mer_sdk.evaluation.datasets.ravdess import merge_labels
from mer_sdk.evaluation.features import ClipFeatures, clip_steps, wave_chunks
from mer_sdk.evaluation.sound_changes import CHANGES, RATE, SoundChange
from mer_sdk.window.engine import StepEngine
from mer_sdk.window.step import StepOutput

ROOT = Path(__file__).resolve().parents[2]
MARKERS = ("<!-- reliance: written by benchmarks/robustness/reliance.py -->", "<!-- end of reliance -->")
BINS = 5
STATES = ("audio+face", "audio", "face")
AS_RECORDED = "as recorded"
Crop = np.ndarray | None
FaceChange = Callable[[int, Crop], Crop]


def _coarse(step: int, crop: Crop) -> Crop:
    """A face of 12 x 12 pixels."""
    if crop is None:
        return None
    rows, columns = (np.linspace(0, side, 13).astype(int) for side in crop.shape[:2])
    small = np.add.reduceat(np.add.reduceat(crop.astype(np.float32), rows[:-1], axis=0), columns[:-1], axis=1)
    areas = np.diff(rows)[:, None] * np.diff(columns)
    mean = small / areas.reshape(areas.shape + (1,) * (crop.ndim - 2))
    whole: np.ndarray = mean.repeat(np.diff(rows), axis=0).repeat(np.diff(columns), axis=1).astype(crop.dtype)
    return whole


def _covered(step: int, crop: Crop) -> Crop:
    """Everything below the eyes is grey, as behind a mask."""
    if crop is None:
        return None
    changed = crop.copy()
    changed[crop.shape[0] // 2 :] = crop.mean()
    return changed


# What happens to each: sound, or the crop of a step.
SOUNDS = ("noise at 20 dB", "noise at 10 dB", "noise at 0 dB", "large room (1.2 s)")
FACES: dict[str, FaceChange] = {
    "face of 12 pixels": _coarse,
    "lower half of the face covered": _covered,
    "face found in a third of the steps": lambda step, crop: crop if step % 4 == 1 else None,
}


@dataclass(frozen=True)
class Answers:
    """What one bundle says of N clips under one condition.

    Attributes:
        reliance: [N] on sound, 0-1.
        right: state -> [N] whether the answer is the label.
    """

    reliance: np.ndarray
    right: dict[str, np.ndarray]


def encoded(engine: StepEngine, clip: Clip, sound: SoundChange | None, face: FaceChange | None) -> ClipFeatures:
    """The features of a clip's steps, its sound or its face changed."""
    steps = clip_steps(clip, engine.manifest)
    chunks: Sequence[Crop] = [chunk for chunk, _ in steps]
    if sound is not None:
        chunks = list(wave_chunks(sound(load_audio_at(clip, RATE)), RATE, engine.manifest))
    crops = [crop if face is None else face(number, crop) for number, (_, crop) in enumerate(steps)]
    return ClipFeatures(clip, tuple(engine.encode(chunk, crop) for chunk, crop in zip(chunks, crops, strict=True)))


def answers_of(engine: StepEngine, clips: Sequence[ClipFeatures]) -> Answers:
    """Warm, in one order."""
    labels, words = engine.manifest.labels, merge_labels(engine.manifest.labels)
    leaned: dict[str, float] = {}

    def watch(item: ClipFeatures, outputs: Sequence[StepOutput]) -> None:
        # None where one modality is shown alone.
        both = [one for one in outputs if one.state == STATES[0]]
        if both:
            leaned[item.clip.id] = float(
                np.average([one.reliance["audio"] for one in both], weights=[one.steps for one in both])
            )

    found = predict(clips, engine, STATES, ("warm",), orders=1, watch=watch)
    kept = [item.clip for item in clips if item.clip.id in leaned]
    right = {}
    for one in found:
        said = dict(zip(one.clips, one.log_probabilities[0].argmax(axis=1).tolist(), strict=True))
        right[one.state] = np.array([said[clip.id] == labels.index(words[clip.label]) for clip in kept])
    return Answers(np.array([leaned[clip.id] for clip in kept]), right)


def bins_of(answers: Answers) -> list[Json]:
    """Clips by their reliance on sound, in bins of the same size."""
    rows = np.array_split(np.argsort(answers.reliance, kind="stable"), BINS)
    return [
        {"low": float(answers.reliance[part].min()), "high": float(answers.reliance[part].max())}
        | {state: float(right[part].mean()) for state, right in answers.right.items()}
        for part in rows
    ]


def measured(path: Path, clips: Sequence[Clip]) -> Json:
    """All figures of one bundle or checkpoint."""
    engine = StepEngine(open_trusted(path, None))
    conditions: dict[str, Any] = {}
    bins: list[Json] = []
    changes = [(AS_RECORDED, None, None), *((name, CHANGES[name], None) for name in SOUNDS)]
    for name, sound, face in [*changes, *((name, None, change) for name, change in FACES.items())]:
        answers = answers_of(engine, [encoded(engine, clip, sound, face) for clip in clips])
        bins = bins or bins_of(answers)
        conditions[name] = {"reliance": float(answers.reliance.mean())} | {
            state: float(right.mean()) for state, right in answers.right.items()
        }
        print(f"  {name}: {json.dumps(conditions[name])}", flush=True)
    return {"clips": len(clips), "bins": bins, "conditions": conditions}


def reliance_lines(result: Json) -> list[str]:
    """Both tables of docs/results.md."""
    shown = list(result["models"].items())
    binned = [
        (name, f"{100 * one['low']:.0f} to {100 * one['high']:.0f}", *(f"{100 * one[s]:.0f}" for s in STATES[1:]))
        for name, model in shown
        for one in model["bins"]
    ]
    damaged = []
    for condition in next(iter(shown))[1]["conditions"]:
        cells = []
        for _, model in shown:
            one = model["conditions"][condition]
            rights = " / ".join(f"{100 * one[state]:.0f}" for state in (*STATES[1:], STATES[0]))
            cells.append(f"{100 * one['reliance']:.0f}: {rights}")
        damaged.append((condition, *cells))
    return [
        *prose(
            f"Clips as recorded, {shown[0][1]['clips']} of fold 3, warm, sorted by how much the fusion relies on sound "
            "(share in %), in five bins of the same size: how often sound alone and a face alone are right there, in %."
        ),
        *table(("bundle", "reliance on sound", "sound right", "face right"), binned),
        *prose(
            "The same clips with sound or face damaged: mean reliance on sound in %, then how often sound alone / a "
            "face alone / both together are right, in %."
        ),
        *table(("condition", *(name for name, _ in shown)), damaged),
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("bundles", nargs="+", type=Path)
    parser.add_argument("--data", required=True, help="ravdess_pairs:PATH")
    parser.add_argument("--every", type=int, default=1, help="take each so-manieth clip alone")
    parser.add_argument("--out", type=Path, default=ROOT / "docs" / "results" / "reliance.json")
    options = parser.parse_args()
    pairs = open_dataset(options.data)
    if not isinstance(pairs, RavdessPairs):
        parser.error("--data takes ravdess_pairs:PATH")
    clips = pairs.clips(Selection(folds=(TEST_FOLD,)))[:: options.every]
    models = {}
    for path in options.bundles:
        begun = time.perf_counter()
        models[path.stem] = measured(path, clips)
        print(f"{path.stem}: {time.perf_counter() - begun:.0f} s", flush=True)
    result = {"fold": TEST_FOLD, "every": options.every, "models": models}
    write_result(result, options.out, ROOT / "docs" / "results.md", MARKERS, reliance_lines(result))


if __name__ == "__main__":
    main()
