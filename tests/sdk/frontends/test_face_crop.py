import sys

import numpy as np
import pytest
from PIL import Image

from mer_sdk.contract.manifest import FaceContract
from mer_sdk.errors import MissingExtra, OptionError, SignalError
from mer_sdk.frontends.face_crop import crop_face, overlap, resize_triangle
from mer_sdk.frontends.face_detection import HaarDetector, open_detector

CONTRACT = FaceContract(crop_size=48)


def noise(height, width, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)


@pytest.mark.parametrize(("height", "width"), [(200, 200), (48, 48), (37, 53), (331, 97), (1, 1)])
def test_resizing_is_that_of_pillow(height, width):
    image = noise(height, width)
    expected = np.asarray(Image.fromarray(image).resize((48, 48), Image.Resampling.BILINEAR), np.float32)
    # Pillow rounds to whole grey levels after each of its two passes.
    np.testing.assert_allclose(resize_triangle(image, 48, 48), expected, atol=1.001)


def test_the_box_is_made_square_and_widened_by_the_margin():
    frame = noise(300, 400)
    crop = crop_face(frame, (100, 120, 80, 60), FaceContract(crop_size=48, margin=0.25))
    expected = resize_triangle(frame[90:210, 80:200], 48, 48)
    np.testing.assert_array_equal(crop, expected)
    assert (crop.dtype, crop.shape) == (np.float32, (48, 48, 3))


def test_pixels_outside_the_frame_repeat_the_edge():
    frame = noise(100, 100)
    crop = crop_face(frame, (-20, 70, 60, 60), CONTRACT)
    padded = np.pad(frame, ((40, 40), (40, 40), (0, 0)), mode="edge")
    np.testing.assert_array_equal(crop, resize_triangle(padded[110:170, 20:80], 48, 48))


def test_a_black_crop_is_no_face():
    frame = np.full((100, 100, 3), 8, np.uint8)
    assert crop_face(frame, (10, 10, 50, 50), CONTRACT) is None
    frame[30:60, 30:60] = 60
    assert crop_face(frame, (10, 10, 50, 50), CONTRACT) is not None


@pytest.mark.parametrize("box", [(0, 0, 0, 10), (0, 0, 10, -1), (float("nan"), 0, 10, 10)])
def test_a_box_without_area_is_refused(box):
    with pytest.raises(SignalError, match="has no area"):
        crop_face(noise(50, 50), box, CONTRACT)


@pytest.mark.parametrize("frame", [np.zeros((10, 10), np.uint8), np.zeros((10, 10, 4), np.uint8), np.zeros((9, 9, 3))])
def test_frames_of_other_kinds_are_refused(frame):
    with pytest.raises(SignalError, match=r"needed is uint8 \[height, width, 3\]"):
        crop_face(frame, (0, 0, 5, 5), CONTRACT)


def test_overlap():
    assert overlap((0, 0, 10, 10), (0, 0, 10, 10)) == 1.0
    assert overlap((0, 0, 10, 10), (5, 0, 10, 10)) == pytest.approx(1 / 3)
    assert overlap((0, 0, 10, 10), (10, 0, 10, 10)) == 0.0


def test_unknown_detectors_are_refused(tmp_path):
    with pytest.raises(OptionError, match="allowed are finder"):
        open_detector("mtcnn")
    with pytest.raises(OptionError, match="does not exist"):
        open_detector(str(tmp_path / "yunet.onnx"))
    (tmp_path / "yunet.onnx").write_bytes(b"no model")
    with pytest.raises(OptionError, match="not a YuNet model"):
        open_detector(str(tmp_path / "yunet.onnx"))


def test_missing_opencv_names_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "cv2", None)
    with pytest.raises(MissingExtra, match=r"pip install 'mer-edge\[opencv\]'"):
        HaarDetector()


def test_no_face_in_noise():
    assert HaarDetector().detect(noise(240, 320)) == []


def test_the_face_of_a_photo_is_found(shared_data):
    image = np.asarray(Image.open(shared_data / "test_media" / "single_face.jpg").convert("RGB"))
    height, width, _ = image.shape
    (x, y, w, h, _), *others = sorted(HaarDetector().detect(image), key=lambda face: -face[2])
    assert not others
    assert 0 <= x < x + w <= width
    assert 0 <= y < y + h <= height
    assert w > 0.1 * width
