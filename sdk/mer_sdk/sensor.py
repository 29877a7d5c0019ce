"""Streams in, estimates out."""

from __future__ import annotations

import time as clock
from collections.abc import Iterator
from pathlib import Path
from typing import NoReturn

import numpy as np

from mer_sdk.affect import check_labels
from mer_sdk.baseline import PersonalBaseline
from mer_sdk.bundle import Bundle
from mer_sdk.decision import decide
from mer_sdk.engine import StepEngine, StepFeatures, StepOutput
from mer_sdk.errors import OptionError
from mer_sdk.estimate import UNKNOWN, EmotionEstimate, FaceView
from mer_sdk.frontends.face import FaceDetector, FaceTracker, check_frame, open_detector
from mer_sdk.intake import Intake, StepInput
from mer_sdk.looks import Look, last_look
from mer_sdk.smoothing import Smoother, Smoothing

# Live, a stream that lags by more than this is taken as missing, so that a camera that stops does not stop the sound.
PATIENCE_SECONDS = 2.0


class EmotionSensor:
    """Emotion estimates, one per step, from a file or from audio and frames as they come.

    Make one with `EmotionSensor.open`. It is meant for one thread. Audio and video are each given in order; a step is
    finished, and its estimate returned, once every stream that began has passed its end. For streams that come from
    several threads, out of order, or faster than the device, wrap it in `mer_sdk.LiveSensor`.

    Personal baselines: each face track has its own. The baseline at the start belongs to the first face; a new track
    starts cold; `baseline` is that of the track seen last. A sound-only stream has one baseline throughout.

    Attributes:
        bundle, manifest: what is run.
        last_features, last_output: raw features and fusion output behind the estimate given last, or None.
    """

    def __init__(
        self,
        bundle: Bundle,
        engine: StepEngine,
        detector: FaceDetector | None,
        baseline: PersonalBaseline | None,
        smoothing: Smoothing | None = None,
    ) -> None:
        self.bundle = bundle
        self.manifest = bundle.manifest
        self._engine = engine
        self._detector = detector
        self._given = baseline
        self._step = self.manifest.clock.step_ms / 1000.0
        self._intake = Intake(self.manifest)
        self._tracker = FaceTracker()
        self._smoother = Smoother(smoothing or Smoothing())
        self._closed = False
        self._begin()

    @classmethod
    def open(
        cls,
        bundle: str | Path | Bundle,
        runtime: str | None = None,
        threads: int = 1,
        detector: str | FaceDetector | None = None,
        baseline: str | Path | PersonalBaseline | None = None,
        smoothing: Smoothing | None = None,
    ) -> EmotionSensor:
        """Open a bundle and load its graphs.

        Args:
            bundle: see `Bundle.open`; or an open bundle.
            runtime: name of a runtime that runs the bundle's target; None takes the target's own.
            threads: CPU threads a graph may use.
            detector: "haar" (also None), the path of a YuNet `.onnx` file, or any `FaceDetector`. Nothing is loaded
                before the first frame.
            baseline: a saved profile or a `PersonalBaseline` to begin each stream with; None begins cold.
            smoothing: how steady the output is; None leaves every step as its window says.

        Raises:
            BundleError, RuntimeUnavailable, OptionError, MissingExtra: see `Bundle.open` and `Bundle.load_graphs`.
            OptionError: the bundle is a dialogue model.
        """
        opened = bundle if isinstance(bundle, Bundle) else Bundle.open(bundle)
        if opened.manifest.va_source == "circumplex":
            check_labels(opened.manifest.labels)
        if isinstance(baseline, str | Path):
            profile = PersonalBaseline(opened.manifest.baseline)
            profile.load(baseline)
            baseline = profile
        if isinstance(detector, str) or detector is None:
            detector = None if detector in (None, "haar") else open_detector(detector)
        return cls(opened, StepEngine(opened, runtime, threads, baseline), detector, baseline, smoothing)

    def __enter__(self) -> EmotionSensor:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def baseline(self) -> PersonalBaseline:
        """The baseline of the current person: `save`, `load` and `reset` it as the app wants."""
        return self._engine.baseline

    def close(self) -> None:
        """Let the graphs go. Closing twice is allowed."""
        self._closed = True
        self._begin()

    def reset(self) -> None:
        """Begin a new stream at time 0: empty window, and the baseline given to `open`, or a cold one."""
        self._check_open()
        self._engine.reset(self._given)
        self._tracker.reset()
        self._smoother.reset()
        self._begin()

    def stream(self, path: str | Path) -> Iterator[EmotionEstimate]:
        """Estimates of a media file, as it is decoded. The stream starts anew: see `reset`.

        Raises:
            MediaError: the file cannot be read, or breaks off (after the estimates of what could be decoded).
            MissingExtra: PyAV, or for video OpenCV, is not installed.
        """
        from mer_sdk.media import AudioPiece, MediaFile

        self.reset()
        with MediaFile(path) as media:
            # Both streams are known beforehand, so no step is finished before the slower one has passed it.
            known = {"audio": media.info.audio, "video": media.info.video}
            self._intake.expected = {name for name, there in known.items() if there}
            self._patience = float("inf")
            for item in media.read():
                if isinstance(item, AudioPiece):
                    self._intake.add_audio(item.pcm, item.sample_rate, item.time)
                else:
                    self._intake.add_frame(item.rgb, item.time)
                yield from self._finished()
        yield from self._rest()

    def push_audio(self, pcm: np.ndarray, sample_rate: int, time: float | None = None) -> list[EmotionEstimate]:
        """Give audio; get the estimates of the steps that it finishes.

        Args:
            pcm: [samples] or [samples, channels]; int16, int32, uint8, or floats in [-1, 1].
            sample_rate: Hz, the same for the whole stream.
            time: seconds from the stream's start to the first sample; None continues where the last piece ended.

        Raises:
            SignalError: NaN, a wrong shape or rate, or audio out of order.
        """
        self._check_open()
        self._intake.add_audio(pcm, sample_rate, time)
        return list(self._finished())

    def push_frame(self, rgb: np.ndarray, time: float) -> list[EmotionEstimate]:
        """Give a video frame; get the estimates of the steps that it finishes.

        Args:
            rgb: uint8 [height, width, 3].
            time: seconds since the stream's start, not before the last frame's.

        Raises:
            SignalError: a wrong shape, or a time that is not finite or goes back.
            MissingExtra: OpenCV is not installed and no detector was given.
        """
        self._check_open()
        still = check_frame(rgb).copy()
        self._intake.add_frame(lambda: still, time)
        return list(self._finished())

    def push_text(self, text: str, time: float | None = None) -> NoReturn:
        """Window models read sound and faces, no text.

        Raises:
            OptionError: always; it names `Conversation`, which is where texts go.
        """
        raise OptionError(
            f"{self.manifest.name} is a window model and reads {' and '.join(self.manifest.modalities)}, no text: open "
            "a dialogue bundle (such as amb_dsgdn) with mer_sdk.Conversation and use its push_text"
        )

    def flush(self) -> list[EmotionEstimate]:
        """End the stream: the estimates still due, and what is left in the window goes into the baseline.

        An incomplete last step counts where at least half of it is there, or where it is the only one.
        """
        self._check_open()
        return list(self._rest())

    def _begin(self) -> None:
        self.last_features: StepFeatures | None = None
        self.last_output: StepOutput | None = None
        self._intake.reset()
        self._patience = PATIENCE_SECONDS

    def _check_open(self) -> None:
        if self._closed:
            raise OptionError("the sensor is closed; open another with EmotionSensor.open")

    def _finished(self) -> Iterator[EmotionEstimate]:
        while self._intake.ready(self._patience):
            yield self._estimate(self._intake.take())

    def _rest(self) -> Iterator[EmotionEstimate]:
        """The steps still due at the end of the stream."""
        end = self._intake.end()
        while self._intake.done < end:
            yield self._estimate(self._intake.take())
        self._engine.finish()

    def _estimate(self, given: StepInput) -> EmotionEstimate:
        end = (given.number + 1) * self._step
        look = self._look(given)
        begin = clock.perf_counter()
        features = self._engine.encode(given.chunk, look.crop if look else None)
        output = self._engine.advance(features, look.view.id if look else None)
        self.last_features, self.last_output = features, output
        return self._words(output, end, look.view if look else None, begin)

    def _skip(self, steps: int) -> None:
        """Steps without an estimate: they stand in the window as missing."""
        for _ in range(min(steps, self.manifest.clock.window_steps)):
            self._engine.skip()

    def _look(self, given: StepInput) -> Look | None:
        """The last face of a step's frames."""
        if not given.frames:
            return None
        if self._detector is None:
            self._detector = open_detector(None)
        return last_look(given.frames, self._detector, self._tracker, self.manifest.face)

    def _words(self, output: StepOutput, end: float, view: FaceView | None, begin: float) -> EmotionEstimate:
        seen = [name for name, count in output.present.items() if count]
        raw = output.probabilities
        steady, label = raw, int(np.argmax(raw))
        if seen:
            held = self._smoother.update(raw, end, view.id if view else None)
            steady, label = held.probabilities, held.label
        else:
            self._smoother.forget()
        verdict = decide(steady, self.manifest, bool(seen))
        confidence = float(steady[label])
        known = bool(seen) and confidence >= self.manifest.decision.abstention_threshold
        return EmotionEstimate(
            time=round(end, 6),
            emotion=self.manifest.labels[label] if known else UNKNOWN,
            confidence=confidence,
            probabilities=verdict.probabilities,
            valence=verdict.valence,
            arousal=verdict.arousal,
            va_source=self.manifest.va_source,
            state="+".join(seen) or "none",
            reliance=output.reliance,
            face=view,
            latency_ms=(clock.perf_counter() - begin) * 1000.0,
            raw_probabilities=dict(zip(self.manifest.labels, (float(value) for value in raw), strict=True)),
        )
