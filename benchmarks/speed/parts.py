"""The parts whose time is measured: each is called with nothing and gives stage -> milliseconds."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from time import perf_counter, process_time

import numpy as np

from mer_sdk.bench import clip, steps
from mer_sdk.bench.clip import ClipStep, make_clip
from mer_sdk.bench.steps import BOX, FRAME, TimedStep
from mer_sdk.bench.timing import Runner
from mer_sdk.contract.bundle import Bundle
from mer_sdk.contract.manifest import AudioContract, Clock, FaceContract
from mer_sdk.frontends.audio import AudioFrontend
from mer_sdk.frontends.face_crop import Detection, crop_face
from mer_sdk.frontends.face_finder import open_finder
from mer_sdk.frontends.face_tracking import FaceTracker

REFERENCE = "reference network"
RATES = (8000, 11025, 16000, 22050, 44100, 48000, 96000, 192000)
FEW_RATES = (16000, 44100, 48000)
STEP, CHANNELS = 0.25, 2
SMALL_FRAME = (480, 640, 3)


def count_cpu_time() -> None:
    """Let every stage from now on be CPU time of all threads: on a busy machine the only time that says anything."""
    for names in (globals(), vars(steps), vars(clip)):
        names["perf_counter"] = process_time


class ReferenceNetwork:
    """What all else is compared with: four layers of 256 for 64 rows, float32, in numpy. It must never change.

    A ratio to it is about the same on machines of different speed; it is of no use for anything else.
    """

    def __init__(self) -> None:
        rng = np.random.default_rng(19)
        self._rows = rng.standard_normal((64, 256), np.float32)
        self._layers = [rng.standard_normal((256, 256), np.float32) / np.float32(16) for _ in range(4)]

    def __call__(self) -> np.ndarray:
        rows = self._rows
        for layer in self._layers:
            rows = np.maximum(rows @ layer, 0)
        return rows


def timed(work: Callable[[], object], stage: str = "all") -> Runner:
    """A runner that has one stage."""

    def run() -> dict[str, float]:
        begun = perf_counter()
        work()
        return {stage: (perf_counter() - begun) * 1000}

    return run


def sound_parts(rates: tuple[int, ...] = RATES) -> dict[str, Runner]:
    """A step of stereo sound, from samples of each rate to the chunk."""

    def front_end(rate: int) -> Callable[[], object]:
        frontend = AudioFrontend(AudioContract(), Clock())
        shape = (int(rate * STEP), CHANNELS)
        pcm = np.random.default_rng(rate).uniform(-0.5, 0.5, shape).astype(np.float32)
        frontend.push(pcm, rate)
        return lambda: frontend.push(pcm, rate)

    return {f"sound, {rate / 1000:g} kHz": timed(front_end(rate)) for rate in rates}


def picture_parts(finder: Bundle | None) -> dict[str, Runner]:
    """A face cut out and followed at 720p; a search of the face finder, where there is one, at 720p and 480p."""
    rng = np.random.default_rng(0)
    frame, small = (rng.integers(0, 256, shape, np.uint8) for shape in (FRAME, SMALL_FRAME))
    contract, tracker = FaceContract(), FaceTracker(_Seen(), 1e9, 1)
    tracker.follow(frame, 0.0)
    found = {
        "face cut out, 720p": timed(lambda: crop_face(frame, BOX, contract)),
        "face followed, 720p": timed(lambda: tracker.follow(frame, 0.0)),
    }
    if finder is not None:
        detector = open_finder(finder)
        found["face finder, 720p"] = timed(lambda: detector.detect(frame))
        found["face finder, 480p"] = timed(lambda: detector.detect(small))
    return found


def clip_parts(folder: Path) -> dict[str, Runner]:
    """A step of a clip that is made in `folder`: decoded, and searched by the cascade.

    Raises:
        MissingExtra: PyAV or OpenCV is not installed.
    """
    path = folder / "clip.mp4"
    make_clip(path)
    return {"clip, 720p": ClipStep(path, STEP)}


def step_parts(bundles: Mapping[str, Bundle]) -> dict[str, Runner]:
    """A step (of a dialogue model: an utterance) of every bundle, with its stages."""
    return {name: TimedStep(bundle) for name, bundle in bundles.items()}


class _Seen:
    """A detector that sees a face in the middle."""

    def detect(self, rgb: np.ndarray) -> list[Detection]:
        """See `FaceDetector.detect`."""
        return [(*BOX, 1.0)]
