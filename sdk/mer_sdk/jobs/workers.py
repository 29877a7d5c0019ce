"""What every kind of workers does: take a function with its arguments, and give a future."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, wait
from itertools import islice
from typing import Any, Protocol, TypeVar

Item = TypeVar("Item")
# Takes what a job tells while it works: anything that can be pickled.
Say = Callable[[Any], None]


class Workers(Protocol):
    """Processes that do jobs; use them in a `with` statement, whose end ends what is not done.

    Attributes:
        ahead: how many jobs should wait or run, so that no process is idle.
    """

    @property
    def ahead(self) -> int: ...

    def submit(self, function: Callable[..., Any], *arguments: Any) -> Future[Any]:
        """Have `function(*arguments)` done in some process.

        Args:
            function: of a module that the processes can import.
            arguments: what can be pickled.

        Returns:
            Its result, or what it raised. `WorkerEnded` where the process ended every time that it was tried.
        """
        ...

    def __enter__(self) -> Workers: ...

    def __exit__(self, *_: object) -> None: ...


def completed(
    workers: Workers, function: Callable[..., Any], items: Iterable[Item], *common: Any
) -> Iterator[tuple[Item, Future[Any]]]:
    """Do `function(*common, item)` for every item, and give each item with its finished future, in order of completion.

    No more than `workers.ahead` wait at a time, so that neither arguments nor results pile up.
    """
    coming = iter(items)
    pending: dict[Future[Any], Item] = {}

    def fill() -> None:
        for item in islice(coming, max(0, workers.ahead - len(pending))):
            pending[workers.submit(function, *common, item)] = item

    fill()
    while pending:
        done, _ = wait(pending, return_when=FIRST_COMPLETED)
        finished = [(pending.pop(future), future) for future in done]
        # Before anything is done with the results: the processes do not wait for it.
        fill()
        yield from finished


def processors() -> int:
    """How many processors this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return max(1, len(os.sched_getaffinity(0)))
    return os.cpu_count() or 1
