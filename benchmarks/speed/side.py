"""One side of `benchmarks.speed.before_after`: runs the parts that it is told to run, with whichever SDK its interpreter has.

Names of parts come on stdin, one a line; stage -> milliseconds goes to stdout as JSON, the names of all parts first.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from pathlib import Path

from benchmarks.speed.parts import picture_parts, sound_parts, step_parts
from mer_sdk.bench.timing import Runner, on_cores
from mer_sdk.contract.bundle import Bundle


def parts(bundles: Path) -> dict[str, Runner]:
    """Every part that this SDK can run, the bundles of a folder among them."""
    opened = {path.stem: Bundle.open(path) for path in sorted(bundles.glob("*.mer"))}
    finder = next((bundle for bundle in opened.values() if bundle.manifest.finder is not None), None)
    windows = {name: bundle for name, bundle in opened.items() if bundle.manifest.finder is None}
    return {**sound_parts(), **picture_parts(finder), **step_parts(windows)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("bundles", type=Path, help="folder of bundles")
    options = parser.parse_args()
    # What a runtime prints must not come between the answers.
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    runners = parts(options.bundles)
    with on_cores(1):
        print(json.dumps(list(runners)), file=answers, flush=True)
        for line in sys.stdin:
            print(json.dumps(runners[line.strip()]()), file=answers, flush=True)


if __name__ == "__main__":
    main()
