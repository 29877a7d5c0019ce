"""How a stored picture is shown: turned, mirrored, and with square pixels."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np

# Pixels that are said to be further from square than this are a damaged header.
OBLONG = 8
# The longest side to which oblong pixels are stretched.
LONGEST_SIDE = 8192


@dataclass(frozen=True)
class Geometry:
    """From stored pixels to shown ones: first the pixels are made square, then `transpose`, then the mirrors.

    Attributes:
        transpose: rows become columns.
        mirror_rows, mirror_columns: top and bottom, left and right change places.
        pixel_aspect: width of a stored pixel by its height.
    """

    transpose: bool = False
    mirror_rows: bool = False
    mirror_columns: bool = False
    pixel_aspect: Fraction = Fraction(1)

    def size(self, width: int, height: int) -> tuple[int, int]:
        """(width, height) of a stored picture once its pixels are square; it is never made smaller."""
        aspect = self.pixel_aspect
        if aspect > 1:
            width = min(LONGEST_SIDE, round(width * aspect))
        elif aspect < 1:
            height = min(LONGEST_SIDE, round(height / aspect))
        return width, height

    def upright(self, picture: np.ndarray) -> np.ndarray:
        """A picture [height, width, 3] of square pixels as it is shown, contiguous."""
        shown = picture.swapaxes(0, 1) if self.transpose else picture
        return np.ascontiguousarray(shown[:: -1 if self.mirror_rows else 1, :: -1 if self.mirror_columns else 1])


def geometry_of(matrix: bytes | None, pixel_aspect: Any) -> Geometry:
    """The geometry that a container and its decoder state.

    Args:
        matrix: FFmpeg's display matrix: nine int32 (a b u, c d v, x y w), by which a stored point (p, q) is shown at
            (a p + c q + x, b p + d q + y); None where there is none. An angle is rounded to quarter turns.
        pixel_aspect: a fraction, or None where unknown.
    """
    aspect = Fraction(pixel_aspect) if pixel_aspect else Fraction(1)
    if not Fraction(1, OBLONG) <= aspect <= OBLONG:
        aspect = Fraction(1)
    if matrix is None or len(matrix) < 36:
        return Geometry(pixel_aspect=aspect)
    a, b, _, c, d = struct.unpack("=5i", bytes(matrix[:20]))
    if abs(b) + abs(c) > abs(a) + abs(d):
        return Geometry(True, mirror_rows=b < 0, mirror_columns=c < 0, pixel_aspect=aspect)
    return Geometry(False, mirror_rows=d < 0, mirror_columns=a < 0, pixel_aspect=aspect)
