"""Scenes to train a face finder on: real faces pasted into made-up pictures, with the boxes that they should get.

The convention of a box is that of the packaged cascade, which the face crops of the project follow: a square about the
face from the middle of the forehead to the chin, the cheeks inside. FER+ crops vary in how tightly they are cut, so
each one's box is placed by two published detectors (`label_faces`), brought to the convention by the medians that
benchmarks/face_finder.py measures.

A scene is drawn at the finder's own resolution: background, clutter, people (shoulders, neck, hair, then the face
through a soft mask), things that are no faces pasted in the same way, then light, blur, noise and JPEG.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from mer_sdk.errors import DataError, OptionError
from mer_sdk.frontends.face import Detection, FaceDetector, overlap

# Square of the cascade from the box of a teacher: (side, of the root of width x height; rise of the centre, of height).
# Medians over FER+ faces that both find; `benchmarks/face_finder.py` measures them.
ULTRAFACE_TO_SQUARE = (1.106, -0.021)
MEDIAPIPE_TO_SQUARE = (1.138, -0.114)
AGREEMENT = 0.45  # teachers that overlap less mean different things; the face is left out
_CELL, _FACE = 80, 64
_GRID = (3, 4)
_LUMA = np.array([0.299, 0.587, 0.114], np.float32)

Square = tuple[float, float, float]


@dataclass(frozen=True)
class SceneOptions:
    """What scenes look like.

    Attributes:
        height, width: of the finder's input, pixels.
        smallest, largest: side of a face's box, in shares of the shorter side of the picture.
        fewest_pixels: boxes are never smaller than this, pixels of the input.
        empty: share of scenes without a face.
        decoys: share of scenes with things pasted that are no faces.
        faces: probabilities of 1, 2, 3, ... faces, where there are any.

    Raises:
        OptionError: shares outside of 0-1, or sizes in the wrong order.
    """

    height: int = 128
    width: int = 160
    smallest: float = 0.09
    largest: float = 1.15
    fewest_pixels: float = 8.0
    empty: float = 0.15
    decoys: float = 0.5
    faces: tuple[float, ...] = (0.55, 0.2, 0.12, 0.08, 0.05)

    def __post_init__(self) -> None:
        object.__setattr__(self, "faces", tuple(self.faces))
        if not (0 <= self.empty < 1 and 0 <= self.decoys <= 1 and 0 < self.smallest < self.largest):
            raise OptionError(f"{self}: empty and decoys are shares, and smallest lies below largest")


@dataclass(frozen=True, eq=False)
class FaceBank:
    """Crops to paste.

    Attributes:
        faces: uint8 [N, 48, 48], grey.
        squares: float32 [N, 3], centre x, centre y and side of each one's box, in shares of the crop.
    """

    faces: np.ndarray
    squares: np.ndarray


def square_from(box: Sequence[float], relation: tuple[float, float]) -> Square:
    """(centre x, centre y, side) of the project's box, from a teacher's (x, y, width, height)."""
    side = relation[0] * math.sqrt(box[2] * box[3])
    return box[0] + box[2] / 2, box[1] + box[3] / 2 + relation[1] * box[3], side


def corner_box(square: Sequence[float]) -> tuple[float, float, float, float]:
    """(x, y, width, height) of (centre x, centre y, side)."""
    x, y, side = square
    return x - side / 2, y - side / 2, side, side


def label_faces(crops: np.ndarray, ultraface: FaceDetector, mediapipe: FaceDetector) -> np.ndarray:
    """Boxes of crops [N, 48, 48]: float32 [N, 3] squares in shares of the crop, NaN where no face was agreed upon.

    UltraFace sees twelve crops in one frame, MediaPipe one at a time. Where both find a face, the square is the mean of
    both; where one does, it is its own.
    """
    squares = np.full((len(crops), 3), np.nan, np.float32)
    rows, columns = _GRID
    for start in range(0, len(crops), rows * columns):
        part = crops[start : start + rows * columns]
        sheet = np.full((rows * _CELL, columns * _CELL), 128, np.uint8)
        first: list[Detection | None] = [None] * len(part)
        for index, crop in enumerate(part):
            row, column = divmod(index, columns)
            area = np.s_[row * _CELL : (row + 1) * _CELL, column * _CELL : (column + 1) * _CELL]
            sheet[area] = framed(crop, _FACE, (_CELL - _FACE) // 2)
        for face in ultraface.detect(np.repeat(sheet[:, :, None], 3, axis=2)):
            column, row = int((face[0] + face[2] / 2) // _CELL), int((face[1] + face[3] / 2) // _CELL)
            index = row * columns + column
            if 0 <= column < columns and 0 <= row < rows and index < len(part):
                known = first[index]
                if known is None or face[4] > known[4]:
                    margin = (_CELL - _FACE) // 2
                    x, y = face[0] - column * _CELL - margin, face[1] - row * _CELL - margin
                    first[index] = (x / _FACE, y / _FACE, face[2] / _FACE, face[3] / _FACE, face[4])
        for index, crop in enumerate(part):
            found = mediapipe.detect(np.repeat(framed(crop, 96, 16)[:, :, None], 3, axis=2))
            given: list[Square] = []
            one = first[index]
            if one is not None:
                given.append(square_from(one, ULTRAFACE_TO_SQUARE))
            if found:
                best = max(found, key=lambda face: face[4])
                box = ((best[0] - 16) / 96, (best[1] - 16) / 96, best[2] / 96, best[3] / 96)
                given.append(square_from(box, MEDIAPIPE_TO_SQUARE))
            if len(given) == 2 and overlap(corner_box(given[0]), corner_box(given[1])) < AGREEMENT:
                continue
            if given:
                squares[start + index] = np.mean(given, axis=0)
    return squares


def framed(crop: np.ndarray, size: int, margin: int) -> np.ndarray:
    """A crop enlarged to `size` with its edge repeated `margin` pixels beyond, as it has no surroundings."""
    large = cv2.resize(crop, (size, size), interpolation=cv2.INTER_LINEAR)
    return np.asarray(cv2.copyMakeBorder(large, margin, margin, margin, margin, cv2.BORDER_REPLICATE))


def read_pictures(folder: str | Path | None) -> list[np.ndarray]:
    """Face-free pictures (.jpg, .jpeg, .png) of a folder, RGB; none without a folder.

    Raises:
        DataError: the folder holds none that can be read.
    """
    if folder is None:
        return []
    paths = sorted(path for path in Path(folder).glob("*") if path.suffix.lower() in (".jpg", ".jpeg", ".png"))
    pictures = [picture for path in paths if (picture := cv2.imread(str(path))) is not None]
    if not pictures:
        raise DataError(f"{folder} holds no .jpg or .png picture; name a folder of pictures without faces, or leave it")
    return [np.ascontiguousarray(picture[:, :, ::-1]) for picture in pictures]


@dataclass(frozen=True, eq=False)
class _Person:
    """A face ready to be pasted: grey patch [48, 48], its tint, its square in shares of the patch, its skin colour."""

    patch: np.ndarray
    tint: np.ndarray
    place: np.ndarray
    skin: np.ndarray

    def paste(self, rng: np.random.Generator, canvas: np.ndarray, square: Square) -> None:
        """Draw the face so that its box is `square`; sometimes something hides part of it."""
        # The whole crop with its own hair and background, or the face alone.
        mask = _whole_mask() if rng.random() < 0.5 else _face_mask(self.place, rng.uniform(0.9, 1.3))
        angle = float(np.clip(rng.normal(0, 12), -40, 40))
        patch = _hidden(rng, self.patch, self.place) if rng.random() < 0.3 else self.patch
        stretch, mirrored = rng.uniform(0.92, 1.08), rng.random() < 0.5
        _paste(canvas, patch[:, :, None] * self.tint, mask, self.place, square, angle, stretch, mirrored)
        if rng.random() < 0.12:
            _hand(rng, canvas, *square)


class Scenes:
    """Draws scenes. All that is random comes from the generator that is given.

    Args:
        bank: what is pasted.
        pictures: face-free pictures for backgrounds, may be empty.
        options: what scenes look like.
        seed: of the stock of backgrounds.
        stock: how many backgrounds are held; each use takes another part, mirrored or not, in other colours.
    """

    def __init__(
        self, bank: FaceBank, pictures: Sequence[np.ndarray], options: SceneOptions, seed: int, stock: int = 600
    ) -> None:
        self.options = options
        self._bank = bank
        rng = np.random.default_rng([seed, 7])
        size = (int(options.height * 1.5), int(options.width * 1.5))
        self._stock = [_background(rng, size, pictures) for _ in range(stock)]

    def draw(self, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        """One scene: uint8 [height, width, 3] letterboxed as the finder reads it, and squares [K, 3] in its pixels."""
        options = self.options
        height, width = _picture_size(rng, options)
        canvas = self._part_of_stock(rng, height, width)
        if rng.random() < 0.35:
            _clutter(rng, canvas, int(rng.integers(1, 7)))
        squares: list[Square] = []
        if rng.random() < options.decoys:
            for _ in range(int(rng.integers(1, 4))):
                self._decoy(rng, canvas)
        if rng.random() >= options.empty:
            chances = np.asarray(options.faces) / np.sum(options.faces)
            count = 1 + int(rng.choice(len(chances), p=chances))
            squares = _places(rng, count, height, width, options)
            people = [self._person(rng) for _ in squares]
            for square, person in zip(squares, people, strict=True):
                if rng.random() < 0.72:
                    _body(rng, canvas, *square, person.skin)
            # All faces after all bodies: nobody's shoulders hide a face that has a box.
            for square, person in zip(squares, people, strict=True):
                person.paste(rng, canvas, square)
        canvas = _camera(rng, canvas)
        frame = np.zeros((options.height, options.width, 3), np.uint8)
        frame[:height, :width] = canvas
        return frame, np.array(squares, np.float32).reshape(-1, 3)

    def _part_of_stock(self, rng: np.random.Generator, height: int, width: int) -> np.ndarray:
        whole = self._stock[int(rng.integers(len(self._stock)))]
        top = int(rng.integers(whole.shape[0] - height + 1))
        left = int(rng.integers(whole.shape[1] - width + 1))
        part = whole[top : top + height, left : left + width]
        if rng.random() < 0.5:
            part = part[:, ::-1]
        gain = (rng.uniform(0.5, 1.4) * rng.uniform(0.8, 1.2, 3)).astype(np.float32)
        part = part * gain + np.float32(rng.uniform(-30, 30))
        return np.ascontiguousarray(np.clip(part, 0, 255, out=part))

    def _person(self, rng: np.random.Generator) -> _Person:
        index = int(rng.integers(len(self._bank.faces)))
        place, tint = self._bank.squares[index], _tint(rng)
        patch = _relit(rng, self._bank.faces[index])
        return _Person(patch, tint, place, patch[14:34, 14:34].mean() * tint)

    def _decoy(self, rng: np.random.Generator, canvas: np.ndarray) -> None:
        """Something pasted as faces are, that is none: scrambled or enlarged pieces of faces, textures."""
        height, width = canvas.shape[:2]
        side = min(height, width) * math.exp(rng.uniform(math.log(0.08), math.log(0.9)))
        x, y = rng.uniform(0, width), rng.uniform(0, height)
        kind = rng.random()
        bank, tint = self._bank, _tint(rng)
        if kind < 0.2:
            _body(rng, canvas, x, y, side, rng.uniform(40, 210) * tint)  # a head from behind, or one without a face
            return
        if kind < 0.3:
            _hand(rng, canvas, x, y, side * 1.5)
            return
        crop = bank.faces[int(rng.integers(len(bank.faces)))]
        if kind < 0.5:
            parts = rng.permutation(9)
            crop = np.block(
                [[crop[16 * (k // 3) :, 16 * (k % 3) :][:16, :16] for k in parts[3 * r : 3 * r + 3]] for r in range(3)]
            )
        elif kind < 0.65:
            top, left = rng.integers(4, 30, 2)
            crop = cv2.resize(crop[top : top + 14, left : left + 14], (48, 48), interpolation=cv2.INTER_LINEAR)
        else:
            part = self._part_of_stock(rng, 48, 48)
            crop = np.clip(part @ _LUMA, 0, 255).astype(np.uint8)
        place = np.array([0.5, 0.5, 0.95], np.float32)
        mask = _whole_mask() if rng.random() < 0.3 else _face_mask(place, rng.uniform(0.9, 1.3))
        patch = _relit(rng, crop)[:, :, None] * tint
        _paste(canvas, patch, mask, place, (x, y, side), float(rng.normal(0, 15)), 1.0, rng.random() < 0.5)


def _picture_size(rng: np.random.Generator, options: SceneOptions) -> tuple[int, int]:
    """Height and width of the picture in the letterbox: 16:9, 4:3, square or upright, or any between."""
    ratio = float(rng.choice([16 / 9, 16 / 9, 4 / 3, 1.0, 3 / 4, 9 / 16, rng.uniform(0.56, 1.78)]))
    width = min(options.width, options.height * ratio)
    return max(32, round(width / ratio)), max(32, round(width))


def _places(rng: np.random.Generator, count: int, height: int, width: int, options: SceneOptions) -> list[Square]:
    """Squares that do not cover each other, the farther (smaller) first."""
    short = min(height, width)
    low = max(options.smallest * short, options.fewest_pixels)
    high = options.largest * short if count == 1 else short * 0.9 / math.sqrt(count)
    placed: list[Square] = []
    for _ in range(count):
        for _ in range(8):
            side = math.exp(rng.uniform(math.log(low), math.log(max(high, low * 1.2))))
            x = rng.uniform(0.3 * side, width - 0.3 * side) if width > 0.7 * side else width / 2
            y = rng.uniform(0.35 * side, height - 0.3 * side) if height > 0.7 * side else height / 2
            box = corner_box((x, y, side * 1.1))
            if all(overlap(box, corner_box(other)) < 0.05 for other in placed):
                placed.append((x, y, side))
                break
    return sorted(placed, key=lambda square: square[2])


def _tint(rng: np.random.Generator) -> np.ndarray:
    """What grey is multiplied with to look like skin under some light: float32 [3], keeping the luma."""
    warmth = rng.uniform(0.0, 0.42)
    tint = np.array([1.0 + warmth, 1.0 - 0.1 * warmth, 1.0 - warmth * rng.uniform(0.6, 1.2)], np.float32)
    return np.asarray(tint / (tint @ _LUMA), np.float32)


def _relit(rng: np.random.Generator, crop: np.ndarray) -> np.ndarray:
    """A crop in other contrast and brightness: float32 [48, 48], 0-255."""
    values = crop.astype(np.float32)
    mean = values.mean()
    values = (values - mean) * rng.uniform(0.6, 1.3) + mean * rng.uniform(0.6, 1.3)
    slope = np.linspace(-0.5, 0.5, 48, dtype=np.float32) * rng.uniform(-0.7, 0.7)
    return np.asarray(np.clip(values * (1 + slope[None, :]), 0, 255), np.float32)


_ROWS, _COLUMNS = np.mgrid[:48, :48].astype(np.float32)


def _face_mask(place: np.ndarray, reach: float) -> np.ndarray:
    """Soft ellipse over the face: float32 [48, 48], 0-1; `reach` 1 ends at chin and cheeks."""
    x, y, side = (float(value) * 48 for value in place)
    across, down = 0.41 * side * reach, 0.53 * side * reach
    distance = np.sqrt(((_COLUMNS + 0.5 - x) / across) ** 2 + ((_ROWS + 0.5 - y - 0.02 * side) / down) ** 2)
    inside = np.clip((1.08 - distance) / 0.16, 0, 1)
    return np.asarray(inside * _whole_mask(1.0), np.float32)


def _whole_mask(soft: float = 3.0) -> np.ndarray:
    """The crop's square with soft edges: float32 [48, 48], 0-1."""
    edge = np.minimum(np.minimum(_COLUMNS, 47 - _COLUMNS), np.minimum(_ROWS, 47 - _ROWS)) + 0.5
    return np.asarray(np.clip(edge / soft, 0, 1), np.float32)


def _paste(
    canvas: np.ndarray,
    patch: np.ndarray,
    mask: np.ndarray,
    place: np.ndarray,
    target: Square,
    angle: float,
    stretch: float,
    mirrored: bool,
) -> None:
    """Blend a patch [48, 48, 3] into the canvas, so that its `place` comes to lie on the target, turned about it."""
    x, y, side = target
    source = np.dstack([patch, mask]).astype(np.float32)
    centre_x, centre_y, own = (float(value) * 48 for value in place)
    if mirrored:
        source, centre_x = source[:, ::-1], 48 - centre_x
    scale = side / own
    while scale < 0.6:  # averaged down first: the warp reads four pixels, however small the target is
        source = cv2.resize(source, (source.shape[1] // 2, source.shape[0] // 2), interpolation=cv2.INTER_AREA)
        centre_x, centre_y, scale = centre_x / 2, centre_y / 2, scale * 2
    reach = 0.75 * source.shape[0] * scale + 2
    left, top = max(0, int(x - reach)), max(0, int(y - reach))
    right, bottom = min(canvas.shape[1], int(x + reach) + 1), min(canvas.shape[0], int(y + reach) + 1)
    if right <= left or bottom <= top:
        return
    turn = math.radians(angle)
    a, b = scale * math.cos(turn), scale * math.sin(turn)
    # Pixel centres lie at halves, OpenCV's at whole numbers.
    matrix = np.array(
        [
            [a / stretch, -b * stretch, x - left - 0.5],
            [b / stretch, a * stretch, y - top - 0.5],
        ]
    )
    matrix[:, 2] -= matrix[:, :2] @ np.array([centre_x - 0.5, centre_y - 0.5])
    warped = cv2.warpAffine(np.ascontiguousarray(source), matrix, (right - left, bottom - top), flags=cv2.INTER_LINEAR)
    share = warped[:, :, 3:]
    area = canvas[top:bottom, left:right]
    area += share * (warped[:, :, :3] - area)


def _hidden(rng: np.random.Generator, patch: np.ndarray, place: np.ndarray) -> np.ndarray:
    """Glasses, a mask, a cap or something else in front of a face."""
    x, y, side = (float(value) * 48 for value in place)
    patch = patch.copy()
    kind, grey = rng.random(), float(rng.uniform(0, 255))

    def fill(left: float, top: float, right: float, bottom: float, value: float) -> None:
        rows = slice(max(0, int(y + top * side)), max(0, int(y + bottom * side)))
        columns = slice(max(0, int(x + left * side)), max(0, int(x + right * side)))
        patch[rows, columns] = value

    if kind < 0.3:
        dark = float(rng.uniform(0, 60))
        fill(-0.36, -0.22, -0.04, -0.02, dark)
        fill(0.04, -0.22, 0.36, -0.02, dark)
        fill(-0.4, -0.2, 0.4, -0.15, dark)
    elif kind < 0.45:
        fill(-0.5, 0.05, 0.5, 0.5, grey)
    elif kind < 0.65:
        fill(-0.6, -0.7, 0.6, float(rng.uniform(-0.45, -0.25)), grey)
    else:
        left, top = rng.uniform(-0.5, 0.2, 2)
        fill(left, top, left + rng.uniform(0.1, 0.4), top + rng.uniform(0.1, 0.4), grey)
    return patch


def _colour(values: Any) -> tuple[float, float, float]:
    red, green, blue = (float(value) for value in np.clip(values, 0, 255))
    return red, green, blue


def _body(rng: np.random.Generator, canvas: np.ndarray, x: float, y: float, side: float, skin: np.ndarray) -> None:
    """Hair, neck and shoulders of a head whose box is at (x, y, side)."""
    grey = rng.uniform(5, 120)
    hair = _colour(grey * np.array([1.0 + rng.uniform(0, 0.7), 1.0 + rng.uniform(-0.1, 0.25), rng.uniform(0.5, 1.0)]))
    clothes = _colour(rng.uniform(0, 255, 3) if rng.random() < 0.6 else np.full(3, rng.uniform(0, 255)))
    skin_colour = _colour(skin * rng.uniform(0.7, 1.05))

    def ellipse(dx: float, dy: float, across: float, down: float, colour: tuple[float, float, float]) -> None:
        centre = (round((x + dx * side) * 8), round((y + dy * side) * 8))
        axes = (max(1, round(across * side * 8)), max(1, round(down * side * 8)))
        cv2.ellipse(canvas, centre, axes, 0, 0, 360, colour, -1, cv2.LINE_AA, 3)

    broad = rng.uniform(0.8, 1.3)
    long_hair = rng.random() < 0.4
    if long_hair:
        ellipse(0, rng.uniform(0.1, 0.5), rng.uniform(0.5, 0.75), rng.uniform(0.7, 1.2), hair)
    if rng.random() < 0.9:
        width = rng.uniform(0.2, 0.32)
        corners = np.array([[x - width * side, y], [x + width * side, y + 1.0 * side]])
        (left, top), (right, bottom) = np.round(corners).astype(int).tolist()
        cv2.rectangle(canvas, (left, top), (right, bottom), skin_colour, -1)
        ellipse(0, rng.uniform(1.4, 1.9), broad, rng.uniform(0.8, 1.1), clothes)
    if rng.random() < 0.9:
        ellipse(0, rng.uniform(-0.22, -0.05), rng.uniform(0.44, 0.6), rng.uniform(0.5, 0.68), hair)
    ellipse(0, rng.uniform(-0.02, 0.08), rng.uniform(0.38, 0.46), rng.uniform(0.48, 0.58), _colour(skin))
    if rng.random() < 0.5:
        for ear in (-1, 1):
            ellipse(ear * 0.44, 0.02, 0.06, 0.13, skin_colour)


def _hand(rng: np.random.Generator, canvas: np.ndarray, x: float, y: float, side: float) -> None:
    """A few fingers of skin near a face."""
    colour = _colour(rng.uniform(60, 220) * _tint(rng))
    x, y = x + rng.uniform(-0.5, 0.5) * side, y + rng.uniform(0.1, 0.7) * side
    angle = rng.uniform(0, 180)
    for finger in range(int(rng.integers(1, 5))):
        centre = (round((x + 0.09 * finger * side) * 8), round(y * 8))
        axes = (max(1, round(0.05 * side * 8)), max(1, round(rng.uniform(0.15, 0.3) * side * 8)))
        cv2.ellipse(canvas, centre, axes, angle, 0, 360, colour, -1, cv2.LINE_AA, 3)


def _noise_field(rng: np.random.Generator, size: tuple[int, int], coarse: int) -> np.ndarray:
    """Smooth random field [height, width, 3] around 0, from a coarse grid of `coarse` cells."""
    grid = rng.normal(0, 1, (coarse, coarse, 3)).astype(np.float32)
    return np.asarray(cv2.resize(grid, (size[1], size[0]), interpolation=cv2.INTER_CUBIC), np.float32)


def _clutter(rng: np.random.Generator, canvas: np.ndarray, count: int) -> None:
    """Rectangles, discs, lines, rings and letters."""
    height, width = canvas.shape[:2]
    for _ in range(count):
        colour = _colour(rng.uniform(0, 255, 3))
        ax, bx = (int(v) for v in rng.integers(-10, width + 10, 2))
        ay, by = (int(v) for v in rng.integers(-10, height + 10, 2))
        kind = rng.integers(5)
        filled = -1 if rng.random() < 0.6 else int(rng.integers(1, 5))
        if kind == 0:
            cv2.rectangle(canvas, (ax, ay), (bx, by), colour, filled)
        elif kind == 1:
            axes = (1 + abs(bx - ax) // 3, 1 + abs(by - ay) // 3)
            cv2.ellipse(canvas, (ax, ay), axes, float(rng.uniform(0, 180)), 0, 360, colour, filled, cv2.LINE_AA)
        elif kind == 2:
            cv2.line(canvas, (ax, ay), (bx, by), colour, int(rng.integers(1, 8)), cv2.LINE_AA)
        elif kind == 3:
            for ring in range(int(rng.integers(1, 4))):
                cv2.circle(canvas, (ax, ay), 3 + 5 * ring, colour, 2, cv2.LINE_AA)
        else:
            text = "".join(chr(int(c)) for c in rng.integers(48, 91, 6))
            scale = float(rng.uniform(0.3, 1.5))
            cv2.putText(canvas, text, (ax, ay), cv2.FONT_HERSHEY_SIMPLEX, scale, colour, 2, cv2.LINE_AA)


def _background(rng: np.random.Generator, size: tuple[int, int], pictures: Sequence[np.ndarray]) -> np.ndarray:
    """A background, uint8 [height, width, 3]: part of a picture, a wall, a gradient, noise of many scales, stripes."""
    kind = rng.random()
    if pictures and kind < 0.4:
        picture = pictures[int(rng.integers(len(pictures)))]
        share = math.exp(rng.uniform(math.log(0.12), 0.0))
        rows = max(16, int(picture.shape[0] * share))
        columns = max(16, int(picture.shape[1] * share))
        top = int(rng.integers(picture.shape[0] - rows + 1))
        left = int(rng.integers(picture.shape[1] - columns + 1))
        part = picture[top : top + rows, left : left + columns][:, :, rng.permutation(3)]
        return np.asarray(cv2.resize(part, (size[1], size[0]), interpolation=cv2.INTER_AREA))
    base = np.full((*size, 3), rng.uniform(0, 255), np.float32) + rng.normal(0, 25, 3).astype(np.float32)
    if kind < 0.55:
        base += _noise_field(rng, size, 2) * rng.uniform(0, 60)
    elif kind < 0.75:
        for coarse in (3, 8, 24, 64):
            base += _noise_field(rng, size, coarse) * rng.uniform(0, 35)
    elif kind < 0.85:
        period, angle = rng.uniform(4, 40), rng.uniform(0, math.pi)
        y, x = np.mgrid[: size[0], : size[1]].astype(np.float32)
        wave = np.sin((x * math.cos(angle) + y * math.sin(angle)) * 2 * math.pi / period)
        base += (wave if rng.random() < 0.5 else np.sign(wave))[:, :, None] * rng.normal(0, 40, 3).astype(np.float32)
        base += _noise_field(rng, size, 6) * rng.uniform(0, 30)
    else:
        base += _noise_field(rng, size, 4) * rng.uniform(0, 40)
        _clutter(rng, base, int(rng.integers(8, 40)))
    return np.clip(base, 0, 255).astype(np.uint8)


def _camera(rng: np.random.Generator, canvas: np.ndarray) -> np.ndarray:
    """Light, exposure, colour, blur, noise and JPEG: float32 [H, W, 3], 0-255 -> uint8."""
    height, width = canvas.shape[:2]
    gain = np.ones((height, width, 1), np.float32)
    if rng.random() < 0.4:
        slope = np.linspace(-0.5, 0.5, width, dtype=np.float32) * np.float32(rng.uniform(-1, 1))
        fall = np.linspace(-0.5, 0.5, height, dtype=np.float32) * np.float32(rng.uniform(-0.7, 0.7))
        gain += slope[None, :, None] + fall[:, None, None]
    if rng.random() < 0.6:
        gain = gain * (rng.uniform(0.55, 1.25) * rng.uniform(0.88, 1.12, 3)).astype(np.float32)
    canvas = canvas * gain
    saturation = np.float32(0.0 if rng.random() < 0.12 else rng.uniform(0.5, 1.2))
    mixing = saturation * np.eye(3, dtype=np.float32) + (1 - saturation) * _LUMA[None, :]
    canvas = cv2.transform(canvas, mixing)
    blur = rng.random()
    if blur < 0.3:
        canvas = cv2.GaussianBlur(canvas, (0, 0), float(rng.uniform(0.3, 1.3)))
    elif blur < 0.4:
        soft = cv2.GaussianBlur(canvas, (0, 0), 1.0)
        canvas = canvas + (canvas - soft) * np.float32(rng.uniform(0.3, 1.5))
    elif blur < 0.47:
        length = int(rng.integers(2, 6))
        kernel = np.full((1, length) if rng.random() < 0.7 else (length, 1), 1 / length, np.float32)
        canvas = cv2.filter2D(canvas, -1, kernel)
    if rng.random() < 0.6:
        noise = rng.standard_normal((height, width, 1), np.float32)
        canvas = canvas + noise * np.float32(255 * rng.uniform(0.003, 0.06))
    result = np.clip(canvas, 0, 255).astype(np.uint8)
    if rng.random() < 0.5:
        curve = 255 * np.linspace(0, 1, 256) ** math.exp(rng.uniform(-0.6, 0.6))
        result = np.asarray(cv2.LUT(result, curve.round().astype(np.uint8)))
    if rng.random() < 0.3:
        _, data = cv2.imencode(".jpg", result, [cv2.IMWRITE_JPEG_QUALITY, int(rng.integers(25, 90))])
        result = np.asarray(cv2.imdecode(data, cv2.IMREAD_COLOR), np.uint8)
    return result
