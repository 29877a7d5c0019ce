"""A thread that makes results of work as it comes, and gives them to an iterator or a callback; how it ends."""

from __future__ import annotations

import math
import os
import threading
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Generic, TypeVar

import numpy as np

from mer_sdk.errors import OptionError, StreamError
from mer_sdk.frontends.face_crop import check_frame
from mer_sdk.limits import check_callable, check_number
from mer_sdk.media.samples import as_array

# The worker looks this often whether something that it waits for has become stale, seconds.
LOOK_SECONDS = 0.05

Work = TypeVar("Work")
Result = TypeVar("Result")
Own = TypeVar("Own", bound="LiveWorker[Any, Any]")


class LiveWorker(ABC, Generic[Work, Result]):
    """Results of live input, made by a thread of its own: taken by iterating (or `get`), or given to a callback.

    - A `with` block that ends well raises the error that stopped the thread, if there was one.
    - It belongs to the process that made it: in a forked one only `close` may be called, anything else raises.

    Args:
        what: what the app knows it as, for messages, such as "live conversation".
        room: results that may wait for whoever takes them; where there are more, the oldest is dropped and counted.
        callback: called with each result on the worker's thread. An error that it raises ends the stream.

    A subclass calls `_start` once the object is complete, and takes `_locked` for whatever the app asks or gives.
    """

    def __init__(self, what: str, room: int, callback: Callable[[Result], object] | None) -> None:
        self._what, self._room, self._callback = what, room, callback
        self._changed = threading.Condition()
        # Held while a result is made, see `_between`.
        self._making = threading.RLock()
        self._results: deque[Result] = deque()
        self._untaken = self._refused = 0
        self._finished = self._closed = self._over = False
        self._error: BaseException | None = None
        self._process = os.getpid()
        self._thread = threading.Thread(target=self._work, name=f"mer {what}", daemon=True)

    def __enter__(self: Own) -> Own:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self.close()
        if kind is None:
            self._check_error()

    def __iter__(self) -> Iterator[Result]:
        """Results as they come, until the stream is finished or closed.

        Raises:
            OptionError: the results go to a callback.
            StreamError: the thread was stopped by an error.
        """
        while True:
            result = self.get()
            if result is None:
                return
            yield result

    @property
    def refused(self) -> int:
        """Pictures left out so far that were none: empty, or not of three channels, as cameras give at times."""
        with self._locked():
            return self._refused

    @property
    def over(self) -> bool:
        """Whether no further result will be made."""
        with self._locked():
            return self._over

    @abstractmethod
    def push_audio(self, pcm: np.ndarray, sample_rate: int, time: float | None = None) -> bool:
        """Give sound, from any thread; False where the worker was finished or closed."""

    @abstractmethod
    def push_frame(self, rgb: np.ndarray, time: float) -> bool:
        """Give a frame, from any thread; False where the worker was finished or closed."""

    def get(self, timeout: float | None = None) -> Result | None:
        """The next result; None where none came within `timeout` seconds, or none will come any more (see `over`).

        Raises:
            OptionError: the results go to a callback, or the timeout is no number of seconds.
            StreamError: the thread was stopped by an error; what it made before has been taken.
        """
        if self._callback is not None:
            raise OptionError("the estimates go to on_estimate; leave it out to iterate over them")
        with self._locked():
            self._changed.wait_for(lambda: self._results or self._over or self._closed, _seconds(timeout))
            if self._results:
                return self._results.popleft()
            self._check_error()
            return None

    def finish(self, timeout: float | None = None) -> bool:
        """No more comes: what is still due is made.

        With a callback it waits, up to `timeout` seconds, until all were given to it; otherwise it returns at once, and
        iteration ends after the last. Called on the worker's own thread it never waits.

        Returns:
            Whether the stream is over.

        Raises:
            OptionError: the timeout is no number of seconds.
            StreamError: the thread was stopped by an error.
        """
        with self._locked():
            patience = _seconds(timeout)
            if not (self._finished or self._closed or self._over):
                self._finished = True
                try:
                    self._end_input()
                except Exception as error:  # whoever waits for results is told, too
                    self._error = error
                self._changed.notify_all()
            if self._callback is not None and threading.current_thread() is not self._thread:
                self._changed.wait_for(lambda: self._over, patience)
            self._check_error()
            return self._over

    def close(self, timeout: float | None = 5.0) -> bool:
        """Stop: what was not made or not taken is thrown away, and so is what is known of people, but for their
        baselines. It may be called from any thread, many times.

        A callback that is running is waited for, up to `timeout` seconds, with None as long as it runs; its thread ends
        when the callback does.

        Returns:
            Whether the thread has ended.

        Raises:
            OptionError: the timeout is no number of seconds; nothing was stopped then.
        """
        patience = _seconds(timeout)
        if os.getpid() != self._process:
            return True
        with self._changed:
            self._closed = True
            self._throw_away()
            self._results.clear()
            self._changed.notify_all()
        if threading.current_thread() is self._thread:
            return False
        self._thread.join(patience)
        if self._thread.is_alive():
            return False
        # Whoever is between two results has what they look at until they are done.
        if self._making.acquire(timeout=-1 if patience is None else patience):
            try:
                self._let_go()
            finally:
                self._making.release()
        return True

    @property
    @abstractmethod
    def stale(self) -> tuple[str, ...]:
        """Names of the streams that have given nothing for so long that they are not waited for, as of now."""

    @abstractmethod
    def _take(self) -> Work | None:
        """The next work, if there is any; with the lock held."""

    @abstractmethod
    def _waits(self) -> bool:
        """Whether work may come by waiting alone; with the lock held."""

    @abstractmethod
    def _end_input(self) -> None:
        """No more comes; with the lock held."""

    @abstractmethod
    def _throw_away(self) -> None:
        """Forget the work that waits; with the lock held."""

    @abstractmethod
    def _make(self, work: Work) -> Result:
        """Make a result, without the lock."""

    @abstractmethod
    def _let_go(self) -> None:
        """Close what the results are made with, once nothing is made any more; without the lock, perhaps twice."""

    def _make_end(self) -> None:
        """Do what is left to do after the last result of a stream that was finished; without the lock."""

    def _left_out(self, gone: Result, first: Result) -> Result:
        """The first result that waits, once it tells what the one before it told, which nobody took."""
        return first

    def _picture(self, rgb: np.ndarray) -> np.ndarray | None:
        """A copy of a picture; None, and counted, where it is none: see `refused`.

        Raises:
            SignalError: another type than uint8, which no camera gives.
        """
        given = as_array("a frame", rgb)
        if given.dtype == np.uint8 and (given.size == 0 or given.ndim != 3 or given.shape[2] != 3):
            with self._locked():
                self._refused += 1
            return None
        return check_frame(given).copy()

    def _start(self) -> None:
        self._thread.start()

    @contextmanager
    def _locked(self) -> Iterator[None]:
        """The lock, in the process whose thread this is."""
        self._check_process()
        with self._changed:
            yield

    @contextmanager
    def _between(self) -> Iterator[None]:
        """While no result is made."""
        self._check_process()
        with self._making:
            yield

    def _check_process(self) -> None:
        """A fork copies the worker without its thread, so that whoever waits for it would wait for ever."""
        if os.getpid() != self._process:
            raise StreamError(f"a {self._what} does not go through a fork; open one in the process that uses it")

    # What follows up to `_work` runs with the lock held.

    def _check_error(self) -> None:
        if self._error is not None:
            raise StreamError(
                f"the {self._what} has stopped, as its thread raised {type(self._error).__name__}: {self._error}; "
                "mend that and open another"
            ) from self._error

    def _accepts(self) -> bool:
        self._check_error()
        return not (self._finished or self._closed or self._over)

    def _next(self) -> Work | None:
        """The work to do, once there is some; None where there will be none."""
        while not self._closed:
            work = self._take()
            if work is not None or self._finished:
                return work
            self._changed.wait(LOOK_SECONDS if self._waits() else None)
        return None

    def _give(self, result: Result) -> None:
        """Queue a result for whoever takes it."""
        if self._closed:
            return
        self._results.append(result)
        if len(self._results) > self._room:
            gone = self._results.popleft()
            self._results[0] = self._left_out(gone, self._results[0])
            self._untaken += 1
        self._changed.notify_all()

    def _work(self) -> None:
        """The thread."""
        try:
            while True:
                with self._changed:
                    work = self._next()
                if work is None:
                    break
                with self._making:
                    result = self._make(work)
                if self._callback is not None:
                    self._callback(result)
                else:
                    with self._changed:
                        self._give(result)
            if self._finished and not self._closed:
                with self._making:
                    self._make_end()
        except BaseException as error:  # whatever a callback or a runtime raises ends the stream, and is told
            self._error = error
        finally:
            if self._closed:
                with self._making:
                    self._let_go()
            with self._changed:
                self._over = True
                self._changed.notify_all()


def _seconds(timeout: float | None) -> float | None:
    """How long a condition is waited for."""
    if timeout is None:
        return None
    wanted = "give a number of seconds, or None to wait"
    check_number("the timeout", timeout, wanted, least=-math.inf, most=math.inf, endless=True, unit=" s")
    return min(max(float(timeout), 0.0), threading.TIMEOUT_MAX)


def check_callback(on_estimate: object) -> None:
    """Raises OptionError where what is to be called with each result cannot be called."""
    check_callable("on_estimate", on_estimate, "a function that takes an estimate, or leave it out to iterate")
