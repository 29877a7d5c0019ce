"""Sources pumped into a live sensor, each by a thread of its own, and what became of each."""

from __future__ import annotations

import threading
import time as clock
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from mer_sdk.errors import MediaError, OptionError, SignalError, StreamError
from mer_sdk.frontends.face_crop import check_frame
from mer_sdk.limits import check_callable, check_kind, check_number, given
from mer_sdk.live.sources.source import Now, Picture, Source
from mer_sdk.live.worker import LiveWorker
from mer_sdk.media.decode import AudioPiece

# A piece of sound of which this share is at full scale was recorded too loud.
CLIPPED_SHARE = 0.01
FULL_SCALE = 0.999
PARTS = ("name", "streams", "returns", "lost", "open", "read", "close")


@dataclass(frozen=True)
class BackOff:
    """How long a source that has gone is left alone before it is opened again, seconds: the first wait, doubled with
    every try, up to the longest.

    Raises:
        OptionError: not 0 < first <= longest.
    """

    first: float = 0.5
    longest: float = 8.0

    def __post_init__(self) -> None:
        check_number("the first wait", self.first, "allowed is above 0, such as 0.5", above=0, unit=" s")
        wanted = f"allowed is the first wait, {self.first} s, or more"
        check_number("the longest wait", self.longest, wanted, least=float(self.first), unit=" s")


@dataclass(frozen=True)
class SourceState:
    """A source as it is now; all counts since the beginning.

    Attributes:
        name, streams: see `Source`.
        state: "open"; "away" where it has gone and is tried again; "ended" where it gives nothing more.
        since: seconds since the beginning at which this state began.
        reason: of "away", or of an end by an error; else empty.
        times_away: how often it went away.
        lost: see `Source`.
        refused: pieces and frames with NaN or of a wrong shape, which were left out.
        clipped: pieces of sound that were recorded too loud: at least 1 % of their samples at full scale.
    """

    name: str
    streams: tuple[str, ...]
    state: str = "open"
    since: float = 0.0
    reason: str = ""
    times_away: int = 0
    lost: int = 0
    refused: int = 0
    clipped: int = 0


class Capture:
    """Opens sources and pumps them into a sensor until they end, or `close`.

    Time begins at 0 when this object is made. A device that goes away is opened again, with back-off, while the other
    goes on: the estimates then name its stream in `live.stale`. When all sources have ended by themselves, the sensor
    is finished, so that iterating over it ends.

    Args:
        live: a `LiveSensor`, or a `LiveConversation`, whose one stream of sound has no name then; it stays the
            caller's, who closes it after this object.
        sources: at least one, not opened, at most one a stream.
        back_off: see `BackOff`.
        on_picture: called with each frame that was pushed (uint8 RGB) and its time, on the thread of its source.
        now: the clock that the sources have.

    Attributes:
        error: what ended a source that cannot come back, such as a damaged file, or what `on_picture` raised; None
            where there was nothing. A `with` block that ends well raises it.

    Raises:
        OptionError: no source, two that give the same stream, or an argument of another kind.
        MediaError, MissingExtra: a source cannot be opened; all are closed.
    """

    def __init__(
        self,
        live: LiveWorker[Any, Any],
        sources: Sequence[Source],
        back_off: BackOff | None = None,
        on_picture: Callable[[np.ndarray, float], object] | None = None,
        now: Now = clock.monotonic,
    ) -> None:
        check_sources(sources)
        check_kind("live", live, LiveWorker, "a LiveSensor or a LiveConversation", optional=False)
        check_kind("back_off", back_off, BackOff, "a BackOff, such as BackOff(first=0.5)")
        check_callable("on_picture", on_picture, "a function of a picture and its time")
        check_callable("now", now, "a function that gives seconds, such as time.monotonic")
        self.error: Exception | None = None
        self._live, self._now, self._on_picture = live, now, on_picture
        self._back_off = back_off or BackOff()
        self._stop = threading.Event()
        self._lock = threading.Lock()
        self._origin = now()
        try:
            for source in sources:
                source.open()
        except BaseException:
            # The one that was being opened, too: a signal may have come in the middle.
            for source in sources:
                source.close()
            raise
        self._pumps = [_Pump(source, SourceState(source.name, source.streams)) for source in sources]
        self._threads = [
            threading.Thread(target=self._work, args=(pump,), name=f"mer-{pump.state.name}", daemon=True)
            for pump in self._pumps
        ]
        try:
            for thread in self._threads:
                thread.start()
        except BaseException:  # nobody has this object to close it
            self._stop.set()
            raise

    def __enter__(self) -> Capture:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self.close()
        if kind is None and self.error is not None:
            raise self.error

    @property
    def time(self) -> float:
        """Seconds since the beginning, on the clock of the estimates."""
        return self._now() - self._origin

    def states(self) -> tuple[SourceState, ...]:
        """Each source as it is now, in order."""
        with self._lock:
            return tuple(replace(pump.state, lost=pump.source.lost) for pump in self._pumps)

    def close(self, timeout: float = 5.0) -> bool:
        """Stop pumping. It always returns; a device that hangs is left to its thread, which ends with it.

        Returns:
            Whether all devices were let go.
        """
        self._stop.set()
        end = clock.monotonic() + timeout
        for thread in self._threads:
            thread.join(max(0.0, end - clock.monotonic()))
        return not any(thread.is_alive() for thread in self._threads)

    def _work(self, pump: _Pump) -> None:
        """The thread of one source."""
        try:
            while self._pump(pump) and self._wait(pump):
                pass
            self._become(pump, "ended")
        except StreamError as error:  # told by the sensor, too
            self._become(pump, "ended", str(error))
        except Exception as error:  # of a source that cannot come back, or of the app's `on_picture`
            self.error = error
            self._become(pump, "ended", str(error))
        finally:
            pump.source.close()
        if not self._stop.is_set() and all(state.state == "ended" for state in self.states()):
            with suppress(StreamError):
                self._live.finish(0)

    def _pump(self, pump: _Pump) -> bool:
        """Read and push; True where the source went away, False where there is nothing more to do."""
        while not self._stop.is_set():
            try:
                piece = pump.source.read()
            except MediaError as error:
                if not pump.source.returns:
                    raise
                self._become(pump, "away", str(error))
                return True
            if piece is None or not self._push(pump, piece):
                return False
        return False

    def _wait(self, pump: _Pump) -> bool:
        """Open a source that went away again; False where the capture was closed before it was back."""
        wait = self._back_off.first
        while True:
            pump.source.close()
            if self._stop.wait(wait):
                return False
            wait = min(2 * wait, self._back_off.longest)
            try:
                pump.source.open()
            except MediaError:
                continue
            self._become(pump, "open")
            return True

    def _push(self, pump: _Pump, piece: AudioPiece | Picture) -> bool:
        """Whether the sensor still takes what comes."""
        time = piece.time - self._origin
        try:
            if isinstance(piece, AudioPiece):
                taken = self._live.push_audio(piece.pcm, piece.sample_rate, time)
                if clips(piece.pcm):
                    self._set(pump, replace(pump.state, clipped=pump.state.clipped + 1))
            else:
                check_frame(piece.rgb)
                taken = self._live.push_frame(piece.rgb, time)
                if self._on_picture is not None:
                    self._on_picture(piece.rgb, time)
        except SignalError:
            self._set(pump, replace(pump.state, refused=pump.state.refused + 1))
            return True
        return taken

    def _become(self, pump: _Pump, state: str, reason: str = "") -> None:
        times = pump.state.times_away + (state == "away")
        self._set(pump, replace(pump.state, state=state, reason=reason, since=self.time, times_away=times))

    def _set(self, pump: _Pump, state: SourceState) -> None:
        with self._lock:
            pump.state = state


@dataclass
class _Pump:
    """A source and its state, which its thread alone changes."""

    source: Source
    state: SourceState


def check_sources(sources: Sequence[Source]) -> None:
    """Raise an `OptionError` unless there are sources, and each stream comes from one of them."""
    listed = isinstance(sources, list | tuple)
    odd = next((one for one in sources if not all(hasattr(one, part) for part in PARTS)), None) if listed else sources
    if odd is not None:
        raise OptionError(f"a source is {given(odd)}; give sources in a list, such as [Camera(0), Microphone()]")
    if not sources:
        raise OptionError("there is no source; give a camera, a microphone, or both")
    streams = [stream for source in sources for stream in source.streams]
    if len(set(streams)) < len(streams):
        names = " and ".join(source.name for source in sources)
        raise OptionError(f"{names} give the same stream; give one source of sound and one of pictures at most")


def clips(pcm: np.ndarray) -> bool:
    """Whether a piece of sound was recorded too loud; see `SourceState.clipped`."""
    full = FULL_SCALE * (np.iinfo(pcm.dtype).max if np.issubdtype(pcm.dtype, np.integer) else 1.0)
    return bool(pcm.size) and float(((pcm >= full) | (pcm <= -full)).mean()) >= CLIPPED_SHARE
