"""LiteRT runs `.tflite` files: ai-edge-litert, or tflite-runtime on boards that have only that."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from mer_sdk.errors import BundleError, RuntimeUnavailable
from mer_sdk.runtimes.graph import GraphSpec, check_tensors, ordered_inputs, path_or_content, positional, tensor_dtype
from mer_sdk.runtimes.registry import register


def _interpreter_class() -> Any:
    try:
        from ai_edge_litert.interpreter import Interpreter
    except ImportError:
        try:
            from tflite_runtime.interpreter import Interpreter
        except ImportError as error:
            raise RuntimeUnavailable(
                "running .tflite files needs ai-edge-litert, which is not installed: pip install 'mer-edge[litert]' "
                "(tflite-runtime with numpy<2 works too)"
            ) from error
    return Interpreter


@register(
    "litert",
    target="tflite",
    extra="litert",
    packages=(("ai_edge_litert", "ai-edge-litert"), ("tflite_runtime", "tflite-runtime")),
)
class LiteRTGraph:
    """One `.tflite` graph with inputs and outputs of fixed shape."""

    def __init__(self, path: Path, spec: GraphSpec, threads: int) -> None:
        interpreter_class = _interpreter_class()
        try:
            source = path_or_content(path)
            given = {"model_path": source} if isinstance(source, str) else {"model_content": source}
            self._interpreter = interpreter_class(**given, num_threads=threads)
            self._interpreter.allocate_tensors()
        except (ValueError, RuntimeError) as error:
            raise BundleError(f"{path.name} cannot be loaded by LiteRT ({error}); convert the bundle again") from error
        inputs, outputs = self._details()
        for kind, details, wanted in (("input", inputs, spec.inputs), ("output", outputs, spec.outputs)):
            check_tensors(path.name, kind, [tuple(int(n) for n in item["shape"]) for item in details], wanted)
            for item, tensor in zip(details, wanted, strict=True):
                if np.dtype(item["dtype"]) != tensor_dtype(tensor):
                    raise BundleError(
                        f"{path.name}: {kind} {item['name']!r} is {np.dtype(item['dtype'])}, the manifest says "
                        f"{tensor.dtype}; convert the bundle again"
                    )
        self._spec = spec
        self._inputs = [item["index"] for item in inputs]
        self._outputs = [(tensor.name, item["index"]) for tensor, item in zip(spec.outputs, outputs, strict=True)]

    def _details(self) -> tuple[list[Any], list[Any]]:
        # Converters may list tensors in any order; the signature's numbered keys give the order of the exported graph.
        signatures = self._interpreter.get_signature_list()
        if not signatures:
            return self._interpreter.get_input_details(), self._interpreter.get_output_details()
        runner = self._interpreter.get_signature_runner(next(iter(signatures)))
        inputs, outputs = runner.get_input_details(), runner.get_output_details()
        return [inputs[key] for key in positional(list(inputs))], [outputs[key] for key in positional(list(outputs))]

    def run(self, inputs: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """See `Graph.run`."""
        for index, array in zip(self._inputs, ordered_inputs(inputs, self._spec), strict=True):
            self._interpreter.set_tensor(index, array)
        self._interpreter.invoke()
        # get_tensor copies, so the caller owns what it gets.
        return {name: self._interpreter.get_tensor(index) for name, index in self._outputs}
