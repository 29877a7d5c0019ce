"""One side of `benchmarks.speed.before_after` and `instructions`: runs parts with whichever SDK its interpreter has.

Names of parts come on stdin, one a line; stage -> milliseconds of CPU time goes to stdout as JSON, and before that the
names of all parts. With `--count` every part is run so many times, with a call of the system that nothing else makes
before and after.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from time import perf_counter

import numpy as np

from benchmarks.speed.parts import FEW_RATES, count_cpu_time, picture_parts, sound_parts, step_parts, timed
from mer_sdk.bench.steps import BOX
from mer_sdk.bench.timing import Runner, on_cores
from mer_sdk.contract.bundle import Bundle
from mer_sdk.contract.estimate import FaceView
from mer_sdk.window.engine import StepEngine
from mer_sdk.window.postprocessing import postprocess
from mer_sdk.window.smoothing import Smoother, Smoothing

WARM_UP = 20
COUNTED_RATES = (*FEW_RATES, 192000)


class _Answer:
    """A graph that answers at once, always the same."""

    def __init__(self, outputs: Mapping[str, np.ndarray]) -> None:
        self._outputs = outputs

    def run(self, inputs: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """See `Graph.run`."""
        return {name: value.copy() for name, value in self._outputs.items()}


def sdk_part(bundle: Bundle) -> Runner:
    """A step of a bundle without its graphs: what the SDK itself does."""
    manifest, rng = bundle.manifest, np.random.default_rng(0)
    answers = {
        name: _Answer({tensor.name: rng.standard_normal(tensor.shape).astype(np.float32) for tensor in spec.outputs})
        for name, spec in manifest.graphs.items()
    }
    engine = StepEngine(Bundle(manifest, None, lambda threads: answers))
    smoother, view, size = Smoother(Smoothing()), FaceView(0, BOX), manifest.face.crop_size
    chunk, crop = np.zeros(manifest.audio.chunk_samples, np.float32), np.zeros((size, size, 3), np.float32)
    steps = iter(range(1, sys.maxsize))

    def step() -> object:
        begun = perf_counter()
        output = engine.step(chunk, crop, view.id)
        return postprocess(output, manifest, smoother, next(steps) * 0.25, view, begun)

    return timed(step)


def parts(bundles: Path, counted: bool, only: tuple[str, ...] = ()) -> dict[str, Runner]:
    """Every part that this SDK can run, the bundles of a folder among them; where instructions are counted, fewer.

    Args:
        bundles: the folder.
        counted: whether instructions are counted.
        only: parts alone whose names begin so; no other bundle is loaded. None of them takes all.
    """
    opened = {path.stem: Bundle.open(path) for path in sorted(bundles.glob("*.mer"))}
    finder = next((bundle for bundle in opened.values() if bundle.manifest.finder is not None), None)
    windows = {name: bundle for name, bundle in opened.items() if bundle.manifest.finder is None}
    found = {**(sound_parts(COUNTED_RATES) if counted else sound_parts()), **picture_parts(finder)}
    if windows:
        found["SDK without graphs"] = sdk_part(next(iter(windows.values())))
    steps = {name: bundle for name, bundle in windows.items() if name.startswith(only or "")}
    return {name: runner for name, runner in {**found, **step_parts(steps)}.items() if name.startswith(only or "")}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("bundles", type=Path, help="folder of bundles")
    parser.add_argument("--count", type=int, default=0)
    parser.add_argument("--only", nargs="*", default=[])
    options = parser.parse_args()
    # What a runtime prints must not come between the answers.
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    count_cpu_time()
    runners = parts(options.bundles, bool(options.count), tuple(options.only))
    if options.count:
        for number, (name, runner) in enumerate(runners.items(), start=1):
            print(f"{name}: {number} of {len(runners)}", file=sys.stderr, flush=True)
            for _ in range(WARM_UP):
                runner()
            os.getppid()
            for _ in range(options.count):
                runner()
            os.getppid()
        print(json.dumps(list(runners)), file=answers, flush=True)
        return
    with on_cores(1):
        print(json.dumps(list(runners)), file=answers, flush=True)
        for line in sys.stdin:
            print(json.dumps(runners[line.strip()]()), file=answers, flush=True)


if __name__ == "__main__":
    main()
