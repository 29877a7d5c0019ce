"""A run of the tests ends and fails, whatever a test does to its process, and where files are left behind."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
FINE = "def test_fine():\n    pass\n\n\ndef test_fine_too():\n    pass\n"
PLANTED = {
    # No other thread of Python runs meanwhile either, as in a library that holds the interpreter's lock.
    "hang": "import ctypes\n\n\ndef test_hang():\n    ctypes.PyDLL(None).pause()\n",
    "abort": "import os\n\n\ndef test_abort():\n    os.abort()\n",
    "leave": "import tempfile\n\n\ndef test_leave():\n    tempfile.mkstemp(prefix='forgotten-')\n",
}


def run(folder: Path, planted: str, *options: str) -> subprocess.CompletedProcess[str]:
    """The project's own settings and conftest.py, on two files of tests."""
    (folder / "conftest.py").write_text((ROOT / "tests" / "conftest.py").read_text())
    (folder / "test_a.py").write_text(FINE)
    # After the planted one more is to come, for which a process that replaced it would wait.
    (folder / "test_b.py").write_text(FINE.replace("fine", "before") + "\n\n" + PLANTED[planted] + "\n\n" + FINE)
    settings = ["-c", str(ROOT / "pyproject.toml"), "--rootdir", str(folder), "-o", "faulthandler_timeout=5"]
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("PYTEST_", "COV_"))}
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", *settings, *options, str(folder)],
        cwd=folder,
        env=environment | {"TMPDIR": str(folder)},
        capture_output=True,
        text=True,
        timeout=240,
    )


@pytest.mark.parametrize("planted", ["abort", "hang"])
def test_a_process_that_dies_or_hangs_fails_the_run(tmp_path: Path, planted: str) -> None:
    done = run(tmp_path, planted, "-n", "2", "--dist", "loadfile")
    assert done.returncode == 1, done.stdout + done.stderr
    assert f"crashed while running 'test_b.py::test_{planted}'" in done.stdout


@pytest.mark.parametrize("processes", [(), ("-n", "2", "--dist", "loadfile")])
def test_a_file_that_is_left_fails_the_run(tmp_path: Path, processes: tuple[str, ...]) -> None:
    done = run(tmp_path, "leave", *processes)
    assert done.returncode == 1, done.stdout + done.stderr
    assert "7 passed" in done.stdout
    assert "Left in the temporary folder by tests, or by what they tested: forgotten-" in done.stdout
