"""Golden cases of a quantized artifact whose answer does not hang on the last bit of a float.

The front end computes in float32, and every processor adds up in another order. Where a log-mel value lies between two
integers, one of them takes the other integer, and the answer moves by a step of the quantization, by 1e-2 of a logit
and more, though nothing is wrong. Integers themselves are exact everywhere. So of each input that is heard, the
first voice is taken whose answer stays the same under changes far below what any input can hold, and with other last
bits in the graphs where the target can write such: then another answer means another computation.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

import numpy as np

from mer_converters.pipeline.golden import one_thread, run_synthetic_input
from mer_converters.pipeline.graphs import Graph
from mer_converters.pipeline.synthetic_inputs import SyntheticInput, SyntheticWindow, case_input, synthetic_inputs
from mer_converters.targets import PerturbableTarget, Target
from mer_fusion.checkpoint import Card
from mer_fusion.network import EmotionNetwork
from mer_sdk.contract.golden import CaseInput, GoldenCase
from mer_sdk.parity.golden import run_case
from mer_sdk.runtimes import Graph as RuntimeGraph
from mer_sdk.runtimes import load_graph
from mer_sdk.runtimes.graph import GraphSpec
from mer_sdk.window.encoders import Encoders

# What a voice must stand, each far below a 16-bit step (3e-5): noise of this standard deviation, which moves quiet mel
# bands; then, the higher the better, a louder or softer sound by these shares, which moves all logarithms one way as
# another library's does, and graphs whose floats are perturbed by them.
NOISE, DRAWS = 1e-8, 3
SHARES = (2e-7, 5e-7, 1e-6, 2e-6)
VOICES = 32
# Values that move by less, as a share of the largest one, have not moved.
SAME = 1e-5


@dataclass(frozen=True, eq=False)
class _Loaded:
    """An artifact, and the same perturbed down and up by each of the shares, where the target can do that."""

    specs: Mapping[str, GraphSpec]
    graphs: Mapping[str, RuntimeGraph]
    perturbed: dict[float, tuple[Mapping[str, RuntimeGraph], ...]]


def stable_cases(
    network: EmotionNetwork, card: Card, target: Target, graphs: Sequence[Graph], folder: Path
) -> tuple[GoldenCase, ...]:
    """The golden cases of a written artifact, in the order of `synthetic_inputs`, with its own logits as `made`.

    Args:
        network: that it was made from, in export form.
        card: of its checkpoint.
        target: that it was made for.
        graphs: of the network.
        folder: where the artifact's files are.
    """
    cases, loaded = [], _load(target, graphs, folder)
    with one_thread():
        for synthetic in synthetic_inputs(card):
            given, answer = run_synthetic_input(network, card, _most_stable(synthetic, card, loaded))
            made = run_case(loaded.graphs, loaded.specs, card.baseline, given).logits
            cases.append(GoldenCase(given, answer, made))
    return tuple(cases)


def _load(target: Target, graphs: Sequence[Graph], folder: Path) -> _Loaded:
    specs = {graph.name: graph.spec(f"{graph.name}{target.suffix}", "") for graph in graphs}

    def load(place: Path) -> dict[str, RuntimeGraph]:
        return {name: load_graph(target.runtime, place / spec.file, spec, 1) for name, spec in specs.items()}

    def perturbed(share: float) -> dict[str, RuntimeGraph]:
        assert isinstance(target, PerturbableTarget)
        with tempfile.TemporaryDirectory() as place:
            for spec in specs.values():
                target.perturb(folder / spec.file, share, Path(place) / spec.file)
            return load(Path(place))

    shares = SHARES if isinstance(target, PerturbableTarget) else ()
    return _Loaded(specs, load(folder), {share: (perturbed(-share), perturbed(share)) for share in shares})


def _most_stable(synthetic: SyntheticInput, card: Card, loaded: _Loaded) -> SyntheticInput:
    """The synthetic input with the first voice and face that stand the most; as it is where none stands anything."""
    best, most = synthetic, 0
    for number in range(VOICES if isinstance(synthetic, SyntheticWindow) else 0):
        one = replace(synthetic, seed=synthetic.seed + 100 * number)
        stood = _stood(case_input(one, card), card, loaded, most)
        if stood > most:
            best, most = one, stood
        if most == len(SHARES):
            break
    return best


def _stood(given: CaseInput, card: Card, loaded: _Loaded, most: int) -> int:
    """How many of the shares the answer of a window stands, from the smallest on; 0 where that is not over `most`."""
    encoders, draw = Encoders(loaded.specs, loaded.graphs), np.random.default_rng(0)
    chunks = [chunk.astype(np.float64) for chunk in given.raw.get("audio", ()) if chunk.any()]
    features = [encoders.encode("audio", chunk.astype(np.float32)) for chunk in chunks]
    logits = run_case(loaded.graphs, loaded.specs, card.baseline, given).logits

    def heard(change: Callable[[np.ndarray], np.ndarray]) -> bool:
        changed = (encoders.encode("audio", change(chunk).astype(np.float32)) for chunk in chunks)
        return all(_same(values, wanted) for values, wanted in zip(changed, features, strict=True))

    @cache
    def stands(share: float) -> bool:
        others = loaded.perturbed.get(share, ())
        perturbed = (run_case(graphs, loaded.specs, card.baseline, given).logits for graphs in others)
        return (
            heard(lambda chunk: chunk * (1.0 + share))
            and heard(lambda chunk: chunk * (1.0 - share))
            and all(_same(values, logits) for values in perturbed)
        )

    if not stands(SHARES[most]):
        return 0
    if not all(heard(lambda chunk: chunk + draw.normal(0.0, NOISE, chunk.shape) * (chunk != 0)) for _ in range(DRAWS)):
        return 0
    return next((count for count, share in enumerate(SHARES) if not stands(share)), len(SHARES))


def _same(values: np.ndarray, reference: np.ndarray) -> bool:
    return bool(np.abs(values - reference).max() <= SAME * np.abs(reference).max())
