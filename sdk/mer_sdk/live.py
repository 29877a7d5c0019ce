"""A sensor for streams as they come: from any threads, a little out of order, faster or slower than the device."""

from __future__ import annotations

import math
import os
import threading
import time as clock
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import NoReturn

import numpy as np

from mer_sdk.baseline import PersonalBaseline
from mer_sdk.bundle import Bundle
from mer_sdk.errors import OptionError, SignalError, StreamError
from mer_sdk.estimate import EmotionEstimate, LiveState
from mer_sdk.frontends.audio import RATES, to_mono
from mer_sdk.frontends.face import FaceDetector, check_frame
from mer_sdk.frontends.voice import VoiceOptions
from mer_sdk.live_queue import LiveOptions, LiveQueue, LiveStep
from mer_sdk.looks import FaceOptions
from mer_sdk.sensor import EmotionSensor
from mer_sdk.smoothing import Smoothing

# The worker looks this often whether a stream that it waits for has become stale, seconds.
LOOK_SECONDS = 0.05

Callback = Callable[[EmotionEstimate], object]


class LiveSensor:
    """Estimates of live streams, made by a thread of its own.

    `push_audio` and `push_frame` may be called from any threads and return at once. Estimates are taken by iterating
    (or by `get`), or are given to a callback, which runs on the sensor's thread. Steps depend on time stamps alone,
    never on when something was pushed, so that the same input gives the same estimates as a file, as long as nothing is
    late, stale or dropped; `EmotionEstimate.live` says where that was so.

    - Time stamps are seconds on any clock that all streams share. It counts from 0 or, where the first stamp is over
      `queue_seconds`, from the step of that stamp.
    - What comes later than the tolerance allows, for steps that are over, is left out and counted (`late`).
    - After a gap longer than the window, or with another sample rate, sound begins anew.
    - It belongs to the process that made it: in a forked one only `close` may be called, anything else raises.
    - A `with` block that ends well raises the error that stopped the sensor's thread, if there was one.

    Args:
        sensor: a fresh one, which belongs to this object from now on.
        options: see `LiveOptions`; None takes its defaults.
        on_estimate: called with each estimate. An error that it raises ends the stream; the next push and `finish`
            raise a `StreamError` from it.
        now: seconds on a clock that never goes back, by which streams become stale.
    """

    def __init__(
        self,
        sensor: EmotionSensor,
        options: LiveOptions | None = None,
        on_estimate: Callback | None = None,
        now: Callable[[], float] = clock.monotonic,
    ) -> None:
        self.options = options or LiveOptions()
        self.manifest = sensor.manifest
        self._sensor = sensor
        self._callback = on_estimate
        self._queue = LiveQueue(sensor._intake, self.manifest.clock, self.options, now)
        self._changed = threading.Condition()
        # Held while a step is made, see `between_steps`.
        self._making = threading.Lock()
        self._estimates: deque[EmotionEstimate] = deque()
        self._untaken = 0
        self._finished = self._closed = self._over = False
        self._error: BaseException | None = None
        self._process = os.getpid()
        self._thread = threading.Thread(target=self._work, name="mer-live", daemon=True)
        self._thread.start()

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
    ) -> LiveSensor:
        """Open a bundle; see `EmotionSensor.open` and the class.

        Raises:
            BundleError, RuntimeUnavailable, OptionError, MissingExtra: see `EmotionSensor.open`.
        """
        sensor = EmotionSensor.open(bundle, runtime, threads, detector, baseline, smoothing, faces, voice)
        return cls(sensor, options, on_estimate)

    def __enter__(self) -> LiveSensor:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self.close()
        if kind is None:
            self._check_error()

    def __iter__(self) -> Iterator[EmotionEstimate]:
        """Estimates as they come, until the stream is finished or closed.

        Raises:
            OptionError: the estimates go to a callback.
            StreamError: the sensor's thread was stopped by an error.
        """
        while True:
            estimate = self.get()
            if estimate is None:
                return
            yield estimate

    @property
    def baseline(self) -> PersonalBaseline:
        """The current person's baseline; once `over`, it holds the whole stream. See `between_steps`."""
        return self._sensor.baseline

    @contextmanager
    def between_steps(self) -> Iterator[EmotionSensor]:
        """The sensor itself while no step is made: to enrol or forget somebody, to save or load a baseline.

        From any thread, the callback's too. Keep it short: steps wait, and what has no room is dropped.
        Do not push to it or flush it.
        """
        self._check_process()
        with self._making:
            yield self._sensor

    @property
    def dropped(self) -> int:
        """Steps dropped so far; see `LiveState.dropped`."""
        with self._changed:
            return self._queue.dropped + self._untaken

    @property
    def late(self) -> int:
        """Pieces of sound and frames left out so far; see `LiveState.late`."""
        with self._changed:
            return self._queue.late

    @property
    def stale(self) -> tuple[str, ...]:
        """The streams that are waited for and have given nothing for `stale_seconds`, as of now."""
        with self._changed:
            return self._queue.stale()

    @property
    def over(self) -> bool:
        """Whether no further estimate will be made."""
        with self._changed:
            return self._over

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
        if not (isinstance(sample_rate, int | np.integer) and RATES[0] <= sample_rate <= RATES[1]):
            raise SignalError(f"the sample rate is {sample_rate} Hz; allowed are {RATES[0]} to {RATES[1]}, whole")
        mono = to_mono(pcm)
        self._check_process()
        with self._changed:
            start = self._queue.audio_due if time is None else float(time)
            if not self._accepts("audio", start):
                return False
            if len(mono):
                self._queue.add_audio(mono, int(sample_rate), start)
            self._changed.notify_all()
        return True

    def push_frame(self, rgb: np.ndarray, time: float) -> bool:
        """Give a video frame; it is copied. See `EmotionSensor.push_frame` and `push_audio`."""
        still = check_frame(rgb).copy()
        self._check_process()
        with self._changed:
            if not self._accepts("video", float(time)):
                return False
            self._queue.add_frame(lambda: still, float(time))
            self._changed.notify_all()
        return True

    def push_text(self, text: str, time: float | None = None) -> NoReturn:
        """See `EmotionSensor.push_text`."""
        self._sensor.push_text(text, time)

    def get(self, timeout: float | None = None) -> EmotionEstimate | None:
        """The next estimate; None once the stream is over, or after `timeout` seconds.

        Raises:
            OptionError: the estimates go to a callback.
            StreamError: the sensor's thread was stopped by an error, and nothing is left to take.
        """
        if self._callback is not None:
            raise OptionError("the estimates go to on_estimate; leave it out to iterate over them")
        self._check_process()
        with self._changed:
            self._changed.wait_for(lambda: self._estimates or self._over or self._closed, timeout)
            if self._estimates:
                return self._estimates.popleft()
            self._check_error()
            return None

    def finish(self, timeout: float | None = None) -> bool:
        """No more comes: the steps still due are made, as `EmotionSensor.flush` does.

        With a callback it waits, up to `timeout` seconds, until all were given to it; otherwise it returns at once, and
        iteration ends after the last. Called on the sensor's own thread it never waits.

        Returns:
            Whether the stream is over.

        Raises:
            StreamError: the sensor's thread was stopped by an error.
        """
        self._check_process()
        with self._changed:
            if not (self._finished or self._closed or self._over):
                self._queue.finish()
                self._finished = True
                self._changed.notify_all()
            if self._callback is not None and threading.current_thread() is not self._thread:
                self._changed.wait_for(lambda: self._over, timeout)
            self._check_error()
            return self._over

    def close(self, timeout: float = 5.0) -> bool:
        """Stop: what was not estimated or not taken is thrown away. It always returns, from any thread, many times.

        A callback that is running is waited for, up to `timeout` seconds; its thread ends when the callback does.

        Returns:
            Whether the sensor's thread has ended.
        """
        if os.getpid() != self._process:
            return True
        with self._changed:
            self._closed = True
            self._queue.steps.clear()
            self._estimates.clear()
            self._changed.notify_all()
        if threading.current_thread() is self._thread:
            return False
        self._thread.join(timeout)
        return not self._thread.is_alive()

    # What follows up to `_work` runs with the lock held.

    def _check_process(self) -> None:
        """A fork copies the sensor without its thread, so that whoever waits for it would wait for ever."""
        if os.getpid() != self._process:
            raise StreamError("a live sensor does not go through a fork; open one in the process that uses it")

    def _check_error(self) -> None:
        if self._error is not None:
            raise StreamError(
                f"the live sensor has stopped, as its thread raised {type(self._error).__name__}: {self._error}; "
                "mend that and open another"
            ) from self._error

    def _accepts(self, stream: str, time: float) -> bool:
        self._check_error()
        if not math.isfinite(time):
            raise SignalError(f"the {stream} time stamp is {time}; give seconds on the clock that all streams share")
        return not (self._finished or self._closed or self._over)

    def _next(self) -> LiveStep | None:
        """The step to make, once there is one; None where there will be none."""
        queue = self._queue
        while not self._closed:
            if queue.steps:
                return queue.steps.popleft()
            if self._finished:
                return None
            queue.move()
            if not queue.steps:
                self._changed.wait(LOOK_SECONDS if queue.waits() else None)
        return None

    def _give(self, estimate: EmotionEstimate) -> None:
        """Queue an estimate for whoever takes it; what the oldest said of losses passes to the one after it."""
        if self._closed:
            return
        self._estimates.append(estimate)
        if len(self._estimates) > self._queue.room:
            gone = self._estimates.popleft().live
            first = self._estimates[0]
            assert gone is not None  # set on every estimate of this class
            assert first.live is not None
            total = replace(first.live, dropped=first.live.dropped + gone.dropped + 1, late=first.live.late + gone.late)
            self._estimates[0] = replace(first, live=total)
            self._untaken += 1
        self._changed.notify_all()

    def _work(self) -> None:
        """The sensor's thread."""
        last: int | None = None
        told = (0, 0)
        try:
            while True:
                with self._changed:
                    step = self._next()
                    if step is None:
                        break
                    dropped, late = self._queue.dropped, self._queue.late
                state = LiveState(dropped - told[0], late - told[1], step.stale)
                told = (dropped, late)
                number = step.given.number
                with self._making:
                    self._sensor._skip(0 if last is None else number - last - 1)
                    estimate = replace(self._sensor._estimate(step.given), live=state)
                last = number
                if self._callback is not None:
                    self._callback(estimate)
                else:
                    with self._changed:
                        self._give(estimate)
            if self._finished and not self._closed:
                with self._making:
                    self._sensor._engine.finish()
        except BaseException as error:  # whatever a callback or a runtime raises ends the stream, and is told
            self._error = error
        finally:
            with self._changed:
                self._over = True
                self._changed.notify_all()
