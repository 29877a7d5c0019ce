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

from mer_fusion.training.finder.banks import FaceBank
from mer_fusion.training.finder.drawing import (
    LUMA,
    background,
    body,
    camera,
    clutter,
    face_mask,
    from_behind,
    hand,
    hidden,
    other_clothes,
    paste,
    relit,
    skin_tint,
    whole_mask,
)
from mer_fusion.training.finder.teachers import Square, corner_box
from mer_sdk.errors import DataError, OptionError
from mer_sdk.frontends.face_crop import overlap

PICTURES = (".jpg", ".jpeg", ".png")
# A picture as the finder reads it, uint8 [height, width, 3] letterboxed, and squares [K, 3] in its pixels.
Scene = tuple[np.ndarray, np.ndarray]
HIDDEN = 0.3  # a face of which others hide this share or more has no box


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
    faces: tuple[float, ...] = (0.45, 0.17, 0.13, 0.1, 0.08, 0.07)

    def __post_init__(self) -> None:
        object.__setattr__(self, "faces", tuple(self.faces))
        if not (0 <= self.empty < 1 and 0 <= self.decoys <= 1 and 0 < self.smallest < self.largest):
            raise OptionError(f"{self}: empty and decoys are shares, and smallest lies below largest")


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
    """A face ready to be pasted: patch [S, S, 3], its square in shares of it, where it shows the person (portraits
    alone, [S, S], 0-1), and its skin colour."""

    patch: np.ndarray
    place: np.ndarray
    mask: np.ndarray | None
    skin: np.ndarray

    def paste(self, rng: np.random.Generator, canvas: np.ndarray, square: Square) -> None:
        """Draw the face so that its box is `square`; sometimes something hides part of it."""
        size = len(self.patch)
        angle = float(np.clip(rng.normal(0, 10), -40, 40) if rng.random() < 0.75 else rng.uniform(-40, 40))
        patch = hidden(rng, self.patch, self.place) if rng.random() < 0.3 else self.patch
        # The whole crop with its own hair and background, or the face alone.
        if self.mask is not None:
            mask = self.mask
        elif rng.random() < 0.5:
            mask = whole_mask(size, size / 16)
        else:
            mask = face_mask(size, self.place, rng.uniform(0.9, 1.3))
        stretch, mirrored = rng.uniform(0.92, 1.08), rng.random() < 0.5
        paste(canvas, patch, mask, self.place, square, angle, stretch, mirrored)
        if rng.random() < 0.12:
            hand(rng, canvas, *square)


class Scenes:
    """Draws scenes. All that is random comes from the generator that is given.

    Args:
        banks: what is pasted.
        pictures: face-free pictures for backgrounds, may be empty.
        options: what scenes look like.
        seed: of the stock of backgrounds.
        stock: how many backgrounds are held; each use takes another part, mirrored or not, in other colours.
    """

    def __init__(
        self,
        banks: Sequence[FaceBank],
        pictures: Sequence[np.ndarray],
        options: SceneOptions,
        seed: int,
        stock: int = 600,
    ) -> None:
        self.options = options
        self._banks = tuple(banks)
        shares = np.array([bank.share for bank in banks])
        self._shares = shares / shares.sum()
        rng = np.random.default_rng([seed, 7])
        size = (int(options.height * 1.5), int(options.width * 1.5))
        self._stock = [background(rng, size, pictures) for _ in range(stock)]

    def draw(self, rng: np.random.Generator) -> Scene:
        """One scene as the finder reads it."""
        canvas, squares = self._drawn(rng)
        return self._photographed(rng, canvas, squares)

    def draw_twins(self, rng: np.random.Generator) -> tuple[Scene, Scene]:
        """A scene and its mirror image by another camera: twice the lessons for the price of one drawing."""
        canvas, squares = self._drawn(rng)
        mirrored = [(canvas.shape[1] - x, y, side) for x, y, side in squares]
        other = self._photographed(rng, np.ascontiguousarray(canvas[:, ::-1]), mirrored)
        return self._photographed(rng, canvas, squares), other

    def _photographed(self, rng: np.random.Generator, canvas: np.ndarray, squares: Sequence[Square]) -> Scene:
        frame = np.zeros((self.options.height, self.options.width, 3), np.uint8)
        frame[: canvas.shape[0], : canvas.shape[1]] = camera(rng, canvas)
        return frame, np.array(squares, np.float32).reshape(-1, 3)

    def _drawn(self, rng: np.random.Generator) -> tuple[np.ndarray, list[Square]]:
        """A canvas [h, w, 3] and the squares of its faces."""
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
            people = [self._person(rng, square[2]) for square in squares]
            shown: list[np.ndarray] = [canvas] * len(squares)
            for index, (square, person) in enumerate(zip(squares, people, strict=True)):
                if person.mask is not None:  # a portrait has a body of its own
                    person.paste(rng, canvas, square)
                    shown[index] = _inside(canvas, square).copy()
                elif rng.random() < 0.72:
                    body(rng, canvas, *square, person.skin)
            # Faces once more after all bodies: nobody's shoulders hide a face that has a box.
            for index, (square, person) in enumerate(zip(squares, people, strict=True)):
                if person.mask is None:
                    person.paste(rng, canvas, square)
                    shown[index] = _inside(canvas, square).copy()
            squares = [
                square
                for square, before in zip(squares, shown, strict=True)
                if np.mean(np.abs(_inside(canvas, square) - before).max(axis=2) > 1.0) < HIDDEN
            ]
        return canvas, squares

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

    def _person(self, rng: np.random.Generator, side: float) -> _Person:
        """Anybody, at about the size that a box of `side` pixels needs: what is larger costs more and shows no more."""
        bank = self._banks[int(rng.choice(len(self._banks), p=self._shares))]
        index = int(rng.integers(len(bank.faces)))
        place, patch, mask = bank.squares[index], bank.faces[index], None if bank.masks is None else bank.masks[index]
        while len(patch) * place[2] >= 2.5 * side and len(patch) % 2 == 0 and len(patch) > 32:
            half = (len(patch) // 2, len(patch) // 2)
            patch = cv2.resize(patch, half, interpolation=cv2.INTER_AREA)
            mask = None if mask is None else cv2.resize(mask, half, interpolation=cv2.INTER_AREA)
        patch = relit(rng, _in_colour(rng, patch))
        size = len(patch)
        x, y, reach = (round(float(value) * size) for value in (place[0], place[1], 0.2 * place[2]))
        skin = patch[max(0, y - reach) : y + reach + 1, max(0, x - reach) : x + reach + 1].reshape(-1, 3).mean(axis=0)
        if mask is None:
            return _Person(patch, place, None, skin)
        return _Person(other_clothes(rng, patch, place), place, mask.astype(np.float32) / 255, skin)

    def _decoy(self, rng: np.random.Generator, canvas: np.ndarray) -> None:
        """Something pasted as faces are, that is none: scrambled or enlarged pieces of faces, textures, heads from
        behind."""
        height, width = canvas.shape[:2]
        side = min(height, width) * math.exp(rng.uniform(math.log(0.08), math.log(0.9)))
        x, y = rng.uniform(0, width), rng.uniform(0, height)
        kind, angle, mirrored = rng.random(), float(rng.normal(0, 15)), rng.random() < 0.5
        if kind < 0.15:
            body(rng, canvas, x, y, side, rng.uniform(40, 210) * skin_tint(rng))  # a head without a face
            return
        if kind < 0.25:
            hand(rng, canvas, x, y, side * 1.5)
            return
        person = self._person(rng, side)
        if person.mask is not None and kind < 0.75:
            patch = from_behind(rng, person.patch, person.place)
            paste(canvas, patch, person.mask, person.place, (x, y, side), angle, 1.0, mirrored)
            return
        crop = person.patch
        if kind < 0.5:
            crop = cv2.resize(crop, (48, 48), interpolation=cv2.INTER_AREA)
            parts = [crop[16 * (k // 3) :, 16 * (k % 3) :][:16, :16] for k in rng.permutation(9)]
            crop = np.concatenate([np.concatenate(parts[row::3], axis=1) for row in range(3)], axis=0)
        elif kind < 0.65:
            size = len(crop)
            part = int(size * rng.uniform(0.2, 0.3))
            top, left = rng.integers(size // 12, size - part - size // 12, 2)
            crop = cv2.resize(crop[top : top + part, left : left + part], (48, 48), interpolation=cv2.INTER_LINEAR)
        else:
            crop = self._part_of_stock(rng, 48, 48)
            if rng.random() < 0.5:
                crop = (crop @ LUMA)[:, :, None] * skin_tint(rng)
        size, place = len(crop), np.array([0.5, 0.5, 0.95], np.float32)
        mask = whole_mask(size, 3.0) if rng.random() < 0.3 else face_mask(size, place, rng.uniform(0.9, 1.3))
        paste(canvas, crop, mask, place, (x, y, side), angle, 1.0, mirrored)


def _inside(canvas: np.ndarray, square: Square) -> np.ndarray:
    """What the canvas shows inside a square, at least one pixel."""
    x, y, side = square
    height, width = canvas.shape[:2]
    left, top = min(max(0, int(x - side / 2)), width - 1), min(max(0, int(y - side / 2)), height - 1)
    return canvas[top : max(top + 1, int(y + side / 2)), left : max(left + 1, int(x + side / 2))]


def _in_colour(rng: np.random.Generator, face: np.ndarray) -> np.ndarray:
    """A grey face in the colour of some skin, a coloured one in other light: float32 [S, S, 3]."""
    if face.ndim == 2:
        return np.asarray(face[:, :, None].astype(np.float32) * skin_tint(rng))
    light = rng.uniform(0.7, 1.15) * rng.uniform(0.85, 1.15, 3)
    return np.asarray(face.astype(np.float32) * light.astype(np.float32))


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
    sizes = math.log(low), math.log(max(high, low * 1.2))
    # People of one group stand about equally far, people of one street do not.
    usual = rng.uniform(*sizes) if rng.random() < 0.6 else None
    for _ in range(count):
        for _ in range(8):
            side = math.exp(rng.uniform(*sizes) if usual is None else usual + rng.uniform(-0.25, 0.25))
            x = rng.uniform(0.3 * side, width - 0.3 * side) if width > 0.7 * side else width / 2
            y = rng.uniform(0.35 * side, height - 0.3 * side) if height > 0.7 * side else height / 2
            box = corner_box((x, y, side * 1.1))
            if all(overlap(box, corner_box(other)) < 0.05 for other in placed):
                placed.append((x, y, side))
                break
    return sorted(placed, key=lambda square: square[2])
