"""Protocol P5, sound alone: corpora that nobody learned from, language by language, and other recording conditions.

    python -m benchmarks.robustness.p5_sound CHECKPOINT-OR-BUNDLE ... --data ravdess:PATH --data urdu:PATH
        [--data ased:PATH ...] [--every 1] [--fold 3] [--name NAME] [--out docs/results/p5.json]

Corpora: those for evaluation alone (`use=test`), cold and warm. UAR counts the classes that a corpus has; it is given
twice: the answer is the likeliest of all the bundle's emotions ("open"), or of those the corpus has ("closed").
Conditions: RAVDESS fold 3 (five actors in no training set), sound alone and cold, with the recordings changed as in
mer_sdk.evaluation.sound_changes. Adds to what the JSON file holds of other bundles; encoders that several bundles share
run once.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.accuracy.held_out_sets import held_out_sets
from benchmarks.results.figures import accuracy_figure
from mer_sdk.contract.bundle import Bundle
from mer_sdk.evaluation.conditions import predict
from mer_sdk.evaluation.datasets import Clip, Ravdess, Selection, SpeechCorpus, load_audio_at
from mer_sdk.evaluation.datasets.classes import class_of, held_classes
from mer_sdk.evaluation.features import ClipFeatures, wave_chunks
from mer_sdk.evaluation.sound_changes import CHANGES, RATE, SoundChange
from mer_sdk.window.engine import StepEngine

ROOT = Path(__file__).resolve().parents[2]
TEST_FOLD = 3
ORDERS = 3


class Encoded:
    """Features of clips by encoder: bundles with one encoder share them."""

    def __init__(self) -> None:
        self._kept: dict[tuple[bytes, str, str], list[ClipFeatures]] = {}

    def of(self, engine: StepEngine, clips: Sequence[Clip], what: str, change: SoundChange) -> list[ClipFeatures]:
        """The steps of every clip; `what` names clips and change."""
        noise = np.random.default_rng(0).standard_normal(engine.manifest.audio.chunk_samples).astype(np.float32) * 0.1
        mark = engine.encode(noise, None).audio
        assert mark is not None, "a chunk was given"
        key = (mark.tobytes(), what, engine.manifest.target)
        if key not in self._kept:
            begun = time.perf_counter()
            self._kept[key] = [_encoded(engine, clip, change) for clip in clips]
            print(f"  {what}: {len(clips)} clips encoded in {time.perf_counter() - begun:.0f} s", flush=True)
        return self._kept[key]


def _encoded(engine: StepEngine, clip: Clip, change: SoundChange) -> ClipFeatures:
    chunks = wave_chunks(change(load_audio_at(clip, RATE)), RATE, engine.manifest)
    return ClipFeatures(clip, tuple(engine.encode(chunk, None) for chunk in chunks))


def scores(
    engine: StepEngine, items: list[ClipFeatures], corpus_labels: Sequence[str], protocols: Sequence[str]
) -> dict[str, Any]:
    """Protocol -> open and closed accuracy of sound alone."""
    labels = engine.manifest.labels
    held = np.array(held_classes(corpus_labels, labels))
    wanted = {item.clip.id: labels.index(class_of(item.clip.label, labels)) for item in items}
    shown: dict[str, Any] = {}
    for found in predict(items, engine, ("audio",), protocols, orders=ORDERS):
        truth = np.array([wanted[clip] for clip in found.clips])
        kept = np.where(held, found.log_probabilities, -np.inf)
        shown[found.protocol] = {
            "open": accuracy_figure(truth, found.log_probabilities.argmax(axis=2)),
            "closed": accuracy_figure(truth, kept.argmax(axis=2)),
        }
    return shown


def measured(
    path: str,
    corpora: Sequence[SpeechCorpus],
    ravdess: Ravdess | None,
    encoded: Encoded,
    every: int,
    fold: int,
) -> dict[str, Any]:
    """All figures of one bundle or checkpoint."""
    engine = StepEngine(Bundle.open(path))
    result: dict[str, Any] = {"every": every, "fold": fold, "corpora": {}, "conditions": {}}
    for corpus in corpora:
        items = encoded.of(engine, corpus.clips()[::every], corpus.name, CHANGES["as recorded"])
        found = scores(engine, items, corpus.labels, ("cold", "warm"))
        result["corpora"][corpus.name] = {
            "language": corpus.facts.language,
            "classes": sum(held_classes(corpus.labels, engine.manifest.labels)),
            **found,
        }
        print(f"  {corpus.name}: " + _uars(found), flush=True)
    if ravdess is not None:
        clips = ravdess.clips(Selection(folds=(fold,)))[::every]
        for name, change in CHANGES.items():
            items = encoded.of(engine, clips, name, change)
            protocols = ("cold", "warm") if name == "as recorded" else ("cold",)
            found = scores(engine, items, ravdess.labels, protocols)
            result["conditions"][name] = {key: value["open"] for key, value in found.items()}
            print(f"  fold {fold}, {name}: " + _uars(found), flush=True)
    for kind in ("open", "closed"):
        for protocol in ("cold", "warm"):
            each = [item[protocol][kind]["uar"] for item in result["corpora"].values()]
            if each:
                result[f"mean_{protocol}_{kind}"] = round(float(np.mean(each)), 2)
    return result


def _uars(found: dict[str, Any]) -> str:
    return ", ".join(
        f"{protocol} {item['open']['uar']:.1f} (closed {item['closed']['uar']:.1f})" for protocol, item in found.items()
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("bundles", nargs="+", help="bundle folders or checkpoints (.safetensors)")
    parser.add_argument("--data", action="append", required=True, help="NAME:PATH of ravdess or a test corpus")
    parser.add_argument("--every", type=int, default=1, help="take each so-manieth clip alone")
    parser.add_argument("--fold", type=int, default=TEST_FOLD, help="of RAVDESS; 3, or one that the bundle never saw")
    parser.add_argument("--name", help="what the (only) bundle is called in the JSON file; default: its file's name")
    parser.add_argument("--out", type=Path, default=ROOT / "docs" / "results" / "p5.json")
    options = parser.parse_args()
    ravdess, corpora = held_out_sets(options.data, Ravdess, parser)
    encoded = Encoded()
    for path in options.bundles:
        name = options.name if options.name and len(options.bundles) == 1 else Path(path).stem
        begun = time.perf_counter()
        found = measured(path, corpora, ravdess, encoded, options.every, options.fold)
        found["seconds"] = round(time.perf_counter() - begun)
        options.out.parent.mkdir(parents=True, exist_ok=True)
        whole = json.loads(options.out.read_text()) if options.out.exists() else {"protocol": "P5", "models": {}}
        whole["models"][name] = found
        options.out.write_text(json.dumps(whole, indent=1) + "\n")
        print(f"{name}: {found['seconds']} s, written: {options.out}", flush=True)


if __name__ == "__main__":
    main()
