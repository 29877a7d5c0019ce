"""What inference runtimes write to stderr while they load a graph: the lines that tell a user nothing are left out.

LiteRT, ExecuTorch and what they are built on write from C++, have no level that Python could set, and so mix lines such
as "INFO: Created TensorFlow Lite XNNPACK delegate for CPU." with a command's own. The commands ask for silence by the
environment variable `MER_QUIET_RUNTIMES`, which their child processes inherit; apps are left as they are.
"""

from __future__ import annotations

import faulthandler
import os
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import BinaryIO

VARIABLE = "MER_QUIET_RUNTIMES"
# Whole lines that are known and harmless; everything else is an error for all that is known, and is shown.
HARMLESS = re.compile(
    rb"INFO: (Created|Initialized) TensorFlow Lite .*"
    rb"|WARNING: All log messages before absl::InitializeLog\(\) is called are written to STDERR"
    rb"|\[threadpool\.cpp:\d+\] Resetting threadpool to \d+ threads\."
    rb"|\[cpuinfo_utils\.cpp:\d+\] .*"
    rb"|Failed to load \S*torchao/\S*\.so: .*"
    rb"|W\d{4} .*torch/utils/_pytree\.py:\d+\] .*"
)


@contextmanager
def without_harmless_lines() -> Iterator[None]:
    """Keep harmless lines that are written to file descriptor 2 in the meantime; all others are written at the end.

    They are, too, where the block raises an error; where it takes the process down, Python's own account of that is
    written. Does nothing unless `MER_QUIET_RUNTIMES` is 1.
    """
    if os.environ.get(VARIABLE) != "1":
        yield
        return
    try:
        sys.stderr.flush()
        real = os.dup(2)
    except (OSError, ValueError, AttributeError):  # a process without stderr
        yield
        return
    with _kept_aside() as kept:
        os.dup2(kept.fileno(), 2)
        tells_crashes = faulthandler.is_enabled()
        if not tells_crashes:
            faulthandler.enable(real)
        try:
            yield
        finally:
            if not tells_crashes:
                faulthandler.disable()
            sys.stderr.flush()
            os.dup2(real, 2)
            os.close(real)
            kept.seek(0)
            lines = kept.read().splitlines(keepends=True)
            _write(b"".join(line for line in lines if not HARMLESS.fullmatch(line.strip())))


def _kept_aside() -> BinaryIO:
    """A file without a name: in memory where the system has such, as there may be no folder that can be written to."""
    if hasattr(os, "memfd_create"):
        return open(os.memfd_create("mer-stderr"), "w+b")
    import tempfile

    return tempfile.TemporaryFile()


def _write(rest: bytes) -> None:
    while rest:
        rest = rest[os.write(2, rest) :]
