"""The encoder graphs of a bundle: one raw input to one feature vector."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from mer_sdk.errors import SignalError
from mer_sdk.manifest import GraphSpec
from mer_sdk.runtimes import Graph


class Encoders:
    """The graphs "text", "audio" and "face", as many as there are.

    Args:
        specs: inputs and outputs of the graphs, by name.
        graphs: the loaded graphs, by name.
    """

    def __init__(self, specs: Mapping[str, GraphSpec], graphs: Mapping[str, Graph]) -> None:
        self._specs, self._graphs = specs, graphs

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
        tensor = self._specs[name].inputs[0]
        array = np.asarray(value)
        if array.shape != tensor.shape[1:]:
            raise SignalError(f"{name}: {tensor.name} has shape {array.shape}, needed is {tensor.shape[1:]}")
        output = self._graphs[name].run({tensor.name: array[None]})
        return output[self._specs[name].outputs[0].name].reshape(-1)
