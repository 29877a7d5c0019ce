"""A sensor for streams as they come: from any threads, a little out of order, faster or slower than the device."""

from __future__ import annotations

import time as clock
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NoReturn

import numpy as np

from mer_sdk.contract.bundle import Bundle
from mer_sdk.contract.estimate import EmotionEstimate, LiveState
from mer_sdk.contract.signature import Trust
from mer_sdk.errors import OptionError
from mer_sdk.frontends.face_detection import FaceDetector
from mer_sdk.frontends.face_tracks import FaceOptions
from mer_sdk.frontends.input_checks import checked_sound, checked_time
from mer_sdk.frontends.voice_activity import VoiceOptions
from mer_sdk.limits import check_callable, check_kind
from mer_sdk.live.step_queue import LiveOptions, LiveQueue
from mer_sdk.live.worker import LiveWorker, check_callback
from mer_sdk.window.alignment import StepInput, StreamAlignment
from mer_sdk.window.baseline import PersonalBaseline
from mer_sdk.window.sensor import EmotionSensor
from mer_sdk.window.smoothing import Smoothing

Callback = Callable[[EmotionEstimate], object]


@dataclass(frozen=True, eq=False)
class _Due:
    """A step to be made, and what is told with it."""

    given: StepInput
    live: LiveState


class LiveSensor(LiveWorker[_Due, EmotionEstimate]):
    """Estimates of live streams, made by a thread of its own.

    `push_audio` and `push_frame` may be called from any threads and return at once. Estimates are taken by iterating
    (or by `get`), or are given to a callback, which runs on the sensor's thread. Steps depend on time stamps alone,
    never on when something was pushed, so that the same input gives the same estimates as a file, as long as nothing is
    late, stale or dropped; `EmotionEstimate.live` says where that was so.

    - Time stamps are seconds on any clock that all streams share. It counts from 0 or, where the first stamp is over
      `queue_seconds`, from the step of that stamp.
    - What comes later than the tolerance allows, for steps that are over, is left out and counted (`late`).
    - After a gap longer than the window, or with another sample rate, sound begins anew.
    - Where the clock is set back by more than the window, as wall clocks are, time goes on from where it was as soon as
      two pieces of a stream in a row say so; `set_back` tells by how much.
    - What ends it, and in which process it may be used: see `LiveWorker`.

    Args:
        sensor: a fresh one, which belongs to this object from now on.
        options: see `LiveOptions`; None takes its defaults.
        on_estimate: called with each estimate. An error that it raises ends the stream; the next push and `finish`
            raise a `StreamError` from it.
        now: seconds on a clock that never goes back, by which streams become stale.

    Raises:
        OptionError: an argument of another kind, or a sensor that is closed, was pushed to, or belongs to another live
            sensor.
    """

    def __init__(
        self,
        sensor: EmotionSensor,
        options: LiveOptions | None = None,
        on_estimate: Callback | None = None,
        now: Callable[[], float] = clock.monotonic,
    ) -> None:
        check_kind("sensor", sensor, EmotionSensor, "a fresh EmotionSensor, or use LiveSensor.open", optional=False)
        check_kind("options", options, LiveOptions, "a LiveOptions, such as LiveOptions(streams=('audio',))")
        check_callable("now", now, "a function that gives seconds, such as time.monotonic")
        check_callback(on_estimate)
        self.options = options or LiveOptions()
        self.manifest = sensor.manifest
        self._sensor = sensor
        self._steps = sensor._steps
        self._queue = LiveQueue(_taken(sensor), self.manifest.clock, self.options, now)
        super().__init__("live sensor", self._queue.room, on_estimate)
        # What estimates have told of steps dropped and pieces late; the number of the step that was made last.
        self._told = (0, 0)
        self._last: int | None = None
        self._start()

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
        options: LiveOptions | None = None,
        on_estimate: Callback | None = None,
        trust: Trust | None = None,
    ) -> LiveSensor:
        """Open a bundle; see `EmotionSensor.open` and the class.

        Raises:
            BundleError, RuntimeUnavailable, OptionError, MissingExtra: see `EmotionSensor.open`.
        """
        sensor = EmotionSensor.open(bundle, runtime, threads, detector, baseline, smoothing, faces, voice, trust)
        return cls(sensor, options, on_estimate)

    @property
    def baseline(self) -> PersonalBaseline:
        """The current person's baseline; once `over`, it holds the whole stream. See `between_steps`."""
        self._check_process()
        return self._sensor.baseline

    @contextmanager
    def between_steps(self) -> Iterator[EmotionSensor]:
        """The sensor itself while no step is made: to enrol or forget somebody, to save or load a baseline.

        From any thread, the callback's too. Keep it short: steps wait, and what has no room is dropped.
        It cannot be pushed to, flushed or reset.
        """
        with self._between():
            yield self._sensor

    @property
    def dropped(self) -> int:
        """Steps dropped so far; see `LiveState.dropped`."""
        with self._locked():
            return self._queue.dropped + self._untaken

    @property
    def late(self) -> int:
        """Pieces of sound and frames left out so far; see `LiveState.late`."""
        with self._locked():
            return self._queue.late

    @property
    def set_back(self) -> float:
        """Seconds by which the clock of the time stamps was set back so far: the times of the estimates are its times
        plus this."""
        with self._locked():
            return self._queue.set_back

    @property
    def stale(self) -> tuple[str, ...]:
        """The streams that are waited for and have given nothing for `stale_seconds`, as of now."""
        with self._locked():
            return self._queue.stale()

    def push_audio(self, pcm: np.ndarray, sample_rate: int, time: float | None = None) -> bool:
        """Give sound.

        Args:
            pcm: see `EmotionSensor.push_audio`. A piece longer than `queue_seconds` finds no room for all of its steps.
            sample_rate: Hz. Another rate than before begins the sound anew.
            time: seconds at the first sample; None continues where the last piece ended, or at the step that is due
                where that is over.

        Returns:
            False where the sensor was finished or closed, so that a capture loop can end.

        Raises:
            SignalError: NaN, a wrong shape, type or rate, or a time that is not finite.
            StreamError: the sensor's thread was stopped by an error.
        """
        samples = checked_sound(pcm, sample_rate)
        at = None if time is None else checked_time("sound", time)
        with self._locked():
            if not self._accepts():
                return False
            if len(samples):
                self._queue.add_audio(samples, int(sample_rate), at)
            self._changed.notify_all()
        return True

    def push_frame(self, rgb: np.ndarray, time: float) -> bool:
        """Give a video frame; it is copied. See `EmotionSensor.push_frame` and `push_audio`.

        An empty one, or one that is not of three channels, is left out and counted: see `refused`.
        """
        still, at = self._picture(rgb), checked_time("a frame", time)
        with self._locked():
            if not self._accepts():
                return False
            if still is not None:
                picture = still
                self._queue.add_frame(lambda: picture, at)
            self._changed.notify_all()
        return True

    def push_text(self, text: str, time: float | None = None) -> NoReturn:
        """See `EmotionSensor.push_text`."""
        self._sensor.push_text(text, time)

    def _take(self) -> _Due | None:
        queue = self._queue
        if not (queue.steps or self._finished):
            queue.move()
        if not queue.steps:
            return None
        step, told = queue.steps.popleft(), self._told
        self._told = (queue.dropped, queue.late)
        return _Due(step.given, LiveState(queue.dropped - told[0], queue.late - told[1], step.stale))

    def _waits(self) -> bool:
        return self._queue.waits()

    def _end_input(self) -> None:
        self._queue.finish()

    def _throw_away(self) -> None:
        self._queue.steps.clear()

    def _make(self, work: _Due) -> EmotionEstimate:
        number = work.given.number
        self._steps.skip(0 if self._last is None else number - self._last - 1)
        estimate = replace(self._steps.estimate(work.given), live=work.live)
        self._last = number
        return estimate

    def _let_go(self) -> None:
        self._sensor.close()

    def _make_end(self) -> None:
        self._steps.engine.finish()

    def _left_out(self, gone: EmotionEstimate, first: EmotionEstimate) -> EmotionEstimate:
        """What the one that nobody took said of losses passes to the one after it."""
        lost, known = gone.live, first.live
        assert lost is not None  # set on every estimate of this class
        assert known is not None
        total = replace(known, dropped=known.dropped + lost.dropped + 1, late=known.late + lost.late)
        return replace(first, live=total)


def _taken(sensor: EmotionSensor) -> StreamAlignment:
    """The stream of a fresh sensor, which takes nothing but from here from now on.

    Raises:
        OptionError: the sensor is closed, was given a file or pushed to, or belongs to a live sensor already.
    """
    sensor._check_free()
    if sensor._alignment.begun:
        raise OptionError("the sensor was pushed to already: give a live sensor a fresh one, or call reset() first")
    sensor._live = True
    return sensor._alignment
