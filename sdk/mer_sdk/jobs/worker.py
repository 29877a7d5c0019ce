"""A process that does jobs: `python -m mer_sdk.jobs.worker FOLDER`, started by `mer_sdk.jobs.local`.

Jobs come on standard input, answers go to standard output, pickled, one frame each; both ends are this project's own
processes. Whatever else the process writes goes to standard error.
"""

from __future__ import annotations

import os
import pickle
import queue
import shutil
import signal
import sys
import threading
from typing import IO, Any

from mer_sdk.errors import JobError
from mer_sdk.jobs.frames import read_frame, write_frame


def main(folder: str) -> None:
    """Do jobs until nobody gives any more, then remove the temporary folder."""
    requests: queue.SimpleQueue[bytes] = queue.SimpleQueue()
    with os.fdopen(os.dup(1), "wb") as answers:
        # Libraries print to it.
        os.dup2(2, 1)
        threading.Thread(target=_listen, args=(sys.stdin.buffer, requests, folder), daemon=True).start()
        while True:
            _do(requests.get(), answers)


def _listen(pipe: IO[bytes], requests: queue.SimpleQueue[bytes], folder: str) -> None:
    """Take requests. Where the giver ends, however it does, this process does too, in the middle of a job."""
    while (request := read_frame(pipe)) is not None:
        requests.put(request)
    shutil.rmtree(folder, ignore_errors=True)
    if hasattr(os, "killpg") and os.getpgrp() == os.getpid():
        os.killpg(0, signal.SIGKILL)  # what a job has started, too
    os._exit(0)


def _do(request: bytes, answers: IO[bytes]) -> None:
    def tell(kind: str, value: Any) -> None:
        write_frame(answers, pickle.dumps((kind, value)))

    try:
        telling, function, arguments = pickle.loads(request)
        result = function(*arguments, lambda value: tell("said", value)) if telling else function(*arguments)
    except Exception as error:
        tell("raised", _portable(error))
        return
    tell("returned", result)


def _portable(error: Exception) -> Exception:
    """The error as it is, where another process can read it; else its words."""
    try:
        pickle.loads(pickle.dumps(error))
    except Exception:
        return JobError(f"{type(error).__name__}: {error}")
    return error


if __name__ == "__main__":
    main(sys.argv[1])
