"""The terminal view of a live run: bars, what is seen and heard, how well it keeps up, and the last seconds."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from statistics import median

from rich.console import Console, ConsoleOptions, RenderResult
from rich.table import Table
from rich.text import Text

from mer_sdk.cli.run.timeline import BLOCK, other_person
from mer_sdk.contract.estimate import UNKNOWN, EmotionEstimate, FaceView
from mer_sdk.live.sources import SourceState
from mer_sdk.report.colours import terminal_colours

HEIGHTS = "▁▂▃▄▅▆▇█"
# For terminals whose code page has no blocks.
ASCII_BLOCK, ASCII_HEIGHTS = "#", "_.:-=+*#"
BAR = 40
# Steps in the timeline; with steps of 250 ms the last 15 s. A narrow terminal shows fewer.
TIMELINE = 60


class LiveView:
    """What rich draws; give it estimates and the sources' states as they come.

    Args:
        title: what runs.
        labels: the bundle's, in order.
    """

    def __init__(self, title: str, labels: Sequence[str]) -> None:
        self._title = title
        self._labels = tuple(labels)
        self._colours = terminal_colours(labels)
        self._timeline: deque[EmotionEstimate] = deque(maxlen=TIMELINE)
        self._sources: tuple[SourceState, ...] = ()
        self._stale: tuple[str, ...] = ()
        self._time = 0.0
        self._block, self._heights = BLOCK, HEIGHTS
        self._dropped = self._late = 0

    def add(self, estimate: EmotionEstimate) -> None:
        """Show an estimate."""
        self._timeline.append(estimate)
        self._time = max(self._time, estimate.time)
        if estimate.live is not None:
            self._dropped += estimate.live.dropped
            self._late += estimate.live.late

    def tell(self, sources: Sequence[SourceState], stale: Sequence[str], time: float) -> None:
        """Show the sources as they are now, at `time` seconds."""
        self._sources, self._stale, self._time = tuple(sources), tuple(stale), time

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        self._block, self._heights = (ASCII_BLOCK, ASCII_HEIGHTS) if options.ascii_only else (BLOCK, HEIGHTS)
        yield Text.assemble((self._title, "bold"), f"  {self._time:8.1f} s", no_wrap=True, overflow="ellipsis")
        if self._timeline:
            yield self._bars(self._timeline[-1], options.max_width)
            yield self._facts(self._timeline[-1])
            yield from self._last_seconds(options.max_width)
        else:
            yield Text("waiting for the first step", style="dim")
        for source in self._sources:
            yield self._source(source)

    def _bars(self, estimate: EmotionEstimate, width: int) -> Table:
        table = Table.grid(padding=(0, 1))
        room = max(4, min(BAR, width - 24))
        for label in self._labels:
            share = estimate.probabilities[label]
            holds = label == estimate.emotion
            table.add_row(
                Text(label, style=f"bold {self._colours[label]}" if holds else ""),
                Text(f"{100 * share:3.0f} %", style="bold" if holds else "dim"),
                Text(self._block * round(room * share), style=self._colours[label] if holds else "bright_black"),
            )
        if estimate.emotion == UNKNOWN:
            table.add_row(Text(UNKNOWN, style="bold"), "", "")
        return table

    def _facts(self, estimate: EmotionEstimate) -> Table:
        table = Table.grid(padding=(0, 1))
        stale = tuple(dict.fromkeys((*self._stale, *(estimate.live.stale if estimate.live else ()))))
        table.add_row(
            "state",
            Text.assemble(estimate.state, *((f"  {name} gives nothing", "bold yellow") for name in stale)),
        )
        table.add_row(
            "face", "none" if estimate.face is None else f"person {estimate.face.id}, {_place(estimate.face)}"
        )
        for other in estimate.others:
            if other.face is not None:
                colour = self._colours.get(other.emotion, "")
                table.add_row("", Text.assemble((other_person(other), colour), f", {_place(other.face)}"))
        if estimate.speech is not None:
            table.add_row(
                "voice", "speech" if estimate.speech else Text("no speech, sound does not count", style="dim")
            )
        if estimate.enrolling:
            table.add_row("enrol", Text(f"{estimate.enrolling:.1f} s to go, at rest", style="bold"))
        reliance = "  ".join(f"{name} {100 * share:.0f} %" for name, share in estimate.reliance.items())
        table.add_row("reliance", reliance)
        table.add_row("feeling", f"valence {estimate.valence:+.2f}  arousal {estimate.arousal:+.2f}")
        latencies = [one.latency_ms for one in self._timeline]
        lost = "bold red" if self._dropped or self._late else ""
        table.add_row(
            "keeps up",
            Text.assemble(
                f"{median(latencies):.1f} ms a step, at most {max(latencies):.1f}  ",
                (f"{self._dropped} dropped, {self._late} late", lost),
            ),
        )
        return table

    def _last_seconds(self, width: int) -> RenderResult:
        """Two lines: the confidence of each step in its label's colour, and the labels where they begin."""
        shown = list(self._timeline)[-max(1, width - 10) :]
        heights, names, free = Text("timeline    "), Text("          "), 0
        before = None
        for place, estimate in enumerate(shown):
            colour = self._colours.get(estimate.emotion, "bright_black")
            index = min(len(HEIGHTS) - 1, int(estimate.confidence * len(HEIGHTS)))
            heights.append(self._heights[index], style=colour)
            if estimate.emotion != before and place >= free:
                names.append(" " * (place - free))
                names.append(f"{estimate.emotion} ", style=colour)
                free = place + len(estimate.emotion) + 1
                before = estimate.emotion
        for line in (heights, names):
            line.no_wrap = True
            line.overflow = "crop"
            yield line

    def _source(self, source: SourceState) -> Text:
        text = Text(source.name, no_wrap=False)
        if source.state == "away":
            text.append(f"  away for {max(0.0, self._time - source.since):.0f} s, tried again: ", style="bold yellow")
        elif source.state == "ended":
            text.append("  ended ", style="bold")
        text.append(source.reason, style="yellow")
        for count, words in (
            (source.times_away, "times away"),
            (source.lost, "pieces lost"),
            (source.refused, "pieces refused"),
            (source.clipped, "pieces too loud"),
        ):
            if count:
                text.append(f"  {count} {words}", style="yellow")
        return text


def _place(face: FaceView) -> str:
    x, y, width, height = face.box
    return f"{width:.0f} x {height:.0f} pixels at {x:.0f}, {y:.0f}"
