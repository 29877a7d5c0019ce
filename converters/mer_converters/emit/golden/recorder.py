"""A fusion graph that only looks at its input."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from mer_converters.emit.source_bundle import SourceBundle


class FusionRecorder:
    """A fusion graph that keeps what it was given, and says nothing.

    Attributes:
        given: the inputs of the last run by name; empty where there was none since `clear`.
    """

    def __init__(self, source: SourceBundle) -> None:
        self._shapes = {tensor.name: tensor.shape for tensor in source.manifest.graphs["fusion"].outputs}
        self._inputs = {tensor.name: tensor.shape for tensor in source.manifest.graphs["fusion"].inputs}
        self.given: dict[str, np.ndarray] = {}

    def run(self, inputs: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Zeros in the shapes of the bundle's graph."""
        self.given = {name: np.array(value) for name, value in inputs.items()}
        return {name: np.zeros(shape, np.float32) for name, shape in self._shapes.items()}

    def clear(self) -> None:
        """Forget what was given."""
        self.given = {}

    def seen(self, name: str) -> np.ndarray:
        """One input of the last run without its batch axis; zeros where the graph was not run."""
        return self.given[name][0] if name in self.given else np.zeros(self._inputs[name][1:], np.float32)
