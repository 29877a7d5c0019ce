"""Streams in, estimates out."""

from __future__ import annotations

import time as clock
from collections import deque
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NoReturn

import numpy as np

from mer_sdk.affect import check_labels
from mer_sdk.baseline import PersonalBaseline
from mer_sdk.bundle import Bundle
from mer_sdk.decision import decide
from mer_sdk.engine import StepEngine, StepFeatures, StepOutput
from mer_sdk.errors import OptionError, SignalError
from mer_sdk.estimate import UNKNOWN, EmotionEstimate, FaceView
from mer_sdk.frontends.audio import AudioFrontend
from mer_sdk.frontends.face import FaceDetector, FaceTracker, check_frame, open_detector
from mer_sdk.looks import Frame, Look, last_look
from mer_sdk.smoothing import Smoother, Smoothing

# Live, a stream that lags by more than this is taken as missing, so that a camera that stops does not stop the sound.
PATIENCE_SECONDS = 2.0


class EmotionSensor:
    """Emotion estimates, one per step, from a file or from audio and frames as they come.

    Make one with `EmotionSensor.open`. It is meant for one thread. Audio and video are each given in order; a step is
    finished, and its estimate returned, once every stream that began has passed its end.

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
        self._audio = AudioFrontend(self.manifest.audio, self.manifest.clock)
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
        self._audio.reset()
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
            self._has_audio, self._has_video = media.info.audio, media.info.video
            self._patience = float("inf")
            for item in media.read():
                if isinstance(item, AudioPiece):
                    self._add_audio(item.pcm, item.sample_rate, item.time)
                else:
                    self._add_frame(item.rgb, item.time)
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
        self._has_audio = True
        self._add_audio(pcm, sample_rate, time)
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
        self._has_video = True
        still = check_frame(rgb).copy()
        self._add_frame(lambda: still, time)
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
        self._done = 0
        self._has_audio = self._has_video = False
        self._patience = PATIENCE_SECONDS
        # (step number, chunk, covered) of the steps whose audio is complete and whose estimate is not made yet.
        self._audio_steps: deque[tuple[int, np.ndarray, bool]] = deque()
        self._audio_made = 0
        self._frames: list[Frame] = []
        self._video_time = 0.0
        self._frame_gap = 0.0

    def _check_open(self) -> None:
        if self._closed:
            raise OptionError("the sensor is closed; open another with EmotionSensor.open")

    def _add_audio(self, pcm: np.ndarray, sample_rate: int, time: float | None) -> None:
        self._queue(self._audio.push(pcm, sample_rate, time))

    def _queue(self, steps: list[tuple[np.ndarray, bool]]) -> None:
        for chunk, covered in steps:
            if self._audio_made >= self._done:
                self._audio_steps.append((self._audio_made, chunk, covered))
            self._audio_made += 1

    def _add_frame(self, pixels: Callable[[], np.ndarray], time: float) -> None:
        if not np.isfinite(time) or time < self._video_time - 1e-6:
            raise SignalError(f"a frame at {time} s came after one at {self._video_time:.3f} s; push frames in order")
        # A frame is shown until the next one: the last frame's end is guessed from the gap before it.
        self._frame_gap = time - self._video_time if self._frames or self._done else 0.0
        self._video_time = time
        self._frames.append((time, pixels))

    def _finished(self) -> Iterator[EmotionEstimate]:
        while True:
            end = (self._done + 1) * self._step
            # A frame at the very end belongs to the next step, so it also proves that this step is over.
            audio_over, video_over = bool(self._audio_steps), self._video_time >= end - 1e-6
            audio_late = not audio_over and self._video_time - end > self._patience
            video_late = not video_over and self._audio_made * self._step - end > self._patience
            audio_ready = audio_over or audio_late or not self._has_audio
            video_ready = video_over or video_late or not self._has_video
            if not (audio_ready and video_ready and (audio_over or video_over)):
                return
            yield self._estimate()

    def _rest(self) -> Iterator[EmotionEstimate]:
        """The steps still due at the end of the stream."""
        self._queue(self._audio.flush())
        video_end = self._video_time + min(self._frame_gap, self._step)
        video_steps = int(video_end / self._step + 0.5) if self._has_video else 0
        end = max(self._audio_made, video_steps, 1 if self._frames and self._done == 0 else 0)
        while self._done < end:
            yield self._estimate()
        self._engine.finish()

    def _estimate(self) -> EmotionEstimate:
        """Finish the next step."""
        chunk, covered = self._audio_steps.popleft()[1:] if self._audio_steps else (None, False)
        self._done += 1
        end = self._done * self._step
        look = self._look(end)
        begin = clock.perf_counter()
        features = self._engine.encode(chunk if covered else None, look.crop if look else None)
        output = self._engine.advance(features, look.view.id if look else None)
        self.last_features, self.last_output = features, output
        return self._words(output, end, look.view if look else None, begin)

    def _look(self, end: float) -> Look | None:
        """The last face of the frames before `end`; those frames are dropped."""
        before = [item for item in self._frames if item[0] < end - 1e-6]
        self._frames = self._frames[len(before) :]
        frames = [item for item in before if item[0] >= end - self._step - 1e-6]
        if not frames:
            return None
        if self._detector is None:
            self._detector = open_detector(None)
        return last_look(frames, self._detector, self._tracker, self.manifest.face)

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
