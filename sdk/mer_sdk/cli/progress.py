"""Progress on stderr: a bar a task on a terminal, a line every two seconds elsewhere, nothing with --json."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

# Called with what is done, how much of it is done, and how much there is.
Advance = Callable[[str, float, float], None]
# Into a file or pipe a line is written so often, seconds.
LINE_SECONDS = 2.0


@contextmanager
def progress_bars(quiet: bool = False) -> Iterator[Advance]:
    """Bars with the time left, one for each thing that is named.

    Args:
        quiet: show nothing.
    """
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TaskID, TaskProgressColumn, TextColumn, TimeRemainingColumn

    console = Console(stderr=True)
    if quiet:
        yield lambda what, done, total: None
        return
    if not console.is_terminal:
        with _lines() as advance:
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


@contextmanager
def _lines(seconds: float = LINE_SECONDS) -> Iterator[Advance]:
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
                    known = f", {left:.0f} s left" if left > 0 else ""
                    print(f"{what}: {100 * done / total:.0f} %{known}", file=sys.stderr, flush=True)

    teller = threading.Thread(target=tell, name="progress lines", daemon=True)
    teller.start()
    try:
        yield advance
    finally:
        over.set()
        teller.join()
