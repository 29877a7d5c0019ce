"""What the page of `mer phone-check` sends back: these dataclasses are its schema. Nothing in it is believed unseen."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise

from mer_sdk.contract.codec import from_json
from mer_sdk.contract.manifest import Manifest
from mer_sdk.errors import DataError

SCHEMA_VERSION = 2
# Longest text in a report, characters.
LONGEST_TEXT = 400
MOST_RUNS = 4
MOST_POINTS = 240
PROVIDERS = ("wasm", "webgpu")


@dataclass(frozen=True)
class Device:
    """The browser's own description of itself and its device; "" and None where it does not say.

    Attributes:
        user_agent: the whole text.
        browser, model, platform: from the browser's client hints, else read from the user agent.
        mobile: whether the browser says that it is a phone's.
        cores: logical processors.
        memory_gb: of the device; browsers round it and stop at 8.
        screen: "width x height" in CSS pixels.
        gpu: the WebGPU adapter.
        isolated: whether the page was cross-origin isolated, without which there are no threads.
        touch_points: touches that the screen tells apart at once (`navigator.maxTouchPoints`); 0 for no touch screen.
        webdriver: whether a program drives the browser (`navigator.webdriver`).
    """

    user_agent: str
    browser: str
    model: str
    platform: str
    mobile: bool | None
    cores: int
    memory_gb: float | None
    screen: str
    gpu: str
    isolated: bool
    touch_points: int
    webdriver: bool


@dataclass(frozen=True)
class Battery:
    """Charge from 0 to 1 as the check began and as it ended, by the Battery Status API; and whether it was charging at
    either."""

    begin: float
    end: float
    charging: bool


@dataclass(frozen=True)
class Latency:
    """Milliseconds of one graph (or of the whole step): the first of the warm-up, and quantiles of what follows it."""

    first: float
    p50: float
    p90: float
    p99: float
    rounds: int


@dataclass(frozen=True)
class Point:
    """Median and 90th percentile of a step, milliseconds, of the part of a sustained run that ends at `seconds`."""

    seconds: float
    p50: float
    p90: float


@dataclass(frozen=True)
class SustainedRun:
    """Steps without a pause. `first` and `last` are the steps' median in the first and last `span` seconds: a device
    that gets warm and slows down has a `last` above its `first`."""

    seconds: float
    span: float
    steps: int
    first: float
    last: float
    points: tuple[Point, ...]


@dataclass(frozen=True)
class CaseAnswer:
    """One golden case: the page's logits (of a dialogue row by row) and its largest errors per encoder."""

    case: int
    logits: tuple[float, ...]
    features: dict[str, float]


@dataclass(frozen=True)
class BrowserRun:
    """One way to run the graphs: the provider (LiteRT.js has "wasm" alone) and its threads.

    Attributes:
        load_ms: reading the runtime and all graphs.
        latency: graph (and "step" for window models) -> milliseconds.
        sustained: of the first run alone, and None where none was asked for.
        hidden: whether the page was out of sight meanwhile, where browsers slow it down.
    """

    provider: str
    threads: int
    load_ms: float
    cases: tuple[CaseAnswer, ...]
    latency: dict[str, Latency]
    sustained: SustainedRun | None
    hidden: bool


@dataclass(frozen=True)
class ClipAnswer:
    """One labelled clip: logits of its steps, one after the other, and how many steps each step's window held."""

    clip: int
    logits: tuple[float, ...]
    held: tuple[int, ...]


@dataclass(frozen=True)
class PhoneReport:
    """The whole report.

    Attributes:
        bundle: its name.
        files: file -> sha256 of what the page read, as it computed it.
        runtime: what ran the graphs and its version, such as "LiteRT.js 2.5.3".
        clips: of the first run; empty where none were asked for.
        battery: None where the browser does not tell it, as Safari and Firefox.
    """

    bundle: str
    files: dict[str, str]
    runtime: str
    device: Device
    runs: tuple[BrowserRun, ...]
    clips: tuple[ClipAnswer, ...]
    battery: Battery | None
    schema_version: int


def read_report(text: str, manifest: Manifest, cases: int, clips: int = 0) -> PhoneReport:
    """Read and check a report.

    Args:
        text: JSON.
        manifest: of the bundle that was served.
        cases: golden cases that it has.
        clips: labelled clips that were served.

    Raises:
        DataError: not JSON, not of the schema, of another bundle, or with values that cannot be.
    """
    try:
        report = from_json(PhoneReport, json.loads(text, parse_constant=_refuse))
        _check(report, manifest, cases, clips)
    except (ValueError, OverflowError, RecursionError) as error:
        raise DataError(f"the report is refused: {error}") from error
    return report


def _refuse(constant: str) -> float:
    raise ValueError(f"{constant} is not a number")


def _check(report: PhoneReport, manifest: Manifest, cases: int, clips: int) -> None:
    if report.schema_version != SCHEMA_VERSION:
        raise ValueError(
            f"it has schema {report.schema_version}, this mer_sdk reads {SCHEMA_VERSION}; load the page anew"
        )
    if report.bundle != manifest.name:
        raise ValueError(f"it is about the bundle {report.bundle[:80]!r}, {manifest.name!r} was served")
    served = {spec.path: spec.sha256 for spec in manifest.files}
    for path in {graph.file for graph in manifest.graphs.values()}:
        if report.files.get(path) != served[path]:
            raise ValueError(f"the page read another {path} than the one that was served")
    texts = (report.runtime, *(value for value in vars(report.device).values() if isinstance(value, str)))
    if any(len(value) > LONGEST_TEXT or not value.isprintable() for value in texts):
        raise ValueError(f"a text is longer than {LONGEST_TEXT} characters, or has characters that cannot be shown")
    if not 0 <= report.device.touch_points <= 256:
        raise ValueError(f"the screen has {report.device.touch_points} touch points; allowed are 0 to 256")
    if report.battery is not None and not all(0 <= share <= 1 for share in (report.battery.begin, report.battery.end)):
        raise ValueError("the battery's charge is not between 0 and 1")
    if not 1 <= len(report.runs) <= MOST_RUNS:
        raise ValueError(f"it has {len(report.runs)} runs; allowed are 1 to {MOST_RUNS}")
    for run in report.runs:
        _check_run(run, manifest, cases)
    if [answer.clip for answer in report.clips] != list(range(clips)):
        raise ValueError(f"it answers {len(report.clips)} clips, {clips} were served")
    labels = len(manifest.labels)
    for answer in report.clips:
        _finite(answer.logits)
        if not answer.held or len(answer.logits) != labels * len(answer.held) or max(answer.held) < 1:
            raise ValueError(f"clip {answer.clip} has no step, or not {labels} logits for each")
        if not all(0 <= held <= manifest.clock.window_steps for held in answer.held):
            raise ValueError(f"clip {answer.clip} has a window of more than {manifest.clock.window_steps} steps")


def _check_run(run: BrowserRun, manifest: Manifest, cases: int) -> None:
    if run.provider not in PROVIDERS or not 1 <= run.threads <= 64:
        raise ValueError(
            f"a run is by {run.provider[:20]!r} with {run.threads} threads; allowed are {PROVIDERS}, 1 to 64"
        )
    if [answer.case for answer in run.cases] != list(range(cases)):
        raise ValueError(f"a run has {len(run.cases)} golden cases, the bundle has {cases}")
    wanted = {*manifest.graphs, *(() if manifest.dialogue else ("step",))}
    if set(run.latency) != wanted:
        raise ValueError(f"a run has times of {sorted(run.latency)[:10]}; needed are {sorted(wanted)}")
    for answer in run.cases:
        _finite(answer.logits)
        _finite(answer.features.values(), least=0.0)
    for times in run.latency.values():
        _finite((times.first, times.p50, times.p90, times.p99), least=0.0)
        if times.rounds < 1 or not times.p50 <= times.p90 <= times.p99:
            raise ValueError("quantiles are not in order, or are of no round")
    _finite((run.load_ms,), least=0.0)
    if run.sustained is not None:
        timeline = run.sustained
        _finite((timeline.seconds, timeline.span, timeline.first, timeline.last), least=0.0)
        if not 1 <= len(timeline.points) <= MOST_POINTS or timeline.steps < 1:
            raise ValueError(f"a timeline has {len(timeline.points)} points; allowed are 1 to {MOST_POINTS}")
        for point in timeline.points:
            _finite((point.seconds, point.p50, point.p90), least=0.0)
        _rising([point.seconds for point in timeline.points])


def _finite(values: Iterable[float], least: float = -math.inf) -> None:
    if not all(math.isfinite(value) and least <= value < 1e9 for value in values):
        raise ValueError("a number is infinite or out of its range")


def _rising(values: Sequence[float]) -> None:
    if any(after <= before for before, after in pairwise(values)):
        raise ValueError("the timeline does not go forward in time")
