"""The square of landmarks: vectors that every port repeats."""

import math

import pytest

from mer_sdk.errors import SignalError
from mer_sdk.frontends.face_square import square_of_landmarks

VECTORS = (
    # Frontal: the mouth is a little farther from the eyes than they are from each other.
    (((100, 100), (160, 100), (130, 164)), (55.44, 40.48, 149.12)),
    # Turned by half: the eyes come together, and the size stays.
    (((110, 100), (140, 100), (125, 164)), (50.44, 40.48, 149.12)),
    # Nodding: the mouth comes near, and the eyes say the size.
    (((100, 100), (160, 100), (130, 130)), (57.1, 34.15, 145.8)),
)


@pytest.mark.parametrize(("points", "square"), VECTORS)
def test_vectors(points, square):
    x, y, width, height = square_of_landmarks(*points)
    assert width == height
    assert (x, y, width) == pytest.approx(square, abs=1e-9)
    assert square_of_landmarks(points[1], points[0], points[2]) == pytest.approx((x, y, width, height))


def test_it_turns_and_grows_with_the_face():
    points = ((100.0, 100.0), (160.0, 100.0), (130.0, 164.0))
    x, y, side, _ = square_of_landmarks(*points)
    turned = [(-py * 2 + 500, px * 2) for px, py in points]
    left, top, doubled, _ = square_of_landmarks(*turned)
    assert doubled == pytest.approx(2 * side)
    centre = (-(y + side / 2) * 2 + 500, (x + side / 2) * 2)
    assert (left + doubled / 2, top + doubled / 2) == pytest.approx(centre)


def test_points_that_are_none_are_refused():
    with pytest.raises(SignalError, match="not numbers"):
        square_of_landmarks((math.nan, 0), (1, 0), (0, 1))
    with pytest.raises(SignalError, match="one spot"):
        square_of_landmarks((1, 1), (1, 1), (1, 1))
