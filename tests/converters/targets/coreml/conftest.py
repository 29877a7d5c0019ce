"""Makes the helper modules of this folder importable, which pytest's importlib mode does not, and conversions quick."""

from __future__ import annotations

import gc
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))


@pytest.fixture(scope="session", autouse=True)
def _imported_modules_are_not_searched_for_garbage() -> None:
    # coremltools collects garbage in every conversion; over the objects of all imported packages that takes longer
    # than the rest of a small conversion by a factor of ten.
    gc.freeze()
