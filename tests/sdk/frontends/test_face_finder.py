"""The finder outside of its graph: letterbox, threshold, suppression, boxes in frame pixels."""

import numpy as np
import pytest
from PIL import Image

from mer_sdk.errors import OptionError, SignalError
from mer_sdk.frontends.face_crop import overlap
from mer_sdk.frontends.face_finder import FinderContract, FinderDetector, letterboxed, suppressed

CONTRACT = FinderContract(height=64, width=96, threshold=0.5, overlap=0.4)


class Says:
    """A graph that keeps its input and gives the boxes that it was made with."""

    def __init__(self, scores, boxes):
        self.scores, self.boxes = np.array([scores], np.float32), np.array([boxes], np.float32)

    def run(self, inputs):
        self.frame = inputs["frame"].copy()
        return {"scores": self.scores, "boxes": self.boxes}


def noise(height, width):
    return np.random.default_rng(height).integers(0, 256, (height, width, 3), np.uint8)


@pytest.mark.parametrize(
    ("height", "width", "rows", "columns"), [(90, 160, 54, 96), (100, 50, 64, 32), (20, 30, 64, 96)]
)
def test_the_picture_keeps_its_shape_and_is_resized_as_pillow_does(height, width, rows, columns):
    frame = noise(height, width)
    picture, scale = letterboxed(frame, CONTRACT)
    expected = np.asarray(Image.fromarray(frame).resize((columns, rows), Image.Resampling.BILINEAR), np.float32)
    np.testing.assert_allclose(picture, expected, atol=1.001)
    assert scale == min(64 / height, 96 / width)


def test_large_frames_are_thinned_as_the_contract_says():
    frame = noise(720, 1280)
    picture, _ = letterboxed(frame, CONTRACT)  # 54 x 96 pixels: every 6th row and column from the 3rd on
    thin = frame[3::6, 3::6]
    assert thin.shape == (120, 213, 3) or thin.shape == (120, 214, 3)
    expected = Image.fromarray(np.ascontiguousarray(thin[:120, :213])).resize((96, 54), Image.Resampling.BILINEAR)
    np.testing.assert_allclose(picture, np.asarray(expected, np.float32), atol=1.001)


def test_boxes_come_back_in_pixels_of_the_frame():
    graph = Says([0.2, 0.9], [[0, 0, 1, 1], [0.25, 0.5, 0.125, 0.1875]])
    (face,) = FinderDetector(graph, CONTRACT).detect(noise(90, 160))
    assert face == pytest.approx((40.0, 64 * 0.5 * 160 / 96, 20.0, 20.0, 0.9))


def test_the_rest_of_the_input_is_black_whatever_was_there_before():
    graph = Says([0.0], [[0, 0, 1, 1]])
    detector = FinderDetector(graph, CONTRACT)
    assert detector.detect(noise(64, 96)) == []
    assert graph.frame.min() >= 0
    assert graph.frame[0, 60:].max() > 0
    detector.detect(noise(90, 160))
    assert graph.frame[0, 54:].max() == 0
    assert graph.frame[0, :54].max() > 0
    assert graph.frame.dtype == np.float32


def test_the_same_frame_is_found_the_same_after_another_one():
    graph = Says([0.7], [[0.1, 0.1, 0.2, 0.3]])
    detector = FinderDetector(graph, CONTRACT)
    first, seen = detector.detect(noise(90, 160)), graph.frame
    detector.detect(noise(200, 100))
    assert detector.detect(noise(90, 160)) == first
    np.testing.assert_array_equal(graph.frame, seen)


def test_of_boxes_that_overlap_the_best_stays():
    boxes = np.array([[0, 0, 10, 10], [1, 0, 10, 10], [6, 0, 10, 10], [40, 0, 10, 10]], float)
    kept = suppressed(boxes, np.array([0.6, 0.9, 0.8, 0.3]), 0.4)
    assert [face[4] for face in kept] == [0.9, 0.8, 0.3]
    assert overlap(kept[0][:4], kept[1][:4]) <= 0.4
    assert suppressed(np.zeros((0, 4)), np.zeros(0), 0.4) == []


@pytest.mark.parametrize(
    "wrong", [{"height": 0}, {"threshold": 1.5}, {"overlap": -0.1}, {"box": "tight"}, {"resize_filter": "area"}]
)
def test_contracts_of_another_kind_are_refused(wrong):
    with pytest.raises(OptionError):
        FinderContract(**wrong)


def test_a_grey_frame_is_refused():
    with pytest.raises(SignalError, match="needed is uint8"):
        FinderDetector(Says([0.0], [[0, 0, 1, 1]]), CONTRACT).detect(np.zeros((50, 50), np.uint8))
