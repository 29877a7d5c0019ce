"""What `mer adapt` makes of one person's 60 clips: UAR before and after on clips that were not learned from.

    python -m benchmarks.accuracy.own_clips.adaptation --data ravdess_pairs:PATH [--actors 8 17 21]
        [--model grjca-student]

Writes docs/results/adaptation.json and its table in docs/ship/own-clips.md, after each actor. Actors of RAVDESS fold
3, from whom the shipped weights have learned nothing, as videos (see videos.py beside this); adapted copies are thrown
away. Each twice: in five parts, where the same sentence was said by the same actor in the learning part too,
and with one of the two sentences to learn from and the other one to judge. And with both levels: the last layer, and
all of the fusion.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path
from typing import Any

from benchmarks.accuracy.own_clips.videos import write_table, write_videos
from benchmarks.results.result_tables import percent, points, prose, table, write_result
from mer_fusion.checkpoint import find_checkpoint
from mer_fusion.training.adapt.learning import LEVELS, AdaptOptions
from mer_fusion.training.adapt.procedure import adapt
from mer_sdk.contract.codec import to_json
from mer_sdk.evaluation.datasets import TEST_FOLD, RavdessPairs, Selection, open_dataset

ROOT = Path(__file__).resolve().parents[3]
MARKERS = ("<!-- adaptation: written by `make results` -->", "<!-- end of adaptation -->")
OWN, OTHER_SENTENCE = "other takes", "another sentence"
STATES = {"audio+face": "both", "audio": "sound", "face": "face"}


def measured(dataset: RavdessPairs, actor: int, model: str) -> dict[str, Any]:
    """All figures of one actor: what judges -> level -> what came out."""
    clips = dataset.clips(Selection(folds=(TEST_FOLD,), actors=(actor,)))
    result: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as place:
        files = write_videos(clips, Path(place) / "clips")
        for name in (OWN, OTHER_SENTENCE):
            spec = write_table(clips, files, Path(place) / "labels.csv", name == OTHER_SENTENCE)
            for level in LEVELS:
                busy = time.process_time()
                options = AdaptOptions(level=level)
                found = adapt(find_checkpoint(model), spec, Path(place) / "adapted.safetensors", options=options)
                result.setdefault(name, {})[level] = {
                    "learned": found.learned,
                    "written": found.checkpoint is not None,
                    "judged": {state: to_json(one) for state, one in zip(STATES, found.judged, strict=True)},
                    "cpu_seconds": round(time.process_time() - busy, 1),
                }
                both = found.judged[0]
                print(f"actor {actor}, {name}, {level}: {both.before:.3f} -> {both.after:.3f}", flush=True)
    return result


def lines(result: dict[str, Any]) -> list[str]:
    """The table of docs/ship/own-clips.md."""
    rows = []
    for actor, found in result["actors"].items():
        for name, levels in found.items():
            for state, said in STATES.items():
                one = levels["head"]["judged"][state]
                rows.append(
                    (
                        f"{actor}, {name}" if state == "audio+face" else "",
                        said,
                        f"{levels['head']['learned']}, {one['clips']}",
                        percent(100 * one["before"], _span(one["before_interval"])),
                        *(_after(levels[level], state) for level in LEVELS),
                    )
                )
    head = ("actor, judged on", "shown", "learned, judged", "UAR before", "last layer", "all of the fusion")
    said = (
        "Actors from whom the shipped student has learned nothing, as videos (ten pictures of the face each, on "
        "grey, beside the sound): UAR in % [95 % interval], and after learning "
        "with the paired difference. *Other takes*: five parts; the same sentence is in the learning part, "
        "too. *Another sentence*: one of two sentences to learn from, the other one to judge. "
        "`python -m benchmarks.accuracy.own_clips.adaptation`."
    )
    return [*prose(said), *table(head, rows)]


def _after(found: dict[str, Any], state: str) -> str:
    one = found["judged"][state]
    difference = {"difference": 100 * one["difference"], "interval": _span(one["difference_interval"])}
    said = f"{100 * one['after']:.1f}: {points(difference)}"
    return said if found["written"] or state != "audio+face" else f"{said}, refused"


def _span(interval: dict[str, float]) -> tuple[float, float]:
    return 100 * interval["low"], 100 * interval["high"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", required=True, help="ravdess_pairs:PATH")
    parser.add_argument("--actors", type=int, nargs="+", default=[8, 17, 21], help="of fold 3")
    parser.add_argument("--model", default="grjca-student")
    parser.add_argument("--out", type=Path, default=ROOT / "docs" / "results" / "adaptation.json")
    options = parser.parse_args()
    dataset = open_dataset(options.data)
    if not isinstance(dataset, RavdessPairs):
        parser.error("--data takes ravdess_pairs, whose actors stand for one's own people")
    result: dict[str, Any] = {"model": options.model, "actors": {}}
    for actor in options.actors:
        result["actors"][str(actor)] = measured(dataset, actor, options.model)
        write_result(result, options.out, ROOT / "docs" / "ship" / "own-clips.md", MARKERS, lines(result))


if __name__ == "__main__":
    main()
