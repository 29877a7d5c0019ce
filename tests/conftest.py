"""Where tests find real data and reference outputs: beside the repository, never inside it."""

import os
from pathlib import Path

import pytest

# Small tensors gain nothing from a second thread, and on a busy machine every barrier of it waits.
os.environ.setdefault("OMP_NUM_THREADS", "1")

_SHARED = Path(__file__).resolve().parents[2] / "shared"


def _folder(name: str) -> Path:
    folder = _SHARED / name
    if not folder.is_dir():
        pytest.skip(f"needs ../shared/{name} beside the repository, which is not there")
    return folder


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real data sets; the test is skipped where it is absent."""
    return _folder("data")


@pytest.fixture(scope="session")
def shared_reference() -> Path:
    """The folder of reference notes and published outputs; the test is skipped where it is absent."""
    return _folder("reference")
