"""Pictures made of persons whom the face finder never learned from: groups, small faces, tilted heads, dark glasses.

Real portraits (CC BY 4.0, every fifth person of the set) are cut out and pasted before drawn backgrounds. What is in a
scene is known, so that no other detector says what there is to find.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from mer_fusion.training.finder.banks import FaceBank, portrait_bank
from mer_fusion.training.finder.drawing import background, dark_glasses, paste
from mer_fusion.training.finder.teachers import Square, corner_box

# Frames as a camera gives them, so that each detector makes of them what it needs.
HEIGHT, WIDTH = 480, 640


@dataclass(frozen=True, eq=False)
class MadeSet:
    """Frames, uint8 [480, 640, 3], and the boxes (x, y, width, height) of each one's faces."""

    frames: list[np.ndarray]
    boxes: list[list[tuple[float, float, float, float]]]


@dataclass(frozen=True)
class Kind:
    """What scenes of a set show: faces a scene, their sides by the frame's height, tilt in degrees, dark glasses."""

    faces: tuple[int, int] = (1, 1)
    sides: tuple[float, float] = (0.2, 0.4)
    tilt: float = 0.0
    glasses: bool = False


KINDS = {
    "single faces": Kind(),
    "groups of 3-6": Kind(faces=(3, 6), sides=(0.14, 0.22)),
    "small faces": Kind(faces=(1, 2), sides=(0.08, 0.12)),
    "tilted 15": Kind(tilt=15.0),
    "tilted 30": Kind(tilt=30.0),
    "dark glasses": Kind(glasses=True),
    "no face": Kind(faces=(0, 0)),
}


def made_sets(portraits: Path, count: int, seed: int = 0) -> dict[str, MadeSet]:
    """`count` scenes of every kind."""
    bank = portrait_bank(portraits, "benchmark", 1.0)
    return {
        f"made: {name}": _made(bank, kind, count, np.random.default_rng([seed, number]))
        for number, (name, kind) in enumerate(KINDS.items())
    }


def _made(bank: FaceBank, kind: Kind, count: int, rng: np.random.Generator) -> MadeSet:
    frames, boxes = [], []
    assert bank.masks is not None  # portraits are cut out
    for _ in range(count):
        canvas = background(rng, (HEIGHT, WIDTH), []).astype(np.float32)
        squares = _places(rng, kind)
        for square in squares:
            index = int(rng.integers(len(bank.faces)))
            patch, place = bank.faces[index].astype(np.float32), bank.squares[index]
            if kind.glasses:
                patch = dark_glasses(rng, patch, place)
            tilt = kind.tilt * float(rng.choice([-1.0, 1.0]))
            paste(canvas, patch, bank.masks[index] / np.float32(255), place, square, tilt, 1.0, False)
        grain = rng.normal(0, 3, canvas.shape).astype(np.float32)
        frames.append(np.clip(cv2.GaussianBlur(canvas, (0, 0), 0.7) + grain, 0, 255).astype(np.uint8))
        boxes.append([corner_box(square) for square in squares])
    return MadeSet(frames, boxes)


def _places(rng: np.random.Generator, kind: Kind) -> list[Square]:
    """Squares in two rows, the rear one first: heads beside each other, nobody before a face."""
    count = int(rng.integers(kind.faces[0], kind.faces[1] + 1))
    squares: list[Square] = []
    columns = rng.permutation(max(count, 1))
    for number in range(count):
        side = HEIGHT * float(rng.uniform(*kind.sides))
        x = WIDTH * (columns[number] + float(rng.uniform(0.4, 0.6))) / count
        low = 0.25 if columns[number] % 2 else 0.5
        squares.append((x, HEIGHT * (low + float(rng.uniform(0, 0.1))), side))
    return sorted(squares, key=lambda square: square[1])
