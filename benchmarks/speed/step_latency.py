"""What a step (in dialogues: an utterance) costs on this machine: each graph and the whole, on one core.

Several bundles are measured in one interleaved run:

    python -m benchmarks.speed.step_latency bundles/grjca-tflite-fp32.mer bundles/grjca-onnx-fp32.mer
    python -m benchmarks.speed.step_latency bundles/*.mer

The input is seeded noise of the contract's shapes; the graphs have no data-dependent work. Quote the medians and their
ratios: the machine's speed drifts, and interleaving lets it drift for all bundles alike.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from functools import partial

from mer_sdk.bench.steps import TimedStep
from mer_sdk.bench.timing import Quantiles, interleaved
from mer_sdk.cli.bundles import any_of, is_finder, open_bundles, stands_in, without_runtime
from mer_sdk.cli.progress import progress_bars
from mer_sdk.contract.codec import to_json
from mer_sdk.errors import MerError
from mer_sdk.runtimes.native_log import VARIABLE


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("bundle", nargs="+", help="bundle folders or checkpoints")
    parser.add_argument("--rounds", type=int, default=200)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    os.environ.setdefault(VARIABLE, "1")
    try:
        measured = step_latencies(options.bundle, options.rounds, options.json)
    except MerError as error:
        sys.exit(str(error))
    result = to_json(measured)
    if options.json:
        print(json.dumps(result, indent=2))
    else:
        show(result, options.rounds)


def step_latencies(given: list[str], rounds: int, quiet: bool) -> dict[str, dict[str, Quantiles]]:
    """Name of the bundle -> stage -> milliseconds, of those that this machine runs in their own runtime.

    Raises:
        MerError: none of them is such a bundle, or one is damaged.
    """
    unfit = any_of(is_finder, without_runtime, stands_in)
    calls: dict[str, TimedStep] = {}
    with progress_bars(quiet) as progress:
        opened = open_bundles(given, unfit)
        for index, bundle in enumerate(opened):
            progress("loading", index, len(opened))
            calls[bundle.name] = TimedStep(bundle)
        progress("loading", len(opened), len(opened))
        return interleaved(calls, rounds, partial(progress, "steps"))


def show(result: dict[str, dict[str, dict[str, float]]], rounds: int) -> None:
    """Print every stage; a ratio is to the first bundle that reads the same, steps or utterances."""
    print(f"milliseconds, one core, {rounds} rounds; ratio = median over that of the first bundle with such a stage")
    print(f"{'bundle':28} {'stage':9} {'p50':>8} {'p90':>8} {'p99':>8} {'ratio':>6}")
    firsts: dict[str, float] = {}
    for name, timed in result.items():
        whole = list(timed)[-1]  # "step" or "utterance"
        for stage, value in timed.items():
            ratio = f"{value['p50'] / firsts.setdefault(whole, value['p50']):6.2f}" if stage == whole else ""
            print(f"{name:28} {stage:9} {value['p50']:8.3f} {value['p90']:8.3f} {value['p99']:8.3f} {ratio}")


if __name__ == "__main__":
    main()
