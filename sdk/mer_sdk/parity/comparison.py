"""Several bundles or checkpoints on the same input: what `mer compare` measures."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from mer_sdk.contract.bundle import Bundle
from mer_sdk.contract.golden import GoldenCase, load_golden
from mer_sdk.contract.manifest import Manifest
from mer_sdk.dialogue.conversation import Conversation
from mer_sdk.dialogue.dialogue_file import Dialogue, read_dialogues
from mer_sdk.dialogue.engine import DialogueEngine, UtteranceFeatures
from mer_sdk.errors import OptionError, counted
from mer_sdk.frontends.face_crop import resize_triangle
from mer_sdk.parity.agreement import Distance, distance, flips
from mer_sdk.runtimes import runtime_note
from mer_sdk.window.engine import StepEngine
from mer_sdk.window.sensor import EmotionSensor

MEDIA = (".mp4", ".mov", ".mkv", ".webm", ".avi", ".wav", ".flac", ".mp3", ".m4a", ".ogg")


@dataclass(frozen=True, eq=False)
class Timeline:
    """Everything that one bundle computed.

    Attributes:
        features: modality -> [n, D], of the rows (steps, utterances) that hold it.
        logits: [n, K], one row an estimate.
    """

    features: dict[str, np.ndarray]
    logits: np.ndarray


@dataclass(frozen=True)
class Agreement:
    """One bundle against the reference.

    Attributes:
        name: the bundle, with its target and scheme.
        graphs: graph name -> distance of its output, the fusion last; encoders are left out where the feature sizes
            differ.
        flips: estimates with another likeliest label, of `estimates`.
        first_diverging: the first of `graphs` whose error is above the tolerance, or None.
    """

    name: str
    graphs: dict[str, Distance]
    flips: int
    estimates: int
    first_diverging: str | None


@dataclass(frozen=True)
class Comparison:
    """Every bundle against the reference, and all against all (`matrix[i][j]`: max abs error of the logits).

    `runtimes` are what ran each of `names`; `notes` say what results of some of those do not prove.
    """

    reference: str
    data: str
    names: tuple[str, ...]
    runtimes: tuple[str, ...]
    notes: tuple[str, ...]
    agreements: tuple[Agreement, ...]
    matrix: tuple[tuple[float, ...], ...]
    argmax_agreement: tuple[tuple[float, ...], ...]


def compare_bundles(
    bundles: Sequence[Bundle],
    data: Path | None = None,
    tolerance: float = 1e-4,
    threads: int = 1,
    detector: str | None = None,
    progress: Callable[[str, int, int], None] = lambda what, done, total: None,
) -> Comparison:
    """Run all bundles on the same input; the first is the reference.

    Args:
        bundles: at least two, with the same labels and window (clock, or utterances of a dialogue).
        data: a media file or a folder of them, for dialogue models a csv file of dialogues; None takes the golden cases
            of the first bundle that has some.
        tolerance: largest absolute error of a graph's output that counts as equal.
        threads: CPU threads of each graph.
        detector: see `EmotionSensor.open`; used with media.
        progress: called with what is run, how many bundles are done and how many there are.

    Raises:
        OptionError: fewer than two bundles, other labels or windows, or no input.
        RuntimeUnavailable: a bundle cannot run on this machine.
    """
    if len(bundles) < 2:
        raise OptionError("comparing needs two bundles or more; give another one, or --reference")
    _check_alike(bundles)
    names = _names(bundles)
    source, run = _input(bundles, data, threads, detector)
    timelines = []
    what = f"comparing {names[0]}"
    for index, bundle in enumerate(bundles):
        progress(what, index, len(bundles))
        timelines.append(run(bundle))
    progress(what, len(bundles), len(bundles))
    lengths = {len(timeline.logits) for timeline in timelines}
    if len(lengths) != 1 or not min(lengths):
        raise OptionError(f"the bundles gave {sorted(lengths)} estimates for {source}; give input of at least one step")
    return Comparison(
        reference=names[0],
        data=source,
        names=names,
        runtimes=tuple(bundle.runtime for bundle in bundles),
        notes=tuple(dict.fromkeys(note for note in (runtime_note(bundle.runtime) for bundle in bundles) if note)),
        agreements=tuple(
            _agreement(name, timeline, timelines[0], tolerance)
            for name, timeline in zip(names[1:], timelines[1:], strict=True)
        ),
        matrix=tuple(tuple(distance(a.logits, b.logits).max_abs_error for b in timelines) for a in timelines),
        argmax_agreement=tuple(
            tuple(1.0 - flips(a.logits, b.logits) / len(a.logits) for b in timelines) for a in timelines
        ),
    )


def comparable(bundle: Bundle, other: Bundle) -> bool:
    """Whether two bundles have the same labels and the same window."""
    one, two = bundle.manifest, other.manifest
    return one.labels == two.labels and (one.dialogue or one.clock) == (two.dialogue or two.clock)


def _check_alike(bundles: Sequence[Bundle]) -> None:
    first = bundles[0]
    for other in bundles[1:]:
        if not comparable(other, first):
            raise OptionError(
                f"{other.name} ({_facts(other.manifest)}) cannot be compared with {first.name} "
                f"({_facts(first.manifest)}): both must have the same labels and the same window"
            )


def _facts(manifest: Manifest) -> str:
    """Window and labels in words."""
    talk, clock = manifest.dialogue, manifest.clock
    window = f"{clock.window_steps} steps of {clock.step_ms} ms" if talk is None else f"{talk.utterances} utterances"
    return f"{window}; {', '.join(manifest.labels)}"


def _names(bundles: Sequence[Bundle]) -> tuple[str, ...]:
    names: list[str] = []
    for bundle in bundles:
        # The converter names a bundle after both; others may not.
        whole = f"-{bundle.manifest.target}-{bundle.manifest.scheme}"
        name = bundle.name if bundle.name.endswith(whole) else f"{bundle.name}{whole}"
        names.append(name if name not in names else f"{name} #{len(names) + 1}")
    return tuple(names)


def _input(
    bundles: Sequence[Bundle], data: Path | None, threads: int, detector: str | None
) -> tuple[str, Callable[[Bundle], Timeline]]:
    dialogue = bundles[0].manifest.dialogue is not None
    if data is not None:
        if dialogue:
            talks = read_dialogues(data)
            return f"{counted(len(talks), 'dialogue')} of {data}", lambda bundle: _converse(bundle, talks, threads)
        files = _media(data)
        said = f"{counted(len(files), 'media file')} of {data}"
        return said, lambda bundle: _stream(bundle, files, threads, detector)
    owner = next((bundle for bundle in bundles if load_golden(bundle)), None)
    if owner is None:
        raise OptionError("none of these has golden cases; give some with --input PATH")
    cases = load_golden(owner)
    run = _golden_dialogues if dialogue else _golden_windows
    return f"{len(cases)} golden cases of {owner.name}", lambda bundle: run(bundle, cases, threads)


def _media(path: Path) -> list[Path]:
    if path.is_dir():
        files = sorted(file for file in path.rglob("*") if file.suffix.lower() in MEDIA)
        if not files:
            raise OptionError(f"--input {path} holds no media file ({', '.join(MEDIA)})")
        return files
    return [path]


def _stream(bundle: Bundle, files: Sequence[Path], threads: int, detector: str | None) -> Timeline:
    rows, logits = _Rows(), []
    with EmotionSensor.open(bundle, threads=threads, detector=detector) as sensor:
        for file in files:
            for _ in sensor.stream(file):
                features, output = sensor.last_features, sensor.last_output
                assert features is not None
                assert output is not None
                rows.add("audio", features.audio)
                rows.add("face", features.face)
                logits.append(output.logits)
    return Timeline(rows.stacked(), _stacked(logits))


def _converse(bundle: Bundle, talks: Sequence[Dialogue], threads: int) -> Timeline:
    rows, logits = _Rows(), []
    with Conversation.open(bundle, threads=threads) as talk:
        for lines in talks:
            talk.reset()
            for line in lines.utterances:
                talk.push_text(line.text, line.speaker)
                features, output = talk.last_features, talk.last_output
                assert features is not None
                assert output is not None
                rows.add_all(features)
                logits.append(output.logits[-1])
    return Timeline(rows.stacked(), _stacked(logits))


def _golden_windows(bundle: Bundle, cases: Sequence[GoldenCase], threads: int) -> Timeline:
    """Every step of every case gives an estimate: windows that fill are compared too, not the full ones alone."""
    engine = StepEngine(bundle, threads=threads)
    rows, logits = _Rows(), []
    for given in (case.given for case in cases):
        engine.reset()
        for step in range(bundle.manifest.clock.window_steps):
            present = {name for name, mask in given.masks.items() if mask[step]}
            chunk = fit_chunk(given.raw["audio"][step], bundle.manifest) if "audio" in present else None
            crop = fit_crop(given.raw["face"][step], bundle.manifest) if "face" in present else None
            features = engine.encode(chunk, crop)
            rows.add("audio", features.audio)
            rows.add("face", features.face)
            logits.append(engine.advance(features).logits)
    return Timeline(rows.stacked(), _stacked(logits))


def _golden_dialogues(bundle: Bundle, cases: Sequence[GoldenCase], threads: int) -> Timeline:
    """Every utterance of every case gives an estimate, as in a live conversation."""
    engine = DialogueEngine(bundle, threads=threads)
    fits = {"audio": fit_chunk, "face": fit_crop}
    rows, logits = _Rows(), []
    for given in (case.given for case in cases):
        engine.reset()
        for row, name in enumerate(given.names):
            if not name:
                continue
            heard = {}
            for modality, mask in given.masks.items():
                if mask[row] and modality != "text":
                    steps = [fits[modality](step, bundle.manifest) for step in given.raw[modality][row]]
                    heard[modality] = engine.encode(modality, steps)
            words = engine.read(given.texts[row]) if given.texts else None
            if words is not None:
                heard["text"] = words
            features = UtteranceFeatures(heard)
            rows.add_all(features)
            logits.append(engine.advance(features, name).logits[-1])
    return Timeline(rows.stacked(), _stacked(logits))


class _Rows:
    """Feature vectors by modality, as they come."""

    def __init__(self) -> None:
        self._vectors: dict[str, list[np.ndarray]] = {}

    def add(self, name: str, vector: np.ndarray | None) -> None:
        if vector is not None:
            self._vectors.setdefault(name, []).append(vector)

    def add_all(self, features: UtteranceFeatures) -> None:
        for name, vectors in features.rows.items():
            self.add(name, vectors.mean(axis=0))

    def stacked(self) -> dict[str, np.ndarray]:
        return {name: np.stack(vectors) for name, vectors in self._vectors.items()}


def _stacked(vectors: list[np.ndarray]) -> np.ndarray:
    return np.stack(vectors) if vectors else np.zeros((0, 0), np.float32)


def fit_chunk(chunk: np.ndarray, manifest: Manifest) -> np.ndarray:
    """A chunk at another contract's length: it ends at the same moment, so the left is cut, or filled with silence."""
    wanted = manifest.audio.chunk_samples
    return np.pad(chunk, (max(0, wanted - len(chunk)), 0))[-wanted:]


def fit_crop(crop: np.ndarray, manifest: Manifest) -> np.ndarray:
    """A crop at another contract's size."""
    size = manifest.face.crop_size
    return crop if len(crop) == size else resize_triangle(crop, size, size)


def _agreement(name: str, timeline: Timeline, reference: Timeline, tolerance: float) -> Agreement:
    graphs: dict[str, Distance] = {}
    for graph, wanted in reference.features.items():
        found = timeline.features.get(graph)
        # A student's features may have another size than its teacher's; then only the logits can be compared.
        if found is not None and found.shape == wanted.shape:
            graphs[graph] = distance(found, wanted)
    graphs["fusion"] = distance(timeline.logits, reference.logits)
    return Agreement(
        name=name,
        graphs=graphs,
        flips=flips(timeline.logits, reference.logits),
        estimates=len(timeline.logits),
        first_diverging=next((name for name, d in graphs.items() if not d.max_abs_error <= tolerance), None),
    )
