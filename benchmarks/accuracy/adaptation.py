"""What `mer adapt` makes of one person's 60 clips: UAR before and after on clips that were not learned from.

    python -m benchmarks.accuracy.adaptation --data ravdess:PATH [--actors 8] [--model grjca-student]

Writes docs/results/adaptation.json and its table in docs/ship/own-clips.md. Sound alone, of actors of RAVDESS fold 3,
from whom the shipped weights have learned nothing; adapted copies are thrown away. Twice for each: in five parts, where
the same sentence was said by the same actor in the learning part too, and with one of the two sentences to learn from
and the other one to judge.
"""

from __future__ import annotations

import argparse
import csv
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.results.result_tables import percent, points, table, write_result
from mer_fusion.checkpoint import find_checkpoint
from mer_fusion.training.adapt.procedure import adapt
from mer_sdk.contract.codec import to_json
from mer_sdk.evaluation.datasets import TEST_FOLD, Clip, Ravdess, Selection, open_dataset

ROOT = Path(__file__).resolve().parents[2]
MARKERS = ("<!-- adaptation: written by `make results` -->", "<!-- end of adaptation -->")
OWN, OTHER_SENTENCE = "other takes", "another sentence"


def as_own_clips(clips: Sequence[Clip], folder: Path, by_sentence: bool) -> str:
    """A table of the clips as a user writes one; with `by_sentence` the second sentence is the split test."""
    path = folder / "labels.csv"
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["file", "label", "speaker", "split"])
        for clip in clips:
            split = "test" if by_sentence and clip.statement == 2 else ""
            writer.writerow([clip.audio, clip.label, f"actor {clip.speaker}", split])
    return f"clips:{path}"


def measured(dataset: Ravdess, actor: int, model: str) -> dict[str, Any]:
    """Both figures of one actor."""
    clips = [clip for clip in dataset.clips(Selection(folds=(TEST_FOLD,), actors=(actor,))) if clip.audio]
    result: dict[str, Any] = {}
    for name in (OWN, OTHER_SENTENCE):
        with tempfile.TemporaryDirectory() as place:
            begun, busy = time.perf_counter(), time.process_time()
            spec = as_own_clips(clips, Path(place), name == OTHER_SENTENCE)
            found = adapt(find_checkpoint(model), spec, Path(place) / "adapted.safetensors")
            result[name] = {
                "learned": found.learned,
                "written": found.checkpoint is not None,
                "judged": to_json(found.judged[0]),
                "seconds": round(time.perf_counter() - begun, 1),
                "cpu_seconds": round(time.process_time() - busy, 1),
            }
        print(f"actor {actor}, {name}: {result[name]}", flush=True)
    return result


def lines(result: dict[str, Any]) -> list[str]:
    """The table of docs/ship/own-clips.md."""
    rows = []
    for actor, found in result["actors"].items():
        for name, one in found.items():
            judged = one["judged"]
            spans = [judged[key] for key in ("before_interval", "after_interval", "difference_interval")]
            before, after, apart = ((100 * span["low"], 100 * span["high"]) for span in spans)
            rows.append(
                (
                    f"{actor}, {name}",
                    str(one["learned"]),
                    str(judged["clips"]),
                    percent(100 * judged["before"], before),
                    percent(100 * judged["after"], after),
                    points({"difference": 100 * judged["difference"], "interval": apart}),
                    f"{one['cpu_seconds']:.0f} s",
                )
            )
    return table(("actor, judged on", "learned", "judged", "UAR before", "after", "difference", "CPU time"), rows)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", required=True, help="ravdess:PATH")
    parser.add_argument("--actors", type=int, nargs="+", default=[8], help="of fold 3")
    parser.add_argument("--model", default="grjca-student")
    parser.add_argument("--out", type=Path, default=ROOT / "docs" / "results" / "adaptation.json")
    options = parser.parse_args()
    dataset = open_dataset(options.data)
    assert isinstance(dataset, Ravdess), "own clips are stood in for by sound of RAVDESS"
    actors = {str(actor): measured(dataset, actor, options.model) for actor in options.actors}
    result = {"model": options.model, "actors": actors}
    write_result(result, options.out, ROOT / "docs" / "ship" / "own-clips.md", MARKERS, lines(result))


if __name__ == "__main__":
    main()
