"""ExecuTorch runs `.pte` files. Its Python runtime is linked against torch: a development path.

On a device the C++, Java or Swift runtime of ExecuTorch runs the same files without torch.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from mer_sdk.errors import BundleError, RuntimeUnavailable
from mer_sdk.runtimes.graph import GraphSpec, check_tensors, ordered_inputs, path_or_content
from mer_sdk.runtimes.registry import register


@register("executorch", target="executorch", extra="convert", packages=(("executorch", "executorch"),))
class ExecuTorchGraph:
    """One `.pte` program with a `forward` method. A process has one thread pool: the last `threads` counts."""

    def __init__(self, path: Path, spec: GraphSpec, threads: int) -> None:
        try:
            import torch
            from executorch.extension.pybindings import portable_lib
        except ImportError as error:
            raise RuntimeUnavailable(
                "running .pte files from Python needs executorch and torch, which are not installed: "
                f"pip install 'mer-edge[convert]' ({error})"
            ) from error
        portable_lib._unsafe_reset_threadpool(threads)
        try:
            source = path_or_content(path)
            if isinstance(source, str):
                self._module = portable_lib._load_for_executorch(source)
            else:
                self._module = portable_lib._load_for_executorch_from_buffer(source)
            meta = self._module.method_meta("forward")
        except RuntimeError as error:
            raise BundleError(
                f"{path.name} cannot be loaded by ExecuTorch ({error}); convert the bundle again"
            ) from error
        shapes = [tuple(meta.input_tensor_meta(i).sizes()) for i in range(meta.num_inputs())]
        check_tensors(path.name, "input", shapes, spec.inputs)
        shapes = [tuple(meta.output_tensor_meta(i).sizes()) for i in range(meta.num_outputs())]
        check_tensors(path.name, "output", shapes, spec.outputs)
        self._spec = spec
        self._from_numpy = torch.from_numpy

    def run(self, inputs: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """See `Graph.run`."""
        # torch.from_numpy warns about read-only memory, which broadcast or memory-mapped inputs have.
        arrays = [array if array.flags.writeable else array.copy() for array in ordered_inputs(inputs, self._spec)]
        results = self._module.forward([self._from_numpy(array) for array in arrays])
        return {
            tensor.name: np.array(result.numpy(), np.float32)
            for tensor, result in zip(self._spec.outputs, results, strict=True)
        }
