"""One measurement over several bundles."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np

from mer_sdk.bench.clip import ClipStep, make_clip
from mer_sdk.bench.findings import findings
from mer_sdk.bench.fresh import Task
from mer_sdk.bench.processes import ColdStart, WholeRun, cold_starts, whole_run
from mer_sdk.bench.result import BenchResult, BundleResult, Machine, Options, WarmUp
from mer_sdk.bench.sensors import ROOT, Recorder, Sensors
from mer_sdk.bench.steps import TimedStep
from mer_sdk.bench.sustained import Sustained, sustain
from mer_sdk.bench.timing import Quantiles, Times, measure, ratio
from mer_sdk.contract.bundle import Bundle
from mer_sdk.errors import MissingExtra, RuntimeUnavailable
from mer_sdk.runtimes import runtime_note

# What is measured, how much is done, how much there is.
Progress = Callable[[str, float, float], None]


def run_bench(
    paths: Sequence[str],
    machine: Machine,
    options: Options = Options(),
    progress: Progress = lambda what, done, total: None,
    root: Path = ROOT,
) -> BenchResult:
    """Measure all bundles: steps (interleaved), decoding and detection, cold starts, whole runs, sustained.

    A bundle that this machine cannot run is left out, and that is said, as long as one is left.

    Args:
        paths: bundles, as `Bundle.open` takes them; the first is what the others are compared with.
        machine: its facts.
        options: how.
        progress: called with what is measured, how much is done and how much there is.
        root: where sensors are read; see `Sensors`.

    Raises:
        RuntimeUnavailable: this machine can run none of them.
        BundleError, OptionError, MissingExtra, MediaError: as `Bundle.open`, `Bundle.load_graphs` and, where the user
            named a clip or a detector, as `ClipStep`.
        MerError: a fresh process ends without an answer.
    """
    missing: list[str] = []
    opened = _named(paths)
    runners = _runners(opened, options, missing, progress)
    sensors = Sensors(root)
    recorder = Recorder(sensors)

    def advance(what: str, done: float, total: float) -> None:
        recorder.sample()
        progress(what, done, total)

    recorder.sample()
    with tempfile.TemporaryDirectory(prefix="mer-bench-") as folder:
        clip, said, media = _media(Path(folder) / "clip.mp4", runners, options, advance, missing)
        times = measure(runners, options.rounds, options.warm_up, options.threads, partial(advance, "steps"))
        tasks = {
            name: Task(opened[name][0], options.runtime, options.threads, options.seed, detector=options.detector)
            for name in runners
        }
        starts = cold_starts(tasks, options.starts, partial(advance, "cold starts")) if options.starts else {}
        runs = _whole_runs(clip, tasks, runners, options, advance) if clip else {}
    if not options.starts:
        missing.append("cold start, peak memory: not asked for; --starts 5 measures them")
    missing += _silent(machine, starts)
    lasting = _sustained(runners, options, advance, missing)
    recorder.sample()
    first = next(iter(times))
    results = tuple(
        _result(name, opened[name], options, times[name], times[first], starts.get(name), runs.get(name))
        for name in runners
    )
    return BenchResult(
        machine=machine,
        options=options,
        clip=said,
        media=media,
        bundles=results,
        sustained=lasting,
        sensors=recorder.timelines(),
        missing=(*missing, *sensors.missing()),
        warnings=findings(machine, options, results, times, lasting),
    )


def _named(paths: Sequence[str]) -> dict[str, tuple[str, Bundle]]:
    """Name -> path and bundle; a name that was there before gets a number."""
    found: dict[str, tuple[str, Bundle]] = {}
    for path in paths:
        bundle = Bundle.open(path)
        name, count = bundle.name, 1
        while name in found:
            count += 1
            name = f"{bundle.name} ({count})"
        found[name] = (path, bundle)
    return found


def _silent(machine: Machine, starts: Mapping[str, ColdStart]) -> list[str]:
    """What this system does not say, apart from the sensors."""
    said = []
    if any(start.peak_mb is None for start in starts.values()):
        said.append("peak memory: this system does not say what a process held")
    if machine.load is None:
        said.append("load: this system does not say whether other programs keep it busy")
    if not hasattr(os, "sched_setaffinity"):
        said.append("cores: this system lets no process choose its cores; steps may wander between them")
    return said


def _runners(
    opened: Mapping[str, tuple[str, Bundle]], options: Options, missing: list[str], progress: Progress
) -> dict[str, TimedStep]:
    runners: dict[str, TimedStep] = {}
    reason: RuntimeUnavailable | None = None
    for done, (name, (_, bundle)) in enumerate(opened.items()):
        progress("loading", done, len(opened))
        chosen = bundle.chosen_runtime(options.runtime)
        if runtime_note(chosen):
            reason = RuntimeUnavailable(
                f"{chosen} stands in for the runtime of {bundle.manifest.target} and computes the same numbers in "
                "another time: measure on a system that has the real one (`mer doctor` lists them)"
            )
        else:
            try:
                runners[name] = TimedStep(bundle, options.runtime, options.threads, options.seed)
                continue
            except RuntimeUnavailable as error:
                reason = error
        missing.append(f"{name}: left out, {reason}")
    progress("loading", len(opened), len(opened))
    if not runners and reason is not None:
        raise reason
    return runners


def _media(
    made: Path, runners: Mapping[str, TimedStep], options: Options, progress: Progress, missing: list[str]
) -> tuple[Path | None, str, dict[str, Quantiles]]:
    """The clip, what it is, and what its steps cost; None where decoding is not installed and nobody asked for it."""
    if not any({"audio", "face"} & set(runner.manifest.modalities) for runner in runners.values()):
        missing.append("decode, detect, whole run: not measured, these bundles read neither sound nor faces")
        return None, "", {}
    step = next(iter(runners.values())).manifest.clock.step_ms / 1000
    try:
        clip = made if options.input is None else Path(options.input)
        said = make_clip(made, options.seed) if options.input is None else options.input
        runner = {"media": ClipStep(clip, step, options.detector)}
    except MissingExtra as error:
        if options.input is not None or options.detector is not None:
            raise
        missing.append(f"decode, detect, whole run: not measured, {error}")
        return None, "", {}
    advance = partial(progress, "decode, detect")
    media = measure(runner, options.rounds, options.warm_up, options.threads, advance)["media"].quantiles()
    if "detect" not in media:
        missing.append(f"detect: not measured, {said} has no picture")
    return clip, said, media


def _whole_runs(
    clip: Path, tasks: Mapping[str, Task], runners: Mapping[str, TimedStep], options: Options, progress: Progress
) -> dict[str, WholeRun]:
    # Dialogue models read utterances, no clip.
    chosen = [name for name, runner in runners.items() if runner.manifest.dialogue is None]
    found = {}
    for done, name in enumerate(chosen, 1):
        progress("whole runs", done - 1, len(chosen))
        task = replace(tasks[name], clip=str(clip), fixed_face=options.input is None)
        found[name] = whole_run(task, runners[name].manifest.clock.step_ms / 1000)
        progress("whole runs", done, len(chosen))
    return found


def _sustained(
    runners: Mapping[str, TimedStep], options: Options, progress: Progress, missing: list[str]
) -> Sustained | None:
    if not options.minutes:
        missing.append("sustained run: not asked for; --minutes 10 compares the first with the last minute")
        return None
    return sustain(runners, 60 * options.minutes, options.threads, partial(progress, "sustained"))


def _result(
    name: str,
    opened: tuple[str, Bundle],
    options: Options,
    times: Times,
    first: Times,
    cold: ColdStart | None,
    whole: WholeRun | None,
) -> BundleResult:
    path, bundle = opened
    found, counted, manifest = bundle.describe(), times.counted, bundle.manifest
    spent = float(np.mean(counted["front_end"] + counted[times.whole]))
    graphs = counted[times.whole] - counted["sdk"]
    shared = {} if times is first else {stage: first.counted[stage] for stage in counted if stage in first.counted}
    return BundleResult(
        name=name,
        path=path,
        model=manifest.model,
        target=manifest.target,
        scheme=manifest.scheme,
        runtime=bundle.chosen_runtime(options.runtime),
        graph_bytes=sum(graph.bytes for graph in found.graphs),
        stages=times.quantiles(),
        sdk_share=round(float(np.median(counted["sdk"] / graphs)), 4),
        ratio={stage: ratio(counted[stage], theirs, options.seed) for stage, theirs in shared.items()},
        warm_up=_warm_up(times),
        real_time_factor=None if manifest.dialogue else round(spent / manifest.clock.step_ms, 5),
        cold_start=cold,
        whole_run=whole,
    )


def _warm_up(times: Times) -> WarmUp | None:
    if not times.warm_up:
        return None
    steps = times.warm_up[times.whole]
    return WarmUp(round(float(steps[0]), 3), round(float(np.median(steps)), 3))
