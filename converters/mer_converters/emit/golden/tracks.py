"""Faces followed from step to step: a small film, what a detector would find in it, and whose face is where."""

from __future__ import annotations

from functools import partial

import numpy as np

from mer_converters.emit.source_bundle import SourceBundle
from mer_sdk.frontends.face_crop import Box, Detection
from mer_sdk.frontends.face_square import square_of_landmarks
from mer_sdk.frontends.face_tracking import FaceTracker
from mer_sdk.frontends.face_tracks import FaceOptions, FaceTracks, searched

HEIGHT, WIDTH, SIDE = 120, 180, 48
STEPS, MOST = 30, 3
# The step before which the picture is cut to another scene.
CUT = 20
COUNTS = 12
# Boxes that are not finite, outside of the frame, and many times as large.
IMPOSSIBLE = ((np.nan, 10, SIDE, SIDE), (WIDTH + 10, 10, SIDE, SIDE), (-4000, -4000, 9000, 9000))
SQUARES = 12


def stages(source: SourceBundle) -> dict[str, np.ndarray]:
    """`stage_tracks_*`: the frames of a film, what a detector finds where it is asked, and the tracks and persons.

    A frame is a background with pictures laid over it, in their order.
    """
    random = np.random.default_rng(23)
    backgrounds = np.stack([texture(random, HEIGHT, WIDTH, 24, 40, 90 + 60 * index) for index in range(2)])
    pictures = np.stack([texture(random, SIDE, SIDE, 6, 90, 128) for _ in range(3)])
    places = _places()
    frames = []
    for step in range(STEPS):
        frame = backgrounds[int(step >= CUT)].copy()
        for picture, (left, top) in zip(pictures, places[step], strict=True):
            if left >= 0:
                frame[top : top + SIDE, left : left + SIDE] = picture
        frames.append(frame)
    times = np.arange(STEPS) * source.manifest.clock.step_ms / 1000.0
    detections = _detections(random, places)
    options = FaceOptions(faces=MOST, detect_seconds=1.0, prefer_speaking=False)
    tracked, asked = _tracks(options, frames, times, detections)
    picks = [(*searched(count), -1, -1)[:3] for count in range(1, COUNTS + 1)]
    return {
        "stage_tracks_backgrounds": backgrounds,
        "stage_tracks_background": np.array([step >= CUT for step in range(STEPS)]),
        "stage_tracks_pictures": pictures,
        "stage_tracks_places": places,
        "stage_tracks_times": times,
        "stage_tracks_detections": detections,
        "stage_tracks_options": np.array([options.detect_seconds, options.faces]),
        "stage_tracks_found": tracked,
        "stage_tracks_asked": asked,
        "stage_tracks_persons": _persons(source, options, frames, times, detections),
        "stage_tracks_looked": np.array(picks),
    }


def texture(random: np.random.Generator, height: int, width: int, grain: int, spread: float, mean: float) -> np.ndarray:
    """A smooth random picture, uint8 [height, width, 3]."""
    coarse = random.normal(0, 1, (height // grain + 2, width // grain + 2, 3))
    down, across = np.arange(height) / grain, np.arange(width) / grain
    rows, columns = down.astype(int), across.astype(int)
    below, right = (down - rows)[:, None, None], (across - columns)[None, :, None]
    upper = coarse[rows][:, columns] * (1 - right) + coarse[rows][:, columns + 1] * right
    lower = coarse[rows + 1][:, columns] * (1 - right) + coarse[rows + 1][:, columns + 1] * right
    return np.clip(mean + spread * (upper * (1 - below) + lower * below), 20, 250).astype(np.uint8)


def _places() -> np.ndarray:
    """Left and top of each picture in each frame, [steps, 3, 2]; -1 where it is not there."""
    places = np.full((STEPS, 3, 2), -1)
    for step in range(STEPS):
        places[step, 0] = 6 + step // 2, 10 + step
        if step >= 5:
            places[step, 1] = 70 + (step - 5) % 7, 40
        if 9 <= step < CUT + 6:
            places[step, 2] = 126, 20 + 2 * (step % 3)
    # Out of the picture for a second, and back at its place.
    places[12:16, 1] = -1
    places[CUT:, 0] = 80, 30
    places[CUT:, 1] = 8, 60
    return places


def _detections(random: np.random.Generator, places: np.ndarray) -> np.ndarray:
    """What a detector would find, [steps, 4 + 3, 4]; width 0 where nothing. Its boxes jitter; the last three of each
    step can be no faces of the frame."""
    found = np.zeros((STEPS, 4 + len(IMPOSSIBLE), 4))
    found[:, 4:] = IMPOSSIBLE
    for step in range(STEPS):
        for person, (left, top) in enumerate(places[step]):
            # The first face is missed for some searches, as a turned one is.
            if left >= 0 and not (person == 0 and 8 <= step < 12):
                jitter = np.round(random.uniform(-1, 1, 2) * 4) / 4
                found[step, person] = *(np.array([left, top]) + jitter), SIDE, SIDE
    # A false face, once.
    found[9, 3] = 10, 70, 30, 30
    return found


class ScriptedDetector:
    """A detector that finds what the film's script says.

    Attributes:
        found: (x, y, width, height) of what it finds in each step, [steps, n, 4]; width 0 where nothing.
        step: the one whose frames are searched.
        asked: searches so far.
    """

    def __init__(self, detections: np.ndarray) -> None:
        self.found, self.step, self.asked = detections, 0, 0

    def detect(self, rgb: np.ndarray) -> list[Detection]:
        """See `FaceDetector.detect`."""
        self.asked += 1
        rows = self.found[self.step].tolist()
        return [(x, y, width, height, 1.0) for x, y, width, height in rows if width > 0]


def rows_of(seen: list[tuple[int, Box]]) -> np.ndarray:
    """(id, x, y, width, height) of each face, [MOST, 5]; id -1 where there is none."""
    rows = np.full((MOST, 5), -1.0)
    for place, (number, box) in enumerate(seen):
        rows[place] = number, *box
    return rows


def _tracks(
    options: FaceOptions, frames: list[np.ndarray], times: np.ndarray, detections: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    detector = ScriptedDetector(detections)
    tracker = FaceTracker(detector, options.detect_seconds, options.faces)
    found, asked = [], []
    for step, (frame, time) in enumerate(zip(frames, times.tolist(), strict=True)):
        detector.step, before = step, tracker.searches
        found.append(rows_of([(track.id, track.box) for track in tracker.follow(frame, time)]))
        asked.append(tracker.searches - before)
    return np.stack(found), np.array(asked)


def _persons(
    source: SourceBundle, options: FaceOptions, frames: list[np.ndarray], times: np.ndarray, detections: np.ndarray
) -> np.ndarray:
    """Who is where in each step, the preferred face first, [steps, MOST, 5] as `rows_of` has it."""
    detector = ScriptedDetector(detections)
    tracks, found = FaceTracks(detector, source.manifest.face, options), []
    for step, (frame, time) in enumerate(zip(frames, times.tolist(), strict=True)):
        detector.step = step
        seen = tracks.look([(time, partial(np.asarray, frame))])
        found.append(rows_of([(face.view.id, face.view.box) for face in seen]))
    return np.stack(found)


def square_stages() -> dict[str, np.ndarray]:
    """The contract's square from eyes and mouth, for detectors of a system with boxes of their own.

    `stage_square_*`: points [N, 6] (x and y of one eye, the other eye and the mouth) to boxes [N, 4].
    """
    random = np.random.default_rng(27)
    # Upright, turned and nodding heads of some sizes, at any angle, of whole and half pixels.
    size, angle = random.uniform(20, 200, SQUARES), random.uniform(-1.0, 1.0, SQUARES)
    wide, long = random.uniform(0.2, 0.5, SQUARES) * size, random.uniform(0.4, 1.1, SQUARES) * size
    shape = np.stack([-wide, 0 * wide, wide, 0 * wide, random.uniform(-0.3, 0.3, SQUARES) * wide, long], axis=1)
    x, y = shape[:, 0::2], shape[:, 1::2]
    turned = np.stack(
        [
            x * np.cos(angle)[:, None] - y * np.sin(angle)[:, None],
            x * np.sin(angle)[:, None] + y * np.cos(angle)[:, None],
        ],
        axis=2,
    )
    points = np.round((turned + random.uniform(100, 500, (SQUARES, 1, 2))) * 2) / 2
    boxes = [square_of_landmarks(*(tuple(point) for point in row.tolist())) for row in points]
    return {"stage_square_points": points.reshape(SQUARES, 6), "stage_square_boxes": np.array(boxes)}
