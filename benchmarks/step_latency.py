"""What a step (in dialogues: an utterance) costs on this machine: each graph and the whole, on one core.

Several bundles are measured in one interleaved run:

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
from mer_sdk.dialogue import DialogueEngine, UtteranceFeatures
from mer_sdk.engine import StepEngine
from mer_sdk.errors import RuntimeUnavailable
from mer_sdk.manifest import TensorSpec


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
    inputs = {name: {tensor.name: _noise(tensor, rng) for tensor in spec.inputs} for name, spec in specs.items()}
    for name in bundle.manifest.modalities:
        inputs["fusion"][f"{name}_mask"] = np.ones_like(inputs["fusion"][f"{name}_mask"])
    calls: dict[str, Callable[[], object]] = {
        name: (lambda graph=graphs[name], value=inputs[name]: graph.run(value)) for name in graphs
    }
    return calls | _whole(bundle, inputs)


def _noise(tensor: TensorSpec, rng: np.random.Generator) -> np.ndarray:
    low, high = tensor.range or (-1.0, 1.0)
    if tensor.dtype == "int32":
        return rng.integers(int(low), int(high), tensor.shape, np.int32, endpoint=True)
    return rng.uniform(low, high, tensor.shape).astype(np.float32)


def _whole(bundle: Bundle, inputs: dict[str, dict[str, np.ndarray]]) -> dict[str, Callable[[], object]]:
    """A step of a window bundle, or an utterance of one step of a dialogue bundle."""
    raw = {name: next(iter(inputs[name].values()))[0] for name in bundle.manifest.modalities if name in inputs}
    if bundle.manifest.dialogue is None:
        steps = StepEngine(bundle, threads=1)
        return {"step": lambda: steps.step(raw.get("audio"), raw.get("face"))}
    engine = DialogueEngine(bundle, threads=1)

    def utterance() -> object:
        return engine.advance(UtteranceFeatures({name: engine.encode(name, [value]) for name, value in raw.items()}))

    return {"utterance": utterance}


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
    first = next(iter(result.values()))
    whole = list(first)[-1]  # "step" or "utterance"; the two are not compared
    print(f"milliseconds, one core, {options.rounds} rounds; ratio = median {whole} over that of the first bundle")
    print(f"{'bundle':44} {'stage':9} {'p50':>8} {'p90':>8} {'p99':>8} {'ratio':>6}")
    for path, stages in result.items():
        for stage, value in stages.items():
            ratio = f"{value['p50'] / first[whole]['p50']:6.2f}" if stage == whole else ""
            print(f"{path[-44:]:44} {stage:9} {value['p50']:8.3f} {value['p90']:8.3f} {value['p99']:8.3f} {ratio}")


if __name__ == "__main__":
    main()
