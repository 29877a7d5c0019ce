"""The step engine: features of each step, the window, the personal baseline and the fusion graph.

It knows nothing of files, clocks or detectors, so that the sensor and the evaluation run the same code.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from mer_sdk.contract.bundle import Bundle
from mer_sdk.contract.estimate import NOTHING, state_of
from mer_sdk.errors import OptionError
from mer_sdk.window.baseline import PersonalBaseline
from mer_sdk.window.decision import softmax
from mer_sdk.window.encoders import Encoders
from mer_sdk.window.feature_window import FeatureWindow

MODALITIES = ("audio", "face")
# Baselines are kept of so many persons; beyond it, the one who was not seen for longest is forgotten.
PERSONS = 64


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
        state: which modalities the window holds, as in `EmotionEstimate.state`.
    """

    logits: np.ndarray
    probabilities: np.ndarray
    reliance: dict[str, float]
    present: dict[str, int]
    steps: int
    state: str


class StepEngine:
    """Runs a bundle step by step.

    A person is a number, such as a face's id. Each has a window of faces and a baseline, and one of them is current:
    whoever `advance` names. The first person takes over the baseline that the engine began with and what was heard
    before; any later one starts cold. Sound belongs to whoever was current when it was heard, and is missing in the
    windows of the others.

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
        if self.manifest.finder is not None:
            raise OptionError(f"{bundle.name} is a face finder: give it as the detector of an emotion model's bundle")
        self._graphs = bundle.load_graphs(runtime, threads)
        self._encoders = Encoders(self.manifest.graphs, self._graphs)
        sizes = {tensor.name: tensor.shape for tensor in self.manifest.graphs["fusion"].inputs}
        self._size = {name: sizes[name][2] for name in MODALITIES if name in sizes}
        self._length = self.manifest.clock.window_steps
        self._masks = {name: f"{name}_mask" for name in self._size}
        self._full_mask = np.ones((1, self._length), np.float32)
        self.reset(baseline)

    @property
    def baseline(self) -> PersonalBaseline:
        """The current person's baseline."""
        return self._baselines[self._person]

    @property
    def person(self) -> int:
        """The current person."""
        return self._person

    @property
    def persons(self) -> tuple[int, ...]:
        """Everyone who has a baseline, the current person last."""
        return tuple(self._baselines)

    @property
    def enrolling(self) -> int:
        """Steps that the enrolment begun by `enrol` still wants; 0 where there is none."""
        return self._enrol_steps

    def reset(self, baseline: PersonalBaseline | None = None) -> None:
        """Begin a new stream: an empty window, and the given baseline or a cold one."""
        self._person, self._known = 0, False
        self._baselines = {0: baseline or PersonalBaseline(self.manifest.baseline)}
        self._sound = FeatureWindow(self._length, self._size["audio"]) if "audio" in self._size else None
        self._faces: dict[int, FeatureWindow] = {}
        self._enrol_steps = 0

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

    def advance(
        self, features: StepFeatures, person: int | None = None, others: Mapping[int, np.ndarray] | None = None
    ) -> StepOutput:
        """Take one step's features into the window and run the fusion graph.

        Args:
            features: of `encode`.
            person: whose face it is; None where there is no face, or only one person.
            others: face features [Df] of further persons; see `look_at`.
        """
        if person is not None:
            self._switch_to(person)
        self._append(features, others or {})
        return self._fuse(self._person, sound=True)

    def look_at(self, person: int) -> StepOutput:
        """What the faces of another person say, without sound; of the steps so far.

        Raises:
            OptionError: nobody of that number is known.
        """
        self.baseline_of(person)
        return self._fuse(person, sound=False)

    def baseline_of(self, person: int) -> PersonalBaseline:
        """A person's baseline.

        Raises:
            OptionError: nobody of that number is known.
        """
        if person not in self._baselines:
            raise OptionError(f"person {person} is not known here; known are {', '.join(map(str, self.persons))}")
        return self._baselines[person]

    def enrol(self, steps: int) -> None:
        """Begin the current person's baseline anew with the next `steps` steps that hold anything of them.

        These are taken in at once, and what is in the window now is not. Afterwards the baseline goes on as usual.
        """
        self.baseline.reset()
        self._settle(self._person)
        self._enrol_steps = steps

    def forget(self, person: int) -> None:
        """Forget a person: the baseline is cold again, and nothing that is in the window goes into it.

        Raises:
            OptionError: nobody of that number is known.
        """
        self.baseline_of(person).reset()
        self._settle(person)
        if person == self._person:
            self._enrol_steps = 0
        else:
            del self._baselines[person]
            self._faces.pop(person, None)

    def skip(self) -> None:
        """A step that is left out: it stands in the window as missing, and no graph is run."""
        self._append(StepFeatures(None, None), {})

    def recall_sound(self, rows: Sequence[np.ndarray | None]) -> None:
        """Sound of the last steps that was held back counts after all: features [Da] oldest first, None where missing.

        The steps themselves were advanced without sound; the next one finds these rows in its window.
        """
        if self._sound is not None:
            self._sound.fill(rows, self._person)

    def begin_window(self, newest: int) -> None:
        """Let all but the newest steps leave the window, as those of another utterance: they are missing from now on,
        in every modality and for everyone, and go into the baselines."""
        if newest >= self._length:
            return
        for name, windows in (("audio", self._sound_windows()), ("face", list(self._faces.values()))):
            for window in windows:
                for owner, row in window.begin_after(newest):
                    self._observe(owner, name, row)

    def step(self, chunk: np.ndarray | None, crop: np.ndarray | None, person: int | None = None) -> StepOutput:
        """`encode` and `advance` in one."""
        return self.advance(self.encode(chunk, crop), person)

    def finish(self) -> None:
        """End a recording: the steps still in the window are taken into the baselines, and the window is empty."""
        for name, windows in (("audio", self._sound_windows()), ("face", list(self._faces.values()))):
            for window in windows:
                for owner, row in window.drain():
                    self._observe(owner, name, row)
        self._faces.clear()

    def _sound_windows(self) -> list[FeatureWindow]:
        return [] if self._sound is None else [self._sound]

    def _settle(self, person: int) -> None:
        for window in (*self._sound_windows(), *self._faces.values()):
            window.settle(person)

    def _append(self, features: StepFeatures, others: Mapping[int, np.ndarray]) -> None:
        person = self._person
        early = self._enrol_steps > 0 and (features.audio is not None or features.face is not None)
        if early:
            self._enrol_steps -= 1
        if self._sound is not None:
            self._take("audio", self._sound, features.audio, person, early)
        if "face" not in self._size:
            return
        seen = {**others, person: features.face} if features.face is not None else others
        for owner in seen:
            if owner not in self._faces:
                self._faces[owner] = FeatureWindow(self._length, self._size["face"])
                self._meet(owner)
        for owner, window in list(self._faces.items()):
            self._take("face", window, seen.get(owner), owner, early and owner == person)
            if window.empty:
                del self._faces[owner]

    def _take(self, name: str, window: FeatureWindow, row: np.ndarray | None, owner: int, early: bool) -> None:
        leaving = window.append(row, owner, early)
        if leaving is not None:
            self._observe(leaving[0], name, leaving[1])
        if early and row is not None:
            self._observe(owner, name, row)

    def _observe(self, owner: int, name: str, row: np.ndarray) -> None:
        if owner in self._baselines:
            self._baselines[owner].observe_step(name, row)

    def _switch_to(self, person: int) -> None:
        if not self._known:
            # What was heard before the first face belongs to that face's owner.
            self._baselines = {person: self.baseline}
            for window in self._sound_windows():
                window.give(person)
            self._known = True
        if person != self._person:
            self._enrol_steps = 0
        if person != next(reversed(self._baselines)):
            self._meet(person)
        self._person = person

    def _meet(self, person: int) -> None:
        """Keep a person's baseline among the latest."""
        found = self._baselines.pop(person, None)
        self._baselines[person] = found or PersonalBaseline(self.manifest.baseline)
        if len(self._baselines) > PERSONS:
            oldest = next(one for one in self._baselines if one != self._person)
            del self._baselines[oldest]
            self._faces.pop(oldest, None)

    def _fuse(self, person: int, sound: bool) -> StepOutput:
        baseline = self._baselines[person]
        inputs: dict[str, np.ndarray] = {}
        present: dict[str, int] = {}
        held: list[list[bool]] = []
        for name, size in self._size.items():
            window = self._faces.get(person) if name == "face" else self._sound if sound else None
            if window is not None and window.is_full(person):
                inputs[name], inputs[self._masks[name]] = window.read(baseline.mean(name)), self._full_mask
                present[name] = self._length
                continue
            if window is None:
                rows, there = np.zeros((1, self._length, size), np.float32), [False] * self._length
            else:
                rows, there = window.read_some(baseline.mean(name), person)
            inputs[name], inputs[self._masks[name]] = rows, np.array([there], np.float32)
            present[name] = there.count(True)
            held.append(there)
        steps = max(present.values())
        if 0 < steps < self._length:
            steps = sum(map(any, zip(*held, strict=True)))
        if not steps:
            labels = len(self.manifest.labels)
            empty = np.zeros(labels, np.float32)
            return StepOutput(empty, np.full(labels, 1.0 / labels), dict.fromkeys(present, 0.0), present, 0, NOTHING)
        outputs = self._graphs["fusion"].run(inputs)
        logits = outputs["logits"].reshape(-1)
        reliance = dict(zip(present, outputs["reliance"].reshape(-1).tolist(), strict=True))
        state = state_of([name for name in present if present[name]])
        shares = softmax(logits, self.manifest.decision.of(state).temperature)
        return StepOutput(logits, shares, reliance, present, steps, state)
