"""Makes the modules of this folder and of handlers importable, which importlib mode does not, and conversions quick."""

from __future__ import annotations

import gc
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from mer_converters.targets.coreml.tool import coremltools, validated_once

sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).parent / "handlers")]

# As conversions import it, before a test does: whole it takes twice as long, in every process that collects tests.
coremltools()


@pytest.fixture(scope="session", autouse=True)
def _imported_modules_are_not_searched_for_garbage() -> None:
    # coremltools collects garbage in every conversion; over the objects of all imported packages that takes longer
    # than the rest of a small conversion by a factor of ten.
    gc.freeze()


@pytest.fixture(scope="session", autouse=True)
def _programs_are_validated_once() -> Iterator[None]:
    # As in conversions. What is tested here is what the saved program computes.
    with validated_once():
        yield
