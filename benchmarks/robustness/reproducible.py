"""Whether the same checkpoint gives the same bytes on another day: bundles of every target, and the wheel.

    python -m benchmarks.robustness.reproducible [--model grjca] [--target all] [--scheme fp32] [--wheel]

Each thing is made twice, by processes that differ in what must not matter: the day (by faketime), the time zone, the
language, the seed of Python's hashes and the folder. Then every file is compared, byte by byte. Needs faketime
(apt-get install faketime). Prints a table; exit code 1 where bytes differ.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from mer_sdk.contract.bundle_files import file_sha256

ROOT = Path(__file__).resolve().parents[2]
# Name of a folder -> what is other in a process that writes there.
DAYS: Mapping[str, tuple[str, Mapping[str, str]]] = {
    "one": ("2031-03-04 05:06:07", {"TZ": "UTC", "LC_ALL": "C", "PYTHONHASHSEED": "1"}),
    "another-day": ("2031-03-05 23:59:58", {"TZ": "Asia/Tokyo", "LC_ALL": "C.UTF-8", "PYTHONHASHSEED": "77"}),
}


@dataclass(frozen=True)
class Compared:
    """Two makings of one thing.

    Attributes:
        name: of the bundle or the wheel.
        files: how many there are.
        bytes: of all of them.
        different: those that differ, or are in one of the two alone.
    """

    name: str
    files: int
    bytes: int
    different: tuple[str, ...]


def compared(name: str, one: Path, other: Path) -> Compared:
    """Two files, or two folders with all that is in them."""
    found = [{"": one}, {"": other}]
    if one.is_dir():
        found = [{path.relative_to(root).as_posix(): path for path in files(root)} for root in (one, other)]
    names = sorted(found[0].keys() | found[1].keys())
    different = tuple(
        path or name
        for path in names
        if path not in found[0] or path not in found[1] or file_sha256(found[0][path]) != file_sha256(found[1][path])
    )
    return Compared(name, len(names), sum(path.stat().st_size for path in found[0].values()), different)


def files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file())


def made_twice(folder: Path, command: list[str], out: str) -> list[Path]:
    """Run a command in two folders under two days; `out` is its option for where to write."""
    places = []
    for name, (day, variables) in DAYS.items():
        place = folder / name
        place.mkdir()
        print(f"{' '.join(command[-6:])} as of {day}", file=sys.stderr, flush=True)
        # The clock goes on from that day, or what waits for it would never end.
        done = subprocess.run(
            ["faketime", "-f", f"@{day}", *command, out, str(place)],
            cwd=ROOT,
            env={**os.environ, **variables},
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise SystemExit(f"{' '.join(command)} failed:\n{done.stderr[-3000:]}")
        places.append(place)
    return places


def bundles(model: str, target: str, scheme: str, folder: Path) -> list[Compared]:
    """The bundles of one call of mer-convert."""
    code = "from mer_converters.cli import main; main()"
    command = [sys.executable, "-c", code, "--model", model, "--target", target, "--scheme", scheme]
    one, other = made_twice(folder, command, "--out")
    return [compared(path.name, path, other / path.name) for path in sorted(one.glob("*.mer"))]


def wheel(folder: Path) -> list[Compared]:
    """The wheel of `make wheel`, without the bundle that it holds."""
    command = [sys.executable, "-m", "tools.wheel.build"]
    one, other = made_twice(folder, command, "--out")
    return [compared(path.name, path, other / path.name) for path in files(one)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="grjca")
    parser.add_argument("--target", default="all")
    parser.add_argument("--scheme", default="fp32")
    parser.add_argument("--wheel", action="store_true", help="the wheel in place of bundles")
    given = parser.parse_args()
    if shutil.which("faketime") is None:
        raise SystemExit("faketime is missing: apt-get install faketime")
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        found = wheel(place) if given.wheel else bundles(given.model, given.target, given.scheme, place)
    for one in found:
        said = "equal" if not one.different else f"DIFFER: {', '.join(one.different)}"
        print(f"{one.name:32} {one.files:4} files  {one.bytes:12,} bytes  {said}")
    print(json.dumps({"equal": sum(not one.different for one in found), "of": len(found)}))
    if not found or any(one.different for one in found):
        raise SystemExit(1)


if __name__ == "__main__":
    main()
