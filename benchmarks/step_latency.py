"""What one step costs on this machine: each graph and the whole step, one core, several bundles in one interleaved run.

    python benchmarks/step_latency.py bundles/grjca-tflite-fp32.mer bundles/grjca-onnx-fp32.mer

The input is seeded noise of the contract's shapes; the graphs have no data-dependent work. Quote the medians and their
ratios: the machine's speed drifts, and interleaving lets it drift for all bundles alike.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections.abc import Callable

import numpy as np

from mer_sdk.bundle import Bundle
from mer_sdk.engine import StepEngine
from mer_sdk.errors import RuntimeUnavailable


def measured_calls(path: str, seed: int) -> dict[str, Callable[[], object]]:
    """Stage name -> a call that runs it once; nothing, and a word on stderr, where this machine cannot run it."""
    bundle = Bundle.open(path)
    rng = np.random.default_rng(seed)
    try:
        graphs = bundle.load_graphs(threads=1)
    except RuntimeUnavailable as error:
        print(f"{path}: left out, {error}", file=sys.stderr)
        return {}
    specs = bundle.manifest.graphs
    inputs = {
        name: {
            tensor.name: rng.uniform(*(tensor.range or (-1.0, 1.0)), size=tensor.shape).astype(np.float32)
            for tensor in spec.inputs
        }
        for name, spec in specs.items()
    }
    inputs["fusion"] |= {name: np.ones_like(inputs["fusion"][name]) for name in ("audio_mask", "face_mask")}
    engine = StepEngine(bundle, threads=1)
    chunk, crop = inputs["audio"]["pcm"][0], inputs["face"]["crop"][0]
    calls: dict[str, Callable[[], object]] = {
        name: (lambda graph=graphs[name], value=inputs[name]: graph.run(value)) for name in graphs
    }
    return calls | {"step": lambda: engine.step(chunk, crop)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("bundle", nargs="+", help="bundle folders or checkpoints")
    parser.add_argument("--rounds", type=int, default=200)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    calls = {path: stages for path in options.bundle if (stages := measured_calls(path, 0))}
    if not calls:
        sys.exit("none of the bundles runs here; mer doctor says what this machine can run")
    times: dict[str, dict[str, list[float]]] = {path: {stage: [] for stage in calls[path]} for path in calls}
    for turn in range(options.rounds + 20):
        for path, stages in calls.items():
            for stage, call in stages.items():
                begun = time.perf_counter()
                call()
                if turn >= 20:  # the first rounds warm caches and kernels up
                    times[path][stage].append((time.perf_counter() - begun) * 1000)
    result = {
        path: {
            stage: {f"p{q}": round(float(np.percentile(values, q)), 3) for q in (50, 90, 99)}
            for stage, values in stages.items()
        }
        for path, stages in times.items()
    }
    if options.json:
        print(json.dumps(result, indent=2))
        return
    reference = next(iter(result.values()))["step"]["p50"]
    print(f"milliseconds, one core, {options.rounds} rounds; ratio = median step over that of the first bundle")
    print(f"{'bundle':44} {'stage':8} {'p50':>8} {'p90':>8} {'p99':>8} {'ratio':>6}")
    for path, stages in result.items():
        for stage, value in stages.items():
            ratio = f"{value['p50'] / reference:6.2f}" if stage == "step" else ""
            print(f"{path[-44:]:44} {stage:8} {value['p50']:8.3f} {value['p90']:8.3f} {value['p99']:8.3f} {ratio}")


if __name__ == "__main__":
    main()
