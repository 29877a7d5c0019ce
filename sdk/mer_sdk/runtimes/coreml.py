"""Core ML runs `.mlpackage` folders, on Apple systems only."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from mer_sdk.errors import BundleError, RuntimeUnavailable
from mer_sdk.runtimes.graph import GraphSpec, check_tensors, ordered_inputs
from mer_sdk.runtimes.registry import register


@register("coreml", target="coreml", extra="convert", packages=(("coremltools", "coremltools"),), system="Darwin")
class CoreMLGraph:
    """One ML Program package. Core ML chooses its own threads and compute units; `threads` has no effect."""

    def __init__(self, path: Path, spec: GraphSpec, threads: int) -> None:
        import platform

        if platform.system() != "Darwin":
            raise RuntimeUnavailable(
                f"Core ML runs on Apple systems only, this is {platform.system()}: "
                "run the tflite or onnx bundle of the same model here, or pip install 'mer-edge[convert]' for a "
                "spec-level check of this one"
            )
        try:
            import coremltools
        except ImportError as error:
            raise RuntimeUnavailable(
                "running .mlpackage folders needs coremltools, which is not installed: pip install coremltools"
            ) from error
        try:
            self._model = coremltools.models.MLModel(str(path))
        except Exception as error:  # coremltools raises errors of many kinds from its compiler
            raise BundleError(f"{path.name} cannot be loaded by Core ML ({error}); convert the bundle again") from error
        description = self._model.get_spec().description
        shapes = [tuple(int(n) for n in item.type.multiArrayType.shape) for item in description.input]
        check_tensors(path.name, "input", shapes, spec.inputs)
        self._spec = spec
        self._inputs = [item.name for item in description.input]
        self._outputs = [item.name for item in description.output]

    def run(self, inputs: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """See `Graph.run`."""
        feed = dict(zip(self._inputs, ordered_inputs(inputs, self._spec), strict=True))
        results = self._model.predict(feed)
        return {
            tensor.name: np.array(results[name], np.float32).reshape(tensor.shape)
            for tensor, name in zip(self._spec.outputs, self._outputs, strict=True)
        }
