"""What holds for every test: where real data is, the same random numbers in every run, a temporary folder of the run's
own that must be empty at its end."""

import gc
import os
import random
import shutil
import sys
import tempfile
from collections.abc import Generator
from pathlib import Path

import numpy as np
import pytest

# Small tensors gain nothing from a second thread, and on a busy machine every barrier of it waits.
os.environ.setdefault("OMP_NUM_THREADS", "1")
# Some tests import ONNX Runtime before the SDK, which says so, does: it would keep usage data in the temporary folder.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")

# Of the tools, not of ours, and gone with the folder: coremltools removes its packages when its process ends.
_OF_TOOLS = ("*.mlpackage", "torchinductor_*", "pymp-*")
_FOLDER = pytest.StashKey[Path]()
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


def pytest_configure(config: pytest.Config) -> None:
    """Hypothesis draws the same examples in every run; files for a moment go into a folder that the run removes."""
    try:
        import hypothesis
    except ImportError:
        pass
    else:
        hypothesis.settings.register_profile("repeatable", derandomize=True, deadline=None, database=None)
        hypothesis.settings.load_profile("repeatable")
    if hasattr(config, "workerinput"):
        return  # a process of pytest-xdist: the one that started it has set the folder
    os.environ.setdefault("PYTEST_DEBUG_TEMPROOT", tempfile.gettempdir())  # tmp_path stays where pytest has it
    _remove_folders_of_killed_runs()
    config.stash[_FOLDER] = Path(tempfile.mkdtemp(prefix=f"mer-tests-{os.getpid()}-"))
    os.environ["TMPDIR"] = str(config.stash[_FOLDER])
    tempfile.tempdir = None


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Files with slow tests come first: what is left at the end is short, and the processes of a run end together."""
    slow = {item.path for item in items if item.get_closest_marker("slow")}
    items.sort(key=lambda item: item.path not in slow)


def pytest_collection_finish() -> None:
    """What the modules of all tests have imported stays: no search for garbage looks at it again."""
    gc.freeze()


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup() -> None:
    """Before the fixtures: what is drawn depends on no other test."""
    random.seed(0)
    np.random.seed(0)
    if "torch" in sys.modules:
        sys.modules["torch"].manual_seed(0)


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_sessionfinish(session: pytest.Session) -> Generator[None, object, object]:
    """Say what the run cost, and fail one that leaves files in the temporary folder."""
    result = yield
    folder = session.config.stash.get(_FOLDER, None)
    if folder is not None:
        times = os.times()  # of processes that were waited for, too; on a shared machine the clock says little
        print(f"\n{times.user + times.system + times.children_user + times.children_system:.0f} s of CPU time")
        gc.collect()
        left = sorted(path.name for path in folder.iterdir() if not any(path.match(name) for name in _OF_TOOLS))
        if left:
            session.exitstatus = session.exitstatus or pytest.ExitCode.TESTS_FAILED
            print(f"\nLeft in the temporary folder by tests, or by what they tested: {', '.join(left)}")
    return result


def pytest_unconfigure(config: pytest.Config) -> None:
    """Remove what processes left that were killed."""
    if (folder := config.stash.get(_FOLDER, None)) is not None:
        shutil.rmtree(folder, ignore_errors=True)


def _remove_folders_of_killed_runs() -> None:
    for folder in Path(tempfile.gettempdir()).glob("mer-tests-*-*"):
        if not _runs(folder.name.split("-")[2]):
            shutil.rmtree(folder, ignore_errors=True)


def _runs(process: str) -> bool:
    try:
        os.kill(int(process), 0)
    except ProcessLookupError:
        return False
    except (ValueError, PermissionError):
        return True
    return True
