"""Faces followed from frame to frame: seldom searched for, otherwise found again by a small grey picture of each.

Between two searches a face is where its template (taken when the detector saw it last) correlates best, around the
place that a constant velocity predicts, at three scales. A template is never renewed from what the tracker itself
found, so that it cannot drift.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from mer_sdk.errors import OptionError
from mer_sdk.frontends.face_crop import Box, overlap
from mer_sdk.frontends.face_detection import FaceDetector
from mer_sdk.frontends.template_matching import Template, face_patch, grey_squares, peak, square_around, whole_grey

# Boxes of two frames are one face above this intersection over union.
SAME_FACE_IOU = 0.3
# A face that is gone keeps its place this long, seconds: what is found there is the same face.
TRACK_SECONDS = 2.0
# Side of a template, pixels; a face is searched for half of its side away in each direction.
TEMPLATE, REACH = 24, 12
# At other scales it is searched for so many pixels away from where it was found at the last.
SCALE_REACH = 2
# Correlation from which the tracker is sure; docs/results/faces.md says how often a search was needed nevertheless.
SURE = 0.75
SCALES = (0.92, 1.09)
# A scale other than the last must correlate better by this, so that boxes do not pulse.
SCALE_GAIN = 0.01
# A face that correlates is given this many searches of the detector in a row that miss it, as a turned head is missed.
MISSES = 3
# Of a face at the edge more lies outside than inside; a box many times as large as the frame is none.
LARGEST_FACE = 4.0
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
        template: [24, 24], as the detector saw it last.
        found: how often the detector found it.
        misses: how many searches in a row did not find it.
        lost: whether it was not seen in the frame looked at last; it may come back.
    """

    id: int
    box: Box
    time: float
    template: Template
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

        Raises:
            OptionError: the detector gave something else than boxes.
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
        found = _checked_boxes(self._detector.detect(rgb))
        self.searches += 1
        self._searched = time
        boxes = sorted((box for box in found if _is_in_frame(box, rgb)), key=lambda box: -box[2] * box[3])
        boxes = boxes[: 2 * self._most]
        pairs = assign([track.box for track in self._tracks], boxes)
        kept = []
        for index, track in enumerate(self._tracks):
            if index in pairs:
                self._place(track, boxes[pairs[index]], time)
                track.template = _template(rgb, track.box)
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
                self._tracks.append(Track(self._next, box, time, _template(rgb, box)))
                self._next += 1

    def _move(self, track: Track, rgb: np.ndarray, time: float) -> bool:
        """Put a track where its template correlates best; False, and no move, where that is not sure."""
        side = max(track.box[2:])
        most = 0.25 * side
        shift = [_bounded(speed * (time - track.time), most) for speed in track.velocity]
        expected = (track.box[0] + shift[0], track.box[1] + shift[1], track.box[2], track.box[3])
        ((score, box),) = _best(track.template, rgb, [expected], REACH)
        scaled = _best(track.template, rgb, [_scaled(box, scale) for scale in SCALES], SCALE_REACH)
        for place, scale in enumerate(SCALES):
            other, moved = scaled[place]
            if other > score + SCALE_GAIN:
                score, box = other, moved
                # The scales after it are tried from there.
                scaled = _best(track.template, rgb, [_scaled(box, scale) for scale in SCALES], SCALE_REACH)
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
        small = whole_grey(rgb, *THUMBNAIL)
        before, self._thumbnail = self._thumbnail, small
        if before is None or float(np.abs(small - before).sum()) < CUT_LEVELS * small.size:
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


def _checked_boxes(faces: Any) -> list[Box]:
    """The boxes that a detector gave, in plain floats: an app's own may give numpy's, which JSON does not take.

    Raises:
        OptionError: they are no rows of at least four numbers.
    """
    boxes = []
    try:
        for face in faces:
            row = np.asarray(face[:4])
            if row.shape != (4,) or row.dtype.kind not in "iuf":
                raise ValueError(f"{row.shape} of {row.dtype}")
            x, y, width, height = row.astype(np.float64).tolist()
            boxes.append((x, y, width, height))
    except (TypeError, ValueError, IndexError, KeyError) as error:
        raise OptionError(
            "the detector gave something else than faces; its method detect gives a list, empty where there is no "
            "face, of (x, y, width, height, score) each: five numbers, in pixels"
        ) from error
    return boxes


def _is_in_frame(box: Box, rgb: np.ndarray) -> bool:
    """Whether a detector's box can be a face of the frame: finite, partly inside, and not many times as large."""
    x, y, width, height = box
    if not (math.isfinite(x + y + width + height) and width > 0 and height > 0):
        return False
    shown_height, shown_width = rgb.shape[:2]
    small = max(width, height) <= LARGEST_FACE * max(shown_width, shown_height)
    return small and x < shown_width and y < shown_height and x + width > 0 and y + height > 0


def _template(rgb: np.ndarray, box: Box) -> Template:
    return Template(face_patch(rgb, box, TEMPLATE))


def _best(template: Template, rgb: np.ndarray, boxes: Sequence[Box], reach: int) -> list[tuple[float, Box]]:
    """Of each box: the highest correlation within `reach` template pixels around it, and where it is."""
    size = TEMPLATE + 2 * reach
    pictures = grey_squares(rgb, [square_around(box, reach / TEMPLATE) for box in boxes], size, size)
    found = []
    for box, scores in zip(boxes, template.scores(pictures), strict=True):
        row, column = divmod(int(scores.argmax()), scores.shape[1])
        pixel = max(box[2], box[3]) / TEMPLATE
        down = row - reach + peak(scores[:, column], row)
        right = column - reach + peak(scores[row], column)
        moved = (box[0] + right * pixel, box[1] + down * pixel, box[2], box[3])
        found.append((float(scores[row, column]), moved))
    return found


def _bounded(value: float, most: float) -> float:
    return max(-most, min(value, most))


def _centre(box: Box) -> tuple[float, float]:
    return box[0] + box[2] / 2.0, box[1] + box[3] / 2.0


def _scaled(box: Box, scale: float) -> Box:
    x, y = _centre(box)
    return x - box[2] * scale / 2.0, y - box[3] * scale / 2.0, box[2] * scale, box[3] * scale
