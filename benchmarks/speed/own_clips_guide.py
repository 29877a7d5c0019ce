"""The guide docs/ship/own-clips.md as commands, from a folder of 60 clips to an adapted bundle: what each step takes.

    python -m benchmarks.speed.own_clips_guide --data ravdess_pairs:PATH [--actor 8] [--bundle bundles/NAME.mer]

Writes docs/results/own_clips_guide.json and its table in docs/ship/own-clips.md. One actor of RAVDESS fold 3, of whom
the shipped weights have learned nothing, stands for one's own user; making the videos (see
benchmarks/accuracy/own_clips/videos.py) and giving the labels is not in the times. Seconds on the clock are of this
machine and whatever else it does; CPU seconds are of the command and all processes that it started.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from benchmarks.accuracy.own_clips.videos import write_table, write_videos
from benchmarks.results.result_tables import percent, points, prose, table, write_result
from mer_sdk.evaluation.datasets import TEST_FOLD, RavdessPairs, Selection, open_dataset
from mer_sdk.jobs import processors

ROOT = Path(__file__).resolve().parents[2]
MARKERS = ("<!-- guide: written by `make results` -->", "<!-- end of guide -->")
STATES = ("sound and face", "sound", "face")
MER, CONVERT = ("-m", "mer_sdk.cli"), ("-m", "mer_converters.cli")


def steps(bundle: Path) -> dict[str, tuple[str, ...]]:
    """Step -> the command's arguments after the interpreter, as the guide writes them."""
    data = ("--data", "clips:labels.csv")
    adapted = ("--checkpoint", "adapted.safetensors", "--target", "tflite", "--scheme", "fp32", "--out", "adapted")
    return {
        "look: `mer data check`": (*MER, "data", "check", "clips:labels.csv", "--plot", "clips.png"),
        "score: `mer evaluate`": (*MER, "evaluate", str(bundle), *data, "--out", "before.json"),
        "adapt: `mer adapt`": (*MER, "adapt", "grjca-student", *data, "--out", "adapted.safetensors", "--json"),
        "convert: `mer-convert`": (*CONVERT, *adapted),
        "score again: `mer evaluate`": (*MER, "evaluate", "adapted/grjca-tflite-fp32.mer", *data),
    }


def timed(arguments: tuple[str, ...], folder: Path) -> tuple[float, float, str]:
    """Seconds on the clock, CPU seconds with all that it started and waited for, and what it wrote to stdout."""
    said = folder / "stdout.txt"
    begun = time.perf_counter()
    with said.open("w") as out:
        process = subprocess.Popen([sys.executable, *arguments], cwd=folder, stdout=out)
        _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"{' '.join(arguments)} ended with code {process.returncode}: {said.read_text()}")
    return time.perf_counter() - begun, used.ru_utime + used.ru_stime, said.read_text()


def measured(dataset: RavdessPairs, actor: int, bundle: Path) -> dict[str, Any]:
    """Every step once, in a folder of its own."""
    clips = dataset.clips(Selection(folds=(TEST_FOLD,), actors=(actor,)))
    found: dict[str, Any] = {"actor": actor, "clips": len(clips), "processors": processors(), "steps": {}}
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        write_table(clips, write_videos(clips, folder / "clips"), folder / "labels.csv")
        for name, arguments in steps(bundle.resolve()).items():
            seconds, busy, said = timed(arguments, folder)
            found["steps"][name] = {"seconds": round(seconds, 1), "cpu_seconds": round(busy, 1)}
            print(f"{name}: {seconds:.0f} s, {busy:.0f} s of CPU", flush=True)
            if "adapt" in arguments:
                found["adapted"] = json.loads(said)
        found["load"] = round(os.getloadavg()[1], 1)
    return found


def lines(found: dict[str, Any]) -> list[str]:
    """The table of docs/ship/own-clips.md, and what came of it."""
    taken = found["steps"]
    total = {key: sum(step[key] for step in taken.values()) for key in ("cpu_seconds", "seconds")}
    rows = [(name, f"{one['cpu_seconds']:.0f}", f"{one['seconds']:.0f}") for name, one in taken.items()]
    rows.append(("all", f"{total['cpu_seconds']:.0f}", f"{total['seconds']:.0f}"))
    said = []
    for name, one in zip(STATES, found["adapted"]["judged"], strict=True):
        before, after, apart = (
            (100 * one[key]["low"], 100 * one[key]["high"])
            for key in ("before_interval", "after_interval", "difference_interval")
        )
        difference = points({"difference": 100 * one["difference"], "interval": apart})
        said.append((name, percent(100 * one["before"], before), percent(100 * one["after"], after), difference))
    note = (
        f"{found['clips']} clips of actor {found['actor']} as videos (ten pictures of the face each, on grey, beside "
        f"the sound), {found['processors']} processors shared with other work (on average {found['load']} "
        "processes wanted them). In five parts, each judged by what was learned from the others:"
    )
    return [
        "## What it takes",
        "",
        *prose("Each command of this guide once, labelling apart (`python -m benchmarks.speed.own_clips_guide`):"),
        *table(("step", "CPU seconds", "seconds on the clock"), rows),
        *prose(note),
        *table(("shown", "UAR before", "after", "difference"), said),
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", required=True, help="ravdess_pairs:PATH")
    parser.add_argument("--actor", type=int, default=8, help="of fold 3")
    parser.add_argument("--bundle", type=Path, default=ROOT / "bundles" / "grjca-tflite-fp32.mer")
    parser.add_argument("--out", type=Path, default=ROOT / "docs" / "results" / "own_clips_guide.json")
    options = parser.parse_args()
    dataset = open_dataset(options.data)
    if not isinstance(dataset, RavdessPairs):
        parser.error("--data takes ravdess_pairs, one of whose actors stands for one's own user")
    found = measured(dataset, options.actor, options.bundle)
    write_result(found, options.out, ROOT / "docs" / "ship" / "own-clips.md", MARKERS, lines(found))


if __name__ == "__main__":
    main()
