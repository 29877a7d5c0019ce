"""Fixtures of the tests of the documentation."""

import importlib.util
import sys
from pathlib import Path

import pytest

TESTS = Path(__file__).parents[1]
FINDER = TESTS.parent / "fusion" / "mer_fusion" / "checkpoints" / "face_finder.safetensors"
# Makes the helper modules importable: pytest's importlib mode leaves them out.
sys.path[:0] = [str(Path(__file__).parent), str(TESTS / "sdk"), str(TESTS)]

from shared_fixtures import shared_fixtures  # noqa: E402


@pytest.fixture(scope="session")
def site_hooks():
    """The modules of tools/site by name."""
    found = {}
    for path in sorted((TESTS.parent / "tools" / "site").glob("*.py")):
        spec = importlib.util.spec_from_file_location(f"site_{path.stem}", path)
        found[path.stem] = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(found[path.stem])
    return found


@pytest.fixture(scope="session")
def small_bundles(tmp_path_factory) -> Path:
    """A folder with tiny bundles under the names that the docs use.

    They are ONNX whatever their name says: it is the quickest to make, and a bundle's name means nothing.
    """
    import shutil

    from tiny_bundle import write_bundle
    from tiny_dialogue import write_dialogue_bundle

    from mer_converters.face_finder import convert_finder

    def make(folder: Path) -> Path:
        window, talk = write_bundle(folder, "onnx"), write_dialogue_bundle(folder, ("text",))
        (finder,) = convert_finder(FINDER, ("onnx",), ("fp32",), folder / "finder")
        bundles = folder / "bundles"
        for source, name in ((window, "grjca"), (talk, "amb_dsgdn"), (finder.path, "face_finder")):
            for target in ("tflite", "onnx"):
                shutil.copytree(source, bundles / f"{name}-{target}-fp32.mer")
        return bundles

    return shared_fixtures(tmp_path_factory, "docs-bundles", make)
