"""Golden cases: the synthetic inputs that go into a bundle with the network's own answers, from which any port proves
itself."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch

from mer_converters.pipeline.synthetic_inputs import SyntheticInput, case_input, synthetic_inputs
from mer_fusion.checkpoint import Card
from mer_fusion.network import EmotionNetwork
from mer_fusion.torch_bundle import graph_specs, torch_graphs
from mer_quantization.calibration import ROWS, Recorder, Samples
from mer_sdk.contract.golden import CaseInput, CaseOutput, GoldenCase
from mer_sdk.parity.golden import run_case


@contextmanager
def one_thread() -> Iterator[None]:
    """Torch on one thread: sums split over threads round differently, and the converters need the other cores."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def run_synthetic_input(network: EmotionNetwork, card: Card, synthetic: SyntheticInput) -> tuple[CaseInput, CaseOutput]:
    """A synthetic input in a model's own contract, and what its network makes of it in export form, cold."""
    specs = graph_specs(card)
    given = case_input(synthetic, card)
    return given, run_case(torch_graphs(network, specs), specs, card.baseline, given)


def golden_file(scheme: str) -> str:
    """Name of the file in which a target's process leaves the golden cases of a quantized artifact."""
    return f"{scheme}-golden.npz"


def golden_inputs(network: EmotionNetwork, card: Card) -> dict[str, Samples]:
    """Graph name -> input name -> [n, ...]: what each graph gets in the golden cases; arguments as `golden_cases`."""
    specs = graph_specs(card)
    recorders = {
        name: Recorder(graph, ROWS, np.random.default_rng(number))
        for number, (name, graph) in enumerate(torch_graphs(network, specs).items())
    }
    with one_thread():
        for synthetic in synthetic_inputs(card):
            run_case(dict(recorders), specs, card.baseline, case_input(synthetic, card))
    return {name: recorder.samples() for name, recorder in recorders.items()}


def golden_cases(network: EmotionNetwork, card: Card) -> tuple[GoldenCase, ...]:
    """The cases that go into golden.npz, in the order of `synthetic_inputs`.

    Args:
        network: in export form (`prepare_for_export`).
        card: of its checkpoint.
    """
    with one_thread():
        return tuple(GoldenCase(*run_synthetic_input(network, card, synthetic)) for synthetic in synthetic_inputs(card))
