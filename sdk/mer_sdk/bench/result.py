"""What `mer bench --json` prints: these dataclasses are its contract, `docs/bench.schema.json` is their schema."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mer_sdk.bench.board import board_name
from mer_sdk.bench.processes import ColdStart, WholeRun
from mer_sdk.bench.sensors import ROOT, SensorReadings
from mer_sdk.bench.sustained import Sustained
from mer_sdk.bench.timing import Quantiles, Ratio
from mer_sdk.contract.codec import json_schema
from mer_sdk.limits import check_kind, check_number, check_seed, check_threads

SCHEMA_VERSION = 1


@dataclass(frozen=True)
class Machine:
    """Where it was measured.

    Attributes:
        mer_edge, python, system, machine, cpus, numpy: as `mer doctor` has them.
        runtimes: inference runtime -> version, those that are installed.
        board, cpu: their names, "" where the system does not say.
        memory_mb: MB (10^6 bytes), None where the system does not say.
        governor: how the clock frequency is chosen, "" where the system does not say.
        load: mean number of waiting or running processes in the minute before, None where the system does not say.
    """

    mer_edge: str
    python: str
    system: str
    machine: str
    cpus: int
    numpy: str
    runtimes: dict[str, str]
    board: str
    cpu: str
    memory_mb: float | None
    governor: str
    load: float | None


@dataclass(frozen=True)
class Options:
    """How it was measured; see `mer bench --help`.

    Raises:
        OptionError: a number outside its range: `rounds` is at least 1, `warm_up`, `starts`, `minutes` and `seed` at
            least 0, all but `minutes` whole.
    """

    rounds: int = 200
    warm_up: int = 20
    starts: int = 5
    minutes: float = 0.0
    threads: int = 1
    seed: int = 0
    runtime: str | None = None
    input: str | None = None
    detector: str | None = None

    def __post_init__(self) -> None:
        check_number("rounds", self.rounds, "give a whole number of at least 1", least=1, whole=True)
        for name in ("warm_up", "starts"):
            check_number(name, getattr(self, name), "give a whole number of at least 0", least=0, whole=True)
        check_number("minutes", self.minutes, "allowed is 0 (left out) or more, such as 10", least=0)
        check_threads(self.threads)
        check_seed(self.seed)
        for name in ("runtime", "input", "detector"):
            check_kind(name, getattr(self, name), str, "its name in a string")


@dataclass(frozen=True)
class WarmUp:
    """What does not count: ms of the very first step, and the median step of all rounds of the warm-up."""

    first_ms: float
    p50: float


@dataclass(frozen=True)
class BundleResult:
    """One bundle.

    Attributes:
        name: as the manifest has it, with a number where it was given before.
        path, model, target, scheme, runtime: what was run.
        graph_bytes: size of the graph files; 0 for a checkpoint.
        stages: stage -> milliseconds; see `TimedStep`.
        sdk_share: median of the SDK's time over that of the graphs in the same step.
        ratio: stage -> the median over the first bundle's; empty for the first, and for stages that it does not have.
        warm_up: None where none was asked for.
        real_time_factor: mean time of front ends, graphs and SDK over the length of a step; None for dialogue models,
            whose utterances have no fixed length.
        cold_start: None where none was asked for.
        whole_run: None for dialogue models, and where the clip could not be used.
    """

    name: str
    path: str
    model: str
    target: str
    scheme: str
    runtime: str
    graph_bytes: int
    stages: dict[str, Quantiles]
    sdk_share: float
    ratio: dict[str, Ratio]
    warm_up: WarmUp | None
    real_time_factor: float | None
    cold_start: ColdStart | None
    whole_run: WholeRun | None

    @property
    def whole(self) -> str:
        """Name of the whole: "step" or "utterance"."""
        return next(reversed(self.stages))


@dataclass(frozen=True)
class BenchResult:
    """The result of `mer bench --json`.

    Attributes:
        clip: what was decoded, in words; "" where nothing was.
        media: "decode" and "detect" -> milliseconds a step, the same for all bundles.
        sensors: the timeline of each over the measurement.
        missing: what was not measured, and why; and what this machine does not show.
        warnings: what makes a reader think twice.
    """

    machine: Machine
    options: Options
    clip: str
    media: dict[str, Quantiles]
    bundles: tuple[BundleResult, ...]
    sustained: Sustained | None
    sensors: tuple[SensorReadings, ...]
    missing: tuple[str, ...]
    warnings: tuple[str, ...]
    schema_version: int = SCHEMA_VERSION


def bench_schema() -> dict[str, Any]:
    """The JSON Schema of `mer bench --json`."""
    return json_schema(BenchResult)


@dataclass(frozen=True)
class Board:
    """What the files below /proc and /sys say of the machine; see `Machine`."""

    board: str
    cpu: str
    memory_mb: float | None
    governor: str
    load: float | None


def read_board(root: Path = ROOT) -> Board:
    """The facts that `mer doctor` does not have. `root` is "/" but for recorded trees."""
    facts = _table(root / "proc" / "cpuinfo")
    memory = _table(root / "proc" / "meminfo").get("MemTotal", "").split()
    governor = root / "sys" / "devices" / "system" / "cpu" / "cpu0" / "cpufreq" / "scaling_governor"
    load = _text(root / "proc" / "loadavg").split()
    # Without /proc (macOS) the load is asked of the system itself.
    asked = os.getloadavg()[0] if root == ROOT and not load and hasattr(os, "getloadavg") else None
    return Board(
        board=board_name(root) or facts.get("Model", ""),
        cpu=facts.get("model name") or facts.get("Hardware", ""),
        memory_mb=round(int(memory[0]) * 1024 / 1e6, 1) if memory else None,
        governor=_text(governor),
        load=float(load[0]) if load else asked,
    )


def _table(file: Path) -> dict[str, str]:
    """The first value of every "key : value"."""
    found: dict[str, str] = {}
    for line in _text(file).splitlines():
        key, colon, value = line.partition(":")
        if colon:
            found.setdefault(key.strip(), value.strip())
    return found


def _text(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8", errors="replace").strip()
    except OSError:
        return ""
