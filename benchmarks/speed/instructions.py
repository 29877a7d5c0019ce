"""Instructions that each part takes, counted by callgrind: the same on a busy machine and on a quiet one.

    python -m benchmarks.speed.instructions --bundles DIR
    python -m benchmarks.speed.instructions --bundles DIR --baseline OTHER/.venv/bin/python --baseline-bundles DIR

valgrind must be installed. It shows a processor with AVX2 and no AVX-512: it is the code of numpy and the runtimes for
that which is counted. Each part runs `--count` times after a warm-up. A bundle's part holds front ends, graphs and SDK.
What memory costs is not in these numbers. Goes to docs/results/instructions.json and the page docs/results/speed.md.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path

from benchmarks.results.result_tables import Json, prose, table, write_result
from benchmarks.speed.before_after import PAGE, ROOT
from benchmarks.speed.processes import compiled_environment
from mer_sdk.bench.timing import blas_environment

OUT = Path("docs/results/instructions.json")
MARKERS = ("<!-- instructions: written by benchmarks/speed/instructions.py -->", "<!-- end of instructions -->")
# The call of the system that `benchmarks.speed.side` makes before and after each part: counts begin anew at it.
MARK = "getppid"


@dataclass(frozen=True)
class Row:
    """A part: instructions a call, of this checkout and where there is one of the baseline."""

    part: str
    before: int | None
    after: int


class Counting:
    """A process under callgrind.

    Args:
        python: of the checkout.
        bundles: folder of its bundles.
        count: runs of each part.
        only: see `--only`.
    """

    def __init__(self, python: Path, bundles: Path, count: int, only: list[str]) -> None:
        self._count = count
        self._folder = tempfile.TemporaryDirectory(prefix="mer-instructions-")
        command = ["valgrind", "--quiet", "--tool=callgrind", f"--callgrind-out-file={self._folder.name}/counts"]
        command += [f"--dump-before={MARK}", os.path.abspath(python), "-m", "benchmarks.speed.side"]
        command += [os.path.abspath(bundles), "--count", str(count), "--only", *only]
        environment = {**compiled_environment(), **blas_environment(1), "PYTHONHASHSEED": "0"}
        self._process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT, env=environment)

    def counts(self) -> dict[str, int]:
        """Wait for the end: part -> instructions a call."""
        said, _ = self._process.communicate()
        if self._process.returncode:
            sys.exit(f"valgrind ended with {self._process.returncode}; see above")
        names = json.loads(said.splitlines()[-1])
        # Dump 1 ends with the warm-up of the first part, dump 2 with that part, and so on.
        found = {
            name: _total(Path(self._folder.name) / f"counts.{2 * place + 2}") // self._count
            for place, name in enumerate(names)
        }
        self._folder.cleanup()
        return found


def _total(path: Path) -> int:
    """The instructions of one dump."""
    line = next(line for line in path.read_text().splitlines() if line.startswith(("totals:", "summary:")))
    return int(line.split()[1])


def page_lines(result: Json) -> list[str]:
    """The table as Markdown."""
    since = f" Before is {result['before']}." if result["before"] else ""
    lines = prose(
        f"Thousands of instructions a call, counted by callgrind on AVX2, means of {result['count']} calls.{since} "
        "They do not depend on what else the machine does, and hold nothing of what memory costs."
    )
    rows = []
    for row in result["parts"]:
        old = row["before"]
        share = ("", "") if old is None else (f"{old / 1000:.0f}", f"{row['after'] / old:.2f}")
        rows.append((row["part"], share[0], f"{row['after'] / 1000:.0f}", share[1]))
    return lines + table(("part", "before", "after", "after / before"), rows)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bundles", type=Path, required=True, help="folder of this checkout's bundles")
    parser.add_argument("--baseline", type=Path, help="python of another checkout")
    parser.add_argument("--baseline-bundles", type=Path, help="folder of its bundles")
    parser.add_argument("--count", type=int, default=10)
    parser.add_argument("--only", nargs="*", default=[], help="parts alone whose names begin so, and quickly")
    parser.add_argument("--before", default="an earlier commit", help="what the other checkout is, in words")
    parser.add_argument("--out", type=Path, default=OUT)
    parser.add_argument("--page", type=Path, default=PAGE)
    options = parser.parse_args()
    if shutil.which("valgrind") is None:
        sys.exit("counting instructions needs valgrind; on Debian: apt install valgrind")
    before: dict[str, int] = {}
    other = None
    if options.baseline is not None:
        other = Counting(options.baseline, options.baseline_bundles or options.bundles, options.count, options.only)
    after = Counting(Path(sys.executable), options.bundles, options.count, options.only).counts()
    if other is not None:
        before = other.counts()
    rows = [Row(name, before.get(name), count) for name, count in after.items()]
    result = {
        "before": "" if other is None else options.before,
        "count": options.count,
        "parts": [asdict(row) for row in rows],
    }
    print(write_result(result, options.out, options.page, MARKERS, page_lines(result)))


if __name__ == "__main__":
    main()
