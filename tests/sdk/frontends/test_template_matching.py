"""Small grey pictures and templates: what the tracker, the identities and the active speaker read."""

import numpy as np
import pytest

from mer_sdk.frontends.template_matching import Template, correlation, face_patch, grey_squares, whole_grey


@pytest.fixture
def frame():
    return np.random.default_rng(0).integers(0, 256, (90, 160, 3), np.uint8)


def test_a_square_is_the_mean_of_four_green_points_a_pixel(frame):
    # Two frame pixels a side of a small one: its four points are those pixels.
    (small,) = grey_squares(frame, [(10.0, 20.0, 16.0, 8.0)], 4, 8)
    green = frame[20:28, 10:26, 1].astype(float).reshape(4, 2, 8, 2)
    np.testing.assert_array_equal(small, green.mean(axis=(1, 3)))


def test_what_lies_outside_repeats_the_edge(frame):
    padded = np.pad(frame, ((40, 40), (40, 40), (0, 0)), mode="edge")
    for box in ((-25.0, -10.0, 60.0, 60.0), (140.0, 70.0, 44.0, 44.0)):
        there = (box[0] + 40, box[1] + 40, box[2], box[3])
        np.testing.assert_array_equal(face_patch(frame, box, 24), face_patch(padded, there, 24))


def test_squares_together_are_as_one_by_one(frame):
    squares = [(3.0, 4.5, 50.0, 50.0), (60.25, 11.0, 70.0, 70.0)]
    together = grey_squares(frame, squares, 28, 28)
    for square, picture in zip(squares, together, strict=True):
        np.testing.assert_array_equal(picture, grey_squares(frame, [square], 28, 28)[0])
    np.testing.assert_array_equal(whole_grey(frame, 18, 32), grey_squares(frame, [(0.0, 0.0, 160.0, 90.0)], 18, 32)[0])


def test_a_template_finds_its_place_in_pictures_of_any_size_and_number(frame):
    pictures = grey_squares(frame, [(0.0, 0.0, 80.0, 80.0), (70.0, 5.0, 80.0, 80.0)], 40, 40)
    template = Template(pictures[1, 5:29, 9:33])
    scores = template.scores(pictures)
    assert scores.shape == (2, 17, 17)
    assert np.unravel_index(int(scores.argmax()), scores.shape) == (1, 5, 9)
    assert scores.max() == pytest.approx(1.0, abs=1e-6)
    for picture, found in zip(pictures, scores, strict=True):
        np.testing.assert_allclose(found, correlation(pictures[1, 5:29, 9:33], picture), atol=1e-6)
    # Another size, and a view that is not contiguous.
    np.testing.assert_allclose(template.scores(pictures[:, 5:33, 9:37])[1, 0, 0], 1.0, atol=1e-6)
