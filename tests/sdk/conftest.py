"""Fixtures of the SDK's tests: tiny bundles, converted once a session."""

import importlib.util
import sys
from pathlib import Path

import pytest


def _helper(name):
    # importmode=importlib puts no folder on sys.path, so helpers are loaded by their file.
    full = f"sdk_{name}"
    if full not in sys.modules:
        spec = importlib.util.spec_from_file_location(full, Path(__file__).parent / f"{name}.py")
        sys.modules[full] = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(sys.modules[full])
    return sys.modules[full]


@pytest.fixture(scope="session")
def tiny_onnx(tmp_path_factory) -> Path:
    """A tiny ONNX bundle. Copy it before changing it."""
    return _helper("tiny_bundle").write_bundle(tmp_path_factory.mktemp("onnx"), "onnx")


@pytest.fixture(scope="session")
def tiny_tflite(tmp_path_factory) -> Path:
    """A tiny TFLite bundle. Copy it before changing it."""
    return _helper("tiny_bundle").write_bundle(tmp_path_factory.mktemp("tflite"), "tflite")


@pytest.fixture(scope="session")
def tiny_dialogue():
    """The module tiny_dialogue.py: dialogue networks with random weights, their manifest and golden cases."""
    return _helper("tiny_dialogue")


@pytest.fixture(scope="session")
def tiny_talk(tmp_path_factory, tiny_dialogue) -> Path:
    """A tiny ONNX dialogue bundle that reads text alone. Copy it before changing it."""
    return tiny_dialogue.write_dialogue_bundle(tmp_path_factory.mktemp("talk"), ("text",))


@pytest.fixture(scope="session")
def tiny_senses(tmp_path_factory, tiny_dialogue) -> Path:
    """A tiny ONNX dialogue bundle that reads text, sound and faces. Copy it before changing it."""
    return tiny_dialogue.write_dialogue_bundle(tmp_path_factory.mktemp("senses"), ("text", "audio", "face"))


@pytest.fixture(scope="session")
def write_media():
    """`write_media(path, seconds, video, audio, faststart)` of media_files.py."""
    return _helper("media_files").write_media
