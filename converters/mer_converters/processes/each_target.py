"""A process for each target, by the executor of every command (`mer_sdk.jobs`): new for each, as converter tools take
hundreds of megabytes and change global state when they are imported."""

from __future__ import annotations

import errno
import gc
import traceback
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future
from typing import Any

from mer_converters.processes.progress import Say, Step
from mer_sdk.errors import ConversionError, MerError, WorkerEnded
from mer_sdk.jobs import LAST_LINES, LocalWorkers, completed

# What an OSError says where a disk is full, or takes nothing.
NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EROFS)
# What a hash seed of its own changes: some tools write sets and dicts in hash order.
# ONNX Runtime keeps usage data and may send them, unless told otherwise.
FIXED = {"PYTHONHASHSEED": "0", "OMP_NUM_THREADS": "1", "PYTHONWARNINGS": "ignore", "ORT_DISABLE_TELEMETRY": "1"}


def each_target(
    function: Callable[[Any, Say], Any], work: Iterable[tuple[str, Any]], jobs: int, say: Say
) -> dict[str, Future[Any]]:
    """Have `function(job, say)` done for each target in a process of its own, and wait for all.

    Where a signal interrupts the caller, the processes of all end with what they started.

    Args:
        function: of a module that the processes can import.
        work: target and job, taken when its process begins.
        jobs: how many at a time, at least 1.
        say: called with each step that begins, from several threads.

    Returns:
        target -> what the function gave, or raised: errors that are meant for people as they are, others, and the end
        of a process, as `ConversionError` with its last lines.
    """
    found = {}
    with _Telling(jobs, say) as workers:
        for (target, _), future in completed(workers, _work, work, function):
            found[target] = _in_words(target, future)
            say(Step(target, "converted" if found[target].exception() is None else "failed", 1.0))
    return found


class _Telling:
    """`Workers` that begin a job as soon as they take it, and pass on what it tells."""

    def __init__(self, jobs: int, say: Say) -> None:
        self.ahead = jobs
        self._workers, self._say = LocalWorkers(jobs, FIXED, fresh=True), say

    def __enter__(self) -> _Telling:
        self._workers.__enter__()
        return self

    def __exit__(self, *error: object) -> None:
        self._workers.__exit__(*error)

    def submit(self, function: Callable[..., Any], *arguments: Any) -> Future[Any]:
        target, _ = arguments[-1]
        self._say(Step(target, "starting its process", 0.0))
        return self._workers.submit_telling(self._say, function, *arguments)


def _work(function: Callable[..., Any], item: tuple[str, Any], say: Say) -> Any:
    """In the process of one target.

    The tools make millions of objects that live as long as the process, which is short: looking through them for
    garbage takes a fifth of its time and finds next to nothing, so that it is turned off.
    """
    gc.disable()
    try:
        return function(item[1], say)
    except MerError:
        raise
    except Exception as error:
        if isinstance(error, OSError) and error.errno in NO_ROOM:
            raise ConversionError(
                f"nothing can be written ({error.strerror}); make room, or give another --out"
            ) from error
        raise _failed("failed", traceback.format_exc().strip().splitlines()[-LAST_LINES:]) from error


def _in_words(target: str, future: Future[Any]) -> Future[Any]:
    """The future, whose error names the target and tells the last lines of a process that ended."""
    error = future.exception()
    if isinstance(error, WorkerEnded):
        error = _failed(f"ended with code {error.code}", error.last_lines)
    elif error is not None and not isinstance(error, MerError):  # its module cannot be imported there
        error = ConversionError(f"{type(error).__name__}: {error}")
    if not isinstance(error, ConversionError):
        return future
    told: Future[Any] = Future()
    text = str(error)
    told.set_exception(ConversionError(text if text.startswith(f"{target}:") else f"{target}: {text}"))
    return told


def _failed(how: str, last_lines: Sequence[str]) -> ConversionError:
    lines = "\n".join(f"    {line}" for line in last_lines)
    return ConversionError(f"the converter process {how}; its last lines:\n{lines}")
