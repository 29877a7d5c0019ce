"""How long `mer-convert` takes: wall time, processor time of all its processes, and its longest silence.

python -m benchmarks.speed.conversion
python -m benchmarks.speed.conversion --baseline OTHER/.venv/bin/mer-convert --rounds 3

Every case is converted into an empty folder, the baseline (another checkout's program, on its weights) right before, so
that both see the same machine; ratios are medians over the rounds. Results go to docs/results/conversion.json and to a
table of docs/results/speed.md.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import resource
import selectors
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path

from benchmarks.results.result_tables import Json, prose, table, write_result

TARGETS = ("coreml", "executorch", "onnx", "tflite")
# ExecuTorch's half precision is further from fp32 on GRJCA than the gate allows.
FP16_TARGETS = ("coreml", "onnx", "tflite")
OUT, PAGE = Path("docs/results/conversion.json"), Path("docs/results/speed.md")
MARKERS = ("<!-- conversion: written by benchmarks/speed/conversion.py -->", "<!-- end of conversion -->")


@dataclass(frozen=True)
class Run:
    """One conversion.

    Attributes:
        wall: seconds until it ended.
        cpu: seconds that its processes computed, user and system.
        silence: the longest time without output, seconds.
    """

    wall: float
    cpu: float
    silence: float


def convert(program: Path, arguments: list[str]) -> Run:
    """Run a conversion into an empty folder.

    Raises:
        RuntimeError: it failed; the message is the end of what it printed.
    """
    with tempfile.TemporaryDirectory() as folder:
        before, begun = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
        command = [os.path.abspath(program), *arguments, "--out", folder]
        # In that folder, so that no checkout's packages stand before those of the program.
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, cwd=folder) as process:
            assert process.stdout is not None
            printed, silence = _read(process.stdout.fileno())
        wall, after = time.monotonic() - begun, resource.getrusage(resource.RUSAGE_CHILDREN)
    if process.returncode:
        raise RuntimeError(f"{' '.join(command)} ended with {process.returncode}:\n{printed[-2000:]}")
    return Run(wall, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, silence)


def _read(pipe: int) -> tuple[str, float]:
    """Everything until the pipe closes, and the longest wait in between."""
    printed, silence, last = b"", 0.0, time.monotonic()
    with selectors.DefaultSelector() as selector:
        selector.register(pipe, selectors.EVENT_READ)
        while True:
            selector.select()
            chunk = os.read(pipe, 1 << 16)
            now = time.monotonic()
            silence, last = max(silence, now - last), now
            if not chunk:
                return printed.decode(errors="replace"), silence
            printed += chunk


def summary(runs: list[Run], baseline: list[Run]) -> dict[str, object]:
    """Medians of a case, and of its ratios to the baseline where there is one; `runs` as they were measured."""
    found: dict[str, object] = {
        name: round(statistics.median(asdict(run)[name] for run in runs), 2) for name in ("wall", "cpu", "silence")
    }
    found["runs"] = [asdict(run) for run in runs]
    if baseline:
        pairs = list(zip(runs, baseline, strict=True))
        found["baseline"] = [asdict(run) for run in baseline]
        found["wall_ratio"] = round(statistics.median(one.wall / other.wall for one, other in pairs), 3)
        found["cpu_ratio"] = round(statistics.median(one.cpu / other.cpu for one, other in pairs), 3)
    return found


def page_lines(result: Json) -> list[str]:
    """The table as Markdown."""
    machine, cases = result["machine"], result["cases"]
    rows = [
        (name, f"{case['wall']:.0f}", f"{case['cpu']:.0f}", f"{case['silence']:.1f}", str(case.get("wall_ratio", "")))
        for name, case in cases.items()
    ]
    runs = "one run each" if result["rounds"] == 1 else f"medians of {result['rounds']} rounds"
    lines = prose(
        f"`mer-convert --model {result['model']}` into an empty folder, each case in a process of its own, on "
        f"{machine['cpus']} cores at a load of {machine['load']}, {runs}. *silence*: the longest time without output."
    )
    columns = ("converted", "wall, s", "CPU, s", "silence, s", "wall, ratio to the baseline")
    kept = len(columns) - (not any(row[-1] for row in rows))
    return lines + table(columns[:kept], [row[:kept] for row in rows])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="grjca")
    parser.add_argument("--targets", default=",".join(TARGETS), help="each alone in fp32; then all of them together")
    parser.add_argument("--data", nargs="*", default=[], help="NAME:PATH: int8 of ONNX and TFLite, calibrated, as well")
    parser.add_argument("--baseline", type=Path, help="mer-convert of another checkout")
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--out", type=Path, default=OUT)
    parser.add_argument("--page", type=Path, default=PAGE)
    options = parser.parse_args()
    targets = options.targets.split(",")
    cases = {f"{target} fp32": ["--target", target] for target in targets}
    if len(targets) == len(TARGETS):
        cases[f"{len(targets)} targets fp32"] = ["--target", options.targets]
        cases[f"{len(FP16_TARGETS)} targets fp16"] = ["--target", ",".join(FP16_TARGETS), "--scheme", "fp16"]
    if options.data:
        given = [part for item in options.data for part in ("--data", item)]
        cases |= {f"{target} int8": ["--target", target, "--scheme", "int8", *given] for target in ("onnx", "tflite")}
    own = Path(sys.executable).with_name("mer-convert")
    runs: dict[str, tuple[list[Run], list[Run]]] = {name: ([], []) for name in cases}
    for _ in range(options.rounds):
        for name, arguments in cases.items():
            for program, kept in ((options.baseline, runs[name][1]), (own, runs[name][0])):
                if program is not None:
                    kept.append(convert(program, ["--model", options.model, *arguments]))
            print(name, json.dumps(summary(*runs[name])), flush=True)
    result = {
        "model": options.model,
        "rounds": options.rounds,
        "machine": {"cpus": os.cpu_count(), "machine": platform.machine(), "load": round(os.getloadavg()[0], 1)},
        "cases": {name: summary(*both) for name, both in runs.items()},
    }
    options.out.parent.mkdir(parents=True, exist_ok=True)
    write_result(result, options.out, options.page, MARKERS, page_lines(result))


if __name__ == "__main__":
    main()
