"""Who speaks: the face whose mouth region moves with the sound.

Motion is what is left between two grey pictures of the mouth's region once the faces are laid over each other, against
what is left of eyes and nose, so that a head that turns and a box that jumps count little. A face's score is how much
its motion rises with the sound's level over the last 2 s, plus a part of its motion while there is sound. This is a
plain reading of audio-visual synchrony (Hershey and Movellan, "Audio Vision", 1999), without training.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from mer_sdk.frontends.face_crop import Box
from mer_sdk.frontends.template_matching import correlation, face_patch

# Seconds over which sound and motion are compared.
WINDOW_SECONDS = 2.0
# Side of the grey pictures, and by how much two may be shifted against each other, pixels.
FACE, SHIFT = 32, 4
# In a frontal detector's box: the mouth, and what moves with the head alone, as rows and columns of the picture.
MOUTH = (slice(21, 31), slice(9, 23))
REST = (slice(7, 20), slice(7, 25))
# Change that a camera's noise makes, in standard deviations of the face.
NOISE = 0.02
# The sound's level counts between these, dB re full scale.
QUIET, LOUD = -60.0, -20.0
# Weight of motion while there is sound, against motion that rises with it.
ACTIVITY = 0.5
# Another face is preferred when its score is ahead by this factor, and by this much, for so many seconds.
LEAD_FACTOR, LEAD, LEAD_SECONDS = 1.3, 0.1, 0.5
# Fewer comparisons than this say nothing.
LEAST = 4


@dataclass(eq=False)
class _Face:
    picture: np.ndarray
    time: float
    # (seconds, motion, sound's level 0-1)
    timeline: deque[tuple[float, float, float]] = field(default_factory=deque)


class ActiveSpeaker:
    """Chooses among faces by who speaks; the choice holds until another one is clearly ahead for 0.5 s."""

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """Begin anew, with nobody preferred."""
        self._faces: dict[int, _Face] = {}
        self._preferred: int | None = None
        self._ahead: tuple[int, float] | None = None

    def forget(self, key: int) -> None:
        """Forget what one face did."""
        self._faces.pop(key, None)
        if self._preferred == key:
            self._preferred = None

    def watch(self, rgb: np.ndarray, boxes: Mapping[int, Box], time: float, level: float | None) -> None:
        """Look at the faces of one frame.

        Args:
            rgb: uint8 [height, width, 3].
            boxes: face -> (x, y, width, height) in pixels.
            time: seconds, later than the frame's before.
            level: of the sound since that frame, 0-1 (see `sound_level`); None where there is none.
        """
        self._faces = {key: face for key, face in self._faces.items() if time - face.time <= WINDOW_SECONDS}
        for key, box in boxes.items():
            wide = face_patch(rgb, box, FACE + 2 * SHIFT, SHIFT / FACE)
            face = self._faces.get(key)
            if face is None:
                self._faces[key] = _Face(wide[SHIFT:-SHIFT, SHIFT:-SHIFT], time)
                continue
            scores = correlation(face.picture, wide)
            row, column = (int(value) for value in np.unravel_index(int(scores.argmax()), scores.shape))
            if level is not None:
                motion = _motion(face.picture, wide[row : row + FACE, column : column + FACE])
                face.timeline.append((time, motion, level))
            while face.timeline and time - face.timeline[0][0] > WINDOW_SECONDS:
                face.timeline.popleft()
            face.picture, face.time = wide[SHIFT:-SHIFT, SHIFT:-SHIFT], time

    def score(self, key: int) -> float:
        """How much a face's mouth goes with the sound; 0 where too little is known. Only compares faces."""
        face = self._faces.get(key)
        if face is None or len(face.timeline) < LEAST:
            return 0.0
        _, motion, level = np.array(face.timeline).T
        spread = float(level.std())
        if float(level.max()) <= 0.0:
            return 0.0
        rises = float(((motion - motion.mean()) * (level - level.mean())).mean()) / max(spread, 0.1)
        return rises + ACTIVITY * float((motion * level).sum() / level.sum())

    def prefer(self, boxes: Mapping[int, Box], time: float) -> int | None:
        """The face to prefer among these; None where there is none. The first choice is the largest face."""
        if not boxes:
            return None
        held = self._preferred
        if held is None or held not in boxes:
            self._ahead = None
            self._preferred = held = max(boxes, key=lambda key: boxes[key][2] * boxes[key][3])
        scores = {key: self.score(key) for key in boxes}
        best = max(boxes, key=lambda key: scores[key])
        if best == held or scores[best] < max(scores[held], 0.0) * LEAD_FACTOR + LEAD:
            self._ahead = None
        elif self._ahead is None or self._ahead[0] != best:
            self._ahead = best, time
        elif time - self._ahead[1] > LEAD_SECONDS - 1e-3:
            self._preferred, self._ahead = best, None
        return self._preferred


def sound_level(samples: np.ndarray | None) -> float | None:
    """The level of some sound, 0 (at most -60 dB) to 1 (at least -20 dB); None where there is no sample."""
    if samples is None or not len(samples):
        return None
    power = float(np.mean(np.square(samples, dtype=np.float64)))
    return float(np.clip((10.0 * np.log10(power + 1e-12) - QUIET) / (LOUD - QUIET), 0.0, 1.0))


def _motion(before: np.ndarray, now: np.ndarray) -> float:
    """Logarithm of how much more the mouth's region changed than eyes and nose; 0 for a face at rest."""
    spread = max(float(before.std()), 2.0)
    change = np.abs((now - now.mean()) - (before - before.mean())) / spread
    return float(np.log((change[MOUTH].mean() + NOISE) / (change[REST].mean() + NOISE)))
