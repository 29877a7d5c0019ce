"""The steps of a conversion on stderr: a bar for each part on a terminal, lines elsewhere; never silent for long."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console

    from mer_converters.processes.progress import Say, Step

# Without a terminal a line is written at least so often, seconds.
BEAT = 1.4


@dataclass
class _Part:
    """A part that has begun: seconds of the clock at its beginning and at its last step."""

    began: float
    at: float
    doing: str
    share: float

    def left(self, now: float) -> float | None:
        """Seconds left by the pace up to the last step; None before there is one."""
        if not 0 < self.share < 1:
            return None
        return max(0.0, (self.at - self.began) * (1 - self.share) / self.share - (now - self.at))


@contextmanager
def shown_steps(as_json: bool) -> Iterator[Say]:
    """What to tell steps to. Lines with `--json` and where stderr is no terminal, bars else."""
    from rich.console import Console

    console = Console(stderr=True)
    with _lines() if as_json or not console.is_terminal else _bars(console) as say:
        yield say


@contextmanager
def _bars(console: Console) -> Iterator[Say]:
    from rich.progress import BarColumn, Progress, SpinnerColumn, TaskID, TextColumn, TimeElapsedColumn

    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}", markup=False),
        BarColumn(bar_width=20),
        TimeElapsedColumn(),
        TextColumn("{task.fields[left]}"),
    )
    tasks: dict[str, TaskID] = {}
    parts: dict[str, _Part] = {}
    lock = threading.Lock()
    with Progress(*columns, console=console, transient=True) as bars, _beating(0.5) as beats:

        def show() -> None:
            now = time.monotonic()
            with lock:
                for what, part in parts.items():
                    left = part.left(now)
                    bars.update(tasks[what], left="" if left is None else f"about {left:.0f} s left")

        beats.append(show)

        def say(step: Step) -> None:
            with lock:
                _note(parts, step)
                if step.what not in tasks:
                    tasks[step.what] = bars.add_task(step.what, total=1.0, left="")
                bars.update(tasks[step.what], description=f"{step.what}: {step.doing}", completed=step.share)

        yield say


@contextmanager
def _lines() -> Iterator[Say]:
    parts: dict[str, _Part] = {}
    written = [time.monotonic()]
    lock = threading.Lock()

    def write(line: str) -> None:
        sys.stderr.write(f"{line}\n")
        sys.stderr.flush()
        written[0] = time.monotonic()

    def say(step: Step) -> None:
        with lock:
            part = _note(parts, step)
            write(f"{step.what}: {step.doing}{_remaining([part], part.at)}")

    def beat() -> None:
        now = time.monotonic()
        with lock:
            going = {what: part for what, part in parts.items() if part.share < 1}
            if going and now - written[0] >= BEAT:
                doing = "; ".join(f"{what}: {part.doing}, {now - part.at:.0f} s" for what, part in going.items())
                write(f"{doing}{_remaining(list(going.values()), now)}")

    with _beating(0.1) as beats:
        beats.append(beat)
        yield say


def _note(parts: dict[str, _Part], step: Step) -> _Part:
    now = time.monotonic()
    began = parts[step.what].began if step.what in parts else now
    parts[step.what] = _Part(began, now, step.doing, step.share)
    return parts[step.what]


def _remaining(parts: list[_Part], now: float) -> str:
    known = [left for part in parts if (left := part.left(now)) is not None]
    return f" (about {max(known):.0f} s left)" if known and max(known) >= 1 else ""


@contextmanager
def _beating(seconds: float) -> Iterator[list[Callable[[], None]]]:
    """Call what is put into the list every so many seconds, from a thread of its own."""
    over = threading.Event()
    beats: list[Callable[[], None]] = []

    def tell() -> None:
        while not over.wait(seconds):
            for beat in tuple(beats):
                beat()

    teller = threading.Thread(target=tell, name="progress", daemon=True)
    teller.start()
    try:
        yield beats
    finally:
        over.set()
        teller.join()
