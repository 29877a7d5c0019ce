"""From what one step reads to its estimate: faces, voice, features, the window, smoothing."""

from __future__ import annotations

import time as clock
from dataclasses import replace

import numpy as np

from mer_sdk.contract.estimate import EmotionEstimate
from mer_sdk.frontends.face_detection import FaceDetector, open_detector
from mer_sdk.frontends.face_tracks import FaceOptions, FaceTracks, TrackedFace
from mer_sdk.frontends.voice_activity import VoiceActivity, VoiceOptions
from mer_sdk.window.alignment import StepInput
from mer_sdk.window.baseline import PersonalBaseline
from mer_sdk.window.engine import StepEngine
from mer_sdk.window.postprocessing import postprocess
from mer_sdk.window.smoothing import Smoother, Smoothing
from mer_sdk.window.step import StepFeatures, StepOutput


class StepEstimator:
    """Makes the estimates of one stream, step by step; see `EmotionSensor`.

    Args:
        engine: of the bundle.
        detector: finds faces; None loads the packaged face finder before the first frame.
        smoothing, faces, voice: see `EmotionSensor.open`.

    Attributes:
        engine: holds the window and the baselines.
        watch: the faces that are followed, None before the first frame.
        voice: hears who speaks, None where all sound counts.
        before_speech: features of the sound of a stream's first steps, held back until somebody speaks.
        last_features, last_output: see `EmotionSensor`.
    """

    def __init__(
        self,
        engine: StepEngine,
        detector: FaceDetector | None,
        smoothing: Smoothing | None,
        faces: FaceOptions | None,
        voice: VoiceOptions | None,
    ) -> None:
        self.engine, self._manifest = engine, engine.manifest
        self._detector = detector
        self._step = self._manifest.clock.step_ms / 1000.0
        self._step_samples = self._manifest.audio.sample_rate * self._manifest.clock.step_ms // 1000
        self._face_options = faces or FaceOptions()
        self.watch: FaceTracks | None = None
        self.voice = None if voice is None else VoiceActivity(voice)
        self._smoother, self._others = (Smoother(smoothing or Smoothing()) for _ in range(2))
        self._begin()

    def _begin(self) -> None:
        self.last_features: StepFeatures | None = None
        self.last_output: StepOutput | None = None
        self.before_speech: list[np.ndarray | None] = []

    @property
    def enrolling(self) -> float:
        """See `EmotionSensor.enrolling`."""
        return self.engine.enrolling * self._step

    def reset(self, baseline: PersonalBaseline | None) -> None:
        """Begin a new stream, with a baseline or a cold one."""
        self.engine.reset(baseline)
        if self.watch is not None:
            self.watch.reset()
        if self.voice is not None:
            self.voice.reset()
        self._smoother.reset()
        self._others.reset()
        self._begin()

    def close(self) -> None:
        """Let the graphs, the detector and the window go, and forget whose faces were seen and what was estimated."""
        self.engine.close()
        self._detector = self.watch = self.voice = None
        self._begin()

    def forget(self, person: int | None) -> None:
        """See `EmotionSensor.forget`."""
        who = self.engine.person if person is None else person
        self.engine.forget(who)
        if self.watch is not None:
            self.watch.forget(who)

    def estimate(self, given: StepInput) -> EmotionEstimate:
        """The estimate of the next step."""
        end = (given.number + 1) * self._step
        faces_seen = self._tracked_faces(given)
        speech = self._hears(given.chunk)
        begin = clock.perf_counter()
        first, rest = (faces_seen[0], faces_seen[1:]) if faces_seen else (None, ())
        features = self.engine.encode(None if speech is False else given.chunk, first.crop if first else None)
        self._recall(given.chunk, speech)
        self._begin_window()
        faces = {look.view.id: self.engine.encode(None, look.crop).face for look in rest}
        output = self.engine.advance(
            features, first.view.id if first else None, {who: face for who, face in faces.items() if face is not None}
        )
        self.last_features, self.last_output = features, output
        others = [
            postprocess(self.engine.look_at(look.view.id), self._manifest, self._others, end, look.view, begin)
            for look in rest
        ]
        view = first.view if first else None
        estimate = postprocess(output, self._manifest, self._smoother, end, view, begin, speech)
        enrolling = self.enrolling
        return replace(estimate, others=tuple(others), enrolling=enrolling) if others or enrolling else estimate

    def skip(self, steps: int) -> None:
        """Steps without an estimate: they stand in the window as missing."""
        if self.voice is not None and steps:
            if self.voice.undecided:
                self.before_speech += [None] * min(steps, self._manifest.clock.window_steps)
            self.voice.gap(steps * self._step_samples)
        for _ in range(min(steps, self._manifest.clock.window_steps)):
            self.engine.skip()

    def _tracked_faces(self, given: StepInput) -> tuple[TrackedFace, ...]:
        """The faces of a step's frames, the preferred one first."""
        if self.watch is not None:
            self.watch.pass_time(given.number * self._step)
        if not given.frames:
            return ()
        if self.watch is None:
            self._detector = self._detector or open_detector(None)
            self.watch = FaceTracks(self._detector, self._manifest.face, self._face_options)
        return self.watch.look(given.frames, given.chunk)

    def _recall(self, chunk: np.ndarray | None, speech: bool | None) -> None:
        """Hold back the sound of a stream's first steps, and let it count once somebody speaks."""
        if self.voice is None:
            return
        if speech and self.before_speech:
            self.engine.recall_sound(self.before_speech)
        if self.voice.undecided:
            self.before_speech.append(None if chunk is None else self.engine.encode(chunk, None).audio)
        else:
            self.before_speech = []

    def _begin_window(self) -> None:
        """Of the steps before this one those stay in the window that belong to the same utterance."""
        if self.voice is not None and self.voice.options.pause is not None:
            self.engine.begin_window(max(0, self.voice.fresh // self._step_samples - 1))

    def _hears(self, chunk: np.ndarray | None) -> bool | None:
        """Whether a step's sound counts as speech; None where that is not asked, or there is no sound."""
        if self.voice is None:
            return None
        if chunk is None:
            self.voice.gap(self._step_samples)
            return None
        return self.voice.step(chunk[-self._step_samples :])
