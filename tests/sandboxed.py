"""Runs programs under `sandbox.py`, in an environment and a folder of their own that must stay empty."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).with_name("sandbox.py")
MACHINES = ("x86_64", "aarch64")


def run_sandboxed(command: list[str], folder: Path, needed: bool = True) -> subprocess.CompletedProcess[str]:
    """What a program gave that could write to no file and open no socket; `folder`, its home, is empty after it.

    Where the system cannot hold a program to that, the test is skipped, or, where the seal is not `needed`, goes on
    without.
    """
    seal = [sys.executable, str(SCRIPT)]
    able = sys.platform == "linux" and platform.machine() in MACHINES
    if not able or subprocess.run([*seal, "true"], capture_output=True, check=False).returncode:
        if needed:
            pytest.skip("needs Linux on x86-64 or aarch64, with a kernel that filters system calls")
        seal = []
    folder.mkdir(exist_ok=True)
    bare = {"PATH": os.environ["PATH"], "HOME": str(folder), "TMPDIR": str(folder), "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run(
        [*seal, *command], cwd=folder, env=bare, capture_output=True, text=True, timeout=300, check=False
    )
    assert not list(folder.iterdir())
    return done
