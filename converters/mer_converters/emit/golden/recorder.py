"""A fusion graph that looks at its input, and answers by rote."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from mer_converters.emit.source_bundle import SourceBundle


class FusionRecorder:
    """A fusion graph that keeps what it was given.

    Its logits are the number of the run, from 1, modulo 2, 3, 4, ...: the same in every language, and neutral more and
    less often.

    Attributes:
        given: the inputs of the last run by name; empty where there was none since `clear`.
    """

    def __init__(self, source: SourceBundle) -> None:
        self._shapes = {tensor.name: tensor.shape for tensor in source.manifest.graphs["fusion"].outputs}
        self._inputs = {tensor.name: tensor.shape for tensor in source.manifest.graphs["fusion"].inputs}
        self.given: dict[str, np.ndarray] = {}
        self._runs = 0

    def run(self, inputs: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Logits of the run's number; all else is zero, in the shapes of the bundle's graph."""
        self.given = {name: np.array(value) for name, value in inputs.items()}
        self._runs += 1
        outputs = {name: np.zeros(shape, np.float32) for name, shape in self._shapes.items()}
        outputs["logits"].reshape(-1)[:] = self._runs % np.arange(2, 2 + outputs["logits"].size)
        return outputs

    def clear(self) -> None:
        """Forget what was given."""
        self.given = {}

    def seen(self, name: str) -> np.ndarray:
        """One input of the last run without its batch axis; zeros where the graph was not run."""
        return self.given[name][0] if name in self.given else np.zeros(self._inputs[name][1:], np.float32)
