"""Speed as one table and one picture: every part of the work, and published peers, in one interleaved run.

    python -m benchmarks.speed.suite bundles/*.mer --models PATH --out docs/results
    python -m benchmarks.speed.suite --small

Each round runs every part once, in random order, and among them a fixed reference network in numpy. The milliseconds
are of this machine and this hour; a part's ratio to the reference network is what to compare. `--out` keeps each run in
speed.json there and draws speed.svg, and where there is a speed.md writes the table into it; the table printed then
shows the ratio of the run before on the same kind of machine.
Without bundles it measures what needs none. Of a face finder's bundles the first is measured.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks.results.result_tables import prose, table, write_block
from benchmarks.speed.parts import (
    FEW_RATES,
    RATES,
    REFERENCE,
    ReferenceNetwork,
    clip_parts,
    count_cpu_time,
    picture_parts,
    sound_parts,
    step_parts,
    timed,
)
from benchmarks.speed.peers import peers
from benchmarks.speed.picture import PEERS, draw
from benchmarks.speed.processes import process_costs
from mer_sdk.bench.timing import Quantiles, Ratio, Runner, measure, ratio
from mer_sdk.cli.bench import this_machine
from mer_sdk.cli.bundles import any_of, is_finder, open_bundles, preference, simulation_note, without_runtime
from mer_sdk.cli.progress import progress_bars
from mer_sdk.contract.bundle import Bundle
from mer_sdk.contract.codec import to_json
from mer_sdk.contract.output_files import atomic_output
from mer_sdk.errors import MerError, MissingExtra
from mer_sdk.runtimes.native_log import VARIABLE

HISTORY, PICTURE, PAGE = "speed.json", "speed.svg", "speed.md"
MARKERS = "<!-- speed: written by benchmarks/speed/suite.py -->", "<!-- end of speed -->"
# Facts that make two runs runs of the same kind of machine.
KIND = ("machine", "cpu", "board", "cpus")
# How often a second of sound and video needs a part: a step is 250 ms, a followed face is searched for once a second.
A_STEP, A_SECOND = 4, 1
SOUND_PEERS = ("eGeMAPS",)
FACE_PEERS = tuple(name for name in PEERS if name not in SOUND_PEERS)
ONCE_A_SECOND = ("face finder", "MediaPipe detector", "UltraFace", *SOUND_PEERS)


@dataclass(frozen=True)
class Row:
    """A part, or a stage of it: milliseconds, the ratio to the reference network, milliseconds a second of a clip."""

    part: str
    stage: str
    milliseconds: Quantiles
    ratio: Ratio
    a_second: float


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("bundle", nargs="*", help="bundle folders, of emotion models and of the face finder")
    parser.add_argument("--models", type=Path, help="a folder with the files of MediaPipe and UltraFace")
    parser.add_argument("--out", type=Path, help="folder for speed.json and speed.svg; without it nothing is written")
    parser.add_argument("--rounds", type=int, default=200)
    parser.add_argument("--small", action="store_true", help="a few rounds of the quick parts, some seconds in all")
    parser.add_argument("--cpu-time", action="store_true", help="count CPU time, as on a busy machine")
    options = parser.parse_args()
    if options.cpu_time:
        count_cpu_time()
    os.environ.setdefault(VARIABLE, "1")
    try:
        entry = run(options.bundle, options.models, 10 if options.small else options.rounds, options.small)
    except MerError as error:
        sys.exit(str(error))
    earlier = read_history(options.out / HISTORY) if options.out else []
    entry["clock"] = "CPU time" if options.cpu_time else "wall time"
    show(entry, before(entry, earlier))
    if options.out:
        options.out.mkdir(parents=True, exist_ok=True)
        with atomic_output(options.out / HISTORY) as aside:
            aside.write_text(json.dumps([*earlier, entry], indent=1) + "\n")
        draw(entry, options.out / PICTURE)
        if (options.out / PAGE).is_file():
            write_block(options.out / PAGE, MARKERS, page_lines(entry))
        print(f"written: {options.out / HISTORY} ({len(earlier) + 1} runs) and {options.out / PICTURE}")


def run(given: list[str], models: Path | None, rounds: int, small: bool) -> dict[str, Any]:
    """Measure everything: an entry of the history.

    Raises:
        MerError: none of the bundles runs here, or one is damaged.
    """
    with progress_bars() as progress, tempfile.TemporaryDirectory(prefix="mer-speed-") as folder:
        progress("loading", 0, 1)
        finder, models_of = _bundles(given)
        parts: dict[str, Runner] = {REFERENCE: timed(ReferenceNetwork())}
        parts |= sound_parts(FEW_RATES if small else RATES) | picture_parts(finder)
        if not small:
            with suppress(MissingExtra):
                parts |= clip_parts(Path(folder))
        parts |= step_parts(models_of) | peers(models)
        progress("loading", 1, 1)
        times = measure(parts, rounds, min(20, rounds), progress=partial(progress, "parts"))
        first = next((one for one in models_of.values() if _window(one)), None)
        costs = process_costs(first, 2 if small else 7, partial(progress, "processes"))
    reference = times[REFERENCE].counted["all"]
    rows = [
        Row(name, stage, value, ratio(one.counted[stage], reference), round(value.p50 * _calls(name, stage), 3))
        for name, one in times.items()
        for stage, value in one.quantiles().items()
    ]
    seconds = {(row.part, row.stage): row.a_second for row in rows}
    return {
        "when": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": to_json(this_machine()),
        "rounds": rounds,
        "rows": [to_json(row) for row in rows],
        "a_second": {name: totals(seconds, name) for name, one in models_of.items() if one.manifest.dialogue is None},
        "processes": {name: asdict(cost) for name, cost in costs.items()},
    }


def totals(seconds: Mapping[tuple[str, str], float], bundle: str) -> dict[str, float]:
    """What a second of stereo sound at 48 kHz and 720p video costs with a bundle, milliseconds, by what it goes into.

    Sound is the front end and the audio graph; faces are one search (where a face finder was measured), the following,
    the crops and the face graph; fusion holds the SDK. Decoding is not in it.
    """

    def of(*parts: tuple[str, str]) -> float:
        return round(sum(seconds.get(part, 0.0) for part in parts), 2)

    return {
        "sound": of(("sound, 48 kHz", "all"), (bundle, "audio")),
        "faces": of(
            ("face finder, 720p", "all"),
            ("face followed, 720p", "all"),
            ("face cut out, 720p", "all"),
            (bundle, "face"),
        ),
        "fusion": of((bundle, "fusion"), (bundle, "sdk")),
    }


def read_history(path: Path) -> list[dict[str, Any]]:
    """The runs so far, oldest first."""
    return json.loads(path.read_text()) if path.is_file() else []


def before(entry: dict[str, Any], earlier: list[dict[str, Any]]) -> dict[tuple[str, str], float]:
    """(part, stage) -> ratio of the latest run on the same kind of machine that measured it."""
    found: dict[tuple[str, str], float] = {}
    for old in earlier:
        if all(old["machine"].get(name) == entry["machine"].get(name) for name in KIND):
            found |= {(row["part"], row["stage"]): row["ratio"]["p50"] for row in old["rows"]}
    return found


def show(entry: dict[str, Any], earlier: dict[tuple[str, str], float]) -> None:
    """Print the table."""
    machine = entry["machine"]
    load = "" if machine["load"] is None else f", load {machine['load']:.1f}"
    print(f"{machine['cpu'] or machine['machine']}, {machine['cpus']} cores{load}; one core, {entry['rounds']} rounds")
    titles = f"{'p50 ms':>8} {'p90 ms':>8} {'ms/s':>7} {'ratio':>7} {'95 % interval':>16} {'before':>7}"
    print(f"{'part':28} {'stage':10} {titles}")
    for row in entry["rows"]:
        time, share = row["milliseconds"], row["ratio"]
        old = earlier.get((row["part"], row["stage"]))
        print(
            f"{row['part'][:28]:28} {row['stage']:10} {time['p50']:8.3f} {time['p90']:8.3f} {row['a_second']:7.2f} "
            f"{share['p50']:7.3f} {share['low']:7.3f} -{share['high']:7.3f} {'' if old is None else f'{old:7.3f}'}"
        )
    print(f"\n{'ms a second of':28} {'sound':>8} {'faces':>8} {'fusion':>8} {'all':>8}")
    for name, costs in entry["a_second"].items():
        print(
            f"{name[:28]:28} {''.join(f' {value:8.2f}' for value in (*costs.values(), sum(costs.values())))}".rstrip()
        )
    for row in entry["rows"]:
        if row["part"].startswith(SOUND_PEERS + FACE_PEERS):
            column = 8 if row["part"].startswith(SOUND_PEERS) else 17
            print(f"{row['part'][:28]:28} {row['a_second']:{column}.2f}")
    print(f"\n{'fresh process':28} {'CPU s':>8} {'MB':>8}")
    for name, cost in entry["processes"].items():
        print(f"{name:28} {cost['seconds']:8.3f} {cost['peak_mb']:8.1f}")


def page_lines(entry: dict[str, Any]) -> list[str]:
    """The tables as Markdown."""
    machine = entry["machine"]
    load = "" if machine["load"] is None else f", load {machine['load']:.0f}"
    lines = prose(
        f"{entry['when'][:10]}, {machine['cpu'] or machine['machine']}, {machine['cpus']} cores, one used{load}. "
        f"{entry['clock']}, medians of {entry['rounds']} interleaved rounds. Ratio: to the reference network [95 %]; "
        "milliseconds a second: of sound and video, for which a step is made four times and a search once."
    )
    rows = []
    for row in entry["rows"]:
        share = row["ratio"]
        told = f"{share['p50']:.2f} [{share['low']:.2f}, {share['high']:.2f}]"
        figures = (f"{row['milliseconds']['p50']:.3f}", f"{row['a_second']:.2f}", told)
        rows.append((row["part"], "" if row["stage"] == "all" else row["stage"], *figures))
    lines += table(("part", "stage", "ms", "ms a second", "ratio"), rows)
    if entry["a_second"]:
        lines += prose("A second of stereo sound at 48 kHz and of 720p video, milliseconds, without decoding:")
        totals_of = [
            (name, *(f"{value:.2f}" for value in (*costs.values(), sum(costs.values()))))
            for name, costs in entry["a_second"].items()
        ]
        lines += table(("bundle", "sound", "faces", "fusion and SDK", "all"), totals_of)
    lines += prose("Fresh processes, CPU time from the interpreter's start on, and the most memory:")
    lines += table(
        ("process", "CPU, s", "MB"),
        [(name, f"{cost['seconds']:.3f}", f"{cost['peak_mb']:.0f}") for name, cost in entry["processes"].items()],
    )
    return [*lines, "![Milliseconds a second of sound and video, by part](speed.svg)"]


def _bundles(given: list[str]) -> tuple[Bundle | None, dict[str, Bundle]]:
    """The face finder, and the emotion models by name."""
    if not given:
        return None, {}
    opened = open_bundles(given, any_of(without_runtime, simulation_note))
    finders = [bundle for bundle in opened if is_finder(bundle)]
    emotion = sorted((one for one in opened if not is_finder(one)), key=lambda bundle: preference(bundle.name))
    return (finders[0] if finders else None), {bundle.name: bundle for bundle in emotion}


def _window(bundle: Bundle) -> bool:
    return bundle.manifest.dialogue is None and bundle.runtime in ("litert", "onnx")


def _calls(part: str, stage: str) -> int:
    return A_SECOND if part.startswith(ONCE_A_SECOND) or stage in ("detect", "utterance") else A_STEP


if __name__ == "__main__":
    main()
