"""The workers of a Dask cluster that is there: it gives jobs to processes, and again where one of them is lost."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Callable
from concurrent.futures import CancelledError, Future
from pathlib import Path
from typing import Any

from mer_sdk.errors import JobError, MissingExtra, OptionError, WorkerEnded

# How long the scheduler is waited for, seconds.
PATIENCE = 10
# Jobs that wait for each thread of the cluster: what a job needs is there as soon as one is done. At least so many in
# all, for workers that are still to come.
WAITING, LEAST = 4, 64
# The cluster's size is asked for once in so many seconds.
LOOK_SECONDS = 5.0


class ClusterWorkers:
    """See `Workers`. Where a worker is lost, the scheduler gives its jobs to others, as often as it allows.

    Args:
        address: of the scheduler, such as tcp://10.0.0.5:8786, or the path of a scheduler file (.json).

    Raises:
        MissingExtra: Dask's distributed is not installed.
        OptionError: there is no scheduler at the address.
    """

    def __init__(self, address: str) -> None:
        try:
            import distributed
        except ImportError as error:
            raise MissingExtra("--cluster", "distributed", "cluster") from error
        # What is lost or comes back is told by what becomes of the jobs.
        logging.getLogger("distributed").setLevel(logging.CRITICAL)
        self.address = address
        self._killed = distributed.KilledWorker
        try:
            self._client: Any = distributed.Client(_scheduler(address), timeout=PATIENCE, name="mer")
        except (OSError, ValueError, TypeError, KeyError) as error:
            raise OptionError(
                f"no scheduler answers at --cluster {address}; give the address that `dask scheduler` tells, such as "
                "tcp://10.0.0.5:8786, or the path of its scheduler file (.json)"
            ) from error
        self._executor = self._client.get_executor(pure=False)
        self._ahead, self._looked = LEAST, -LOOK_SECONDS

    @property
    def ahead(self) -> int:
        """See `Workers`; it grows with the cluster."""
        now = time.monotonic()
        if now - self._looked > LOOK_SECONDS:
            self._ahead = max(LEAST, WAITING * sum(self.workers().values()))
            self._looked = now
        return self._ahead

    def workers(self) -> dict[str, int]:
        """Address -> threads of the workers that there are now."""
        return dict(self._client.nthreads())

    def __enter__(self) -> ClusterWorkers:
        return self

    def __exit__(self, *_: object) -> None:
        self._executor.shutdown(wait=False)
        self._client.close()

    def submit(self, function: Callable[..., Any], *arguments: Any) -> Future[Any]:
        """See `Workers.submit`."""
        answer: Future[Any] = Future()

        def hand_over(future: Future[Any]) -> None:
            try:
                result = future.result()
            except self._killed:
                answer.set_exception(WorkerEnded())
            except (CancelledError, OSError):
                answer.set_exception(JobError(f"the cluster at {self.address} went away"))
            except ImportError as error:
                answer.set_exception(
                    JobError(
                        f"the workers of {self.address} lack {error.name}: install there the mer-edge that is here"
                    )
                )
            except Exception as error:
                answer.set_exception(error)
            else:
                answer.set_result(result)

        self._executor.submit(function, *arguments).add_done_callback(hand_over)
        return answer


def _scheduler(address: str) -> str:
    """The address itself, or that which a scheduler's file names, once it is there; Dask would wait for ever."""
    if not address.endswith(".json"):
        return address
    end = time.monotonic() + PATIENCE
    while not Path(address).is_file() and time.monotonic() < end:
        time.sleep(0.1)
    return str(json.loads(Path(address).read_text())["address"])
