"""Folders for a while, gone even where a signal ends the program."""

from __future__ import annotations

import atexit
import shutil
import tempfile
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path


@contextmanager
def temporary_folder(prefix: str, parent: Path | None = None) -> Iterator[Path]:
    """A new folder that is removed with all that is in it.

    Args:
        prefix: how its name begins.
        parent: an existing folder that it is made in; the system's temporary folder where there is none.

    Raises:
        OSError: it cannot be made.
    """
    folder = Path(parent or tempfile.gettempdir()) / f"{prefix}{uuid.uuid4().hex}"
    remove = partial(shutil.rmtree, folder, ignore_errors=True)
    # A signal may interrupt the removal below; at the end of the program it is made sure of.
    atexit.register(remove)
    try:
        folder.mkdir(mode=0o700)
        yield folder
    finally:
        remove()
        atexit.unregister(remove)
