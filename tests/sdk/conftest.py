"""Fixtures of the SDK's tests: tiny bundles, converted once a run."""

import sys
from pathlib import Path

import pytest

# Makes the helper modules of this folder and of the one above importable: pytest's importlib mode leaves them out.
sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).parents[1])]

from shared_fixtures import shared_fixtures  # noqa: E402


@pytest.fixture(scope="session")
def tiny_onnx(tmp_path_factory) -> Path:
    """A tiny ONNX bundle. Copy it before changing it."""
    from tiny_bundle import write_bundle

    return shared_fixtures(tmp_path_factory, "tiny-onnx", lambda folder: write_bundle(folder, "onnx"))


@pytest.fixture(scope="session")
def tiny_tflite(tmp_path_factory) -> Path:
    """A tiny TFLite bundle. Copy it before changing it."""
    from tiny_bundle import write_bundle

    return shared_fixtures(tmp_path_factory, "tiny-tflite", lambda folder: write_bundle(folder, "tflite"))


@pytest.fixture(scope="session")
def tiny_dialogue():
    """The module tiny_dialogue.py: dialogue networks with random weights, their manifest and golden cases."""
    import tiny_dialogue

    return tiny_dialogue


@pytest.fixture(scope="session")
def tiny_talk(tmp_path_factory, tiny_dialogue) -> Path:
    """A tiny ONNX dialogue bundle that reads text alone. Copy it before changing it."""
    write = tiny_dialogue.write_dialogue_bundle
    return shared_fixtures(tmp_path_factory, "tiny-talk", lambda folder: write(folder, ("text",)))


@pytest.fixture(scope="session")
def tiny_senses(tmp_path_factory, tiny_dialogue) -> Path:
    """A tiny ONNX dialogue bundle that reads text, sound and faces. Copy it before changing it."""
    write = tiny_dialogue.write_dialogue_bundle
    return shared_fixtures(tmp_path_factory, "tiny-senses", lambda folder: write(folder, ("text", "audio", "face")))


@pytest.fixture(scope="session")
def write_media():
    """`write_media(path, seconds, video, audio, faststart)` of media_files.py."""
    from media_files import write_media

    return write_media


@pytest.fixture
def fake_camera(monkeypatch):
    """The class FakeVideo of fake_devices.py, which is there in place of cv2.VideoCapture."""
    cv2 = pytest.importorskip("cv2")
    from fake_devices import FakeVideo

    from mer_sdk.live.sources import camera

    monkeypatch.setattr(cv2, "VideoCapture", FakeVideo)
    monkeypatch.setattr(camera, "LINUX", False)
    return FakeVideo
