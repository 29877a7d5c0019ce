"""The contract's square about a face from where its eyes and mouth are, for detectors of a system with other boxes.

ML Kit, Apple Vision and others each draw another box; the emotion models learned from crops of one kind, the square
that OpenCV's frontal cascade and the face finder give. All of them tell where eyes and mouth are, so the square comes
from these, and the numbers below are the only ones: every port repeats them.

The numbers are medians over the persons that the finder learned from, of the cascade's squares against MediaPipe's
keypoints; `python -m benchmarks.faces.face_finder` measures them again and says how well the rule fits other persons.
"""

from __future__ import annotations

import math

from mer_sdk.errors import SignalError

Point = tuple[float, float]

# Side of the square: the larger of these, so that a head that turns or nods, which brings the points together one way,
# keeps its size.
SIDE_BY_EYES = 2.43  # of the distance of the eyes' centres
SIDE_BY_MOUTH = 2.33  # of the distance from the middle between the eyes to the middle of the mouth
# The square's centre lies on the line from the middle between the eyes to the mouth, this share of it down.
DOWN_TO_MOUTH = 0.235


def square_of_landmarks(one_eye: Point, other_eye: Point, mouth: Point) -> tuple[float, float, float, float]:
    """The contract's box, (x, y, width, height) with width = height, of three points in pixels of the frame.

    Args:
        one_eye, other_eye: centres of the eyes, in any order. ML Kit: FaceLandmark.LEFT_EYE and RIGHT_EYE. Vision: mean
            of the points of `leftEye` and of `rightEye`.
        mouth: its middle. ML Kit: mean of MOUTH_LEFT and MOUTH_RIGHT. Vision: mean of the points of `outerLips`.
            Vision's y runs upwards: turn it over first.

    Raises:
        SignalError: a point is not finite, or all lie on one spot.
    """
    points = (*one_eye, *other_eye, *mouth)
    if not all(math.isfinite(value) for value in points):
        raise SignalError(f"the landmarks {one_eye}, {other_eye}, {mouth} are not numbers; leave this face out")
    middle_x, middle_y = (one_eye[0] + other_eye[0]) / 2, (one_eye[1] + other_eye[1]) / 2
    eyes = math.hypot(other_eye[0] - one_eye[0], other_eye[1] - one_eye[1])
    down = math.hypot(mouth[0] - middle_x, mouth[1] - middle_y)
    side = max(SIDE_BY_EYES * eyes, SIDE_BY_MOUTH * down)
    if side <= 0:
        raise SignalError("eyes and mouth lie on one spot; leave this face out")
    x = middle_x + DOWN_TO_MOUTH * (mouth[0] - middle_x)
    y = middle_y + DOWN_TO_MOUTH * (mouth[1] - middle_y)
    return x - side / 2, y - side / 2, side, side
