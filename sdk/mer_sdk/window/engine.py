"""The step engine: features of each step, the window, the personal baseline and the fusion graph.

It knows nothing of files, clocks or detectors, so that the sensor and the evaluation run the same code.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from mer_sdk.contract.bundle import Bundle
from mer_sdk.contract.estimate import NOTHING, state_of
from mer_sdk.contract.manifest import NEUTRAL
from mer_sdk.errors import OptionError
from mer_sdk.limits import check_kind
from mer_sdk.window.baseline import PersonalBaseline, places_of
from mer_sdk.window.decision import shares_of
from mer_sdk.window.encoders import Encoders
from mer_sdk.window.feature_window import FeatureWindow
from mer_sdk.window.step import StepFeatures, StepOutput

MODALITIES = ("audio", "face")
# Baselines are kept of so many persons; beyond it, the one who was not seen for longest is forgotten.
PERSONS = 64


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
        # What the fusion graph reads is written into the same arrays at every step.
        self._rows = {name: np.zeros((1, self._length, size), np.float32) for name, size in self._size.items()}
        self._masks = {name: f"{name}_mask" for name in self._size}
        self._full_mask = np.ones((1, self._length), np.float32)
        self._full = {**self._rows, **dict.fromkeys(self._masks.values(), self._full_mask)}
        self._all_present = dict.fromkeys(self._size, self._length)
        self._all_state = state_of(self._size)
        self._all_temperature = self.manifest.decision.of(self._all_state).temperature
        corrected = self.manifest.baseline.neutral_prior > 0
        self._neutral = self.manifest.labels.index(NEUTRAL) if corrected else None
        places = places_of(self.manifest.baseline)
        self._leaving = np.zeros(max((place.stop for place in places.values()), default=0))
        self._left = {name: self._leaving[place] for name, place in places.items()}
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
        """Everyone who has a baseline: who was seen last comes last, and the current person after all others."""
        return tuple(self._baselines)

    @property
    def enrolling(self) -> int:
        """Steps that the enrolment begun by `enrol` still wants; 0 where there is none."""
        return self._enrol_steps

    def reset(self, baseline: PersonalBaseline | None = None) -> None:
        """Begin a new stream: an empty window, and the given baseline or a cold one."""
        self._person, self._known = 0, False
        self._baselines = {0: baseline or PersonalBaseline(self.manifest.baseline)}
        self._clear_window()

    def close(self) -> None:
        """Let the graphs and what is in the window go; the baselines stay. Nothing but `baseline_of` is of use then."""
        self._graphs, self._encoders = {}, Encoders({}, {})
        self._clear_window()

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
        """What the faces of another person say, without sound; of the steps so far. Their baseline follows it.

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
        check_kind("the person", person, (int, np.integer), "the id of a person, as FaceView has it")
        if person not in self._baselines:
            raise OptionError(f"person {person} is not known here; known are {', '.join(map(str, self.persons))}")
        return self._baselines[person]

    def enrol(self, steps: int) -> None:
        """Begin the current person's baseline anew with the next `steps` steps that hold anything of them, at rest.

        They are taken in at once (`observe_neutral`), and what is in the window now is not. Then it goes on as usual.
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

    def _clear_window(self) -> None:
        self._sound = FeatureWindow(self._length, self._size["audio"]) if "audio" in self._size else None
        self._faces: dict[int, FeatureWindow] = {}
        self._enrol_steps = 0

    def _sound_windows(self) -> list[FeatureWindow]:
        return [] if self._sound is None else [self._sound]

    def _settle(self, person: int) -> None:
        for window in (*self._sound_windows(), *self._faces.values()):
            window.settle(person)

    def _append(self, features: StepFeatures, others: Mapping[int, np.ndarray]) -> None:
        person, audio, face = self._person, features.audio, features.face
        seen = others if face is None else {**others, person: face}
        for owner in (*sorted(seen), person):
            self._meet(owner)
        if len(self._baselines) > PERSONS:
            self._forget_oldest(seen)
        early = self._enrol_steps > 0 and (audio is not None or face is not None)
        heard = None if self._sound is None else self._sound.append(audio, person, early, self._left["audio"])
        if "face" in self._size:
            for owner in seen:
                if owner not in self._faces:
                    self._faces[owner] = FeatureWindow(self._length, self._size["face"])
            for owner, window in tuple(self._faces.items()):
                row = seen.get(owner)
                due = window.append(row, owner, early and owner == person, self._left["face"])
                if due is not None and due == heard:
                    if due in self._baselines:
                        self._baselines[due].observe_all(self._leaving)
                    heard = None
                elif due is not None:
                    self._observe(due, "face", self._left["face"])
                if row is None and window.empty:
                    del self._faces[owner]
        if heard is not None:
            self._observe(heard, "audio", self._left["audio"])
        if early:
            self._enrol_steps -= 1
            for name, row in (("audio", audio), ("face", face)):
                if row is not None and name in self._size:
                    self.baseline.observe_neutral(name, row)

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
        elif person != self._person:
            self._enrol_steps = 0
        self._person = person

    def _meet(self, person: int) -> None:
        """Put a person's baseline behind all others; whoever is new has a cold one."""
        if person != next(reversed(self._baselines)):
            found = self._baselines.pop(person, None)
            self._baselines[person] = found or PersonalBaseline(self.manifest.baseline)

    def _forget_oldest(self, seen: Mapping[int, np.ndarray]) -> None:
        """Forget those beyond `PERSONS` who were not seen for longest; nobody who is seen now."""
        away = [one for one in self._baselines if one not in seen and one != self._person]
        for oldest in away[: len(self._baselines) - PERSONS]:
            del self._baselines[oldest]
            self._faces.pop(oldest, None)

    def _fuse(self, person: int, sound: bool) -> StepOutput:
        baseline = self._baselines[person]
        output = self._look(person, sound, baseline.means())
        if self._neutral is not None and output.steps:
            baseline.expect_neutral(output.shares[self._neutral])
        return output

    def _look(self, person: int, sound: bool, means: Mapping[str, np.ndarray]) -> StepOutput:
        windows = {
            name: self._faces.get(person) if name == "face" else self._sound if sound else None for name in self._size
        }
        if all(window is not None and window.is_full(person) for window in windows.values()):
            for name, window in windows.items():
                assert window is not None  # as they are full
                window.read(means[name], self._rows[name])
            return self._said(self._full, dict(self._all_present), self._length, None)
        return self._fuse_some(person, windows, means)

    def _fuse_some(
        self, person: int, windows: Mapping[str, FeatureWindow | None], means: Mapping[str, np.ndarray]
    ) -> StepOutput:
        """Of windows that are not all full."""
        inputs: dict[str, np.ndarray] = {}
        held: dict[str, list[bool]] = {}
        for name, window in windows.items():
            inputs[name] = rows = self._rows[name]
            if window is None:
                rows[...] = 0.0
                held[name] = [False] * self._length
            else:
                held[name] = window.read_some(means[name], person, rows)
            inputs[self._masks[name]] = np.array([held[name]], np.float32)
        present = {name: there.count(True) for name, there in held.items()}
        steps = sum(map(any, zip(*held.values(), strict=True)))
        if not steps:
            labels = len(self.manifest.labels)
            empty = np.zeros(labels, np.float32)
            return StepOutput(empty, [1.0 / labels] * labels, dict.fromkeys(present, 0.0), present, 0, NOTHING)
        return self._said(inputs, present, steps, state_of([name for name in present if present[name]]))

    def _said(
        self, inputs: Mapping[str, np.ndarray], present: dict[str, int], steps: int, state: str | None
    ) -> StepOutput:
        """Run the fusion graph; `state` is None where every modality is there."""
        outputs = self._graphs["fusion"].run(inputs)
        logits = outputs["logits"].reshape(-1)
        reliance = dict(zip(present, outputs["reliance"].reshape(-1).tolist(), strict=True))
        if state is None:
            state, temperature = self._all_state, self._all_temperature
        else:
            temperature = self.manifest.decision.of(state).temperature
        return StepOutput(logits, shares_of(logits.tolist(), temperature), reliance, present, steps, state)
