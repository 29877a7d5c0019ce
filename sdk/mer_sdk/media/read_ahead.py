"""Decoding beside estimating: an iterator that is run ahead in a thread of its own, for whoever takes its items."""

from __future__ import annotations

import os
from collections.abc import Generator, Iterator
from contextlib import suppress
from dataclasses import dataclass
from queue import Empty, Queue
from threading import Event, Thread
from typing import TypeVar

T = TypeVar("T")

# About a step of pictures and pieces of sound: enough that neither side waits, little enough to be kept.
AHEAD = 12
# Seconds between two looks whether the thread has ended.
LOOK = 0.01


@dataclass(frozen=True)
class _End:
    """What ended the iterator; None where it was simply over."""

    error: BaseException | None


def read_ahead(items: Iterator[T], most: int = AHEAD) -> Generator[T, None, None]:
    """The same items in the same order, taken from `items` in a thread; at most `most` of them wait.

    An error of `items` is raised at its place. Where this generator is closed early the thread ends before `close`
    returns; use `contextlib.closing`. With one core alone there is no thread.
    """
    if _cores() == 1:
        yield from items
        return
    waiting: Queue[T | _End] = Queue(most)
    stopped = Event()
    thread = Thread(target=_take, args=(items, waiting, stopped), name="mer-decoding", daemon=True)
    thread.start()
    try:
        while not isinstance(found := waiting.get(), _End):
            yield found
        if found.error is not None:
            raise found.error
    finally:
        stopped.set()
        while thread.is_alive():
            # It may wait for room.
            with suppress(Empty):
                waiting.get(timeout=LOOK)


def _take(items: Iterator[T], waiting: Queue[T | _End], stopped: Event) -> None:
    end = _End(None)
    try:
        for item in items:
            if stopped.is_set():
                break
            waiting.put(item)
    except BaseException as error:
        end = _End(error)
    waiting.put(end)


def _cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
