"""Who speaks: three faces of which one moves its mouth with the sound, and which of them is preferred."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

import numpy as np

from mer_converters.emit.golden.tracks import SIDE, ScriptedDetector, rows_of, texture
from mer_converters.emit.source_bundle import SourceBundle
from mer_sdk.frontends.face_tracks import SOUND_RATE, FaceOptions, FaceTracks

STEPS, FACES = 36, 2
# Seconds of a step's frames since its beginning, and the length of a step.
FRAMES, STEP = (0.0625, 0.1875), 0.25
# Left, top and side of each detection. One of the last face is the smallest: it is followed all the same.
BOXES = ((12.0, 30.0, 48.0), (66.0, 12.0, 48.0), (122.0, 52.0, 46.0))
# Height, width, top and left of a mouth in its picture.
MOUTH = (12, 20, 33, 14)
# (first step, step after the last, face) whose mouth moves; and steps without sound, and without the first face.
SPEAKS = ((2, 13, 2), (13, 22, 0), (22, 30, 1), (30, 36, 2))
DEAF, GONE = (17, 18, 31), (25, 26)
LOUD, QUIET = 0.25, 0.00390625


def stages(source: SourceBundle, film: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """`stage_speaking_*`: the frames of a film with the sound of each step, to the faces of each step, the preferred
    one first.

    A frame is the first of `stage_tracks_backgrounds` with each of `stage_tracks_pictures` at the left and top of its
    box, its mouth laid over it where that is open. The sound of a step is one value in its first half and another one
    in its second; -1 where there is none.

    Args:
        film: the arrays of `tracks.stages`.
    """
    background, pictures = film["stage_tracks_backgrounds"][0], film["stage_tracks_pictures"]
    random = np.random.default_rng(41)
    mouths = np.stack([texture(random, *MOUTH[:2], 3, 90, 128) for _ in range(3)])
    levels, open_ = _script(random)
    detector = ScriptedDetector(np.array([[(*one[:2], one[2], one[2]) for one in BOXES]] * STEPS))
    detector.found[list(GONE), 0, 2] = 0.0
    tracks = FaceTracks(detector, source.manifest.face, FaceOptions(faces=FACES, detect_seconds=0.0))
    found = []
    for step in range(STEPS):
        detector.step = step
        frames = [
            (
                step * STEP + shift,
                partial(np.asarray, _frame(background, pictures, mouths, open_[step, one], step in GONE)),
            )
            for one, shift in enumerate(FRAMES)
        ]
        sound = None if levels[step, 0] < 0 else np.repeat(levels[step], round(STEP * SOUND_RATE / 2))
        found.append(rows_of([(face.view.id, face.view.box) for face in tracks.look(frames, sound)]))
    return {
        "stage_speaking_mouths": mouths,
        "stage_speaking_boxes": np.array(BOXES),
        "stage_speaking_gone": np.array([step in GONE for step in range(STEPS)]),
        "stage_speaking_open": open_,
        "stage_speaking_levels": levels,
        "stage_speaking_persons": np.stack(found),
    }


def _script(random: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """The value of the sound before each frame, [steps, 2]; and whose mouth is open in it, [steps, 2, 3]."""
    levels, open_ = np.full((STEPS, 2), QUIET), np.zeros((STEPS, 2, 3))
    now = np.zeros(3)
    for step in range(STEPS):
        (speaker,) = [face for begin, end, face in SPEAKS if begin <= step < end] or [-1]
        for frame in range(2):
            if speaker >= 0 and random.random() < 0.6:
                levels[step, frame] = LOUD
                now[speaker] = 1 - now[speaker]
            open_[step, frame] = now
    levels[list(DEAF)] = -1.0
    return levels.astype(np.float32), open_


def _frame(
    background: np.ndarray, pictures: np.ndarray, mouths: np.ndarray, opened: np.ndarray, gone: bool
) -> np.ndarray:
    frame = background.copy()
    rows, columns, top, left = MOUTH
    for person, (x, y, _) in enumerate(BOXES):
        if person == 0 and gone:
            continue
        face = pictures[person].copy()
        if opened[person]:
            face[top : top + rows, left : left + columns] = mouths[person]
        frame[int(y) : int(y) + SIDE, int(x) : int(x) + SIDE] = face
    return frame
