"""Processes that run at the same time, one a piece of work; the steps that they tell are passed on, and none of them
outlives the work."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from contextlib import suppress
from pathlib import Path
from typing import TypeVar

from mer_converters.processes.progress import Say, Step
from mer_sdk.contract.codec import from_json
from mer_sdk.errors import ConversionError

Item = TypeVar("Item")
Result = TypeVar("Result")

# What a hash seed of its own changes: some tools write sets and dicts in hash order.
# ONNX Runtime keeps usage data and may send them, unless told otherwise.
FIXED = {"PYTHONHASHSEED": "0", "OMP_NUM_THREADS": "1", "PYTHONWARNINGS": "ignore", "ORT_DISABLE_TELEMETRY": "1"}


def in_parallel(work: Callable[[Item, Processes], Result], items: Sequence[Item], jobs: int) -> list[Result]:
    """What `work` gives for each item, in their order, `jobs` at a time, each in a thread.

    Where one fails, or a signal interrupts the caller, the processes of all are ended before the error is raised.

    Args:
        work: called with an item and what to run its processes with.
        items: what to work on.
        jobs: how many at a time, at least 1.
    """
    processes = Processes()
    pool = ThreadPoolExecutor(max(1, jobs))
    try:
        futures = [pool.submit(work, item, processes) for item in items]
        for future in wait(futures, return_when=FIRST_EXCEPTION).done:
            future.result()
        return [future.result() for future in futures]
    except BaseException:
        processes.stop()
        raise
    finally:
        pool.shutdown(cancel_futures=True)


class Processes:
    """Child processes that can be ended from another thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._running: set[subprocess.Popen[str]] = set()
        self._stopped = False

    def run(self, command: list[str], noise: Path, temporary: Path, say: Say) -> int:
        """Run a process that tells its steps as lines of JSON; its exit code.

        Args:
            command: program and arguments.
            noise: file for what it writes to standard error.
            temporary: folder for its temporary files.
            say: called with each step.

        Raises:
            ConversionError: `stop` was called before.
        """
        environment = {**os.environ, **FIXED, "TMPDIR": str(temporary)}
        with noise.open("w") as errors:
            with self._lock:
                if self._stopped:
                    raise ConversionError("stopped before it began")
                # A group of its own, so that what it starts ends with it.
                process = subprocess.Popen(
                    command, stdout=subprocess.PIPE, stderr=errors, text=True, env=environment, start_new_session=True
                )
                self._running.add(process)
            try:
                with process:
                    assert process.stdout is not None
                    for line in process.stdout:
                        say(from_json(Step, json.loads(line)))
            finally:
                with self._lock:
                    self._running.discard(process)
        return process.returncode

    def stop(self) -> None:
        """End all that run, with what they started, and let none begin any more."""
        with self._lock:
            self._stopped = True
            for process in self._running:
                with suppress(ProcessLookupError, PermissionError):  # it has ended by itself
                    os.killpg(process.pid, signal.SIGKILL)


def ended(code: int, noise: Path) -> str:
    """What there is to say of a process that failed: its code, and its last lines."""
    last = noise.read_text(errors="replace").strip().splitlines()[-25:]
    lines = "\n".join(f"    {line}" for line in last)
    return f"the converter process ended with code {code}; its last lines:\n{lines}"
