"""Times of several bundles in one interleaved run, their quantiles and their ratios.

The machine's speed drifts, and interleaving lets it drift for all bundles alike: quote the medians and their ratios.
"""

from __future__ import annotations

import ctypes
import itertools
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np

# The first rounds warm caches and kernels up; they are told apart.
WARM_UP = 20
# Neighbouring rounds share the machine's mood, so the bootstrap draws runs of them; this many runs, at most.
BLOCKS = 30
RESAMPLES = 1000

# Runs something once and gives stage -> milliseconds, the same stages every time.
Runner = Callable[[], dict[str, float]]
Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Quantiles:
    """Milliseconds of one stage."""

    p50: float
    p90: float
    p99: float


@dataclass(frozen=True)
class Ratio:
    """A median over another one of the same run, with the interval that holds it in 95 % of the bootstrap's samples."""

    p50: float
    low: float
    high: float


@dataclass(frozen=True, eq=False)
class Times:
    """Stage -> milliseconds, [rounds] each; those of the warm-up apart."""

    warm_up: dict[str, np.ndarray]
    counted: dict[str, np.ndarray]

    @property
    def whole(self) -> str:
        """The last stage, which holds those before it: "step" or "utterance"."""
        return next(reversed(self.counted))

    def quantiles(self) -> dict[str, Quantiles]:
        """Stage -> quantiles of the rounds after the warm-up."""
        return {stage: quantiles(values) for stage, values in self.counted.items()}


def measure(
    runners: Mapping[str, Runner],
    rounds: int,
    warm_up: int = WARM_UP,
    cores: int = 1,
    progress: Progress = lambda done, total: None,
) -> dict[str, Times]:
    """Run everything once a round: name -> times.

    Args:
        runners: name -> what runs it once. Every round has an order of its own (seeded), so that nobody always follows
            the same neighbour and its traces in the caches.
        rounds: those that count, at least 1.
        warm_up: rounds before them, at least 0.
        cores: how many cores the process may use meanwhile; see `on_cores`.
        progress: called with the rounds done and their total.
    """
    found: dict[str, list[dict[str, float]]] = {name: [] for name in runners}
    names, rng = list(runners), np.random.default_rng(0)
    with on_cores(cores):
        for turn in range(rounds + warm_up):
            for index in rng.permutation(len(names)):
                found[names[index]].append(runners[names[index]]())
            progress(turn + 1, rounds + warm_up)
    return {name: Times(_columns(rows[:warm_up]), _columns(rows[warm_up:])) for name, rows in found.items()}


def interleaved(
    runners: Mapping[str, Runner], rounds: int, progress: Progress = lambda done, total: None
) -> dict[str, dict[str, Quantiles]]:
    """`measure` on one core: name -> stage -> milliseconds after the warm-up."""
    return {name: times.quantiles() for name, times in measure(runners, rounds, progress=progress).items()}


def quantiles(values: np.ndarray) -> Quantiles:
    """The quantiles of milliseconds [n], to the microsecond."""
    p50, p90, p99 = (round(float(value), 3) for value in np.percentile(values, (50, 90, 99)))
    return Quantiles(p50, p90, p99)


def ratio(mine: np.ndarray, theirs: np.ndarray, seed: int = 0) -> Ratio:
    """The ratio of the medians of two rows of one interleaved run.

    The interval is that of a paired block bootstrap: whole runs of neighbouring rounds are drawn, the same for both.

    Args:
        mine, theirs: milliseconds [rounds], of the same rounds.
        seed: of the bootstrap.
    """
    rng = np.random.default_rng(seed)
    size = max(1, len(mine) // BLOCKS)
    starts = rng.integers(0, len(mine) - size + 1, (RESAMPLES, -(-len(mine) // size)))
    picks = (starts[:, :, None] + np.arange(size)).reshape(RESAMPLES, -1)[:, : len(mine)]
    drawn = np.median(mine[picks], axis=1) / np.median(theirs[picks], axis=1)
    low, high = np.percentile(drawn, (2.5, 97.5))
    middle = np.median(mine) / np.median(theirs)
    return Ratio(round(float(middle), 3), round(float(low), 3), round(float(high), 3))


@contextmanager
def on_cores(count: int) -> Iterator[None]:
    """Stay on the first `count` cores where the system lets a process choose; go back to all of them afterwards.

    numpy's OpenBLAS gets as many threads: with more of them than cores they wait for one another, and a face crop takes
    many times as long.
    """
    before = blas_threads(count)
    allowed = os.sched_getaffinity(0) if hasattr(os, "sched_setaffinity") else set()
    if allowed:
        os.sched_setaffinity(0, set(sorted(allowed)[:count]))
    try:
        yield
    finally:
        if allowed:
            os.sched_setaffinity(0, allowed)
        if before:
            blas_threads(before)


def blas_environment(count: int) -> dict[str, str]:
    """The environment of a process whose BLAS has so many threads, see `on_cores`."""
    return {**os.environ, "OMP_NUM_THREADS": str(count), "OPENBLAS_NUM_THREADS": str(count)}


def blas_threads(count: int) -> int:
    """Set the threads of the OpenBLAS that numpy loaded; what they were, 0 where none is found (Linux alone is asked).

    There is no other way once it is loaded; threadpoolctl, which does the same, is no dependency of a device.
    """
    maps, before = Path("/proc/self/maps"), 0
    lines = maps.read_text().splitlines() if maps.exists() else []
    for path in {line.split(maxsplit=5)[5] for line in lines if "openblas" in line.rpartition("/")[2]}:
        library = ctypes.CDLL(path)
        for prefix, suffix in itertools.product(("scipy_", ""), ("64_", "")):
            get = getattr(library, f"{prefix}openblas_get_num_threads{suffix}", None)
            put = getattr(library, f"{prefix}openblas_set_num_threads{suffix}", None)
            if get is not None and put is not None:
                before = int(get())
                put(count)
    return before


def _columns(rows: list[dict[str, float]]) -> dict[str, np.ndarray]:
    return {stage: np.array([row[stage] for row in rows]) for stage in rows[0]} if rows else {}
