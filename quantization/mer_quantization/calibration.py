"""Calibration inputs of every graph: what each of them gets when the model runs over real clips.

The clips go through the SDK's own engine with the network in torch behind it, so that chunks, crops, windows, masks and
personal baselines are those of the device. Clips take turns in what the fusion sees (audio and face, audio, face) and
in whether the person's baseline is cold or warm. One set of inputs serves every target.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path

import numpy as np

from mer_quantization.recordings import DataOptions, Recording, dialogues, recordings
from mer_sdk.contract.bundle import Bundle
from mer_sdk.contract.npy import DAMAGED
from mer_sdk.dialogue.dialogue_file import Dialogue
from mer_sdk.dialogue.engine import DialogueEngine, UtteranceFeatures
from mer_sdk.errors import DataError
from mer_sdk.runtimes import Graph
from mer_sdk.window.baseline import PersonalBaseline
from mer_sdk.window.engine import StepEngine
from mer_sdk.window.step import StepFeatures

STATES = (("audio", "face"), ("audio",), ("face",))
# Inputs kept of each graph: 64 clips have about 900 steps.
ROWS = 512
Samples = dict[str, np.ndarray]


def calibration_inputs(
    bundle: Bundle,
    options: DataOptions,
    rows: int = ROWS,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> dict[str, Samples]:
    """Graph name -> input name -> [n, ...], n at most `rows`: inputs of n runs, drawn evenly from all runs.

    Args:
        bundle: of the checkpoint, in torch (`mer_fusion.torch_bundle.open_checkpoint`).
        options: which clips.
        rows: how many inputs of a graph are kept at most.
        progress: told how many clips are done, and how many there are.

    Raises:
        OptionError, DataError: as `recordings` and `dialogues`; or a graph that the data never reach.
    """
    recorders = {
        name: Recorder(graph, rows, np.random.default_rng([options.seed, number]))
        for number, (name, graph) in enumerate(bundle.load_graphs().items())
    }
    recorded = Bundle(bundle.manifest, bundle.path, lambda threads: dict(recorders), bundle.encode_text)

    def said(done: int) -> None:
        progress(done, options.clips)

    if bundle.manifest.dialogue is None:
        clips = recordings(options, bundle.manifest)
        _run_clips(StepEngine(recorded), clips, len(bundle.manifest.labels), said)
    else:
        _run_dialogues(DialogueEngine(recorded), dialogues(options, bundle.manifest), said)
    for name, recorder in recorders.items():
        if not recorder.kept:
            raise DataError(
                f"--data {' '.join(options.data)} never reaches the graph {name!r} of {bundle.name}, which cannot be "
                "calibrated; give data with that modality, or take a scheme without calibration"
            )
    return {name: recorder.samples() for name, recorder in recorders.items()}


def save_samples(folder: Path, inputs: Mapping[str, Samples]) -> None:
    """Write `GRAPH.npz` for every graph."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, samples in inputs.items():
        np.savez(folder / f"{name}.npz", **samples)  # type: ignore[arg-type]


def read_samples(path: Path) -> Iterator[Samples]:
    """The inputs of one run after the other, each with its batch axis of 1.

    Raises:
        DataError: the file is missing or damaged.
    """
    try:
        with np.load(path, allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}
    except DAMAGED as error:
        raise DataError(f"calibration inputs {path} cannot be read ({error})") from error
    for row in range(min(map(len, arrays.values()))):
        yield {name: array[row : row + 1] for name, array in arrays.items()}


class Recorder:
    """A graph that keeps a random choice of its inputs, every run as likely as any other."""

    def __init__(self, graph: Graph, rows: int, rng: np.random.Generator) -> None:
        self.kept: list[Samples] = []
        self._graph, self._rows, self._rng, self._seen = graph, rows, rng, 0

    def run(self, inputs: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """See `Graph.run`."""
        place = self._seen if self._seen < self._rows else int(self._rng.integers(self._seen + 1))
        if place < self._rows:
            self.kept[place : place + 1] = [{name: np.array(value) for name, value in inputs.items()}]
        self._seen += 1
        return self._graph.run(inputs)

    def samples(self) -> Samples:
        """Input name -> [n, ...]."""
        return {name: np.concatenate([item[name] for item in self.kept]) for name in self.kept[0]}


def _run_clips(engine: StepEngine, clips: Iterable[Recording], labels: int, progress: Callable[[int], None]) -> None:
    """Run clips that take turns in their labels. With every turn the state moves on, with every three the baseline."""
    people: dict[int, PersonalBaseline] = {}
    for number, recording in enumerate(clips):
        turn, label = divmod(number, labels)
        state = STATES[(turn + label) % len(STATES)]
        warm = (turn // len(STATES) + label) % 2 == 1
        fresh = PersonalBaseline(engine.manifest.baseline)
        engine.reset(people.setdefault(recording.clip.speaker, fresh) if warm else fresh)
        for chunk, crop in zip(recording.chunks, recording.crops, strict=True):
            features = engine.encode(chunk, crop)
            engine.advance(
                StepFeatures(
                    audio=features.audio if "audio" in state else None, face=features.face if "face" in state else None
                )
            )
        engine.finish()
        progress(number + 1)


def _run_dialogues(engine: DialogueEngine, talks: Iterable[Dialogue], progress: Callable[[int], None]) -> None:
    for number, talk in enumerate(talks):
        engine.reset()
        for line in talk.utterances:
            words = engine.read(line.text)
            engine.advance(UtteranceFeatures({} if words is None else {"text": words}), line.speaker)
        progress(number + 1)
