"""Builds the wheel of this checkout, so that the same files give the same bytes on any day and machine.

    python -m tools.wheel.build --out dist

What would leak in otherwise: the time (SOURCE_DATE_EPOCH is set, to the day of the last commit where git knows it), the
modes of files, which the umask decides, what an older build left in build/, and the order of hashes. setuptools sorts
the entries of the archive, and is that of this environment, not the newest of the day: constraints.txt pins it.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PACKED = ("pyproject.toml", "README.md", "LICENSE", "sdk", "fusion", "quantization", "converters")
LEFT_OUT = shutil.ignore_patterns("__pycache__", "*.egg-info", "build", ".*")
# The first day that a zip archive can hold.
EARLIEST = 315532800
MOST_BYTES = 10_000_000


def build(out: Path) -> Path:
    """Write the wheel into a folder; its path.

    Raises:
        SystemExit: pip failed, or the wheel is too large.
    """
    with tempfile.TemporaryDirectory() as folder:
        source, made = Path(folder) / "source", Path(folder) / "made"
        source.mkdir()
        for name in PACKED:
            path = ROOT / name
            if path.is_dir():
                shutil.copytree(path, source / name, ignore=LEFT_OUT)
            else:
                shutil.copy(path, source / name)
        for path in (source, *source.rglob("*")):
            path.chmod(0o755 if path.is_dir() else 0o644)
        environment = {**os.environ, "SOURCE_DATE_EPOCH": str(epoch()), "PYTHONHASHSEED": "0"}
        command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation"]
        command += ["--no-cache-dir", "--wheel-dir", str(made), str(source)]
        done = subprocess.run(command, env=environment, umask=0o022, capture_output=True, text=True, check=False)
        if done.returncode:
            raise SystemExit(f"the wheel could not be built:\n{done.stderr[-3000:]}")
        (wheel,) = made.glob("*.whl")
        if wheel.stat().st_size >= MOST_BYTES:
            raise SystemExit(f"{wheel.name} has {wheel.stat().st_size:,} bytes; it must stay under {MOST_BYTES:,}")
        out.mkdir(parents=True, exist_ok=True)
        return Path(shutil.copy(wheel, out / wheel.name))


def epoch() -> int:
    """SOURCE_DATE_EPOCH as it is set; else the time of the last commit; else the first day of zip archives."""
    given = os.environ.get("SOURCE_DATE_EPOCH")
    if given is None:
        done = subprocess.run(
            ["git", "log", "-1", "--format=%ct"], cwd=ROOT, capture_output=True, text=True, check=False
        )
        given = done.stdout.strip() if done.returncode == 0 else ""
    return max(int(given or EARLIEST), EARLIEST)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=ROOT / "dist", help="folder of the wheel")
    wheel = build(parser.parse_args().out)
    print(f"{wheel}: {wheel.stat().st_size / 1e6:.1f} MB")


if __name__ == "__main__":
    main()
