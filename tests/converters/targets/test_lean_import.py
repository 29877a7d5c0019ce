"""Tools are imported without what they do not need here, and nothing else notices."""

from __future__ import annotations

import importlib
import subprocess
import sys

import pytest

from mer_converters.targets.lean_import import without_packages

COREML = """
import sys
from mer_converters.targets.coreml.tool import UNUSED, coremltools
print(coremltools().__version__)
print([name for name in UNUSED if name in sys.modules])
import sklearn
print(sklearn.__name__)
"""


def test_a_package_is_absent_within_and_back_afterwards() -> None:
    import email

    with without_packages("email", "never_was_there"), pytest.raises(ModuleNotFoundError):
        importlib.import_module("email")
    assert importlib.import_module("email") is email
    assert "never_was_there" not in sys.modules


def test_all_is_back_after_an_error() -> None:
    with pytest.raises(RuntimeError), without_packages("never_was_there"):
        raise RuntimeError
    assert "never_was_there" not in sys.modules


@pytest.mark.slow
def test_coremltools_does_without() -> None:
    run = subprocess.run([sys.executable, "-c", COREML], capture_output=True, text=True, check=True)
    version, loaded, sklearn = run.stdout.split("\n")[:3]
    assert version == "9.0"
    assert loaded == "[]"
    assert sklearn == "sklearn"
