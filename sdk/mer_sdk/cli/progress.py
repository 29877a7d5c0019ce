"""Progress on stderr: a bar a task on a terminal, a line every two seconds elsewhere, nothing with --json."""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TextIO, TypeVar

# Called with what is done, how much of it is done, and how much there is.
Advance = Callable[[str, float, float], None]
# Into a file or pipe a line is written so often, seconds.
LINE_SECONDS = 2.0
# What takes longer than this is told.
SLOW_SECONDS = 1.5

Item = TypeVar("Item")


@contextmanager
def progress_bars(quiet: bool = False) -> Iterator[Advance]:
    """Bars with the time left, one for each thing that is named.

    Args:
        quiet: show nothing.
    """
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TaskID, TaskProgressColumn, TextColumn, TimeRemainingColumn

    if quiet:
        yield lambda what, done, total: None
        return
    with _own_stderr() as file:
        console = Console(file=file)
        if not console.is_terminal:
            with _lines(file) as advance:
                yield advance
            return
        columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeRemainingColumn())
        with Progress(*columns, console=console, transient=True) as bars:
            tasks: dict[str, TaskID] = {}

            def show(what: str, done: float, total: float) -> None:
                if what not in tasks:
                    tasks[what] = bars.add_task(what, total=total)
                bars.update(tasks[what], completed=done, total=total, visible=done < total)

            yield show


def with_progress(items: Sequence[Item], what: str) -> Iterator[Item]:
    """The items, one after the other, and how many of them are done, as `what`."""
    with progress_bars() as advance:
        for done, item in enumerate(items):
            advance(what, done, len(items))
            yield item
        advance(what, len(items), len(items))


@contextmanager
def told_when_slow(what: str, quiet: bool = False) -> Iterator[None]:
    """Say on stderr what goes on where it does not end at once, such as loading a large package."""
    if quiet:
        yield
        return
    # What loads may turn the process's own stderr elsewhere.
    with _own_stderr() as file:
        timer = threading.Timer(SLOW_SECONDS, lambda: print(f"{what} ...", file=file, flush=True))
        timer.daemon = True
        timer.start()
        try:
            yield
        finally:
            timer.cancel()
            timer.join()


@contextmanager
def _own_stderr() -> Iterator[TextIO]:
    """stderr by a descriptor of its own, as the other one goes elsewhere while a runtime loads a graph."""
    try:
        number = os.dup(sys.stderr.fileno())
    except (OSError, ValueError, AttributeError):
        yield sys.stderr
        return
    with os.fdopen(number, "w", encoding=sys.stderr.encoding, errors="replace", buffering=1) as file:
        yield file


@contextmanager
def _lines(file: TextIO, seconds: float = LINE_SECONDS) -> Iterator[Advance]:
    """Where what was named last stands, a line every so many seconds, by a thread: a long step says so, too."""
    begun: dict[str, float] = {}
    latest: list[tuple[str, float, float, float]] = []
    over = threading.Event()

    def advance(what: str, done: float, total: float) -> None:
        now = time.monotonic()
        begun.setdefault(what, now)
        latest[:] = [(what, done, total, now)]

    def tell() -> None:
        while not over.wait(seconds):
            for what, done, total, at in tuple(latest):
                if done < total:
                    # By the pace up to what was done last: a long step must not seem to slow down what follows.
                    left = (at - begun[what]) * (total - done) / done - (time.monotonic() - at) if done else 0.0
                    spent = time.monotonic() - begun[what]
                    known = f"{left:.0f} s left" if left > 0 else f"{spent:.0f} s so far"
                    print(f"{what}: {100 * done / total:.0f} %, {known}", file=file, flush=True)

    teller = threading.Thread(target=tell, name="progress lines", daemon=True)
    teller.start()
    try:
        yield advance
    finally:
        over.set()
        teller.join()
