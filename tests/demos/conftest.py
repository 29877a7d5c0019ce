"""Fixtures of the SDK's tests, which the demos use, too."""

import sys
from pathlib import Path

import pytest

# Makes the SDK's helper modules importable: pytest's importlib mode leaves them out.
sys.path.insert(0, str(Path(__file__).parents[1] / "sdk"))

import media_files
import tiny_bundle
import tiny_dialogue


@pytest.fixture(scope="session")
def tiny_onnx(tmp_path_factory) -> Path:
    """A tiny ONNX bundle."""
    return tiny_bundle.write_bundle(tmp_path_factory.mktemp("onnx"), "onnx")


@pytest.fixture(scope="session")
def tiny_talk(tmp_path_factory) -> Path:
    """A tiny ONNX dialogue bundle that reads text alone."""
    return tiny_dialogue.write_dialogue_bundle(tmp_path_factory.mktemp("talk"), ("text",))


@pytest.fixture(scope="session")
def write_media():
    """`write_media` of media_files.py."""
    return media_files.write_media
