"""What a process does with one file: its steps as JSON lines, and their summary."""

from __future__ import annotations

import hashlib
import json
import os
import threading
import zlib
from collections import Counter
from dataclasses import dataclass, field

from mer_sdk import __version__
from mer_sdk.batch.clips import ClipFile
from mer_sdk.bench.timing import blas_threads
from mer_sdk.contract.bundle import Bundle
from mer_sdk.contract.bundle_files import file_sha256
from mer_sdk.contract.estimate import UNKNOWN, EmotionEstimate
from mer_sdk.contract.manifest_file import manifest_to_text
from mer_sdk.errors import BundleError, JobError, MerError, MissingExtra, RuntimeUnavailable
from mer_sdk.frontends.face_tracks import FaceOptions
from mer_sdk.frontends.voice_activity import VoiceOptions
from mer_sdk.media.names import shown
from mer_sdk.window.sensor import EmotionSensor
from mer_sdk.window.smoothing import Smoothing

# What every other file would fail by, too.
CONCERNS_ALL = (BundleError, MissingExtra, RuntimeUnavailable, JobError)
# Lines that are compressed together.
LINES = 256
# What a step says of the machine, not of the file: left out, so that every machine writes the same rows.
MACHINE = ("latency_ms", "live")


@dataclass(frozen=True)
class BatchPlan:
    """What is done with every file; the same plan gives the same rows.

    Attributes:
        bundle: absolute path.
        fingerprint: sha256 of its manifest, which holds the hashes of its files.
        version: of mer-edge.
        runtime, threads, detector, baseline, smoothing, faces: see `EmotionSensor.open`; paths are absolute.
        voice: whether sound counts only where somebody speaks.
        enrol, audio_track: see `EmotionSensor.stream`.
        trust: public keys, "ed25519:BASE64", of which one must have signed the bundle; none trusts every bundle.
        baseline_sha256, detector_sha256: see `content_sha256`; None where nothing is named that could change.
    """

    bundle: str
    fingerprint: str
    version: str = __version__
    runtime: str | None = None
    threads: int = 1
    detector: str | None = None
    baseline: str | None = None
    smoothing: Smoothing = field(default_factory=Smoothing)
    faces: FaceOptions = field(default_factory=FaceOptions)
    voice: bool = False
    enrol: float | None = None
    audio_track: int | None = None
    trust: tuple[str, ...] = ()
    baseline_sha256: str | None = None
    detector_sha256: str | None = None


@dataclass(frozen=True)
class ClipSummary:
    """What one file says over all.

    Attributes:
        steps: how many estimates.
        seconds: the end of the last step.
        emotion: said at most steps, "unknown" only where nothing else was said; None without a step.
        shares: label, and "unknown" -> share of the steps that say it, 0-1.
        probabilities: label -> mean probability.
        valence, arousal: means, -1 to 1, over the steps that hold anything; None where there is none.
        face: share of the steps with a face.
        speech: share of the steps in which somebody speaks; None where voice activity is off or there is no sound.
        notes: see `EmotionSensor.notes`.
        error: why the file could not be read, or broke off; None where it could be read to its end.
    """

    steps: int = 0
    seconds: float = 0.0
    emotion: str | None = None
    shares: dict[str, float] = field(default_factory=dict)
    probabilities: dict[str, float] = field(default_factory=dict)
    valence: float | None = None
    arousal: float | None = None
    face: float | None = None
    speech: float | None = None
    notes: tuple[str, ...] = ()
    error: str | None = None


@dataclass(frozen=True)
class ClipResult:
    """A file's summary, and its steps: compressed by zlib, a JSON object a line, as `mer run --json` prints them."""

    summary: ClipSummary
    steps: bytes


def fingerprint(bundle: Bundle) -> str:
    """See `BatchPlan`."""
    return hashlib.sha256(manifest_to_text(bundle.manifest).encode()).hexdigest()


def content_sha256(path: str | None) -> str | None:
    """By what a file that a plan names is known: its sha256, of a bundle the fingerprint.

    None where there is none: what is missing is told by whoever opens it.

    Raises:
        BundleError: a folder that is no bundle.
    """
    if path is None:
        return None
    if os.path.isdir(path):
        return fingerprint(Bundle.open(path))
    try:
        return file_sha256(path)
    except OSError:
        return None


def estimate_clip(plan: BatchPlan, clip: ClipFile) -> ClipResult:
    """Run one file; whatever is wrong with it becomes its `error`.

    Raises:
        BundleError, RuntimeUnavailable, MissingExtra, JobError: what concerns every file.
    """
    sensor = _sensor(plan)
    steps, totals, error = _Packed(), _Totals(sensor.manifest.labels), None
    try:
        for estimate in sensor.stream(clip.path, plan.enrol, plan.audio_track):
            totals.add(estimate)
            steps.add(json.dumps(_row(estimate)))
    except CONCERNS_ALL:
        raise
    except MerError as found:
        error = str(found).replace(shown(clip.path), shown(clip.name))
    except Exception as found:
        # A fault of this program, or of a decoder, must not end the other files.
        error = f"{shown(clip.name)} cannot be run ({type(found).__name__}: {found})"
        _OPEN.plan = None
    notes = () if error else sensor.notes
    return ClipResult(totals.summary(notes, error), steps.end())


def _row(estimate: EmotionEstimate) -> dict[str, object]:
    row = {name: value for name, value in estimate.to_json().items() if name not in MACHINE}
    return {**row, "others": [_row(other) for other in estimate.others]}


# A sensor is for one thread. It is loaded once in each, and the plan that it was loaded for is kept beside it.
_OPEN = threading.local()


def _sensor(plan: BatchPlan) -> EmotionSensor:
    if getattr(_OPEN, "plan", None) != plan:
        if plan.version != __version__:
            raise JobError(f"a worker has mer-edge {__version__}, and {plan.version} gave it work: install one version")
        # Read once, when OpenCV is loaded, which is not before the first frame.
        os.environ.setdefault("OPENCV_FOR_THREADS_NUM", str(plan.threads))
        blas_threads(plan.threads)
        bundle = Bundle.open(plan.bundle, plan.trust or None)
        if fingerprint(bundle) != plan.fingerprint:
            raise BundleError(f"{plan.bundle} is another bundle where a worker runs; copy the same one there")
        _check_content("profile", plan.baseline, plan.baseline_sha256)
        _check_content("face detector", plan.detector, plan.detector_sha256)
        _OPEN.sensor = EmotionSensor.open(
            bundle,
            plan.runtime,
            plan.threads,
            detector=plan.detector,
            baseline=plan.baseline,
            smoothing=plan.smoothing,
            faces=plan.faces,
            voice=VoiceOptions() if plan.voice else None,
            trust=plan.trust or None,
        )
        _OPEN.plan = plan
    sensor: EmotionSensor = _OPEN.sensor
    return sensor


def _check_content(what: str, path: str | None, sha256: str | None) -> None:
    if sha256 is not None and content_sha256(path) != sha256:
        raise JobError(
            f"the {what} {path} has changed since the run began, or is another one where a worker runs; put the same "
            "one there"
        )


class _Packed:
    """Lines, compressed as they come: the steps of a film are small, too."""

    def __init__(self) -> None:
        self._zlib, self._parts, self._lines = zlib.compressobj(1), list[bytes](), list[str]()

    def add(self, line: str) -> None:
        self._lines.append(line)
        if len(self._lines) >= LINES:
            self._pack()

    def end(self) -> bytes:
        self._pack()
        return b"".join((*self._parts, self._zlib.flush()))

    def _pack(self) -> None:
        self._parts.append(self._zlib.compress("".join(f"{line}\n" for line in self._lines).encode()))
        self._lines.clear()


class _Totals:
    """Sums over the steps of a file; their size does not grow with the file."""

    def __init__(self, labels: tuple[str, ...]) -> None:
        self._said: Counter[str] = Counter()
        self._sums = dict.fromkeys(labels, 0.0)
        self._valence = self._arousal = self._end = 0.0
        self._held = self._faces = self._heard = self._spoken = 0

    def add(self, estimate: EmotionEstimate) -> None:
        self._said[estimate.emotion] += 1
        self._end = estimate.time
        for label, probability in estimate.probabilities.items():
            self._sums[label] += probability
        if estimate.state != "none":
            self._held += 1
            self._valence += estimate.valence
            self._arousal += estimate.arousal
        self._faces += estimate.face is not None
        self._heard += estimate.speech is not None
        self._spoken += estimate.speech is True

    def summary(self, notes: tuple[str, ...], error: str | None) -> ClipSummary:
        steps = sum(self._said.values())
        if not steps:
            return ClipSummary(notes=notes, error=error)
        # Of emotions said equally often, the one that is likelier on average.
        most = max(self._sums, key=lambda label: (self._said[label], self._sums[label]))
        return ClipSummary(
            steps=steps,
            seconds=self._end,
            emotion=most if self._said[most] else UNKNOWN,
            shares={label: self._said[label] / steps for label in (*self._sums, UNKNOWN)},
            probabilities={label: total / steps for label, total in self._sums.items()},
            valence=self._valence / self._held if self._held else None,
            arousal=self._arousal / self._held if self._held else None,
            face=self._faces / steps,
            speech=self._spoken / self._heard if self._heard else None,
            notes=notes,
            error=error,
        )
