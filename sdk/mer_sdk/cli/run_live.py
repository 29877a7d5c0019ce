"""`mer run` on cameras and microphones: until they end, so many seconds have passed, or Ctrl-C."""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext

from rich.live import Live

from mer_sdk.bundle import Bundle
from mer_sdk.cli.course import PLOTTED, Course, RunOptions
from mer_sdk.cli.live_view import LiveView
from mer_sdk.errors import MerError
from mer_sdk.live import LiveSensor
from mer_sdk.live_queue import LiveOptions
from mer_sdk.sources import Capture, Source, SourceState

# How long an estimate is waited for before the sources are looked at again, seconds.
LOOK_SECONDS = 0.25


def run_live(bundle: Bundle, options: RunOptions, sources: Sequence[Source]) -> None:
    """Show, print and record the estimates of sources as they come.

    Raises:
        MediaError, MissingExtra: a source cannot be opened, or was damaged.
        StreamError: the sensor was stopped by an error.
        OptionError: something cannot be written.
    """
    title = " and ".join(source.name for source in sources)
    streams = tuple(stream for source in sources for stream in source.streams)
    shown = sys.stdout.isatty() and not options.json
    view = LiveView(f"{bundle.name}  {title}", bundle.manifest.labels) if shown else None
    live = LiveSensor.open(
        bundle,
        options.runtime,
        options.threads,
        detector=options.detector,
        baseline=options.baseline,
        smoothing=options.smoothing,
        options=LiveOptions(streams=streams),
    )
    broken: MerError | None = None
    with live, Course(bundle.manifest.labels, options, PLOTTED, quiet=shown) as course:
        with interruptible():
            capture = Capture(live, sources)
            try:
                with Live(view, auto_refresh=False) if view else nullcontext() as screen:
                    _watch(live, capture, course, view, screen.refresh if screen else None, options.seconds)
            except KeyboardInterrupt:
                pass  # the way to end what has no end
            except MerError as error:
                # What was estimated before is kept; the error still ends the command.
                broken = error
            finally:
                capture.close()
        if broken is None:
            live.finish()
            for estimate in live:
                course.add(estimate)
        if course.steps and options.save_baseline is not None:
            live.baseline.save(options.save_baseline)
        course.end(title)
        _say_losses(capture.states())
        if broken is not None:
            raise broken
        if capture.error is not None:
            raise capture.error


def _watch(
    live: LiveSensor,
    capture: Capture,
    course: Course,
    view: LiveView | None,
    refresh: Callable[[], None] | None,
    seconds: float | None,
) -> None:
    """Take estimates until the stream is over or the time is up."""
    told: dict[str, str] = {}
    while seconds is None or capture.time < seconds:
        estimate = live.get(LOOK_SECONDS)
        if estimate is not None:
            course.add(estimate)
        elif live.over:
            return
        states = capture.states()
        if view is None or refresh is None:
            _tell_changes(states, told)
            continue
        if estimate is not None:
            view.add(estimate)
        view.tell(states, live.stale, capture.time)
        refresh()


def _tell_changes(states: Sequence[SourceState], told: dict[str, str]) -> None:
    """One line on stderr where a source has gone, or is back."""
    for state in states:
        before = told.get(state.name, "open")
        told[state.name] = state.state
        if state.state == "away" and before != "away":
            print(f"mer: {state.reason}; it is tried again", file=sys.stderr, flush=True)
        elif state.state == "open" and before == "away":
            print(f"mer: {state.name} is back", file=sys.stderr, flush=True)


def _say_losses(states: Sequence[SourceState]) -> None:
    """What each source lost, where it did."""
    for state in states:
        counts = {
            "times away": state.times_away,
            "pieces lost": state.lost,
            "pieces refused": state.refused,
            "pieces too loud": state.clipped,
        }
        words = ", ".join(f"{count} {name}" for name, count in counts.items() if count)
        if words:
            print(f"mer: {state.name}: {words}", file=sys.stderr)


@contextmanager
def interruptible() -> Iterator[None]:
    """Let SIGTERM end a run as Ctrl-C does: services are stopped by it."""
    if threading.current_thread() is not threading.main_thread():
        yield  # signals are the main thread's
        return

    def interrupt(number: int, frame: object) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
