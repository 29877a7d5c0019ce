"""Utterances of a dialogue in, estimates out."""

from __future__ import annotations

import math
import time as clock
from collections.abc import Hashable, Iterable
from functools import partial
from pathlib import Path

import numpy as np

from mer_sdk.contract.affect import check_labels
from mer_sdk.contract.bundle import Bundle, open_trusted
from mer_sdk.contract.estimate import UtteranceEstimate
from mer_sdk.contract.signature import Trust
from mer_sdk.dialogue.engine import DialogueEngine, DialogueOutput, UtteranceFeatures
from mer_sdk.errors import OptionError, SignalError
from mer_sdk.frontends.audio import AudioFrontend
from mer_sdk.frontends.face_crop import check_frame
from mer_sdk.frontends.face_detection import FaceDetector, chosen_detector, open_detector
from mer_sdk.frontends.face_tracks import FaceTracks, Frame
from mer_sdk.frontends.input_checks import checked_time
from mer_sdk.frontends.text import utf8_text
from mer_sdk.limits import check_speaker
from mer_sdk.media.frame_selection import step_number
from mer_sdk.window.baseline import PersonalBaseline
from mer_sdk.window.decision import decide


class Conversation:
    """Emotion estimates, one per utterance, from who says what, and from sound and faces where the bundle reads them.

    Make one with `Conversation.open`. It is meant for one thread. An estimate is made when its utterance is pushed,
    from it and the utterances before; later ones do not change it.

    - A dialogue of any length may be given: the window holds the last N utterances (`manifest.dialogue.utterances`).
    - A speaker is any hashable name. The network is told who of the window is who, by numbers in order of first
      appearance there; where more speakers take part than it knows (`manifest.dialogue.speakers`), the last number
      stands for all others. None stands for an unknown speaker: utterances without a name count as one person's.
    - A text without a word (empty, blanks alone) is a missing modality. An utterance in which nothing is present is
      "unknown" and keeps its place in the dialogue.

    Attributes:
        bundle, manifest: what is run.
        last_features, last_output: raw features and fusion output behind the estimate given last, or None.
    """

    last_features: UtteranceFeatures | None
    last_output: DialogueOutput | None
    _time: float

    def __init__(self, bundle: Bundle, engine: DialogueEngine, detector: FaceDetector | None) -> None:
        self.bundle = bundle
        self.manifest = bundle.manifest
        self._engine = engine
        self._detector = detector
        self._modalities = self.manifest.modalities
        self._closed = self._live = False
        self._begin()

    @classmethod
    def open(
        cls,
        bundle: str | Path | Bundle,
        runtime: str | None = None,
        threads: int = 1,
        detector: str | FaceDetector | None = None,
        trust: Trust | None = None,
    ) -> Conversation:
        """Open a dialogue bundle and load its graphs.

        Args:
            bundle: see `Bundle.open`; or an open bundle.
            runtime: name of a runtime that runs the bundle's target; None takes the target's own.
            threads: CPU threads a graph may use.
            detector: see `EmotionSensor.open`; used where the bundle reads faces.
            trust: see `EmotionSensor.open`.

        Raises:
            BundleError, RuntimeUnavailable, OptionError, MissingExtra: see `Bundle.open` and `Bundle.load_graphs`.
            UntrustedBundle: no trusted key signed it; nothing of it was given to a runtime.
            OptionError: the bundle is a window model.
        """
        opened = open_trusted(bundle, trust)
        if opened.manifest.va_source == "circumplex":
            check_labels(opened.manifest.labels)
        return cls(opened, DialogueEngine(opened, runtime, threads), chosen_detector(detector, trust))

    def __enter__(self) -> Conversation:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Let the graphs, the window and the timeline go; `baseline` stays, for the app to save. Closing twice is
        allowed."""
        self._closed, self._detector = True, None
        self._engine.close()
        self._begin()

    def reset(self) -> None:
        """Begin a new dialogue: empty window, empty timeline, cold baselines."""
        self._check_open()
        self._engine.reset()
        self._begin()

    def timeline(self) -> tuple[UtteranceEstimate, ...]:
        """All estimates of this dialogue so far, in order."""
        return tuple(self._timeline)

    def baseline(self, speaker: Hashable) -> PersonalBaseline:
        """A speaker's baseline of sound and face: `save`, `load` and `reset` it as the app wants.

        Raises:
            OptionError: a name that is not hashable.
        """
        check_speaker(speaker)
        return self._engine.baseline(speaker)

    def push_text(self, text: str | bytes, speaker: Hashable = None, time: float | None = None) -> UtteranceEstimate:
        """`push_utterance` with nothing but words."""
        return self.push_utterance(speaker, text=text, time=time)

    def push_utterance(
        self,
        speaker: Hashable = None,
        text: str | bytes | None = None,
        audio: tuple[np.ndarray, int] | None = None,
        frames: Iterable[tuple[np.ndarray, float]] | None = None,
        time: float | None = None,
    ) -> UtteranceEstimate:
        """Give one utterance, whole; get its estimate.

        Args:
            speaker: who said it: any hashable name, None where that is unknown.
            text: what was said, a string or UTF-8 bytes.
            audio: (PCM, sample rate in Hz) of the utterance; see `EmotionSensor.push_audio`.
            frames: (uint8 RGB [height, width, 3], seconds since the utterance began), in order.
            time: seconds since the dialogue began, not before the last utterance's; only handed on to the estimate.

        Raises:
            OptionError: a modality that the bundle does not read, a speaker's name that is not hashable, or the
                conversation is closed.
            SignalError: text that is not UTF-8, bad PCM or frames, or a time that is no time stamp or goes back.
            MissingExtra: OpenCV is not installed, frames were given and no detector was.
        """
        self._check_open()
        self._check(text, audio, frames, speaker, time)
        time = None if time is None else float(time)
        words = None if text is None else utf8_text(text)
        crops = [] if frames is None else self._crops(frames)
        begin = clock.perf_counter()
        features = UtteranceFeatures(
            {
                name: rows
                for name, rows in (
                    ("text", None if words is None else self._engine.read(words)),
                    ("audio", None if audio is None else self._hear(*audio)),
                    ("face", self._engine.encode("face", crops) if crops else None),
                )
                if rows is not None
            }
        )
        output = self._engine.advance(features, speaker)
        self.last_features, self.last_output = features, output
        self._time = time if time is not None else self._time
        estimate = self._words(output, words, speaker, time, begin)
        self._timeline.append(estimate)
        return estimate

    def _begin(self) -> None:
        self._timeline: list[UtteranceEstimate] = []
        self._time = -math.inf
        self.last_features = None
        self.last_output = None

    def _check_open(self) -> None:
        if self._closed:
            raise OptionError("the conversation is closed; open another with Conversation.open")

    def _check(self, text: object, audio: object, frames: object, speaker: Hashable, time: float | None) -> None:
        """Refuse before anything is changed, so that a bad utterance leaves the dialogue as it was."""
        for name, value in (("text", text), ("audio", audio), ("face", frames)):
            if value is not None and name not in self._modalities:
                raise OptionError(
                    f"{self.manifest.name} reads {', '.join(self._modalities)}, no {name}: leave it out, or open a "
                    "bundle that reads it"
                )
        check_speaker(speaker)
        if time is not None and checked_time("an utterance", time) < self._time:
            raise SignalError(f"an utterance at {time} s came after one at {self._time:.3f} s; push them in order")

    def _hear(self, pcm: np.ndarray, sample_rate: int) -> np.ndarray | None:
        """Audio features [steps, D]; None where there is no sample."""
        frontend = AudioFrontend(self.manifest.audio, self.manifest.clock)
        chunks = [chunk for chunk, _ in frontend.push(pcm, sample_rate) + frontend.flush()]
        return self._engine.encode("audio", chunks) if chunks else None

    def _crops(self, frames: Iterable[tuple[np.ndarray, float]]) -> list[np.ndarray]:
        """The face of each step of an utterance, as the sensor finds it; steps without one are left out."""
        steps: dict[int, list[Frame]] = {}
        last = 0.0
        for rgb, time in frames:
            at = checked_time("a frame", time)
            if at < last:
                raise SignalError(f"a frame at {time} s came after one at {last:.3f} s; give frames in order")
            last, step = at, step_number(at, self.manifest.clock.step_ms / 1000)
            steps.setdefault(step, []).append((at, partial(check_frame, rgb)))
        if not steps:
            return []
        detector = self._detector = self._detector or open_detector(None)
        # An utterance shows its speaker, so each is watched anew.
        watch = FaceTracks(detector, self.manifest.face)
        return [look.crop for step in sorted(steps) for look in watch.look(steps[step])]

    def _words(
        self, output: DialogueOutput, text: str | None, speaker: Hashable, time: float | None, begin: float
    ) -> UtteranceEstimate:
        decided = decide(output.probabilities.tolist(), self.manifest, output.state)
        return UtteranceEstimate(
            index=len(self._timeline),
            time=time,
            speaker=None if speaker is None else str(speaker),
            text=text,
            emotion=decided.emotion,
            confidence=decided.confidence,
            probabilities=decided.probabilities,
            valence=decided.valence,
            arousal=decided.arousal,
            va_source=self.manifest.va_source,
            state=output.state,
            reliance=output.reliance,
            latency_ms=(clock.perf_counter() - begin) * 1000.0,
        )
