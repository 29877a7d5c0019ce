"""Processes of this machine, each with one job at a time.

The standard library's process pool gives up all of its jobs where one process is killed, and does not say which job
that was. Here each process has a pipe of its own: its death concerns the job that it had, which is tried again.
"""

from __future__ import annotations

import os
import pickle
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, suppress
from typing import Any

from mer_sdk.errors import WorkerEnded
from mer_sdk.jobs.frames import read_frame, write_frame
from mer_sdk.jobs.temporary import temporary_folder
from mer_sdk.jobs.workers import Say

# Of what a process wrote before it ended, so many lines are told.
LAST_LINES = 25
# How long a process that answers no more may take to end, seconds.
ENDING = 5.0


class LocalWorkers:
    """See `Workers`. A process is started when a job needs one, and does the next job, too.

    What a process writes to its output is not shown; the last of it is told where it ends unexpectedly. What it leaves
    in its temporary folder is gone with it.

    Args:
        jobs: processes at the same time, at least 1.
        environment: variables that they get beside those of this process.
        fresh: every job gets a process of its own.
        tries: how often a job is begun whose process is killed or crashes.
    """

    def __init__(
        self, jobs: int, environment: Mapping[str, str] | None = None, fresh: bool = False, tries: int = 1
    ) -> None:
        # Twice as many jobs as processes: the next one is there as soon as one is done.
        self.ahead = 2 * jobs
        self._environment, self._fresh, self._tries = dict(environment or {}), fresh, tries
        self._threads = ThreadPoolExecutor(jobs, "worker")
        self._lock = threading.Lock()
        self._all: set[_Process] = set()
        self._idle: list[_Process] = []
        self._over = False

    def __enter__(self) -> LocalWorkers:
        return self

    def __exit__(self, *_: object) -> None:
        with self._lock:
            self._over = True
            processes = tuple(self._all)
        self._threads.shutdown(wait=False, cancel_futures=True)
        for process in processes:
            process.kill()
        self._threads.shutdown()
        for process in processes:
            process.close()

    @property
    def processes(self) -> tuple[int, ...]:
        """Ids of the processes that there are."""
        with self._lock:
            return tuple(process.id for process in self._all)

    def submit(self, function: Callable[..., Any], *arguments: Any) -> Future[Any]:
        """See `Workers.submit`."""
        return self._threads.submit(self._run, None, function, arguments)

    def submit_telling(self, say: Say, function: Callable[..., Any], *arguments: Any) -> Future[Any]:
        """As `submit`, of a function whose last argument is a `Say`: what it tells is given to `say`, in a thread."""
        return self._threads.submit(self._run, say, function, arguments)

    def _run(self, say: Say | None, function: Callable[..., Any], arguments: tuple[Any, ...]) -> Any:
        for tries_left in reversed(range(self._tries)):
            process = self._take()
            try:
                kind, value = process.call(say, function, arguments)
            except WorkerEnded:
                self._drop(process)
                if not tries_left or self._over:
                    raise
                continue
            except BaseException:
                self._drop(process)
                raise
            if self._fresh:
                self._drop(process)
            else:
                with self._lock:
                    self._idle.append(process)
            if kind == "raised":
                raise value
            return value
        raise AssertionError("a job is tried at least once")

    def _take(self) -> _Process:
        with self._lock:
            if self._over:
                raise WorkerEnded(0)
            if self._idle:
                return self._idle.pop()
            process = _Process(self._environment)
            self._all.add(process)
            return process

    def _drop(self, process: _Process) -> None:
        with self._lock:
            self._all.discard(process)
        process.close()


class _Process:
    """One process; `call` is for one thread at a time."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        with ExitStack() as stack:
            folder = stack.enter_context(temporary_folder("mer-worker-"))
            self._noise = folder / "noise.txt"
            temporary = {name: str(folder) for name in ("TMPDIR", "TEMP", "TMP")}
            # Appended to, so that it can be emptied between two jobs.
            with self._noise.open("ab") as noise:
                self._process = subprocess.Popen(
                    [sys.executable, "-m", "mer_sdk.jobs.worker", str(folder)],
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    stderr=noise,
                    env={**os.environ, **temporary, **environment},
                    # A group of its own: what it starts ends with it, and a terminal's Ctrl-C is not for it.
                    start_new_session=True,
                )
            self._folder = stack.pop_all()
        self.id = self._process.pid

    def call(self, say: Say | None, function: Callable[..., Any], arguments: tuple[Any, ...]) -> tuple[str, Any]:
        """("returned", result) or ("raised", error) of the function; WorkerEnded where there is neither."""
        request = pickle.dumps((say is not None, function, arguments))
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        # The pipe breaks where the process ends.
        with suppress(OSError):
            write_frame(self._process.stdin, request)
            while (answer := read_frame(self._process.stdout)) is not None:
                kind, value = pickle.loads(answer)
                if kind != "said":
                    os.truncate(self._noise, 0)
                    return kind, value
                if say is not None:
                    say(value)
        try:
            code = self._process.wait(ENDING)
        except subprocess.TimeoutExpired:
            self.kill()
            code = self._process.wait()
        raise WorkerEnded(code, self._last_lines())

    def kill(self) -> None:
        """End it now, whatever it does, with what it started."""
        if not hasattr(os, "killpg"):
            self._process.kill()
            return
        with suppress(ProcessLookupError, PermissionError):  # all have ended by themselves
            os.killpg(self.id, signal.SIGKILL)

    def close(self) -> None:
        """End it, and remove what it left."""
        self.kill()
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                with suppress(OSError):  # what was not written yet has no reader
                    pipe.close()
        self._folder.close()

    def _last_lines(self) -> tuple[str, ...]:
        try:
            return tuple(self._noise.read_text(errors="replace").strip().splitlines()[-LAST_LINES:])
        except OSError:
            return ()
