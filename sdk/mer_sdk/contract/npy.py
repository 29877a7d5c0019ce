"""Arrays in numpy's file format, from anywhere: the header is read before anything is allocated."""

from __future__ import annotations

import lzma
import math
import zipfile
import zlib
from typing import IO

import numpy as np

# What damaged archives, compressed streams and arrays in them raise, whichever library reads them.
DAMAGED = (
    OSError,
    ValueError,
    EOFError,
    KeyError,
    RuntimeError,  # encrypted, or packed in a way that zipfile does not know
    zipfile.BadZipFile,
    zlib.error,
    lzma.LZMAError,
)


def read_npy(file: IO[bytes], name: str, most: int, kinds: str = "fiu") -> np.ndarray:
    """One array; read-only.

    Args:
        file: at the array's beginning; nothing follows it.
        name: for messages.
        most: bytes that it may have.
        kinds: numpy's letters of the types that it may hold.

    Raises:
        ValueError: no array of these types, larger than `most`, or its header does not say what follows.
    """
    try:
        version = np.lib.format.read_magic(file)
        formats = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}
        shape, fortran, dtype = formats[version](file)
    except Exception as error:  # the header is Python text, and its parser raises whatever Python's does
        raise ValueError(f"{name} has no header of numpy's format") from error
    if dtype.kind not in kinds or min(shape, default=0) < 0:
        raise ValueError(f"{name} holds {dtype}, which is not read")
    size = math.prod(shape) * dtype.itemsize
    if size > most:
        raise ValueError(f"{name} would have {size:,} bytes; allowed are {most:,}")
    # A header may claim more than the file holds: only what is there is allocated.
    values = file.read(size + 1)
    if len(values) != size:
        raise ValueError(f"{name} does not hold what its header says")
    return np.frombuffer(values, dtype).reshape(shape, order="F" if fortran else "C")
