"""The encoder graphs of a bundle: one raw input to one feature vector."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from mer_sdk.errors import SignalError
from mer_sdk.runtimes import Graph
from mer_sdk.runtimes.graph import GraphSpec


class _Encoder(NamedTuple):
    """What an encoder is called with at every step."""

    graph: Graph
    input: str
    shape: tuple[int, ...]
    output: str


class Encoders:
    """The graphs "text", "audio" and "face", as many as there are.

    Args:
        specs: inputs and outputs of the graphs, by name.
        graphs: the loaded graphs, by name.
    """

    def __init__(self, specs: Mapping[str, GraphSpec], graphs: Mapping[str, Graph]) -> None:
        self._specs = specs
        self._encoders = {
            name: _Encoder(
                graph, specs[name].inputs[0].name, specs[name].inputs[0].shape[1:], specs[name].outputs[0].name
            )
            for name, graph in graphs.items()
        }

    def shape(self, name: str) -> tuple[int, ...]:
        """Shape of one raw input, without the batch axis."""
        return self._specs[name].inputs[0].shape[1:]

    def size(self, name: str) -> int:
        """Length of the feature vector."""
        return self._specs[name].outputs[0].shape[1]

    def encode(self, name: str, value: np.ndarray) -> np.ndarray:
        """The features, float32 [D], of one raw input.

        Raises:
            SignalError: a wrong shape.
        """
        graph, given, shape, made = self._encoders[name]
        array = np.asarray(value)
        if array.shape != shape:
            raise SignalError(f"{name}: {given} has shape {array.shape}, needed is {shape}")
        return graph.run({given: array[None]})[made].reshape(-1)
