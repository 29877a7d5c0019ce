"""The runtime `coreml-spec` of the SDK: Core ML bundles on any system, computed by the interpreter.

The SDK finds it by the entry point `mer.runtimes`; importing this module imports neither torch nor coremltools.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from mer_sdk.errors import BundleError, ConversionError, RuntimeUnavailable
from mer_sdk.runtimes import Runtime
from mer_sdk.runtimes.graph import GraphSpec, check_tensors, ordered_inputs, tensor_dtype

NAME = "coreml-spec"
NOTE = (
    "spec-level check: the saved program was computed in torch with its declared types; Apple's kernels, the Neural "
    "Engine's rounding and latency are not proven"
)


class CoremlSpecGraph:
    """One ML Program package. torch's threads are one setting for the whole process: the last `threads` counts.

    Raises:
        RuntimeUnavailable: torch or coremltools is not installed.
        BundleError: the package is damaged, or is not what the manifest says.
    """

    def __init__(self, path: Path, spec: GraphSpec, threads: int) -> None:
        try:
            import torch

            from mer_converters.targets.coreml.interpreter.interpreter import Interpreter
            from mer_converters.targets.coreml.program import quiet_coremltools

            quiet_coremltools()
        except ImportError as error:
            raise RuntimeUnavailable(
                "checking .mlpackage folders needs torch and coremltools, which are not installed: "
                f"pip install 'mer-edge[convert]' ({error})"
            ) from error
        torch.set_num_threads(threads)
        try:
            self._interpreter = Interpreter(path)
        except ConversionError as error:
            raise BundleError(str(error)) from error
        description = self._interpreter.package.description
        self._inputs = [item.name for item in description.input]
        self._outputs = [item.name for item in description.output]
        for kind, names, declared, wanted in (
            ("input", self._inputs, self._interpreter.inputs, spec.inputs),
            ("output", self._outputs, self._interpreter.outputs, spec.outputs),
        ):
            shapes = [tuple(-1 if size is None else size for size in declared[name].shape) for name in names]
            check_tensors(path.name, kind, shapes, wanted)
            for tensor, name in zip(wanted, names, strict=True):
                if declared[name].is_float != (tensor_dtype(tensor).kind == "f"):
                    raise BundleError(
                        f"{path.name}: {kind} {name!r} is {declared[name].kind}, the manifest says {tensor.dtype}; "
                        "convert the bundle again"
                    )
        self._spec = spec

    def run(self, inputs: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """See `Graph.run`."""
        results = self._interpreter.run(dict(zip(self._inputs, ordered_inputs(inputs, self._spec), strict=True)))
        return {tensor.name: results[name] for tensor, name in zip(self._spec.outputs, self._outputs, strict=True)}


RUNTIME = Runtime(
    name=NAME,
    target="coreml",
    extra="convert",
    packages=(("coremltools", "coremltools"),),
    factory=CoremlSpecGraph,
    note=NOTE,
)
