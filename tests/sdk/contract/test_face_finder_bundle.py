"""The face finder as a bundle: converted, verified, used as the detector of a sensor."""

import json

import numpy as np
import pytest

pytest.importorskip("torch")
pytest.importorskip("ai_edge_litert")

from typer.testing import CliRunner

from mer_converters.cli import app
from mer_converters.face_finder import FRAMES, convert_finder, drawn_face
from mer_fusion.checkpoint import SHIPPED
from mer_sdk import EmotionSensor
from mer_sdk.contract.bundle import Bundle
from mer_sdk.contract.bundle_files import hash_files
from mer_sdk.errors import BundleError, OptionError
from mer_sdk.frontends.face_crop import overlap
from mer_sdk.frontends.face_detection import open_detector
from mer_sdk.parity.face_finder_golden import load_finder_cases, verify_finder

CHECKPOINT = SHIPPED / "face_finder.safetensors"


@pytest.fixture(scope="module")
def finder(tmp_path_factory):
    (row,) = convert_finder(CHECKPOINT, ("onnx",), ("fp32",), tmp_path_factory.mktemp("finder"))
    assert row.gate == "passed"
    return row.path


def test_its_golden_frames_pass_and_hold_faces(finder):
    bundle = Bundle.open(finder)
    assert verify_finder(bundle).passed
    for case, (_, _, x, y, half) in zip(load_finder_cases(bundle), FRAMES, strict=True):
        assert len(case.faces) == 1
        assert overlap(case.faces[0][:4], (x - half, y - half, 2 * half, 2 * half)) > 0.5


def test_it_finds_faces_for_a_sensor_without_opencv(finder, tiny_onnx):
    frame = drawn_face(2)
    with EmotionSensor.open(tiny_onnx, detector=str(finder)) as sensor:
        estimates = [one for number in range(5) for one in sensor.push_frame(frame, number * 0.25)] + sensor.flush()
    assert len(estimates) == 5
    assert all(estimate.face is not None for estimate in estimates)
    assert open_detector(str(finder)).detect(np.full((90, 120, 3), 128, np.uint8)) == []


def test_a_graph_that_differs_fails(finder, tmp_path):
    cases = dict(np.load(finder / "golden.npz"))
    cases["case0_scores"] = cases["case0_scores"] + np.float32(0.01)
    copy = tmp_path / "other.mer"
    copy.mkdir()
    for file in finder.iterdir():
        (copy / file.name).write_bytes(file.read_bytes())
    np.savez_compressed(copy / "golden.npz", **cases)
    manifest = json.loads((copy / "manifest.json").read_text())
    manifest["files"] = [{"path": one.path, "sha256": one.sha256, "bytes": one.bytes} for one in hash_files(copy)]
    (copy / "manifest.json").write_text(json.dumps(manifest))
    assert not verify_finder(Bundle.open(copy)).passed


def test_models_and_finders_are_not_taken_for_one_another(finder, tiny_onnx):
    with pytest.raises(OptionError, match="is a face finder: give it as the detector of an emotion model's bundle"):
        EmotionSensor.open(finder)
    with pytest.raises(OptionError, match="is an emotion model, no face finder"):
        open_detector(str(tiny_onnx))
    with pytest.raises(OptionError, match="is no face finder"):
        verify_finder(Bundle.open(tiny_onnx))
    (bad := finder.parent / "empty.mer").mkdir(exist_ok=True)
    with pytest.raises(BundleError):
        open_detector(str(bad))


def test_schemes_that_it_does_not_have_are_refused(tmp_path):
    result = CliRunner().invoke(
        app, ["--model", "face_finder", "--target", "onnx", "--scheme", "int8", "--out", str(tmp_path)]
    )
    assert isinstance(result.exception, OptionError)
    assert "int8" in str(result.exception)
    assert list(tmp_path.iterdir()) == []
