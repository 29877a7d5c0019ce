"""Small grey pictures of squares of a frame, and where a template correlates best in one.

Normalised cross-correlation as in Lewis, "Fast Normalized Cross-Correlation" (1995). A template at all places of a
picture is one product of matrices: the picture's bands of rows times the template shifted to each column.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import numpy as np

from mer_sdk.frontends.face_crop import Box

# A square: left, top, width, height in pixels of the frame; may reach outside.
Square = tuple[float, float, float, float]


class Template:
    """A grey picture that is looked for in others.

    Args:
        picture: [n, n], 0-255. What is computed of it for pictures of one size is kept.
    """

    def __init__(self, picture: np.ndarray) -> None:
        self.size = len(picture)
        self._zero = picture - picture.mean()
        own = self._zero.ravel()
        # A flat picture correlates with nothing: two grey levels are less than a camera's noise.
        self._floor = (2.0 * self.size) ** 2
        self._energy = max(float(own @ own), self._floor)
        self._shifted: dict[int, np.ndarray] = {}

    def scores(self, pictures: np.ndarray) -> np.ndarray:
        """Normalised cross-correlation, -1 to 1, at all places of pictures [k, m, m]: [k, m-n+1, m-n+1]."""
        count, length = len(pictures), pictures.shape[1]
        places = length - self.size + 1
        whole = np.ascontiguousarray(pictures)
        # The band from each row on; bands overlap and are copied, as the product could not read them so.
        lines = np.ndarray((count, places, self.size * length), whole.dtype, whole, 0, whole.strides)
        cross = (self._shifts(length) @ lines.reshape(count * places, -1).T).reshape(places, count, places)
        values = np.empty((2, *pictures.shape))
        values[0] = pictures
        np.multiply(values[0], values[0], out=values[1])
        ones = _sums(length, self.size)
        sums, energy = ones @ values @ ones.T
        sums *= sums
        sums /= self.size**2
        energy -= sums
        np.maximum(energy, self._floor, out=energy)
        energy *= self._energy
        result: np.ndarray = cross.transpose(1, 2, 0) / np.sqrt(energy, out=energy)
        return result

    def _shifts(self, length: int) -> np.ndarray:
        """The template at every column of a band that is `length` wide, 0 elsewhere: [places, size * length]."""
        found = self._shifted.get(length)
        if found is None:
            places = length - self.size + 1
            found = self._shifted[length] = np.zeros((places, self.size * length), self._zero.dtype)
            rows = found.reshape(places, self.size, length)
            for place in range(places):
                rows[place, :, place : place + self.size] = self._zero
        return found


def grey_squares(rgb: np.ndarray, squares: Sequence[Square], rows: int, columns: int) -> np.ndarray:
    """Small grey pictures of parts of a frame, float32 [k, rows, columns], 0-255; edge pixels repeat outside.

    It is the green channel at four points a pixel: cheap at any size of a part, and enough to compare faces by. What
    the face graph reads is `mer_sdk.frontends.face_crop.crop_face`.

    Args:
        rgb: uint8 [height, width, 3], contiguous.
    """
    places = np.empty((len(squares), 2, 2, rows, columns), np.intp)
    for square, found in zip(squares, places, strict=True):
        _place(rgb.shape, square, found)
    return _taken(rgb, places)


def whole_grey(rgb: np.ndarray, rows: int, columns: int) -> np.ndarray:
    """The whole frame as in `grey_squares`, float32 [rows, columns]."""
    return _taken(rgb, _places_of_whole(rgb.shape, rows, columns))[0]


def face_patch(rgb: np.ndarray, box: Box, size: int, margin: float = 0.0) -> np.ndarray:
    """The square around a face's box as in `grey_squares`, float32 [size, size].

    Args:
        margin: added on each side, as a share of the square's side.
    """
    return grey_squares(rgb, [square_around(box, margin)], size, size)[0]


def square_around(box: Box, margin: float) -> Square:
    """The square about a box's centre, its side the larger one of the box plus `margin` of it on each side."""
    side = max(box[2], box[3]) * (1.0 + 2.0 * margin)
    return box[0] + box[2] / 2.0 - side / 2, box[1] + box[3] / 2.0 - side / 2, side, side


def correlation(template: np.ndarray, picture: np.ndarray) -> np.ndarray:
    """See `Template.scores`; of one picture [m, m], for a template [n, n] that is looked for once."""
    return Template(template).scores(picture[None])[0]


def peak(values: np.ndarray, index: int) -> float:
    """How far the top of a parabola through three values lies from the middle one, -0.5 to 0.5."""
    if not 0 < index < len(values) - 1:
        return 0.0
    left, middle, right = values[index - 1 : index + 2].tolist()
    bend = left - 2.0 * middle + right
    return 0.0 if bend >= 0 else max(-0.5, min(0.5 * (left - right) / bend, 0.5))


def _taken(rgb: np.ndarray, places: np.ndarray) -> np.ndarray:
    """The means of four points each: places [k, 2, 2, rows, columns] in the bytes of the frame."""
    points = rgb.reshape(-1).take(places.reshape(len(places), 4, *places.shape[3:]))
    # Sums of four bytes are exact.
    result: np.ndarray = np.add.reduce(points, axis=1, dtype=np.uint16) * np.float32(0.25)
    return result


def _place(shape: tuple[int, ...], square: Square, places: np.ndarray) -> None:
    """Write where the green of each point lies, [2, 2, rows, columns]: two points down and two across a pixel."""
    height, width = shape[:2]
    rows, columns = places.shape[2:]
    down = _inside(square[1] + _points(rows) * (square[3] / (2 * rows)), height)
    across = _inside(square[0] + _points(columns) * (square[2] / (2 * columns)), width)
    down *= 3 * width
    down += 1
    across *= 3
    np.add(down[:, None, :, None], across[None, :, None, :], out=places)


def _inside(places: np.ndarray, length: int) -> np.ndarray:
    """Whole numbers from 0 to length - 1."""
    # Bounded before the change to whole numbers: a square may lie far outside.
    if not (places[0, 0] >= 0 and places[1, -1] <= length - 1):
        places = np.clip(places, 0, length - 1)
    return places.astype(np.intp)


@lru_cache(maxsize=8)
def _places_of_whole(shape: tuple[int, ...], rows: int, columns: int) -> np.ndarray:
    places = np.empty((1, 2, 2, rows, columns), np.intp)
    _place(shape, (0.0, 0.0, float(shape[1]), float(shape[0])), places[0])
    return places


@lru_cache(maxsize=16)
def _points(count: int) -> np.ndarray:
    """Two points a pixel, in halves of pixels: the first of all pixels, then the second, [2, count]."""
    return np.ascontiguousarray((np.arange(2 * count) + 0.5).reshape(count, 2).T)


@lru_cache(maxsize=8)
def _sums(length: int, size: int) -> np.ndarray:
    """Ones, [length - size + 1, length]: times a picture they are the sums of `size` rows at every place."""
    places = np.arange(length - size + 1)[:, None]
    columns = np.arange(length)[None, :]
    return ((columns >= places) & (columns < places + size)).astype(np.float64)
