"""What a step (in dialogues: an utterance) costs on this machine, several bundles interleaved in one run.

The input is seeded noise of the contract's shapes; the graphs have no data-dependent work. The machine's speed drifts,
and interleaving lets it drift for all bundles alike: quote the medians and their ratios.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial

import numpy as np

from mer_sdk.bundle import Bundle
from mer_sdk.dialogue import DialogueEngine, UtteranceFeatures
from mer_sdk.engine import StepEngine
from mer_sdk.manifest import TensorSpec

# The first rounds warm caches and kernels up; they are not counted.
WARM_UP = 20
Stages = dict[str, Callable[[], object]]


@dataclass(frozen=True)
class Quantiles:
    """Milliseconds of one stage."""

    p50: float
    p90: float
    p99: float


def stages(bundle: Bundle, seed: int = 0) -> Stages:
    """Stage name -> a call that runs it once: each graph, then the whole ("step", or "utterance" of one step).

    Raises:
        RuntimeUnavailable: this machine cannot run the bundle.
    """
    rng = np.random.default_rng(seed)
    graphs = bundle.load_graphs(threads=1)
    specs = bundle.manifest.graphs
    inputs = {name: {tensor.name: _noise(tensor, rng) for tensor in spec.inputs} for name, spec in specs.items()}
    for name in bundle.manifest.modalities:
        inputs["fusion"][f"{name}_mask"] = np.ones_like(inputs["fusion"][f"{name}_mask"])
    calls: Stages = {name: partial(graphs[name].run, inputs[name]) for name in graphs}
    return calls | _whole(bundle, inputs)


def interleaved(
    calls: Mapping[str, Stages], rounds: int, progress: Callable[[int, int], None] = lambda done, total: None
) -> dict[str, dict[str, Quantiles]]:
    """Run every stage of every bundle once a round, on one core: bundle -> stage -> milliseconds."""
    times: dict[str, dict[str, list[float]]] = {name: {stage: [] for stage in calls[name]} for name in calls}
    with _one_core():
        for turn in range(rounds + WARM_UP):
            for name, mine in calls.items():
                for stage, call in mine.items():
                    begun = time.perf_counter()
                    call()
                    if turn >= WARM_UP:
                        times[name][stage].append((time.perf_counter() - begun) * 1000)
            progress(turn + 1, rounds + WARM_UP)
    return {name: {stage: _quantiles(values) for stage, values in mine.items()} for name, mine in times.items()}


def _quantiles(values: list[float]) -> Quantiles:
    p50, p90, p99 = (round(float(value), 3) for value in np.percentile(values, (50, 90, 99)))
    return Quantiles(p50, p90, p99)


@contextmanager
def _one_core() -> Iterator[None]:
    """Stay on one core where the system lets a process choose, and go back to all of them afterwards."""
    if not hasattr(os, "sched_setaffinity"):
        yield
        return
    allowed = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(allowed)})
    try:
        yield
    finally:
        os.sched_setaffinity(0, allowed)


def _noise(tensor: TensorSpec, rng: np.random.Generator) -> np.ndarray:
    low, high = tensor.range or (-1.0, 1.0)
    if tensor.dtype == "int32":
        return rng.integers(int(low), int(high), tensor.shape, np.int32, endpoint=True)
    return rng.uniform(low, high, tensor.shape).astype(np.float32)


def _whole(bundle: Bundle, inputs: dict[str, dict[str, np.ndarray]]) -> Stages:
    raw = {name: next(iter(inputs[name].values()))[0] for name in bundle.manifest.modalities if name in inputs}
    if bundle.manifest.dialogue is None:
        steps = StepEngine(bundle, threads=1)
        return {"step": lambda: steps.step(raw.get("audio"), raw.get("face"))}
    engine = DialogueEngine(bundle, threads=1)

    def utterance() -> object:
        return engine.advance(UtteranceFeatures({name: engine.encode(name, [value]) for name, value in raw.items()}))

    return {"utterance": utterance}
