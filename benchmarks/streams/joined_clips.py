"""Clips alone against the same clips joined into one long file, and live: what utterance-aware windows are worth, P2.

    python -m benchmarks.streams.joined_clips --data ravdess_pairs:PATH --bundles bundles/grjca-tflite-fp32.mer ...

Real audio-visual clips of RAVDESS fold 3, whose five actors are in no training or tuning set; nothing is chosen here.
The clips of each actor become one recording in random order: sound joined sample by sample, the pictures at their
times. It goes through the sensor itself (alignment, voice activity, window, baseline), in order as a file does, and
live from two streams into a `LiveSensor`. The pictures are faces cut out already, so that none is searched or
followed. A clip's answer is made of every step that ends in its time, as `mer evaluate` pools the steps of a clip, so
what is still said of the clip before counts against it. "cold": the population's mean throughout; "warm": the running
baseline. Writes docs/results/joined_clips.json and its table in docs/results/live.md; what was run of an actor is kept
in runs/joined_clips.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import time as clock
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.results.result_tables import points, table, write_result
from benchmarks.streams.joined_sensor import Remembered, RememberedVoice, sensor_of
from mer_sdk import LiveOptions, LiveSensor, VoiceOptions
from mer_sdk.contract.bundle import Bundle
from mer_sdk.contract.codec import to_json
from mer_sdk.contract.output_files import atomic_output
from mer_sdk.evaluation import metrics
from mer_sdk.evaluation.conditions import clip_log_probabilities, predict
from mer_sdk.evaluation.datasets import TEST_FOLD, Clip, Selection, open_dataset
from mer_sdk.evaluation.datasets.clip_files import load_audio, load_faces
from mer_sdk.evaluation.datasets.ravdess import merge_labels
from mer_sdk.evaluation.features import encode_clip
from mer_sdk.window.engine import StepEngine
from mer_sdk.window.step import StepOutput

ROOT = Path(__file__).resolve().parents[2]
SEED = 0
ALONE, PROTOCOLS = "clips alone", ("cold", "warm")
PIECE_SECONDS = 0.25
# Live, so far may what is pushed be ahead of the estimates, seconds.
AHEAD = 1.0
SLIDING, AWARE = VoiceOptions(pause=None), VoiceOptions()
BEGIN, END = "<!-- joined: written by benchmarks/streams/joined_clips.py -->", "<!-- end of joined -->"


@dataclass(frozen=True, eq=False)
class Recording:
    """Clips one after the other.

    Attributes:
        sound: float32 [samples] at `rate`.
        pictures: (seconds, uint8 RGB [height, width, 3]) in order.
        spans: clip -> (first sample, sample after its last).
    """

    sound: np.ndarray
    rate: int
    pictures: tuple[tuple[float, np.ndarray], ...]
    spans: Mapping[str, tuple[int, int]]


def join(clips: Sequence[Clip], black_level: float) -> Recording:
    """One recording of clips, whose sounds have one rate."""
    sounds, pictures, spans, at = [], [], {}, 0
    for clip in clips:
        samples, rate = load_audio(clip)
        pictures += [(at / rate + time, np.ascontiguousarray(image)) for time, image in load_faces(clip, black_level)]
        spans[clip.id] = (at, at + len(samples))
        sounds.append(samples)
        at += len(samples)
    return Recording(np.concatenate(sounds), rate, tuple(pictures), spans)


def pieces(recording: Recording, step: float) -> Any:
    """(seconds, samples, pictures) of consecutive pieces, as microphones and cameras give them."""
    size, shown = round(step * recording.rate), list(recording.pictures)
    for begin in range(0, len(recording.sound), size):
        end = (begin + size) / recording.rate
        due = [one for one in shown if one[0] < end]
        del shown[: len(due)]
        yield begin / recording.rate, recording.sound[begin : begin + size], due


def as_file(
    bundle: Bundle, recording: Recording, voice: VoiceOptions, cold: bool, heard: RememberedVoice
) -> list[StepOutput]:
    """Every step of a recording, in order."""
    sensor, engine = sensor_of(bundle, voice, cold, heard)
    with sensor:
        for _, samples, pictures in pieces(recording, PIECE_SECONDS):
            for time, image in pictures:
                sensor.push_frame(image, time)
            sensor.push_audio(samples, recording.rate)
        sensor.flush()
        return engine.said


def as_live(
    bundle: Bundle, recording: Recording, voice: VoiceOptions, cold: bool, heard: RememberedVoice
) -> list[StepOutput]:
    """The same from stamped live streams; nothing may be lost, so pushes wait for the estimates."""
    sensor, engine = sensor_of(bundle, voice, cold, heard)
    reached = [0.0]
    options = LiveOptions(streams=("audio", "video"), stale_seconds=600.0)
    with LiveSensor(sensor, options, lambda estimate: reached.__setitem__(0, estimate.time)) as live:
        for time, samples, pictures in pieces(recording, PIECE_SECONDS):
            for at, image in pictures:
                live.push_frame(image, at)
            live.push_audio(samples, recording.rate, time)
            while time - reached[0] > AHEAD and not live.over:
                clock.sleep(0.001)
        live.finish()
        assert live.dropped == live.late == 0
        return list(engine.said)


Way = Callable[[Bundle, Recording, VoiceOptions, bool, RememberedVoice], list[StepOutput]]
WAYS: dict[str, tuple[Way, VoiceOptions]] = {
    "joined, window slides": (as_file, SLIDING),
    "joined, window of the utterance": (as_file, AWARE),
    "live, window of the utterance": (as_live, AWARE),
}
# Clip -> label, and the labels said at any step; and run -> that of each order.
Run = dict[str, tuple[int, list[int]]]
Answers = dict[str, list[Run]]


def answers(bundle: Bundle, recording: Recording, said: Sequence[StepOutput]) -> Run:
    """Clip -> label over all of its steps, and the labels that were said at any."""
    step = recording.rate * bundle.manifest.clock.step_ms // 1000
    middle = (np.arange(len(said)) + 0.5) * step
    found: Run = {}
    for clip, (begin, end) in recording.spans.items():
        own = [said[index] for index in np.flatnonzero((begin <= middle) & (middle < end)).tolist()]
        shares = np.log(np.maximum(np.stack([one.probabilities for one in own]), 1e-12))
        pooled = clip_log_probabilities(shares, np.array([one.steps for one in own]))
        found[clip] = (int(pooled.argmax()), sorted({int(one.probabilities.argmax()) for one in own if one.steps}))
    return found


def sliced(path: str, clips: Sequence[Clip], orders: int, heard: RememberedVoice) -> Answers:
    """What every run says of one actor's clips."""
    opened = Bundle.open(path)
    graphs = {
        name: graph if name == "fusion" else Remembered(graph) for name, graph in opened.load_graphs(None, 1).items()
    }
    bundle = Bundle(opened.manifest, None, loader=lambda threads: dict(graphs))
    engine = StepEngine(bundle)
    encoded = [encode_clip(clip, engine) for clip in clips]
    found: Answers = {}
    for protocol in PROTOCOLS:
        said: list[dict[str, set[int]]] = []

        def watch(item: Any, outputs: Sequence[StepOutput], said: list[dict[str, set[int]]] = said) -> None:
            if not said or item.clip.id in said[-1]:
                said.append({})
            said[-1][item.clip.id] = {int(one.probabilities.argmax()) for one in outputs if one.steps}

        (one,) = predict(encoded, engine, ["audio+face"], [protocol], orders=orders, seed=SEED, watch=watch)
        found[f"{ALONE}, {protocol}"] = [
            {clip: (int(label), sorted(run[clip])) for clip, label in zip(one.clips, logs.argmax(axis=1), strict=True)}
            for logs, run in zip(one.log_probabilities, said, strict=True)
        ]
    for number in range(orders):
        order = np.random.default_rng([SEED, number]).permutation(len(clips))
        recording = join([clips[place] for place in order], bundle.manifest.face.black_level)
        for name, (way, voice) in WAYS.items():
            for protocol in PROTOCOLS:
                outputs = way(bundle, recording, voice, protocol == "cold", heard)
                found.setdefault(f"{name}, {protocol}", []).append(answers(bundle, recording, outputs))
    return found


def measured(path: str, clips: Sequence[Clip], orders: int, kept: Path, heard: RememberedVoice) -> dict[str, Any]:
    """Every row of one bundle. What was run of an actor is kept in a folder, and not run again."""
    manifest = Bundle.open(path).manifest
    names, labels = merge_labels(manifest.labels), manifest.labels
    truth = {clip.id: labels.index(names[clip.label]) for clip in clips}
    together: Answers = {}
    for actor in sorted({clip.speaker for clip in clips}):
        ids = sorted(clip.id for clip in clips if clip.speaker == actor)
        mark = hashlib.sha256(repr((manifest.files, to_json(AWARE), orders, ids)).encode()).hexdigest()[:16]
        file = kept / f"{manifest.name}-{actor:02d}-{mark}.json"
        if not file.exists():
            begun = clock.process_time()
            own = sliced(path, [clip for clip in clips if clip.speaker == actor], orders, heard)
            file.parent.mkdir(parents=True, exist_ok=True)
            with atomic_output(file) as aside:
                aside.write_text(json.dumps(own))
            print(f"{manifest.name}, actor {actor}: {clock.process_time() - begun:.0f} s of CPU time", flush=True)
        for name, runs in json.loads(file.read_text()).items():
            for number, run in enumerate(runs):
                together.setdefault(name, [{} for _ in runs])[number].update(run)
    target = np.array([truth[clip] for clip in sorted(truth)])
    rows = []
    for name, runs in together.items():
        found, plain = (
            np.array([[run[clip][0] for clip in sorted(truth)] for run in each])
            for each in (runs, together[f"{ALONE}, {name.rsplit(', ')[-1]}"])
        )
        said = np.array([[truth[clip] in run[clip][1] for clip in sorted(truth)] for run in runs])
        count = max(len(found), len(plain))
        found, plain = (np.resize(each, (count, len(target))) for each in (found, plain))
        row = {
            "run": name,
            "uar": metrics.uar(target, found),
            "difference": to_json(metrics.paired_bootstrap(target, found, plain)),
            "said": [float(said[:, target == label].mean()) for label in range(len(labels))],
        }
        rows.append(row)
        print(f"{manifest.name}, {name}: {100 * row['uar']:.1f}", flush=True)
    return {"labels": list(labels), "rows": rows}


def section(result: dict[str, Any]) -> list[str]:
    """The table of docs/results/live.md."""
    first = next(iter(result["bundles"].values()))
    people = "an actor" if result["actors"] == 1 else f"{result['actors']} actors"
    lines = [
        f"{result['clips']} clips of {people} whom no model has seen (RAVDESS fold {result['fold']}), joined for",
        f"each of them into a recording of about {result['minutes']:.1f} minutes; random orders: {result['orders']}.",
        "A clip's answer is made of all steps in its time, also of those that still hear the clip before it.",
        "",
        "- *clips alone*: as `mer evaluate` runs them.",
        "- *window slides*: `VoiceOptions(pause=None)`. *window of the utterance*: the default with voice activity.",
        "- UAR in %, and the difference from the clips alone, in points [95 % interval over clips].",
        "- the other columns: in how many of its clips, in %, a label was said at any step.",
        "",
    ]
    rows = []
    for name, one in result["bundles"].items():
        for item in one["rows"]:
            change = "" if item["run"].startswith(ALONE) else points(_flat(item["difference"]), scale=100)
            said = [f"{100 * value:.0f}" for value in item["said"]]
            rows.append((f"{name}, {item['run']}", f"{100 * item['uar']:.1f}", change, *said))
    return [*lines, *table(("bundle, run, baseline", "UAR", "difference", *first["labels"]), rows)]


def _flat(difference: dict[str, Any]) -> dict[str, Any]:
    interval = difference["interval"]
    return {"difference": difference["difference"], "interval": (interval["low"], interval["high"])}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", required=True, help="ravdess_pairs:PATH")
    parser.add_argument("--bundles", nargs="+", required=True, help="bundles of window models")
    parser.add_argument("--orders", type=int, default=1, help="random orders of each actor's clips (default: 1)")
    parser.add_argument("--fold", type=int, default=TEST_FOLD, help="another one than the test fold, to try things out")
    parser.add_argument("--actors", type=int, help="so many of the fold alone, to try things out")
    parser.add_argument("--kept", type=Path, default=ROOT / "runs" / "joined_clips", help="what was run, by actor")
    parser.add_argument("--out", type=Path, default=ROOT / "docs" / "results" / "joined_clips.json")
    parser.add_argument("--page", type=Path, default=ROOT / "docs" / "results" / "live.md")
    options = parser.parse_args()
    clips = open_dataset(options.data).clips(Selection(folds=(options.fold,), paired_only=True))
    actors = sorted({clip.speaker for clip in clips})[: options.actors]
    clips = tuple(clip for clip in clips if clip.speaker in actors)
    seconds = sum(len(samples) / rate for samples, rate in map(load_audio, clips))
    heard = RememberedVoice()
    result = {
        "clips": len(clips),
        "actors": len(actors),
        "minutes": seconds / 60 / len(actors),
        "orders": options.orders,
        "seed": SEED,
        "fold": options.fold,
        "voice": to_json(AWARE),
        "bundles": {
            Path(path).stem: measured(path, clips, options.orders, options.kept, heard) for path in options.bundles
        },
    }
    write_result(result, options.out, options.page, (BEGIN, END), section(result))


if __name__ == "__main__":
    main()
