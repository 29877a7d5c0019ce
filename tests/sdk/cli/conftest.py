"""Fixtures of the tests of `mer`."""

import json
import shutil
import sys
from dataclasses import replace
from pathlib import Path

import pytest

# Makes the helper modules of this folder importable: pytest's importlib mode leaves them out.
sys.path.insert(0, str(Path(__file__).parent))


@pytest.fixture
def renamed():
    """`renamed(bundle, folder, name, **changes)`: a copy of a bundle with another name, and other manifest entries."""

    def copy(bundle: Path, folder: Path, name: str, **changes: object) -> Path:
        path = shutil.copytree(bundle, folder / f"{name}.mer")
        manifest = json.loads((path / "manifest.json").read_text())
        (path / "manifest.json").write_text(json.dumps({**manifest, "name": name, **changes}))
        return path

    return copy


@pytest.fixture
def clone(tiny_onnx, tiny_tflite, tiny_talk, renamed, tmp_path, monkeypatch):
    """A folder with bundles/ as in a clone, as the current folder: two of a window model, one of a dialogue model."""
    bundles = tmp_path / "bundles"
    bundles.mkdir()
    renamed(tiny_onnx, bundles, "grjca-onnx-fp32")
    renamed(tiny_tflite, bundles, "grjca-tflite-fp32")
    renamed(tiny_talk, bundles, "amb_dsgdn-onnx-fp32")
    monkeypatch.chdir(tmp_path)
    return bundles


@pytest.fixture
def face_finder(monkeypatch):
    """`face_finder(path)`: from now on the bundle at this path opens as a face finder's."""
    from mer_sdk.contract.bundle import Bundle
    from mer_sdk.contract.manifest import FinderContract

    real, paths = Bundle.open, set()

    def opened(path, trust=None):
        bundle = real(path, trust)
        if Path(path).resolve() in paths:
            bundle.manifest = replace(bundle.manifest, finder=FinderContract())
        return bundle

    monkeypatch.setattr(Bundle, "open", staticmethod(opened))
    return lambda path: paths.add(Path(path).resolve())
