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
def write_media():
    """`write_media(path, seconds, video, audio, faststart)` of media_files.py."""
    return _helper("media_files").write_media
