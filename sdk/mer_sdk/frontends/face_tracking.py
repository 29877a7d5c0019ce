"""Faces followed from frame to frame: seldom searched for, otherwise found again by a small grey picture of each.

Between two searches a face is where its template (taken when the detector saw it last) correlates best: normalised
cross-correlation as in Lewis, "Fast Normalized Cross-Correlation" (1995), around the place that a constant velocity
predicts, at three scales. A template is never renewed from what the tracker itself found, so that it cannot drift.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.lib.stride_tricks import as_strided

from mer_sdk.frontends.face_crop import Box, overlap
from mer_sdk.frontends.face_detection import FaceDetector

# Boxes of two frames are one face above this intersection over union.
SAME_FACE_IOU = 0.3
# A face that is gone keeps its place this long, seconds: what is found there is the same face.
TRACK_SECONDS = 2.0
# Side of a template, pixels; a face is searched for half of its side away in each direction.
TEMPLATE, REACH = 24, 12
# Correlation from which the tracker is sure; docs/app/faces.md says how often a search was needed nevertheless.
SURE = 0.75
SCALES = (0.92, 1.09)
# A scale other than the last must correlate better by this, so that boxes do not pulse.
SCALE_GAIN = 0.01
# A face that correlates is given this many searches of the detector in a row that miss it, as a turned head is missed.
MISSES = 3
# A cut: the picture, this many pixels small, correlates less with the one before, and differs by so many grey levels.
THUMBNAIL, CUT_CORRELATION, CUT_LEVELS = (18, 32), 0.6, 10.0


@dataclass(eq=False)
class Track:
    """One face followed.

    Attributes:
        id: of the track, from 0 since the last reset; never given twice.
        box: (x, y, width, height) in pixels of the frame looked at last.
        time: seconds of the frame in which it was seen last.
        velocity: of the box's centre, pixels a second.
        template: float32 [24, 24], grey, as the detector saw it last.
        found: how often the detector found it.
        misses: how many searches in a row did not find it.
    """

    id: int
    box: Box
    time: float
    template: np.ndarray
    velocity: tuple[float, float] = (0.0, 0.0)
    found: int = 1
    misses: int = 0
    lost: bool = False


class FaceTracker:
    """Follows up to `most` faces, each with an id that stays.

    The detector is asked where no face is followed, where the correlation of one is not sure, after a cut, and else
    every `detect_seconds`. A first face is given at once; one that appears beside others is given when it was found
    in two searches, so that a single false detection is no person. A face that neither the detector nor the
    correlation finds is not given; where it is found again within 2 s at its place it has its id again. A cut ends all
    tracks.

    Args:
        detector: finds faces.
        detect_seconds: a search at least this often, seconds; 0 searches in every frame.
        most: faces that are followed at a time.

    Attributes:
        searches: calls of the detector since the last reset.
    """

    def __init__(self, detector: FaceDetector, detect_seconds: float, most: int) -> None:
        self._detector, self._interval, self._most = detector, detect_seconds, most
        self.reset()

    def reset(self) -> None:
        """Forget all tracks; ids begin at 0 again."""
        self._tracks: list[Track] = []
        self._next = self.searches = 0
        self._searched = -np.inf
        self._thumbnail: np.ndarray | None = None
        self._shape: tuple[int, ...] = ()

    @property
    def tracks(self) -> tuple[Track, ...]:
        """Those followed in the frame looked at last, and those lost that may come back."""
        return tuple(self._tracks)

    def drop(self, track: int) -> None:
        """End one track; the face, if still there, begins another."""
        self._tracks = [one for one in self._tracks if one.id != track]

    def follow(self, rgb: np.ndarray, time: float) -> tuple[Track, ...]:
        """The faces in a frame, longest followed first.

        Args:
            rgb: uint8 [height, width, 3].
            time: seconds. It may lie a little before the last frame's, as where an earlier frame is tried.
        """
        # In a picture of another size the places of the faces before say nothing.
        if self._is_cut(rgb) or rgb.shape != self._shape:
            self._tracks = []
        self._shape = rgb.shape
        self._tracks = [track for track in self._tracks if time - track.time <= TRACK_SECONDS]
        live = [track for track in self._tracks if not track.lost]
        sure = [track for track in live if self._move(track, rgb, time)]
        settled = live and len(sure) == len(live) and all(track.found > 1 and not track.misses for track in live)
        # The first search of a face is not repeated for its own sake where it is the only one.
        alone = len(live) == len(sure) == 1 and not live[0].misses
        # Time stamps are rounded: a search that is due within a millisecond is due.
        if not (settled or alone) or time - self._searched > self._interval - 1e-3:
            self._search(rgb, time, sure)
        shown = [track for track in self._tracks if not track.lost]
        known = [track for track in shown if track.found > 1]
        return tuple(known or shown[:1])

    def _search(self, rgb: np.ndarray, time: float, sure: Sequence[Track]) -> None:
        self.searches += 1
        self._searched = time
        found = sorted(self._detector.detect(rgb), key=lambda face: -face[2] * face[3])
        boxes: list[Box] = [(face[0], face[1], face[2], face[3]) for face in found[: 2 * self._most]]
        pairs = assign([track.box for track in self._tracks], boxes)
        kept = []
        for index, track in enumerate(self._tracks):
            if index in pairs:
                self._place(track, boxes[pairs[index]], time)
                track.template = face_patch(rgb, track.box, TEMPLATE)
                track.found, track.misses, track.lost = track.found + 1, 0, False
            else:
                track.misses += 1
                # What was found but once, beside others, was no face.
                if track.found == 1 and len(self._tracks) > 1:
                    continue
                track.lost = track.lost or track not in sure or track.misses >= MISSES
            kept.append(track)
        self._tracks = kept
        for index, box in enumerate(boxes):
            shown = [track for track in self._tracks if not track.lost]
            if index in pairs.values() or any(overlap(box, track.box) > SAME_FACE_IOU for track in shown):
                continue
            if len(shown) < self._most:
                self._tracks.append(Track(self._next, box, time, face_patch(rgb, box, TEMPLATE)))
                self._next += 1

    def _move(self, track: Track, rgb: np.ndarray, time: float) -> bool:
        """Put a track where its template correlates best; False, and no move, where that is not sure."""
        side = max(track.box[2:])
        most = 0.25 * side
        shift = [_bounded(speed * (time - track.time), most) for speed in track.velocity]
        expected = (track.box[0] + shift[0], track.box[1] + shift[1], track.box[2], track.box[3])
        score, box = _best(track.template, rgb, expected, REACH)
        for scale in SCALES:
            other, moved = _best(track.template, rgb, _scaled(box, scale), 2)
            if other > score + SCALE_GAIN:
                score, box = other, moved
        if score < SURE:
            return False
        self._place(track, box, time)
        return True

    @staticmethod
    def _place(track: Track, box: Box, time: float) -> None:
        gap = time - track.time
        if gap > 0:
            old, new = _centre(track.box), _centre(box)
            track.velocity = ((new[0] - old[0]) / gap, (new[1] - old[1]) / gap)
        track.box, track.time = box, time

    def _is_cut(self, rgb: np.ndarray) -> bool:
        rows, columns = THUMBNAIL
        height, width = rgb.shape[:2]
        small = _sampled(rgb, (0.0, 0.0, float(width), float(height)), rows, columns)
        before, self._thumbnail = self._thumbnail, small
        if before is None or float(np.abs(small - before).mean()) < CUT_LEVELS:
            return False
        a, b = small - small.mean(), before - before.mean()
        return float((a * b).sum()) < CUT_CORRELATION * float(np.sqrt((a * a).sum() * (b * b).sum()))


def assign(tracks: Sequence[Box], boxes: Sequence[Box]) -> dict[int, int]:
    """Which box is which track: the pairs of overlap above 0.3 whose sum is highest. Exact; for few faces.

    Returns:
        index of a track -> index of its box.
    """

    def best(index: int, taken: frozenset[int]) -> tuple[float, dict[int, int]]:
        if index == len(tracks):
            return 0.0, {}
        result = best(index + 1, taken)
        for number, share in near[index]:
            if number not in taken:
                total, pairs = best(index + 1, taken | {number})
                if total + share > result[0]:
                    result = total + share, {index: number, **pairs}
        return result

    shares = [[(number, overlap(track, box)) for number, box in enumerate(boxes)] for track in tracks]
    near = [[pair for pair in row if pair[1] > SAME_FACE_IOU] for row in shares]
    return best(0, frozenset())[1]


def face_patch(rgb: np.ndarray, box: Box, size: int, margin: float = 0.0) -> np.ndarray:
    """A small grey picture of the square around a box, float32 [size, size], 0-255; edge pixels repeat outside.

    It is the green channel at four points a pixel: cheap at any size of face, and enough to compare faces by. What the
    face graph reads is `mer_sdk.frontends.face_crop.crop_face`.

    Args:
        margin: added on each side, as a share of the square's side.
    """
    x, y = _centre(box)
    side = max(box[2], box[3]) * (1.0 + 2.0 * margin)
    return _sampled(rgb, (x - side / 2, y - side / 2, side, side), size, size)


def correlation(template: np.ndarray, patch: np.ndarray) -> np.ndarray:
    """Normalised cross-correlation, -1 to 1, of a [n, n] template at all places of a [m, m] patch: [m-n+1, m-n+1]."""
    size, places = len(template), len(patch) - len(template) + 1
    zero = template - template.mean()
    # Each row of the template along each row of the patch is one product of matrices; of these, those that lie on one
    # another as in the template are added.
    row, step = patch.strides
    along = as_strided(patch, (len(patch), places, size), (row, step, step), writeable=False)
    lines = (along.reshape(-1, size) @ zero.T).reshape(len(patch), places, size)
    row, column, step = lines.strides
    cross = as_strided(lines, (places, places, size), (row, column, row + step), writeable=False).sum(axis=2)
    values = patch.astype(np.float64)
    ones = _sums(len(patch), size)
    sums = ones @ np.stack([values, values * values]) @ ones.T
    energy = np.maximum(sums[1] - sums[0] ** 2 / size**2, 0.0)
    # A flat picture correlates with nothing: two grey levels are less than a camera's noise.
    floor = (2.0 * size) ** 2
    own = zero.ravel()
    result: np.ndarray = cross / np.sqrt(np.maximum(energy, floor) * max(float(own @ own), floor))
    return result


def _best(template: np.ndarray, rgb: np.ndarray, box: Box, reach: int) -> tuple[float, Box]:
    """The highest correlation within `reach` template pixels around a box, and where it is."""
    scores = correlation(template, face_patch(rgb, box, TEMPLATE + 2 * reach, reach / TEMPLATE))
    row, column = divmod(int(scores.argmax()), scores.shape[1])
    pixel = max(box[2], box[3]) / TEMPLATE
    down = row - reach + _peak(scores[:, column], row)
    right = column - reach + _peak(scores[row], column)
    return float(scores[row, column]), (box[0] + right * pixel, box[1] + down * pixel, box[2], box[3])


def _peak(values: np.ndarray, index: int) -> float:
    """How far the top of a parabola through three values lies from the middle one, -0.5 to 0.5."""
    if not 0 < index < len(values) - 1:
        return 0.0
    left, middle, right = values[index - 1 : index + 2].tolist()
    bend = left - 2.0 * middle + right
    return 0.0 if bend >= 0 else _bounded(0.5 * (left - right) / bend, 0.5)


def _bounded(value: float, most: float) -> float:
    return max(-most, min(value, most))


def _sampled(rgb: np.ndarray, box: Box, rows: int, columns: int) -> np.ndarray:
    height, width = rgb.shape[:2]
    # Bounded before the change to whole numbers: a box may lie far outside.
    down = np.clip(box[1] + (np.arange(2 * rows) + 0.5) * (box[3] / (2 * rows)), 0, height - 1).astype(np.intp)
    across = np.clip(box[0] + (np.arange(2 * columns) + 0.5) * (box[2] / (2 * columns)), 0, width - 1).astype(np.intp)
    # The green of each point, in the bytes of the picture; sums of four of them are exact.
    places = (down * (3 * width) + 1)[:, None] + 3 * across
    points = rgb.reshape(-1).take(places).astype(np.uint16)
    points = points[0::2] + points[1::2]
    result: np.ndarray = (points[:, 0::2] + points[:, 1::2]) * np.float32(0.25)
    return result


@lru_cache(maxsize=8)
def _sums(length: int, size: int) -> np.ndarray:
    """Ones, [length - size + 1, length]: times a picture they are the sums of `size` rows at every place."""
    places = np.arange(length - size + 1)[:, None]
    columns = np.arange(length)[None, :]
    return ((columns >= places) & (columns < places + size)).astype(np.float64)


def _centre(box: Box) -> tuple[float, float]:
    return box[0] + box[2] / 2.0, box[1] + box[3] / 2.0


def _scaled(box: Box, scale: float) -> Box:
    x, y = _centre(box)
    return x - box[2] * scale / 2.0, y - box[3] * scale / 2.0, box[2] * scale, box[3] * scale
