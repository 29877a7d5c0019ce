"""The step engine: features of each step, the window, the personal baseline and the fusion graph.

It knows nothing of files, clocks or detectors, so that the sensor and the evaluation run the same code.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

import numpy as np

from mer_sdk.baseline import PersonalBaseline
from mer_sdk.bundle import Bundle
from mer_sdk.decision import softmax
from mer_sdk.encoders import Encoders
from mer_sdk.errors import OptionError

MODALITIES = ("audio", "face")


@dataclass(frozen=True, eq=False)
class StepFeatures:
    """Raw features of one step: vectors [Da] and [Df], None where the modality is missing."""

    audio: np.ndarray | None
    face: np.ndarray | None


@dataclass(frozen=True, eq=False)
class StepOutput:
    """What the window says at one step.

    Attributes:
        logits: [K], before the temperature; all 0 where the window is empty.
        probabilities: [K], softmax of logits / temperature; uniform where the window is empty.
        reliance: modality -> share; sums to 1, all 0 where the window is empty.
        present: modality -> number of steps of the window that hold it.
        steps: steps of the window that hold any modality.
    """

    logits: np.ndarray
    probabilities: np.ndarray
    reliance: dict[str, float]
    present: dict[str, int]
    steps: int


@dataclass(frozen=True, eq=False)
class _Row:
    features: StepFeatures
    person: int


class StepEngine:
    """Runs a bundle step by step.

    A person is a number, such as a face track's id. Each has a baseline, and the newest one is current. The first
    person takes over the baseline that the engine began with; any later one starts cold. Face rows of the window that
    show somebody other than the current person count as missing; audio rows are kept, as a voice has no track.

    Args:
        bundle: an open bundle.
        runtime: see `Bundle.load_graphs`.
        threads: CPU threads of each graph.
        baseline: a baseline to begin with; None begins cold.

    Raises:
        RuntimeUnavailable, BundleError, OptionError: as `Bundle.load_graphs`.
        OptionError: the bundle is a dialogue model.
    """

    def __init__(
        self, bundle: Bundle, runtime: str | None = None, threads: int = 1, baseline: PersonalBaseline | None = None
    ) -> None:
        self.manifest = bundle.manifest
        if self.manifest.dialogue is not None:
            raise OptionError(
                f"{bundle.name} is a dialogue model, whose window is made of utterances: open it with "
                "mer_sdk.Conversation, or run it with `mer run BUNDLE DIALOGUE.csv`"
            )
        self._graphs = bundle.load_graphs(runtime, threads)
        self._encoders = Encoders(self.manifest.graphs, self._graphs)
        sizes = {tensor.name: tensor.shape for tensor in self.manifest.graphs["fusion"].inputs}
        self._size = {name: sizes[name][2] for name in MODALITIES if name in sizes}
        self._window: deque[_Row] = deque()
        self._length = self.manifest.clock.window_steps
        self._baselines: dict[int, PersonalBaseline] = {}
        self._person = 0
        self.reset(baseline)

    @property
    def baseline(self) -> PersonalBaseline:
        """The current person's baseline."""
        return self._baselines[self._person]

    def reset(self, baseline: PersonalBaseline | None = None) -> None:
        """Begin a new stream: an empty window, and the given baseline or a cold one."""
        self._window.clear()
        self._person = 0
        self._known = False
        self._baselines = {0: baseline or PersonalBaseline(self.manifest.baseline)}

    def encode(self, chunk: np.ndarray | None, crop: np.ndarray | None) -> StepFeatures:
        """Features of one step. Nothing is remembered, so the result may be kept and given to `advance` many times.

        Args:
            chunk: float32 [chunk_samples] in [-1, 1], or None.
            crop: float32 [S, S, 3], RGB 0-255, or None.

        Raises:
            SignalError: a wrong shape.
        """
        return StepFeatures(
            audio=None if chunk is None else self._encoders.encode("audio", chunk),
            face=None if crop is None else self._encoders.encode("face", crop),
        )

    def advance(self, features: StepFeatures, person: int | None = None) -> StepOutput:
        """Take one step's features into the window and run the fusion graph.

        Args:
            features: of `encode`.
            person: whose face it is; None where there is no face, or only one person.
        """
        if person is not None:
            self._switch_to(person)
        self._append(features)
        return self._fuse()

    def skip(self) -> None:
        """A step that is left out: it stands in the window as missing, and no graph is run."""
        self._append(StepFeatures(None, None))

    def step(self, chunk: np.ndarray | None, crop: np.ndarray | None, person: int | None = None) -> StepOutput:
        """`encode` and `advance` in one."""
        return self.advance(self.encode(chunk, crop), person)

    def finish(self) -> None:
        """End a recording: the steps still in the window are taken into the baselines, and the window is empty."""
        while self._window:
            self._observe(self._window.popleft())

    def _append(self, features: StepFeatures) -> None:
        self._window.append(_Row(features, self._person))
        if len(self._window) > self._length:
            self._observe(self._window.popleft())

    def _switch_to(self, person: int) -> None:
        if not self._known:
            # What was heard before the first face belongs to that face's owner.
            self._baselines = {person: self.baseline}
            self._window = deque(_Row(row.features, person) for row in self._window)
            self._known = True
        elif person not in self._baselines:
            self._baselines[person] = PersonalBaseline(self.manifest.baseline)
        self._person = person

    def _observe(self, row: _Row) -> None:
        baseline = self._baselines[row.person]
        for name in self._size:
            vector = getattr(row.features, name)
            if vector is not None:
                baseline.observe(name, vector)

    def _fuse(self) -> StepOutput:
        inputs: dict[str, np.ndarray] = {}
        present: dict[str, int] = {}
        masks = np.zeros((len(MODALITIES), self._length), np.float32)
        first = self._length - len(self._window)
        for index, name in enumerate(MODALITIES):
            if name not in self._size:
                continue
            rows = np.zeros((1, self._length, self._size[name]), np.float32)
            mean = self.baseline.mean(name)
            for offset, row in enumerate(self._window):
                vector = getattr(row.features, name)
                if vector is not None and (name != "face" or row.person == self._person):
                    rows[0, first + offset] = vector - mean
                    masks[index, first + offset] = 1.0
            inputs[name], inputs[f"{name}_mask"] = rows, masks[index : index + 1]
            present[name] = int(masks[index].sum())
        steps = int(masks.max(axis=0).sum())
        labels = len(self.manifest.labels)
        if not steps:
            empty = np.zeros(labels, np.float32)
            return StepOutput(empty, np.full(labels, 1.0 / labels), dict.fromkeys(present, 0.0), present, 0)
        outputs = self._graphs["fusion"].run(inputs)
        logits = outputs["logits"].reshape(-1)
        reliance = dict(zip(present, (float(share) for share in outputs["reliance"].reshape(-1)), strict=True))
        return StepOutput(logits, softmax(logits / self.manifest.decision.temperature), reliance, present, steps)
