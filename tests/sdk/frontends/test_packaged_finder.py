"""The packaged face finder: the default, in the runtime that is installed, without OpenCV."""

import json
import sys
from pathlib import Path

import numpy as np
import pytest

from mer_sdk.contract.bundle import Bundle
from mer_sdk.contract.bundle_files import file_sha256
from mer_sdk.errors import MissingExtra
from mer_sdk.frontends import face_finder
from mer_sdk.frontends.face_detection import open_detector
from mer_sdk.frontends.face_finder import PACKAGED_FINDERS, PACKAGED_FOLDER, FinderDetector
from mer_sdk.parity.face_finder_golden import load_finder_cases

ROOT = Path(__file__).parents[3]


@pytest.mark.parametrize("name", PACKAGED_FINDERS)
def test_it_is_the_shipped_checkpoint_and_small(name):
    bundle = Bundle.open(PACKAGED_FOLDER / name)
    checkpoint = ROOT / "fusion" / "mer_fusion" / "checkpoints" / "face_finder.safetensors"
    assert bundle.manifest.checkpoint_sha256 == file_sha256(checkpoint), "run `make finder`"
    card = json.loads(checkpoint.with_suffix(".json").read_text())
    assert bundle.manifest.finder.threshold == card["contract"]["threshold"]
    assert sum(path.stat().st_size for path in bundle.path.rglob("*")) < 1_000_000


@pytest.mark.parametrize("name", [None, "finder"])
def test_it_is_the_default_and_needs_no_opencv(name, monkeypatch):
    pytest.importorskip("ai_edge_litert")
    monkeypatch.setitem(sys.modules, "cv2", None)
    detector = open_detector(name)
    assert isinstance(detector, FinderDetector)
    case = load_finder_cases(Bundle.open(PACKAGED_FOLDER / PACKAGED_FINDERS[0]))[0]
    found = detector.detect(case.frame)
    np.testing.assert_allclose(np.array(found), np.array(case.faces).reshape(-1, 5), atol=0.5)
    assert detector.detect(np.full((90, 120, 3), 128, np.uint8)) == []


def test_the_other_runtime_is_taken_where_the_first_is_missing(monkeypatch):
    pytest.importorskip("onnxruntime")
    monkeypatch.setitem(sys.modules, "ai_edge_litert", None)
    monkeypatch.setitem(sys.modules, "ai_edge_litert.interpreter", None)
    monkeypatch.setitem(sys.modules, "tflite_runtime", None)
    assert isinstance(open_detector(None), FinderDetector)


def test_without_a_runtime_it_says_what_to_install(monkeypatch):
    monkeypatch.setattr(face_finder, "PACKAGED_FINDERS", ())
    with pytest.raises(MissingExtra, match=r"pip install 'mer-edge\[litert\]'"):
        open_detector(None)
