"""What following faces costs and keeps, who is recognised, and who is heard, on real clips.

    python -m benchmarks.faces.face_tracking --data PATH [--bundle bundles/grjca-tflite-fp32.mer]

PATH holds ravdess_av (five mp4 and the face tracks of actor 05), test_media and ferplus. Following is compared with
searching in every step, in interleaved rounds in one process. Times are of the CPU, all threads, and hold the
conversion of frames, not their decoding.
The threshold of persons was chosen on FER+ train; all else is reported on other data. Writes
docs/results/face_tracking.json and the tables of docs/results/faces.md.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from time import process_time
from typing import Any

import numpy as np

from benchmarks.faces.face_identity import CONTRACT, SOUND_RATE, STEP, Recording, heard, persons, read, speaking
from benchmarks.results.result_tables import table, write_result
from mer_sdk.contract.bundle import Bundle
from mer_sdk.frontends.audio import AudioFrontend
from mer_sdk.frontends.face_crop import overlap
from mer_sdk.frontends.face_detection import open_detector
from mer_sdk.frontends.face_tracks import FaceOptions, FaceTracks, TrackedFace
from mer_sdk.window.engine import StepEngine

ROOT = Path(__file__).resolve().parents[2]
BEGIN, END = "<!-- tracking: written by benchmarks/faces/face_tracking.py -->", "<!-- end of tracking -->"
ROUNDS = 3
WAYS = {"followed": FaceOptions(), "searched": FaceOptions(detect_seconds=0.0)}

Timeline = list[tuple[TrackedFace, ...]]


def watched(recording: Recording) -> tuple[dict[str, Timeline], dict[str, list[float]], dict[str, int]]:
    """Both ways over a clip: what they saw, CPU seconds a step of each round, and searches."""
    detector = open_detector(None)
    spent: dict[str, list[float]] = {way: [] for way in WAYS}
    timelines: dict[str, Timeline] = {}
    searches: dict[str, int] = {}
    for number in range(ROUNDS):
        watches = {way: FaceTracks(detector, CONTRACT, options) for way, options in WAYS.items()}
        timelines = {way: [] for way in WAYS}
        took = dict.fromkeys(WAYS, 0.0)
        for index, frames in enumerate(recording.steps):
            sound = None if recording.sound is None else heard(recording.sound, index)
            # In turn the one and the other first.
            for way in sorted(WAYS, reverse=(index + number) % 2 == 1):
                begun = process_time()
                timelines[way].append(watches[way].look(frames, sound))
                took[way] += process_time() - begun
        for way, watch in watches.items():
            spent[way].append(took[way] / len(recording.steps))
            searches[way] = watch.searches
    return timelines, spent, searches


def emotions(recording: Recording, timelines: dict[str, Timeline], bundle: Bundle) -> float:
    """Share of steps in which a bundle says the same of both ways."""
    manifest = bundle.manifest
    chunks: list[np.ndarray] = []
    if recording.sound is not None:
        frontend = AudioFrontend(manifest.audio, manifest.clock)
        chunks = [chunk for chunk, _ in frontend.push(recording.sound, SOUND_RATE) + frontend.flush()]
    said = []
    for timeline in timelines.values():
        engine = StepEngine(bundle)
        labels = []
        for index, faces_seen in enumerate(timeline):
            chunk = chunks[index] if index < len(chunks) else None
            features = engine.encode(chunk, faces_seen[0].crop if faces_seen else None)
            output = engine.advance(features, faces_seen[0].view.id if faces_seen else None)
            labels.append(int(output.probabilities.argmax()))
        said.append(labels)
    return float(np.mean(np.equal(*said)))


def followed(recording: Recording, bundle: Bundle | None) -> dict[str, Any]:
    """The row of one clip."""
    timelines, spent, searches = watched(recording)
    pairs = [(a, b) for a, b in zip(timelines["followed"], timelines["searched"], strict=True) if a and b]
    shares = [overlap(a[0].view.box, b[0].view.box) for a, b in pairs]
    seconds = len(recording.steps) * STEP
    row: dict[str, Any] = {
        "clip": recording.name,
        "steps": len(recording.steps),
        "overlap": float(np.mean(shares)),
        "lowest_overlap": float(np.min(shares)),
        "ratio": float(np.median(np.divide(spent["followed"], spent["searched"]))),
        "same_emotion": None if bundle is None else emotions(recording, timelines, bundle),
    }
    for way, timeline in timelines.items():
        row[way] = {
            "with_face": float(np.mean([bool(faces_seen) for faces_seen in timeline])),
            "ids": len({look.view.id for faces_seen in timeline for look in faces_seen}),
            "searches_per_second": searches[way] / seconds,
            "step_ms": 1000 * float(np.median(spent[way])),
        }
    return row


def percent(one: dict[str, Any]) -> str:
    """A share and of how many; small ones with more places."""
    share = 100 * one["share"]
    return f"{share:.1f} % of {one['of']:,}" if share >= 1 or not share else f"{share:.3f} % of {one['of']:,}"


def section(result: dict[str, Any]) -> list[str]:
    """The tables of docs/results/faces.md."""
    rows = []
    for one in result["clips"]:
        near, far = one["followed"], one["searched"]
        same = one["same_emotion"]
        rows.append(
            (
                one["clip"],
                str(one["steps"]),
                f"{100 * near['with_face']:.0f} / {100 * far['with_face']:.0f}",
                f"{one['overlap']:.2f} ({one['lowest_overlap']:.2f})",
                f"{near['ids']} / {far['ids']}",
                f"{near['searches_per_second']:.1f} / {far['searches_per_second']:.1f}",
                f"{near['step_ms']:.1f} / {far['step_ms']:.1f}",
                f"{one['ratio']:.2f}",
                "" if same is None else f"{100 * same:.0f}",
            )
        )
    header = (
        "clip",
        "steps",
        "face %",
        "overlap (lowest)",
        "ids",
        "searches/s",
        "ms a step",
        "ratio",
        "same emotion %",
    )
    who = result["persons"]
    merges = [
        ("right", "actor 05, two pictures of different clips", percent(who["same_pairs"])),
        ("right", "actor 05's clips in turn in one memory, from the second on", percent(who["actor_clips"])),
        ("right", "actor 05, an mp4 a minute after another mp4", percent(who["return_clip"])),
        ("right", "one clip, 2 s cut out, a minute between", percent(who["return_cut"])),
        ("wrong", "clips of two people, a minute between", percent(who["return_other"])),
        ("wrong", "people of the photos, pairs", percent(who["photo_pairs"])),
        ("wrong", "people of the photos against each clip's person", percent(who["photos_to_clips"])),
        ("wrong", "FER+ valid against all clips' persons", percent(who["strangers_to_clips"])),
        ("wrong", "FER+ valid, pairs of pictures", percent(who["valid_pairs"])),
    ]
    return [
        "Each cell of two: followed / searched in every step. *face*: steps with a face. *overlap*: of the two boxes,",
        "intersection over union. *ids*: persons given; each clip shows one. *ms a step*: CPU time, with the frames'",
        f"conversion. *same emotion*: steps of which {result['bundle'] or 'a bundle'} says the same.",
        "",
        *table(header, rows),
        f"Persons, threshold {who['threshold']} (exceeded by {percent(who['train_pairs'])} pairs of FER+ train):",
        "",
        *table(("merge", "of", "share"), merges),
        f"Of actor 05's clips (those in which the finder found him) the memory made {who['actor_ids']} persons.",
        "",
        "Two clips of actor 05 side by side, with the sound of one; each pair in both orders and on both sides, played",
        "twice. Chance is 50 %.",
        "",
        *table(
            ("the other face", "right face preferred, all steps", "after 2 s", "runs"),
            (
                (label, f"{100 * one['all']:.0f} %", f"{100 * one['after']:.0f} %", str(one["pairs"]))
                for label, one in result["speaking"].items()
            ),
        ),
    ]


def recordings(data: Path) -> Sequence[Recording]:
    """The five RAVDESS videos and the two of test_media."""
    paths = [(path, "actor 05") for path in sorted((data / "ravdess_av" / "mp4").glob("*.mp4"))]
    paths += [(path, path.stem) for path in sorted((data / "test_media").glob("*.mp4"))]
    return [read(path, person) for path, person in paths]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", required=True, type=Path, help="folder with ravdess_av, test_media and ferplus")
    parser.add_argument("--bundle", type=Path, default=ROOT / "bundles" / "grjca-tflite-fp32.mer")
    parser.add_argument("--out", type=Path, default=ROOT / "docs" / "results" / "face_tracking.json")
    options = parser.parse_args()
    bundle = Bundle.open(options.bundle) if options.bundle.exists() else None
    found = recordings(options.data)
    rows = []
    for one in found:
        rows.append(followed(one, bundle))
        print(json.dumps(rows[-1]), flush=True)
    who = persons(options.data, found)
    print(json.dumps(who), flush=True)
    heard_ones = speaking([one for one in found if one.person == "actor 05"])
    print(json.dumps(heard_ones), flush=True)
    result = {"bundle": bundle.name if bundle else None, "clips": rows, "persons": who, "speaking": heard_ones}
    write_result(result, options.out, ROOT / "docs" / "results" / "faces.md", (BEGIN, END), section(result))


if __name__ == "__main__":
    main()
