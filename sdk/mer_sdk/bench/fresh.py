"""What runs in a fresh process: from its start to the first estimate, and its memory.

Started by `mer_sdk.bench.processes` with one JSON object as its argument; prints one JSON object a line.
"""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter, process_time

from mer_sdk.bench.steps import StepInput, TimedStep
from mer_sdk.contract.bundle import Bundle
from mer_sdk.contract.codec import from_json
from mer_sdk.window.sensor import EmotionSensor

STEPS = 64  # four windows: whatever a stream keeps is there by then


@dataclass(frozen=True)
class Task:
    """What to do.

    Attributes:
        bundle, runtime, threads, seed: see `TimedStep`.
        clip: a media file to stream; without it steps are run.
        detector: see `open_detector`.
        fixed_face: whether every search finds a face; see `FixedFace`.
    """

    bundle: str
    runtime: str | None
    threads: int
    seed: int
    clip: str | None = None
    detector: str | None = None
    fixed_face: bool = False


@dataclass(frozen=True)
class FirstEstimate:
    """Seconds of each phase; `prepare` made the input, which an app has from its devices, and does not count."""

    imports: float
    open: float
    prepare: float
    load: float
    first_step: float


@dataclass(frozen=True)
class Streamed:
    """A whole clip: wall and CPU seconds, steps, and those with a face."""

    wall: float
    cpu: float
    steps: int
    faces: int


@dataclass(frozen=True)
class Peak:
    """Most memory that the process ever held, MB (10^6 bytes); None where the system does not say."""

    mb: float | None


def main(begun: float) -> None:
    """Do the task of the first argument. `begun` is `perf_counter()` as the interpreter was ready."""
    imported = perf_counter()
    task = from_json(Task, json.loads(sys.argv[1]))
    if task.clip is None:
        _steps(task, begun, imported)
    else:
        _stream(task, task.clip)
    _print({"mb": peak_mb()})


def _steps(task: Task, begun: float, imported: float) -> None:
    bundle = Bundle.open(task.bundle)
    opened = perf_counter()
    source = StepInput(bundle.manifest, task.seed)
    prepared = perf_counter()
    step = TimedStep(bundle, task.runtime, task.threads, source=source)
    loaded = perf_counter()
    step()
    done = perf_counter()
    _print(
        {
            "imports": imported - begun,
            "open": opened - imported,
            "prepare": prepared - opened,
            "load": loaded - prepared,
            "first_step": done - loaded,
        }
    )
    for _ in range(STEPS):
        step()


def _stream(task: Task, clip: str) -> None:
    from mer_sdk.bench.clip import FixedFace
    from mer_sdk.frontends.face_detection import FaceDetector, open_detector
    from mer_sdk.media.decode import MediaFile

    with MediaFile(clip) as media:
        video = media.info.video
    detector: FaceDetector | None = open_detector(task.detector) if video else None
    if detector is not None and task.fixed_face:
        detector = FixedFace(detector)
    with EmotionSensor.open(task.bundle, task.runtime, task.threads, detector) as sensor:
        wall, cpu = perf_counter(), process_time()
        faces = [estimate.face is not None for estimate in sensor.stream(clip)]
        _print(
            {
                "wall": perf_counter() - wall,
                "cpu": process_time() - cpu,
                "steps": len(faces),
                "faces": sum(faces),
            }
        )


def peak_mb() -> float | None:
    """See `Peak`."""
    status = Path("/proc/self/status")
    if status.exists():
        # Not ru_maxrss: on Linux that begins with what the parent process held.
        found = [line.split()[1] for line in status.read_text().splitlines() if line.startswith("VmHWM:")]
        return int(found[0]) * 1024 / 1e6 if found else None
    try:
        import resource
    except ImportError:
        return None
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most / 1e6 if sys.platform == "darwin" else most * 1024 / 1e6


def _print(value: dict[str, float | None]) -> None:
    print(json.dumps(value), flush=True)
