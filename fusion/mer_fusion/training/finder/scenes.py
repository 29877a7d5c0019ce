"""Scenes to train a face finder on: real faces pasted into made-up pictures, with the boxes that they should get.

A scene is drawn at the finder's own resolution: background, clutter, people (shoulders, neck, hair, then the face
through a soft mask), things that are no faces pasted in the same way, then light, blur, noise and JPEG.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from mer_fusion.training.finder.drawing import (
    LUMA,
    background,
    body,
    camera,
    clutter,
    face_mask,
    hand,
    hidden,
    paste,
    relit,
    skin_tint,
    whole_mask,
)
from mer_fusion.training.finder.teachers import Square, corner_box
from mer_sdk.errors import DataError, OptionError
from mer_sdk.frontends.face_crop import overlap

PICTURES = (".jpg", ".jpeg", ".png")


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


def read_pictures(folder: str | Path | None) -> list[np.ndarray]:
    """Face-free pictures (.jpg, .jpeg, .png) of a folder, RGB; none without a folder.

    Raises:
        DataError: the folder holds none that can be read.
    """
    if folder is None:
        return []
    paths = sorted(path for path in Path(folder).glob("*") if path.suffix.lower() in PICTURES)
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
        mask = whole_mask() if rng.random() < 0.5 else face_mask(self.place, rng.uniform(0.9, 1.3))
        angle = float(np.clip(rng.normal(0, 12), -40, 40))
        patch = hidden(rng, self.patch, self.place) if rng.random() < 0.3 else self.patch
        stretch, mirrored = rng.uniform(0.92, 1.08), rng.random() < 0.5
        paste(canvas, patch[:, :, None] * self.tint, mask, self.place, square, angle, stretch, mirrored)
        if rng.random() < 0.12:
            hand(rng, canvas, *square)


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
        self._stock = [background(rng, size, pictures) for _ in range(stock)]

    def draw(self, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        """One scene: uint8 [height, width, 3] letterboxed as the finder reads it, and squares [K, 3] in its pixels."""
        options = self.options
        height, width = _picture_size(rng, options)
        canvas = self._part_of_stock(rng, height, width)
        if rng.random() < 0.35:
            clutter(rng, canvas, int(rng.integers(1, 7)))
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
                    body(rng, canvas, *square, person.skin)
            # All faces after all bodies: nobody's shoulders hide a face that has a box.
            for square, person in zip(squares, people, strict=True):
                person.paste(rng, canvas, square)
        canvas = camera(rng, canvas)
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
        place, tint = self._bank.squares[index], skin_tint(rng)
        patch = relit(rng, self._bank.faces[index])
        return _Person(patch, tint, place, patch[14:34, 14:34].mean() * tint)

    def _decoy(self, rng: np.random.Generator, canvas: np.ndarray) -> None:
        """Something pasted as faces are, that is none: scrambled or enlarged pieces of faces, textures."""
        height, width = canvas.shape[:2]
        side = min(height, width) * math.exp(rng.uniform(math.log(0.08), math.log(0.9)))
        x, y = rng.uniform(0, width), rng.uniform(0, height)
        kind = rng.random()
        bank, tint = self._bank, skin_tint(rng)
        if kind < 0.2:
            body(rng, canvas, x, y, side, rng.uniform(40, 210) * tint)  # a head from behind, or one without a face
            return
        if kind < 0.3:
            hand(rng, canvas, x, y, side * 1.5)
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
            crop = np.clip(part @ LUMA, 0, 255).astype(np.uint8)
        place = np.array([0.5, 0.5, 0.95], np.float32)
        mask = whole_mask() if rng.random() < 0.3 else face_mask(place, rng.uniform(0.9, 1.3))
        patch = relit(rng, crop)[:, :, None] * tint
        paste(canvas, patch, mask, place, (x, y, side), float(rng.normal(0, 15)), 1.0, rng.random() < 0.5)


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
