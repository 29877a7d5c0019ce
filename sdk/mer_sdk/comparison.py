"""Several bundles or checkpoints on the same input: what `mer compare` measures."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from mer_sdk.agreement import Distance, distance, flips
from mer_sdk.bundle import Bundle
from mer_sdk.engine import StepEngine
from mer_sdk.errors import OptionError
from mer_sdk.frontends.face import resize_triangle
from mer_sdk.golden import GoldenCase, load_golden
from mer_sdk.manifest import Manifest
from mer_sdk.sensor import EmotionSensor

GRAPHS = ("audio", "face", "fusion")
MEDIA = (".mp4", ".mov", ".mkv", ".webm", ".avi", ".wav", ".flac", ".mp3", ".m4a", ".ogg")


@dataclass(frozen=True, eq=False)
class Course:
    """Everything that one bundle computed: features [n, D] of steps that hold the modality, logits [n, K]."""

    audio: np.ndarray
    face: np.ndarray
    logits: np.ndarray


@dataclass(frozen=True)
class Agreement:
    """One bundle against the reference.

    Attributes:
        name: the bundle, with its target and scheme.
        graphs: graph name -> distance of its output; audio and face are left out where the feature sizes differ.
        flips: estimates with another likeliest label, of `estimates`.
        first_diverging: the first graph, in the order audio, face, fusion, whose error is above the tolerance, or None.
    """

    name: str
    graphs: dict[str, Distance]
    flips: int
    estimates: int
    first_diverging: str | None


@dataclass(frozen=True)
class Comparison:
    """Every bundle against the reference, and all against all (`matrix[i][j]`: max abs error of the logits)."""

    reference: str
    data: str
    names: tuple[str, ...]
    agreements: tuple[Agreement, ...]
    matrix: tuple[tuple[float, ...], ...]
    argmax_agreement: tuple[tuple[float, ...], ...]


def compare_bundles(
    bundles: Sequence[Bundle],
    data: Path | None = None,
    tolerance: float = 1e-4,
    threads: int = 1,
    detector: str | None = None,
    progress: Callable[[str], None] = lambda message: None,
) -> Comparison:
    """Run all bundles on the same input; the first is the reference.

    Args:
        bundles: at least two, with the same labels and clock.
        data: a media file or a folder of them; None takes the golden cases of the first bundle that has some.
        tolerance: largest absolute error of a graph's output that counts as equal.
        threads: CPU threads of each graph.
        detector: see `EmotionSensor.open`; used with media.
        progress: told what is run.

    Raises:
        OptionError: fewer than two bundles, other labels or clocks, or no input.
        RuntimeUnavailable: a bundle cannot run on this machine.
    """
    if len(bundles) < 2:
        raise OptionError("comparing needs two bundles or more; give another one, or --reference")
    _check_alike(bundles)
    names = _names(bundles)
    source, run = _input(bundles, data, threads, detector)
    courses = []
    for bundle, name in zip(bundles, names, strict=True):
        progress(name)
        courses.append(run(bundle))
    lengths = {len(course.logits) for course in courses}
    if len(lengths) != 1 or not min(lengths):
        raise OptionError(f"the bundles gave {sorted(lengths)} estimates for {source}; give input of at least one step")
    return Comparison(
        reference=names[0],
        data=source,
        names=names,
        agreements=tuple(
            _agreement(name, course, courses[0], tolerance) for name, course in zip(names[1:], courses[1:], strict=True)
        ),
        matrix=tuple(tuple(distance(a.logits, b.logits).max_abs_error for b in courses) for a in courses),
        argmax_agreement=tuple(
            tuple(1.0 - flips(a.logits, b.logits) / len(a.logits) for b in courses) for a in courses
        ),
    )


def _check_alike(bundles: Sequence[Bundle]) -> None:
    first = bundles[0].manifest
    for bundle in bundles[1:]:
        if bundle.manifest.labels != first.labels or bundle.manifest.clock != first.clock:
            raise OptionError(
                f"{bundle.name} has labels {list(bundle.manifest.labels)} and {bundle.manifest.clock}, "
                f"{first.name} has {list(first.labels)} and {first.clock}; "
                "only bundles with the same labels and clock can be compared"
            )


def _names(bundles: Sequence[Bundle]) -> tuple[str, ...]:
    names: list[str] = []
    for bundle in bundles:
        name = f"{bundle.name} {bundle.manifest.target} {bundle.manifest.scheme}"
        names.append(name if name not in names else f"{name} #{len(names) + 1}")
    return tuple(names)


def _input(
    bundles: Sequence[Bundle], data: Path | None, threads: int, detector: str | None
) -> tuple[str, Callable[[Bundle], Course]]:
    if data is not None:
        files = _media(data)
        return f"{len(files)} media files of {data}", lambda bundle: _stream(bundle, files, threads, detector)
    owner = next((bundle for bundle in bundles if load_golden(bundle)), None)
    if owner is None:
        raise OptionError("none of these has golden cases; give media with --data PATH")
    cases = load_golden(owner)
    return f"{len(cases)} golden cases of {owner.name}", lambda bundle: _golden(bundle, cases, threads)


def _media(path: Path) -> list[Path]:
    if path.is_dir():
        files = sorted(file for file in path.rglob("*") if file.suffix.lower() in MEDIA)
        if not files:
            raise OptionError(f"--data {path} holds no media file ({', '.join(MEDIA)})")
        return files
    return [path]


def _stream(bundle: Bundle, files: Sequence[Path], threads: int, detector: str | None) -> Course:
    audio, face, logits = [], [], []
    with EmotionSensor.open(bundle, threads=threads, detector=detector) as sensor:
        for file in files:
            for _ in sensor.stream(file):
                features, output = sensor.last_features, sensor.last_output
                assert features is not None
                assert output is not None
                if features.audio is not None:
                    audio.append(features.audio)
                if features.face is not None:
                    face.append(features.face)
                logits.append(output.logits)
    return Course(_rows(audio), _rows(face), _rows(logits))


def _golden(bundle: Bundle, cases: Sequence[GoldenCase], threads: int) -> Course:
    """Every step of every case gives an estimate: windows that fill are compared too, not the full ones alone."""
    engine = StepEngine(bundle, threads=threads)
    audio, face, logits = [], [], []
    for case in cases:
        engine.reset()
        for step in range(len(case.pcm)):
            chunk = fit_chunk(case.pcm[step], bundle.manifest) if case.audio_mask[step] else None
            crop = fit_crop(case.crop[step], bundle.manifest) if case.face_mask[step] else None
            features = engine.encode(chunk, crop)
            if features.audio is not None:
                audio.append(features.audio)
            if features.face is not None:
                face.append(features.face)
            logits.append(engine.advance(features).logits)
    return Course(_rows(audio), _rows(face), _rows(logits))


def fit_chunk(chunk: np.ndarray, manifest: Manifest) -> np.ndarray:
    """A chunk at another contract's length: it ends at the same moment, so the left is cut, or filled with silence."""
    wanted = manifest.audio.chunk_samples
    return np.pad(chunk, (max(0, wanted - len(chunk)), 0))[-wanted:]


def fit_crop(crop: np.ndarray, manifest: Manifest) -> np.ndarray:
    """A crop at another contract's size."""
    return crop if len(crop) == manifest.face.crop_size else resize_triangle(crop, manifest.face.crop_size)


def _rows(vectors: list[np.ndarray]) -> np.ndarray:
    return np.stack(vectors) if vectors else np.zeros((0, 0), np.float32)


def _agreement(name: str, course: Course, reference: Course, tolerance: float) -> Agreement:
    graphs: dict[str, Distance] = {}
    for graph, found, wanted in (
        ("audio", course.audio, reference.audio),
        ("face", course.face, reference.face),
        ("fusion", course.logits, reference.logits),
    ):
        # A student's features may have another size than its teacher's; then only the logits can be compared.
        if found.shape == wanted.shape and found.size:
            graphs[graph] = distance(found, wanted)
    return Agreement(
        name=name,
        graphs=graphs,
        flips=flips(course.logits, reference.logits),
        estimates=len(course.logits),
        first_diverging=next((g for g in GRAPHS if g in graphs and not graphs[g].max_abs_error <= tolerance), None),
    )
