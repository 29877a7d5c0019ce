"""Runs programs under `sealed.py`, in an environment and a folder of their own that must stay empty."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).with_name("sealed.py")
MACHINES = ("x86_64", "aarch64")


def run_sealed(
    command: list[str], folder: Path, more: dict[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """What a program gave that could write to no file and open no socket; `folder`, its home, is empty after it.

    Skips where the kernel cannot hold a program to it.
    """
    if sys.platform != "linux" or platform.machine() not in MACHINES:
        pytest.skip("needs Linux on x86-64 or aarch64")
    probe = subprocess.run([sys.executable, str(SCRIPT), "true"], capture_output=True, text=True, check=False)
    if probe.returncode:
        pytest.skip(f"needs a kernel that filters system calls: {probe.stderr[-200:]}")
    folder.mkdir(exist_ok=True)
    bare = {"PATH": os.environ["PATH"], "HOME": str(folder), "TMPDIR": str(folder), "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run(
        [sys.executable, str(SCRIPT), *command],
        cwd=folder,
        env=bare | (more or {}),
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert not list(folder.iterdir())
    return done
