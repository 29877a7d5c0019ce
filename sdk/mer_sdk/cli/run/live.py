"""`mer run` on cameras and microphones: until they end, so many seconds have passed, or Ctrl-C."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Sequence
from contextlib import closing, nullcontext, suppress
from typing import Any, TypeVar

from rich.live import Live

from mer_sdk.cli.run.live_view import LiveView
from mer_sdk.cli.run.plot import draw
from mer_sdk.cli.run.sensors import open_sensor
from mer_sdk.cli.run.timeline import (
    PLOTTED,
    Recorder,
    RunOptions,
    Timeline,
    save_profile,
    say,
    utterance_line,
    utterances_line,
)
from mer_sdk.contract.bundle import Bundle
from mer_sdk.contract.estimate import EmotionEstimate, UtteranceEstimate
from mer_sdk.dialogue.options import ConversationOptions
from mer_sdk.errors import MerError, OptionError
from mer_sdk.live.conversation import LiveConversation
from mer_sdk.live.sensor import LiveSensor
from mer_sdk.live.sources import Capture, Source, SourceState
from mer_sdk.live.step_queue import LiveOptions
from mer_sdk.live.worker import LiveWorker

Estimated = TypeVar("Estimated", EmotionEstimate, UtteranceEstimate)
# How long an estimate is waited for before the sources are looked at again, seconds.
LOOK_SECONDS = 0.25


def run_live(bundle: Bundle, options: RunOptions, sources: Sequence[Source]) -> None:
    """Show, print and record the estimates of sources as they come.

    Raises:
        MediaError, MissingExtra: a source cannot be opened, or was damaged.
        StreamError: the sensor was stopped by an error.
        OptionError: something cannot be written.
    """
    title = _title(sources)
    streams = tuple(stream for source in sources for stream in source.streams)
    shown = sys.stdout.isatty() and not options.json
    view = LiveView(f"{bundle.name}  {title}", bundle.manifest.labels) if shown else None
    sensor = open_sensor(bundle, options, sound="audio" in streams)
    if options.enrol is not None:
        sensor.enrol(options.enrol)
    live = LiveSensor(sensor, LiveOptions(streams=streams))
    with live, Timeline(bundle.manifest.labels, options, PLOTTED, quiet=shown) as timeline:

        def add(estimate: EmotionEstimate) -> None:
            timeline.add(estimate)
            if view is not None:
                view.add(estimate)

        states, error = _take_all(live, sources, options.seconds, add, view)
        if timeline.steps:
            save_profile(live.baseline, options.save_baseline)
        timeline.end(title)
        _say_losses(states)
        if error is not None:
            raise error


def check_conversation(bundle: Bundle, sources: Sequence[Source]) -> None:
    """Raise an `OptionError` unless a dialogue bundle gets what it reads from these sources."""
    reads = bundle.manifest.modalities
    streams = {stream for source in sources for stream in source.streams}
    if set(reads) == {"text"}:
        raise OptionError(
            f"{bundle.name} reads text alone, and mer run recognises no words: give it a csv file with the columns "
            "Speaker and Utterance, or in an app give mer_sdk.LiveConversation a recogniser"
        )
    if "audio" not in streams:
        raise OptionError(
            f"{_title(sources)} gives no sound, which utterances are cut by: give a microphone, too, such as "
            "camera+microphone"
        )
    if "video" in streams and "face" not in reads:
        raise OptionError(
            f"{bundle.name} reads {' and '.join(reads)}, no faces, and {_title(sources)} gives pictures: give sound "
            "alone, such as microphone"
        )


def run_conversation(bundle: Bundle, options: RunOptions, sources: Sequence[Source]) -> None:
    """Print and record the estimates of what is said, utterance by utterance; see `check_conversation`.

    Raises:
        MediaError, MissingExtra: a source cannot be opened, or was damaged; voice activity is not installed.
        StreamError: the conversation was stopped by an error.
        OptionError: something cannot be written.
    """
    # No text will come that an utterance would have to wait for.
    patience = ConversationOptions(patience=0.0)
    with closing(Recorder(options.record)) as recorder:

        def add(estimate: UtteranceEstimate) -> None:
            recorder.write(estimate.to_json())
            if options.json:
                print(json.dumps(estimate.to_json()), flush=True)
            else:
                say(utterance_line(estimate))

        talk = LiveConversation.open(
            bundle, options.runtime, options.threads, options.detector, patience, trust=options.trust or None
        )
        with talk:
            states, error = _take_all(talk, sources, options.seconds, add)
            estimates = talk.timeline()
            if estimates and options.plot is not None:
                draw(estimates, bundle.manifest.labels, options.plot, _title(sources))
            if not options.json:
                say(utterances_line(estimates))
            counts = {
                "too short": talk.short,
                "dropped": talk.dropped,
                "pieces too late": talk.late,
                "pictures without room": talk.dropped_frames,
            }
            words = ", ".join(f"{count} {name}" for name, count in counts.items() if count)
            if words:
                print(f"mer: left out: {words}", file=sys.stderr)
            _say_losses(states)
            if error is not None:
                raise error


def _title(sources: Sequence[Source]) -> str:
    return " and ".join(source.name for source in sources)


def _take_all(
    live: LiveWorker[Any, Estimated],
    sources: Sequence[Source],
    seconds: float | None,
    add: Callable[[Estimated], None],
    view: LiveView | None = None,
) -> tuple[Sequence[SourceState], Exception | None]:
    """Give `add` all estimates of sources until they end, the time is up, or Ctrl-C.

    Returns:
        What became of the sources, and the error that ended it; what was estimated before was given to `add`.
    """
    broken: MerError | None = None
    capture = Capture(live, sources)
    try:
        with Live(view, auto_refresh=False) if view else nullcontext() as screen:
            _watch(live, capture, add, view, screen.refresh if screen else None, seconds)
    except KeyboardInterrupt:
        pass  # the way to end what has no end
    except MerError as error:
        # What was estimated before is kept; the error still ends the command.
        broken = error
    finally:
        capture.close()
    if broken is None:
        with suppress(KeyboardInterrupt):  # what is there by now is still written
            live.finish()
            for estimate in live:
                add(estimate)
    return capture.states(), broken or capture.error


def _watch(
    live: LiveWorker[Any, Estimated],
    capture: Capture,
    add: Callable[[Estimated], None],
    view: LiveView | None,
    refresh: Callable[[], None] | None,
    seconds: float | None,
) -> None:
    """Take estimates until the stream is over or the time is up."""
    told: dict[str, str] = {}
    while seconds is None or capture.time < seconds:
        estimate = live.get(LOOK_SECONDS)
        if estimate is not None:
            add(estimate)
        elif live.over:
            return
        states = capture.states()
        if view is None or refresh is None:
            _tell_changes(states, told)
            continue
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
