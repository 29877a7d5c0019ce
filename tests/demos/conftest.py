"""Fixtures of the SDK's tests, which the demos use, too."""

import importlib.util
import sys
from pathlib import Path

import pytest

SDK_TESTS = Path(__file__).parent.parent / "sdk"


def _helper(name):
    # importmode=importlib puts no folder on sys.path, so helpers are loaded by their file, as tests/sdk does it.
    full = f"sdk_{name}"
    if full not in sys.modules:
        spec = importlib.util.spec_from_file_location(full, SDK_TESTS / f"{name}.py")
        sys.modules[full] = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(sys.modules[full])
    return sys.modules[full]


@pytest.fixture(scope="session")
def tiny_onnx(tmp_path_factory) -> Path:
    """A tiny ONNX bundle."""
    return _helper("tiny_bundle").write_bundle(tmp_path_factory.mktemp("onnx"), "onnx")


@pytest.fixture(scope="session")
def tiny_talk(tmp_path_factory) -> Path:
    """A tiny ONNX dialogue bundle that reads text alone."""
    return _helper("tiny_dialogue").write_dialogue_bundle(tmp_path_factory.mktemp("talk"), ("text",))


@pytest.fixture(scope="session")
def write_media():
    """`write_media` of media_files.py."""
    return _helper("media_files").write_media
