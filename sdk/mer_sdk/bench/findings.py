"""What of a measurement makes a reader think twice."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from mer_sdk.bench.result import BundleResult, Machine, Options
from mer_sdk.bench.sustained import Sustained
from mer_sdk.bench.timing import Times, ratio

# Others that want half of the CPUs are felt; a last minute that is slower by a tenth is no chance; files that differ by
# less than a twentieth are of one size.
BUSY, THROTTLED, SMALLER = 0.5, 1.1, 0.95


def findings(
    machine: Machine,
    options: Options,
    results: Sequence[BundleResult],
    times: Mapping[str, Times],
    lasting: Sustained | None,
) -> tuple[str, ...]:
    """Warnings, a sentence each: a busy machine, a smaller scheme that is slower, a bundle that slowed down.

    Args:
        machine, options, results, lasting: as in `BenchResult`.
        times: name of a result -> its times, of the same rounds.
    """
    return (*_busy(machine), *_slower_schemes(results, times, options, _is_busy(machine)), *_throttled(lasting))


def _is_busy(machine: Machine) -> bool:
    return machine.load is not None and machine.load >= BUSY * machine.cpus


def _busy(machine: Machine) -> Iterator[str]:
    if _is_busy(machine):
        yield (
            f"other programs kept this machine busy (load {machine.load:.1f} on {machine.cpus} CPUs): the milliseconds "
            "are too long; trust the ratios of the CPU time, or measure again when it is idle"
        )


def _slower_schemes(
    results: Sequence[BundleResult], times: Mapping[str, Times], options: Options, busy: bool
) -> Iterator[str]:
    """Every bundle that is slower than a larger one of its model and target, beside the one that it loses most to."""
    for small in results:
        # On a busy machine a step's time is a matter of who was put to sleep in it. CPU time is its latency on one core
        # alone.
        stage, called = ("cpu", "the CPU time of a ") if busy and options.threads == 1 else (small.whole, "a ")
        rivals = [
            (ratio(times[small.name].counted[stage], times[large.name].counted[stage], options.seed), large)
            for large in results
            if (large.model, large.target) == (small.model, small.target)
            and 0 < small.graph_bytes < SMALLER * large.graph_bytes
        ]
        # Slower beyond what the rounds scatter: the whole interval lies above 1.
        slower = [(found, large) for found, large in rivals if found.low > 1.0]
        if slower:
            found, large = max(slower, key=lambda pair: pair[0].p50)
            yield (
                f"{small.name} is smaller than {large.name} ({small.graph_bytes / 1e6:.2f} and "
                f"{large.graph_bytes / 1e6:.2f} MB) and slower: {found.p50:.2f} times {called}{small.whole} "
                f"({found.low:.2f} to {found.high:.2f})"
            )


def _throttled(lasting: Sustained | None) -> Iterator[str]:
    if lasting is None:
        return
    for name, ends in lasting.bundles.items():
        if ends.ratio > THROTTLED:
            yield (
                f"{name} slowed down in the sustained run: {ends.last.p50:.2f} ms in the last {lasting.span:.0f} s, "
                f"{ends.first.p50:.2f} ms in the first; look at temperatures and clock frequencies"
            )
