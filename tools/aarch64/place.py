"""Where the check runs: the chroot, the folder that both machines read and write, and commands on either of them."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from mer_sdk.errors import MerError

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent


@dataclass(frozen=True)
class Place:
    """The folders of a check: `root` of the chroot, `wheels` in it, and `work`, where both machines read and write."""

    base: Path

    @property
    def root(self) -> Path:
        return self.base / "root"

    @property
    def wheels(self) -> Path:
        return self.root / "wheels"

    @property
    def work(self) -> Path:
        return self.root / "check"

    def run(self, command: Sequence[str]) -> str:
        """What a command in the chroot prints, see `run`; the processor is chroot.sh's own choice."""
        return run([str(HERE / "chroot.sh"), "run", str(self.root), *command])

    def inside(
        self, command: Sequence[str], cpu: str = "cortex-a72", seconds: float | None = None, shown: bool = False
    ) -> str:
        """`run`, in the folder of the check, on a processor."""
        entered = [str(HERE / "chroot.sh"), "run", str(self.root), "sh", "-c", 'cd /check && exec "$@"', "sh", *command]
        return run(entered, seconds=seconds, shown=shown, environment={"QEMU_CPU": cpu})

    def here(self, arguments: Sequence[str]) -> str:
        """What this Python prints in the folder of the check, with the SDK of the wheel and not of the checkout."""
        environment = {"PYTHONPATH": str(self.work / "sdk"), "OMP_NUM_THREADS": "1"}
        return run([sys.executable, *arguments], self.work, environment=environment)


def run(
    command: Sequence[str],
    folder: Path | None = None,
    seconds: float | None = None,
    shown: bool = False,
    environment: Mapping[str, str] | None = None,
) -> str:
    """What a command prints; nothing where it is `shown` on the way.

    Raises:
        MerError: it fails; with the last lines of what it said.
        subprocess.TimeoutExpired: it was still running after `seconds`, and was ended.
    """
    out, settings = None if shown else subprocess.PIPE, os.environ | dict(environment or {})
    done = subprocess.run(
        command, stdout=out, stderr=subprocess.PIPE, text=True, cwd=folder, env=settings, timeout=seconds
    )
    if done.returncode:
        said = "\n".join((done.stderr or done.stdout or "").strip().splitlines()[-12:])
        raise MerError(f"{' '.join(command[:6])} ... ended with {done.returncode}:\n{said}")
    return done.stdout or ""


def make_chroot(place: Place) -> None:
    """Make it where it is not there; the script tells of its progress, and in one sentence what is missing."""
    done = subprocess.run([str(HERE / "chroot.sh"), "make", str(place.root)])
    if done.returncode:
        sys.exit(done.returncode)


def emulator() -> str:
    """Name and version of the emulator."""
    return run(["qemu-aarch64-static", "--version"]).partition(" (")[0]
