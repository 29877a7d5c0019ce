"""What comes in live: put in order, cut into steps, bounded, and every loss counted. It knows nothing of threads."""

from __future__ import annotations

import math
from bisect import insort
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from mer_sdk.contract.manifest import Clock
from mer_sdk.limits import check_names, check_number
from mer_sdk.live.piece_order import SEAMLESS, Repeats, next_piece
from mer_sdk.media.timeline import GAP_SECONDS
from mer_sdk.window.alignment import SLACK, STREAMS, StepInput, StreamAlignment


@dataclass(frozen=True)
class LiveOptions:
    """How a live sensor waits, and what it keeps. All times in seconds.

    Attributes:
        streams: of "audio", "video": those that are known to come, and are waited for from the start. A stream that is
            not named counts once it begins.
        tolerance: how far a time stamp may lie behind the latest one of its stream. Frames wait so long before they are
            used; sound waits only where its time stamp does not join the piece before it to half a sample.
        stale_seconds: a stream that is waited for and has given nothing for so long is stale: steps are made without
            it, and their estimates say so, until it comes again.
        queue_seconds: how much may wait: steps that are not made yet, estimates that nobody took, and what one stream
            may be ahead of the other. Where more comes, the oldest step is dropped and counted.

    Raises:
        OptionError: an unknown stream, or times outside their ranges.
    """

    streams: tuple[str, ...] = ()
    tolerance: float = 0.1
    stale_seconds: float = 1.0
    queue_seconds: float = 2.0

    def __post_init__(self) -> None:
        check_names("streams", self.streams, STREAMS, what="stream", example="('audio', 'video')")
        check_number("tolerance", self.tolerance, "allowed is 0 or more, such as 0.1", least=0, unit=" s")
        wanted = "it must be above 0, such as 1.0"
        check_number("stale_seconds", self.stale_seconds, wanted, above=0, endless=True)
        wanted = f"it must be above the tolerance of {self.tolerance} s"
        check_number("queue_seconds", self.queue_seconds, wanted, above=float(self.tolerance))


@dataclass(frozen=True, eq=False)
class LiveStep:
    """A step that is over, and the streams that it was made without because they were stale."""

    given: StepInput
    stale: tuple[str, ...]


class LiveQueue:
    """Pieces in, steps out, in order.

    Args:
        alignment: a fresh one.
        clock: the bundle's.
        options: see `LiveOptions`.
        now: see `LiveSensor`.

    Attributes:
        steps: those that are over and wait to be made.
        dropped: steps that had no room, so far.
        late: pieces and frames that came too late, so far.
        set_back: seconds by which the clock of the streams was set back in all: steps' times are its stamps plus this.
    """

    def __init__(
        self, alignment: StreamAlignment, clock: Clock, options: LiveOptions, now: Callable[[], float]
    ) -> None:
        self._alignment, self._options, self._now = alignment, options, now
        self._step = clock.step_ms / 1000.0
        self._window_steps = clock.window_steps
        self.room = max(1, round(options.queue_seconds / self._step))
        self.steps: deque[LiveStep] = deque()
        self.dropped = self.late = 0
        # Pieces that wait for earlier ones: (time, order of coming, what), by stream, sorted.
        self._held: dict[str, list[tuple[float, int, Any]]] = {name: [] for name in STREAMS}
        self._order = 0
        self._repeats = Repeats()
        self._newest = dict.fromkeys(STREAMS, -math.inf)
        # The last piece, if its time stamp was far from its stream and none has confirmed it yet: (time, what).
        self._doubtful: dict[str, tuple[float, Any]] = {}
        # Added to the time stamps of each stream since its clock was set back; the streams notice it one by one.
        self.set_back = 0.0
        self._shift = dict.fromkeys(STREAMS, 0.0)
        # Where the last piece that came, and the last that was handed on, ended by their own time stamps.
        self._audio_end = self._handed_end = 0.0
        self._came = dict.fromkeys(STREAMS, now())
        alignment.begins_after = options.queue_seconds
        alignment.expected.update(options.streams)

    def add_audio(self, samples: np.ndarray, rate: int, time: float | None) -> None:
        """Take float32 samples [n] or [n, channels] at `rate` Hz, the first at `time` seconds.

        Without a time they begin where the last piece ended, or at the step that is due where that is over.
        """
        due = max(self._audio_end, self._alignment.done * self._step)
        if time is not None and self._repeats.seen(time, samples, rate):
            self.late += 1
        else:
            self._add("audio", due if time is None else time + self._shift["audio"], (samples, rate))

    def add_frame(self, pixels: Callable[[], np.ndarray], time: float) -> None:
        """Take a frame; see `StreamAlignment.add_frame`."""
        self._add("video", time + self._shift["video"], pixels)

    def move(self) -> None:
        """Queue the steps that are over."""
        self._take(None)

    def finish(self) -> None:
        """Queue all steps that are left; nothing may be added afterwards."""
        for name in STREAMS:
            if name in self._doubtful:
                self._hold(name, *self._doubtful.pop(name))
            self._release(name, -math.inf)
        self._take(self._alignment.end())

    def waits(self) -> bool:
        """Whether a step lacks nothing but a stream that may become stale."""
        return self._alignment.waits()

    def stale(self) -> tuple[str, ...]:
        """The streams that are waited for and have given nothing for `stale_seconds`."""
        now, limit = self._now(), self._options.stale_seconds
        return tuple(name for name in STREAMS if name in self._alignment.expected and now - self._came[name] > limit)

    def _add(self, stream: str, time: float, what: Any) -> None:
        self._alignment.expected.add(stream)
        for at, piece in self._believed(stream, time, what):
            self._hold(stream, at, piece)
        self._release(stream, self._options.tolerance)
        self._take(None)

    def _believed(self, stream: str, time: float, what: Any) -> list[tuple[float, Any]]:
        """What may be used: one wrong time stamp must not make everything after it late, nor begin time anew."""
        far = max(self._window_steps * self._step, self._options.tolerance)
        doubtful = self._doubtful.pop(stream, None)
        known = max(max(self._newest.values()), self._audio_end)
        pieces = [(time, what)]
        if doubtful is not None and abs(time - doubtful[0]) <= far:
            pieces.insert(0, doubtful)
        else:
            self.late += doubtful is not None
        begin = pieces[0][0]
        if self._newest[stream] - begin > far:
            back = self.set_back - self._shift[stream]  # as another stream has noticed, of the same clock
            fits = abs(begin + back - known) <= far
            if fits or len(pieces) > 1:
                back = back if fits else known - begin
                self._shift[stream] += back
                self.set_back = self._shift[stream]
                return [(at + back, piece) for at, piece in pieces]
        elif len(pieces) > 1 or max(self._newest.values()) == -math.inf or time - known <= far:
            return pieces
        self._doubtful[stream] = (time, what)
        self._came[stream] = self._now()  # it is not silent: what confirms it may be the next piece
        return []

    def _hold(self, stream: str, time: float, what: Any) -> None:
        insort(self._held[stream], (time, self._order, what), key=lambda held: held[:2])
        self._order += 1
        self._newest[stream] = max(self._newest[stream], time)
        if stream == "audio":
            self._audio_end = max(self._audio_end, time + len(what[0]) / what[1])

    def _release(self, stream: str, tolerance: float) -> None:
        """Hand on what is old enough that nothing can come before it any more."""
        held = self._held[stream]
        while held:
            time, _, what = held[0]
            seamless = stream == "audio" and abs(time - self._handed_end) * what[1] <= SEAMLESS
            if not seamless and time > self._newest[stream] - tolerance:
                return
            if stream == "audio" and not seamless:
                places = [(at, at + len(piece[0]) / piece[1], order) for at, order, piece in held]
                time, _, what = held.pop(next_piece(places, what[1]))
            else:
                held.pop(0)
            used = self._hand_audio(time, *what) if stream == "audio" else self._hand_frame(time, what)
            self.late += not used
            # A stream that comes again after a stall is late at first. It is waited for as soon as waiting can help,
            # else steps would be made without it for ever.
            if used or time > self._alignment.done * self._step - self._options.queue_seconds:
                self._came[stream] = self._now()

    def _hand_audio(self, time: float, samples: np.ndarray, rate: int) -> bool:
        """Whether any of a piece could be used."""
        window = self._window_steps * self._step
        self._handed_end = max(self._handed_end, time + len(samples) / rate)
        if time + len(samples) / rate <= self._alignment.done * self._step:
            return False
        if self._alignment.audio_rate not in (None, rate) or time - self._alignment.audio_time > window:
            self._alignment.restart_audio(time)
        before = self._alignment.audio_time
        if time < before - GAP_SECONDS:
            samples = samples[round((before - time) * rate) :]
        if len(samples):
            # What joins is not held against the clock again: a jitter of exactly the allowed one is none.
            self._alignment.add_audio(samples, rate, time if time - before > GAP_SECONDS else None)
        return len(samples) > 0

    def _hand_frame(self, time: float, pixels: Callable[[], np.ndarray]) -> bool:
        """Whether a frame could be used."""
        if time < max(self._alignment.video_time, self._alignment.done * self._step) - SLACK:
            return False
        self._alignment.add_frame(pixels, time)
        return True

    def _take(self, end: int | None) -> None:
        """Queue the steps that are over; with `end`, all before that number."""
        alignment = self._alignment
        while True:
            stale = tuple(name for name in self.stale() if alignment.lags(name)) if end is None else ()
            if end is None and not alignment.ready(self._options.queue_seconds, stale):
                return
            if end is not None and alignment.done >= end:
                return
            due = alignment.done
            alignment.skip_empty(self._window_steps)
            if alignment.done != due:
                continue
            self.steps.append(LiveStep(alignment.take(), stale))
            if len(self.steps) > self.room:
                self.steps.popleft()
                self.dropped += 1
