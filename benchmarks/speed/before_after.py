"""Two checkouts of the SDK, part by part, in one interleaved run: milliseconds of CPU time of both and the ratio.

    python -m benchmarks.speed.before_after --baseline OTHER/.venv/bin/python --bundles DIR --baseline-bundles DIR
    python -m benchmarks.speed.before_after ... --clips *.mp4

Each checkout has a process, both on one core. In every round each part runs once in one and once in the other, which
goes first changes. Each checkout needs bundles of its own, as manifests change; they are paired by their names.
With `--clips`, `mer run` on each clip as a whole process, in pairs: CPU and wall time. Goes to
docs/results/before_after.json and the page docs/results/speed.md.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import time
from collections.abc import Callable, Iterable
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.results.result_tables import Json, prose, table, write_result
from benchmarks.speed.processes import compiled_environment
from mer_sdk.bench.timing import Ratio, blas_environment, ratio
from mer_sdk.cli.bench import this_machine
from mer_sdk.cli.progress import progress_bars
from mer_sdk.contract.codec import to_json

ROOT = Path(__file__).parents[2]
OUT, PAGE = Path("docs/results/before_after.json"), Path("docs/results/speed.md")
MARKERS = ("<!-- before and after: written by benchmarks/speed/before_after.py -->", "<!-- end of before and after -->")
WARM_UP = 20


@dataclass(frozen=True)
class Row:
    """A stage of a part: medians, milliseconds of CPU time, and after over before with its 95 % interval."""

    part: str
    stage: str
    before: float
    after: float
    ratio: Ratio


@dataclass(frozen=True)
class ClipRow:
    """A clip: medians of whole processes, seconds, of both; and the pairs' ratios, median, lowest and highest."""

    clip: str
    cpu: tuple[float, float]
    wall: tuple[float, float]
    cpu_ratio: tuple[float, float, float]
    wall_ratio: tuple[float, float, float]


class Side:
    """A checkout's process."""

    def __init__(self, python: Path, bundles: Path) -> None:
        command = [os.path.abspath(python), "-m", "benchmarks.speed.side", os.path.abspath(bundles)]
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT, env=blas_environment(1)
        )
        self.parts: list[str] = self._answer()

    def run(self, part: str) -> dict[str, float]:
        """Stage -> milliseconds."""
        assert self._process.stdin is not None
        print(part, file=self._process.stdin, flush=True)
        return dict(self._answer())

    def close(self) -> None:
        """End the process."""
        self._process.communicate()

    def _answer(self) -> Any:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            sys.exit(f"a process of the benchmark ended with {self._process.wait()}; see above")
        return json.loads(line)


def compare(
    before: Side, after: Side, rounds: int, progress: Callable[[int, int], None], only: tuple[str, ...] = ()
) -> list[Row]:
    """All parts that both have; those alone whose names begin with one of `only`, where any is given."""
    names = [name for name in after.parts if name in before.parts and name.startswith(only or "")]
    found: dict[str, tuple[list[dict[str, float]], list[dict[str, float]]]] = {name: ([], []) for name in names}
    rng = np.random.default_rng(0)
    for turn in range(rounds + WARM_UP):
        for index in rng.permutation(len(names)):
            name = names[index]
            for number in (0, 1) if turn % 2 else (1, 0):
                found[name][number].append((before, after)[number].run(name))
        progress(turn + 1, rounds + WARM_UP)
    rows = []
    for name, (old, new) in found.items():
        for stage in new[0]:
            a, b = (np.array([one[stage] for one in side[WARM_UP:]]) for side in (old, new))
            rows.append(Row(name, stage, round(float(np.median(a)), 3), round(float(np.median(b)), 3), ratio(b, a)))
    return rows


def run_clip(python: Path, bundle: Path, clip: Path, detector: str) -> tuple[float, float]:
    """CPU and wall seconds of one `mer run`, with its modules compiled as an installation has them."""
    program = os.path.abspath(python.with_name("mer"))
    command = [program, "run", os.path.abspath(bundle), os.path.abspath(clip), "--json"]
    command += ["--detector", detector]
    before, begun = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
    quiet: dict[str, Any] = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    subprocess.run(command, check=True, cwd=bundle.parent, env=compiled_environment(), **quiet)
    wall, after = time.monotonic() - begun, resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, wall


def compare_clips(
    pythons: tuple[Path, Path],
    bundles: tuple[Path, Path],
    clips: list[Path],
    pairs: int,
    detector: str,
    progress: Callable[[int, int], None],
) -> list[ClipRow]:
    """`mer run` on every clip, before and after in turn."""
    times: dict[Path, list[tuple[tuple[float, float], tuple[float, float]]]] = {clip: [] for clip in clips}
    for turn in range(pairs + 1):
        for place, clip in enumerate(clips):
            order = (0, 1) if turn % 2 else (1, 0)
            pair = {side: run_clip(pythons[side], bundles[side], clip, detector) for side in order}
            # The first pair brings the files into the cache.
            if turn:
                times[clip].append((pair[0], pair[1]))
            progress(turn * len(clips) + place + 1, (pairs + 1) * len(clips))
    return [_clip_row(clip.name, np.array(found)) for clip, found in times.items()]


def _clip_row(name: str, seconds: np.ndarray) -> ClipRow:
    """Of [pairs, (before, after), (CPU, wall)]."""
    shares = seconds[:, 1] / seconds[:, 0]
    (cpu_before, wall_before), (cpu_after, wall_after) = np.median(seconds, axis=0).round(2).tolist()
    spread = np.stack([np.median(shares, axis=0), shares.min(axis=0), shares.max(axis=0)]).round(3).tolist()
    (cpu, wall), (cpu_low, wall_low), (cpu_high, wall_high) = spread
    return ClipRow(
        name, (cpu_before, cpu_after), (wall_before, wall_after), (cpu, cpu_low, cpu_high), (wall, wall_low, wall_high)
    )


def page_lines(result: Json) -> list[str]:
    """Both tables as Markdown."""
    load = max(result["load"]["before"][0], result["load"]["after"][0])
    machine = result["machine"]
    lines = prose(
        f"Before is {result['before']}. {machine['cpu'] or machine['machine']}, {machine['cpus']} cores, one of "
        f"them used; load up to {load:.0f}. Medians of {result['rounds']} rounds, CPU time. All parts take turns, "
        "so that the code and data of each are no longer in the cache."
    )
    rows = [
        (row["part"], row["stage"], f"{row['before']:.3f}", f"{row['after']:.3f}", _share(row["ratio"].values()))
        for row in result["parts"]
    ]
    if rows:
        lines += table(("part", "stage", "before, ms", "after, ms", "after / before [95 %]"), rows)
    clips = []
    for one in result["clips"]:
        seconds = (f"{old:.2f} -> {new:.2f}" for old, new in (one["cpu"], one["wall"]))
        clips.append((one["clip"], *seconds, _share(one["cpu_ratio"]), _share(one["wall_ratio"])))
    if clips:
        lines += prose(
            f"`mer run` on whole clips of 720p, {result['pairs']} pairs of processes each, lowest and highest pair:"
        )
        lines += table(("clip", "CPU, s", "wall, s", "CPU ratio", "wall ratio"), clips)
    return lines


def _share(values: Iterable[float]) -> str:
    middle, low, high = values
    return f"{middle:.2f} [{low:.2f}, {high:.2f}]"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--baseline", type=Path, required=True, help="python of the other checkout")
    parser.add_argument("--bundles", type=Path, required=True, help="folder of this checkout's bundles")
    parser.add_argument("--baseline-bundles", type=Path, required=True, help="folder of the other one's")
    parser.add_argument("--rounds", type=int, default=200, help="0 leaves the parts out")
    parser.add_argument("--only", nargs="*", default=[], help="parts alone whose names begin so")
    parser.add_argument("--clips", type=Path, nargs="*", default=[])
    parser.add_argument(
        "--clip-bundle", default="grjca-tflite-fp32.mer", help="of both folders, that the clips are run with"
    )
    parser.add_argument("--detector", default="haar", help="that both checkouts know")
    parser.add_argument("--pairs", type=int, default=7, help="of each clip")
    parser.add_argument("--before", default="an earlier commit", help="what the other checkout is, in words")
    parser.add_argument("--out", type=Path, default=OUT)
    parser.add_argument("--page", type=Path, default=PAGE)
    options = parser.parse_args()
    rows: list[Row] = []
    clips: list[ClipRow] = []
    own, load = Path(sys.executable), os.getloadavg()
    with progress_bars() as progress, ExitStack() as stack:
        if options.rounds:
            before = Side(options.baseline, options.baseline_bundles)
            stack.callback(before.close)
            after = Side(own, options.bundles)
            stack.callback(after.close)
            rows = compare(before, after, options.rounds, partial(progress, "parts"), tuple(options.only))
        if options.clips:
            pythons = options.baseline, own
            bundles = options.baseline_bundles / options.clip_bundle, options.bundles / options.clip_bundle
            clips = compare_clips(
                pythons, bundles, options.clips, options.pairs, options.detector, partial(progress, "clips")
            )
    result = {
        "before": options.before,
        "machine": to_json(this_machine()),
        "load": {"before": load, "after": os.getloadavg()},
        "rounds": options.rounds,
        "pairs": options.pairs if clips else 0,
        "parts": [to_json(row) for row in rows],
        "clips": [asdict(one) for one in clips],
    }
    print(write_result(result, options.out, options.page, MARKERS, page_lines(result)))


if __name__ == "__main__":
    main()
