"""What scenes for the face finder are drawn with: backgrounds, clutter, bodies, faces through soft masks, a camera.

Canvases are float32 [height, width, 3], RGB, 0-255, and are drawn into; patches are squares [S, S, 3] of any S.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import cv2
import numpy as np

from mer_fusion.training.finder.teachers import Square

LUMA = np.array([0.299, 0.587, 0.114], np.float32)


def skin_tint(rng: np.random.Generator) -> np.ndarray:
    """What grey is multiplied with to look like skin under some light: float32 [3], keeping the luma."""
    warmth = rng.uniform(0.0, 0.42)
    tint = np.array([1.0 + warmth, 1.0 - 0.1 * warmth, 1.0 - warmth * rng.uniform(0.6, 1.2)], np.float32)
    return np.asarray(tint / (tint @ LUMA), np.float32)


def relit(rng: np.random.Generator, patch: np.ndarray) -> np.ndarray:
    """A patch [S, S, 3] in other contrast, brightness and light from the side: float32, 0-255."""
    values = patch.astype(np.float32)
    mean = values.mean()
    values = (values - mean) * np.float32(rng.uniform(0.6, 1.3)) + mean * np.float32(rng.uniform(0.6, 1.3))
    slope = np.linspace(-0.5, 0.5, patch.shape[1], dtype=np.float32) * np.float32(rng.uniform(-0.7, 0.7))
    return np.asarray(np.clip(values * (1 + slope[None, :, None]), 0, 255), np.float32)


@lru_cache(maxsize=8)
def _grid(size: int) -> tuple[np.ndarray, np.ndarray]:
    rows, columns = np.mgrid[:size, :size].astype(np.float32)
    return rows, columns


def face_mask(size: int, place: np.ndarray, reach: float) -> np.ndarray:
    """Soft ellipse over the face: float32 [size, size], 0-1; `reach` 1 ends at chin and cheeks."""
    rows, columns = _grid(size)
    x, y, side = (float(value) * size for value in place)
    across, down = 0.41 * side * reach, 0.53 * side * reach
    distance = np.sqrt(((columns + 0.5 - x) / across) ** 2 + ((rows + 0.5 - y - 0.02 * side) / down) ** 2)
    inside = np.clip((1.08 - distance) / 0.16, 0, 1)
    return np.asarray(inside * whole_mask(size, size / 48), np.float32)


def whole_mask(size: int, soft: float) -> np.ndarray:
    """The whole square with edges that are soft over `soft` pixels: float32 [size, size], 0-1."""
    rows, columns = _grid(size)
    edge = np.minimum(np.minimum(columns, size - 1 - columns), np.minimum(rows, size - 1 - rows)) + 0.5
    return np.asarray(np.clip(edge / soft, 0, 1), np.float32)


def paste(
    canvas: np.ndarray,
    patch: np.ndarray,
    mask: np.ndarray,
    place: np.ndarray,
    target: Square,
    angle: float,
    stretch: float,
    mirrored: bool,
) -> None:
    """Blend a patch [S, S, 3] into the canvas, so that its `place` comes to lie on the target, turned about it."""
    x, y, side = target
    size = patch.shape[0]
    source = np.dstack([patch, mask]).astype(np.float32)
    centre_x, centre_y, own = (float(value) * size for value in place)
    if mirrored:
        source, centre_x = source[:, ::-1], size - centre_x
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


def dark_glasses(rng: np.random.Generator, patch: np.ndarray, place: np.ndarray) -> np.ndarray:
    """Sun glasses on a face: two lenses of one shape, a bridge and the ends of the temples."""
    size = patch.shape[0]
    x, y, side = (float(value) * size for value in place)
    patch = np.ascontiguousarray(patch, np.float32)
    lens = _colour(rng.uniform(0, 70) * np.array([1.0, rng.uniform(0.8, 1.2), rng.uniform(0.7, 1.3)]))
    frame = _colour(np.full(3, rng.uniform(0, 60)) if rng.random() < 0.7 else rng.uniform(0, 255, 3))
    eye, height = rng.uniform(0.2, 0.24), rng.uniform(-0.16, -0.09)
    across, down = rng.uniform(0.13, 0.2), rng.uniform(0.09, 0.17)
    thick = max(1, round(0.035 * side))
    shape = rng.random()
    middle = round((y + height * side) * 8)
    cv2.line(patch, (round((x - 0.42 * side) * 8), middle), (round((x + 0.42 * side) * 8), middle), frame, thick, 16, 3)
    for turn in (-1, 1):
        centre = (round((x + turn * eye * side) * 8), round((y + (height + 0.04) * side) * 8))
        axes = (max(1, round(across * side * 8)), max(1, round(down * side * 8)))
        if shape < 0.6:
            cv2.ellipse(patch, centre, axes, 0, 0, 360, lens, -1, cv2.LINE_AA, 3)
            cv2.ellipse(patch, centre, axes, 0, 0, 360, frame, thick, cv2.LINE_AA, 3)
        else:
            low, high = (centre[0] - axes[0], centre[1] - axes[1]), (centre[0] + axes[0], centre[1] + axes[1])
            cv2.rectangle(patch, low, high, lens, -1, cv2.LINE_AA, 3)
            cv2.rectangle(patch, low, high, frame, thick, cv2.LINE_AA, 3)
    if rng.random() < 0.5:  # a reflection
        shine = (round((x - eye * side) * 8), round((y + height * side) * 8))
        axes = (round(0.04 * side * 8), round(0.03 * side * 8))
        cv2.ellipse(patch, shine, axes, 0, 0, 360, (200, 210, 220), -1, cv2.LINE_AA, 3)
    return patch


def hidden(rng: np.random.Generator, patch: np.ndarray, place: np.ndarray) -> np.ndarray:
    """Glasses, a mask, a cap or something else in front of a face."""
    size = patch.shape[0]
    x, y, side = (float(value) * size for value in place)
    kind, grey = rng.random(), rng.uniform(0, 255) * np.ones(3, np.float32)
    if rng.random() < 0.6:
        grey = rng.uniform(0, 255, 3).astype(np.float32)
    if kind < 0.4:
        return dark_glasses(rng, patch, place)
    patch = patch.copy()

    def fill(left: float, top: float, right: float, bottom: float) -> None:
        rows = slice(max(0, int(y + top * side)), max(0, int(y + bottom * side)))
        columns = slice(max(0, int(x + left * side)), max(0, int(x + right * side)))
        patch[rows, columns] = grey

    if kind < 0.5:
        fill(-0.5, 0.05, 0.5, 0.5)
    elif kind < 0.7:
        fill(-0.6, -0.7, 0.6, float(rng.uniform(-0.45, -0.25)))
    else:
        left, top = rng.uniform(-0.5, 0.2, 2)
        fill(left, top, left + rng.uniform(0.1, 0.4), top + rng.uniform(0.1, 0.4))
    return patch


def other_clothes(rng: np.random.Generator, patch: np.ndarray, place: np.ndarray) -> np.ndarray:
    """A portrait whose clothes, all that lies well below the chin, have another colour."""
    size = patch.shape[0]
    rows = _grid(size)[0] / size
    below = np.clip((rows - place[1] - 0.78 * place[2]) / 0.05, 0, 1)[:, :, None]
    tint = np.clip(rng.uniform(0, 1.1, 3) if rng.random() < 0.7 else np.full(3, rng.uniform(0, 1.1)), 0, 1)
    return np.asarray(patch * (1 - below + below * tint.astype(np.float32)), np.float32)


def from_behind(rng: np.random.Generator, patch: np.ndarray, place: np.ndarray) -> np.ndarray:
    """A portrait whose face is filled with the colour of its hair, or of its skin: a head, but no face."""
    size = patch.shape[0]
    x, y, side = (float(value) * size for value in place)
    row = int(np.clip(y - rng.uniform(0.55, 0.75) * side, 0, size - 1)) if rng.random() < 0.7 else int(y)
    part = patch[row : row + max(2, size // 32), int(x - 0.2 * side) : int(x + 0.2 * side)]
    colour = part.reshape(-1, 3).mean(axis=0) if part.size else np.full(3, 60.0)
    mask = face_mask(size, place, 1.25)[:, :, None]
    texture = rng.normal(0, 1, (size // 4, size // 8, 1)).astype(np.float32) * np.float32(rng.uniform(2, 25))
    texture = cv2.resize(texture, (size, size), interpolation=cv2.INTER_LINEAR)[:, :, None]
    return np.asarray(np.clip(patch + mask * (colour + texture - patch), 0, 255), np.float32)


def _colour(values: Any) -> tuple[float, float, float]:
    red, green, blue = (float(value) for value in np.clip(values, 0, 255))
    return red, green, blue


def body(rng: np.random.Generator, canvas: np.ndarray, x: float, y: float, side: float, skin: np.ndarray) -> None:
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


def hand(rng: np.random.Generator, canvas: np.ndarray, x: float, y: float, side: float) -> None:
    """A few fingers of skin near a face."""
    colour = _colour(rng.uniform(60, 220) * skin_tint(rng))
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


def clutter(rng: np.random.Generator, canvas: np.ndarray, count: int) -> None:
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


def background(rng: np.random.Generator, size: tuple[int, int], pictures: Sequence[np.ndarray]) -> np.ndarray:
    """A background, uint8 [height, width, 3]: part of a picture, a wall, a gradient, noise of many scales, stripes."""
    kind = rng.random()
    if pictures and kind < 0.5:
        picture = pictures[int(rng.integers(len(pictures)))]
        share = math.exp(rng.uniform(math.log(0.12), 0.0))
        rows = max(16, int(picture.shape[0] * share))
        columns = max(16, int(picture.shape[1] * share))
        top = int(rng.integers(picture.shape[0] - rows + 1))
        left = int(rng.integers(picture.shape[1] - columns + 1))
        part = picture[top : top + rows, left : left + columns][:, :, rng.permutation(3)]
        return np.asarray(cv2.resize(part, (size[1], size[0]), interpolation=cv2.INTER_AREA))
    base = np.full((*size, 3), rng.uniform(0, 255), np.float32) + rng.normal(0, 25, 3).astype(np.float32)
    if kind < 0.62:
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
        clutter(rng, base, int(rng.integers(8, 40)))
    return np.clip(base, 0, 255).astype(np.uint8)


def camera(rng: np.random.Generator, canvas: np.ndarray) -> np.ndarray:
    """Light, exposure, colour, blur, noise and JPEG: float32 [H, W, 3], 0-255 -> uint8."""
    height, width = canvas.shape[:2]
    gain = np.ones((height, width, 1), np.float32)
    if rng.random() < 0.4:
        slope = np.linspace(-0.5, 0.5, width, dtype=np.float32) * np.float32(rng.uniform(-1, 1))
        fall = np.linspace(-0.5, 0.5, height, dtype=np.float32) * np.float32(rng.uniform(-0.7, 0.7))
        gain += slope[None, :, None] + fall[:, None, None]
    if rng.random() < 0.6:
        gain = gain * (rng.uniform(0.65, 1.25) * rng.uniform(0.88, 1.12, 3)).astype(np.float32)
    canvas = canvas * gain
    saturation = np.float32(0.0 if rng.random() < 0.12 else rng.uniform(0.5, 1.2))
    mixing = saturation * np.eye(3, dtype=np.float32) + (1 - saturation) * LUMA[None, :]
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
        canvas = canvas + noise * np.float32(255 * rng.uniform(0.003, 0.04))
    result = np.clip(canvas, 0, 255).astype(np.uint8)
    if rng.random() < 0.5:
        curve = 255 * np.linspace(0, 1, 256) ** math.exp(rng.uniform(-0.6, 0.6))
        result = np.asarray(cv2.LUT(result, curve.round().astype(np.uint8)))
    if rng.random() < 0.3:
        _, data = cv2.imencode(".jpg", result, [cv2.IMWRITE_JPEG_QUALITY, int(rng.integers(25, 90))])
        result = np.asarray(cv2.imdecode(data, cv2.IMREAD_COLOR), np.uint8)
    return result
