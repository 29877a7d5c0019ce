"""What a step (in dialogues: an utterance) costs on this machine: each graph and the whole, on one core.

Several bundles are measured in one interleaved run:

    python -m benchmarks.speed.step_latency bundles/grjca-tflite-fp32.mer bundles/grjca-onnx-fp32.mer

The input is seeded noise of the contract's shapes; the graphs have no data-dependent work. Quote the medians and their
ratios: the machine's speed drifts, and interleaving lets it drift for all bundles alike.
"""

from __future__ import annotations

import argparse
import json
import sys

from mer_sdk.bench.steps import TimedStep
from mer_sdk.bench.timing import interleaved
from mer_sdk.contract.bundle import Bundle
from mer_sdk.contract.codec import to_json
from mer_sdk.errors import RuntimeUnavailable


def timed_step(path: str) -> TimedStep | None:
    """What runs a step of the bundle once; None, and a word on stderr, where this machine cannot run it."""
    try:
        return TimedStep(Bundle.open(path))
    except RuntimeUnavailable as error:
        print(f"{path}: left out, {error}", file=sys.stderr)
        return None


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("bundle", nargs="+", help="bundle folders or checkpoints")
    parser.add_argument("--rounds", type=int, default=200)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    calls = {path: found for path in options.bundle if (found := timed_step(path)) is not None}
    if not calls:
        sys.exit("none of the bundles runs here; mer doctor says what this machine can run")
    result = to_json(interleaved(calls, options.rounds))
    if options.json:
        print(json.dumps(result, indent=2))
        return
    first = next(iter(result.values()))
    whole = list(first)[-1]  # "step" or "utterance"; the two are not compared
    print(f"milliseconds, one core, {options.rounds} rounds; ratio = median {whole} over that of the first bundle")
    print(f"{'bundle':44} {'stage':9} {'p50':>8} {'p90':>8} {'p99':>8} {'ratio':>6}")
    for path, timed in result.items():
        for stage, value in timed.items():
            ratio = f"{value['p50'] / first[whole]['p50']:6.2f}" if stage == whole else ""
            print(f"{path[-44:]:44} {stage:9} {value['p50']:8.3f} {value['p90']:8.3f} {value['p99']:8.3f} {ratio}")


if __name__ == "__main__":
    main()
