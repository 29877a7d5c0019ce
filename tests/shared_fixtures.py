"""What takes long to make is made once in a test run, whichever of its processes asks for it first."""

from __future__ import annotations

import fcntl
import os
import pickle
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import pytest

T = TypeVar("T")


def shared_fixtures(factory: pytest.TempPathFactory, name: str, make: Callable[[Path], T]) -> T:
    """What `make` returns of an empty folder, in which it may leave files; another process waits, and reads both.

    A session's fixtures are those of one process of pytest-xdist; this goes beyond it. Where `make` raises, the next
    process tries for itself.
    """
    base = factory.getbasetemp()
    # The folders of the processes of a run lie in one.
    shared = base.parent if "PYTEST_XDIST_WORKER" in os.environ else base
    folder, kept = shared / f"once-{name}", shared / f"once-{name}.pickle"
    with (shared / f"once-{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not kept.exists():
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir()
            kept.write_bytes(pickle.dumps(make(folder)))
    result: T = pickle.loads(kept.read_bytes())
    return result
