"""Fresh processes: cold start, peak memory, and a whole clip from file to estimates."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from threading import Timer
from time import perf_counter

import numpy as np

from mer_sdk.bench.fresh import FirstEstimate, Peak, Streamed, Task
from mer_sdk.bench.timing import Progress, blas_environment
from mer_sdk.contract.codec import from_json
from mer_sdk.errors import MerError

CODE = "import time; begun = time.perf_counter(); from mer_sdk.bench.fresh import main; main(begun)"
TIMEOUT = 900.0


@dataclass(frozen=True)
class ColdStart:
    """Seconds from the start of a process to its first estimate, its files already in the system's cache.

    Attributes:
        runs: how many processes.
        median, shortest, longest: of them.
        phases: medians of the parts: "interpreter", "imports", "open" (which checks every hash), "load", "first_step".
        peak_mb: most memory of a process over 65 steps, MB (10^6 bytes), median; None where the system does not say.
    """

    runs: int
    median: float
    shortest: float
    longest: float
    phases: dict[str, float]
    peak_mb: float | None


@dataclass(frozen=True)
class WholeRun:
    """A clip from file to estimates in a fresh process, once it is loaded: what `mer run` does.

    Attributes:
        seconds: of the clip, by its steps.
        real_time_factor: wall time over that.
        cpu_factor: CPU time over that, of all threads.
        steps, faces: estimates, and those with a face.
        peak_mb: most memory of the process, MB.
    """

    seconds: float
    real_time_factor: float
    cpu_factor: float
    steps: int
    faces: int
    peak_mb: float | None


def cold_starts(
    tasks: Mapping[str, Task], runs: int, progress: Progress = lambda done, total: None
) -> dict[str, ColdStart]:
    """Start every task's process `runs` times, the tasks in turn: name -> cold start. One start before does not count.

    Raises:
        MerError: a process ends without an estimate.
    """
    found: dict[str, list[tuple[float, FirstEstimate, Peak]]] = {name: [] for name in tasks}
    started, total = 0, len(tasks) * (runs + 1)
    for turn in range(runs + 1):
        for name, task in tasks.items():
            progress(started, total)
            wall, first, peak = _start(task)
            if turn:  # the first one brings the files into the cache
                found[name].append((wall, from_json(FirstEstimate, first), from_json(Peak, peak)))
            started += 1
            progress(started, total)
    return {name: _cold(rows) for name, rows in found.items()}


def whole_run(task: Task, step: float) -> WholeRun:
    """Stream the task's clip; `step` is seconds.

    Raises:
        MerError: the process ends without an answer.
    """
    _, first, peak = _start(task)
    streamed = from_json(Streamed, first)
    seconds = streamed.steps * step
    return WholeRun(
        seconds=seconds,
        real_time_factor=round(streamed.wall / seconds, 4),
        cpu_factor=round(streamed.cpu / seconds, 4),
        steps=streamed.steps,
        faces=streamed.faces,
        peak_mb=_rounded([from_json(Peak, peak)]),
    )


def _start(task: Task) -> tuple[float, dict[str, float], dict[str, float]]:
    """Seconds from the start to the process's first line; its two lines."""
    command = [sys.executable, "-c", CODE, json.dumps(asdict(task))]
    with tempfile.TemporaryFile("w+") as said:
        begun = perf_counter()
        environment = blas_environment(task.threads)
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=said, text=True, env=environment) as process:
            assert process.stdout is not None
            watch = Timer(TIMEOUT, process.kill)
            watch.start()
            try:
                found = [(perf_counter() - begun, line) for line in process.stdout]
            except BaseException:
                process.kill()
                raise
            finally:
                watch.cancel()
        # A runtime may print lines of its own.
        lines = [(when, json.loads(line)) for when, line in found if line.startswith("{")]
        if process.returncode or len(lines) != 2:
            said.seek(0)
            words = said.read().strip().splitlines()
            raise MerError(
                f"a fresh process that ran {task.bundle} ended with code {process.returncode} "
                f"({words[-1] if words else 'it said nothing'}); `mer verify {task.bundle}` says whether it runs here"
            )
    return lines[0][0], lines[0][1], lines[1][1]


def _cold(rows: Sequence[tuple[float, FirstEstimate, Peak]]) -> ColdStart:
    totals = [wall - first.prepare for wall, first, _ in rows]
    phases = {
        field.name: float(np.median([getattr(first, field.name) for _, first, _ in rows]))
        for field in fields(FirstEstimate)
        if field.name != "prepare"
    }
    begun = [wall - sum(asdict(first).values()) for wall, first, _ in rows]
    return ColdStart(
        runs=len(rows),
        median=round(float(np.median(totals)), 4),
        shortest=round(min(totals), 4),
        longest=round(max(totals), 4),
        phases={name: round(value, 4) for name, value in {"interpreter": float(np.median(begun)), **phases}.items()},
        peak_mb=_rounded([peak for _, _, peak in rows]),
    )


def _rounded(peaks: Sequence[Peak]) -> float | None:
    known = [peak.mb for peak in peaks if peak.mb is not None]
    return round(float(np.median(known)), 1) if known else None
