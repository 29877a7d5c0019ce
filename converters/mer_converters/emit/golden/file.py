"""The file format: arrays by name, without numpy's format.

Little-endian: the bytes "MERGOLD1", the number of arrays, then each array: length of its name in bytes, name (UTF-8),
rank, sizes, values (float32, rows first). Numbers are uint32.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping

import numpy as np

MAGIC = b"MERGOLD1"


def pack(arrays: Mapping[str, np.ndarray]) -> bytes:
    """The file of some arrays, in their order."""
    parts = [MAGIC, struct.pack("<I", len(arrays))]
    for name, array in arrays.items():
        encoded = name.encode()
        values = np.ascontiguousarray(array, "<f4")
        sizes = struct.pack(f"<{np.ndim(array)}I", *np.shape(array))
        parts += [struct.pack("<I", len(encoded)), encoded, struct.pack("<I", np.ndim(array)), sizes, values.tobytes()]
    return b"".join(parts)


def text_array(text: str | bytes) -> np.ndarray:
    """A text as its UTF-8 bytes, one number each."""
    encoded = text.encode() if isinstance(text, str) else text
    return np.frombuffer(encoded, np.uint8).astype(np.float32)
