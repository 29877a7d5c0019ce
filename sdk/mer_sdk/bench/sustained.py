"""Steps without a pause for minutes: does the machine slow down, does the process grow."""

from __future__ import annotations

from array import array
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter

import numpy as np

from mer_sdk.bench.timing import Quantiles, Runner, on_cores, quantiles

SPAN = 60.0
PARTS = 60


@dataclass(frozen=True)
class StepDrift:
    """The whole step of one bundle at both ends of a sustained run; `ratio` is the last median over the first."""

    steps: int
    first: Quantiles
    last: Quantiles
    ratio: float


@dataclass(frozen=True)
class Sustained:
    """A sustained run of all bundles in turn, as fast as they go.

    Attributes:
        seconds: of the run.
        span: seconds compared at each end: 60, or half the run where it is shorter than two minutes.
        memory_first_mb, memory_last_mb: what the process held after the first span and at the end, MB (10^6 bytes);
            None where the system does not say.
        bundles: name -> both ends.
    """

    seconds: float
    span: float
    memory_first_mb: float | None
    memory_last_mb: float | None
    bundles: dict[str, StepDrift]


def sustain(
    runners: Mapping[str, Runner],
    seconds: float,
    cores: int = 1,
    progress: Callable[[float, float], None] = lambda done, total: None,
) -> Sustained:
    """Run for so long; see `Sustained`. `progress` is called after every round with the seconds done and their total.

    What is kept is the first and the last span, four bytes a step, so that the measurement itself does not grow.
    """
    span = min(SPAN, seconds / 2)
    first = {name: array("f") for name in runners}
    # The last span in parts of a sixtieth, the oldest of which is dropped as a new one begins.
    last: dict[str, deque[tuple[int, array[float]]]] = {name: deque() for name in runners}
    count, memory = 0, None
    with on_cores(cores):
        begun = perf_counter()
        now = 0.0
        while now < seconds:
            for name, run in runners.items():
                spent = run()
                whole = spent[next(reversed(spent))]
                now = perf_counter() - begun
                if now < span or not first[name]:
                    first[name].append(whole)
                kept, part = last[name], int(now / span * PARTS)
                if not kept or kept[-1][0] != part:
                    kept.append((part, array("f")))
                kept[-1][1].append(whole)
                while kept[0][0] <= part - PARTS:
                    kept.popleft()
            count += 1
            if memory is None and now >= span:
                memory = held_mb()
            progress(min(now, seconds), seconds)
    ends = {
        name: _ends(count, np.array(first[name]), np.concatenate([values for _, values in last[name]]))
        for name in runners
    }
    return Sustained(round(now, 3), round(span, 3), memory, held_mb(), ends)


def held_mb() -> float | None:
    """What this process holds now, MB (10^6 bytes); None where the system does not say."""
    try:
        lines = Path("/proc/self/status").read_text().splitlines()
    except OSError:
        return None
    found = [line.split()[1] for line in lines if line.startswith("VmRSS:")]
    return round(int(found[0]) * 1024 / 1e6, 1) if found else None


def _ends(count: int, first: np.ndarray, last: np.ndarray) -> StepDrift:
    ratio = float(np.median(last) / np.median(first))
    return StepDrift(count, quantiles(first), quantiles(last), round(ratio, 3))
