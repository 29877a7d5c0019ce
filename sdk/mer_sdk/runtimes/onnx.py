"""ONNX Runtime runs `.onnx` files, on the CPU."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from mer_sdk.errors import BundleError, RuntimeUnavailable
from mer_sdk.runtimes.graph import GraphSpec, check_tensors, ordered_inputs, path_or_content, tensor_dtype
from mer_sdk.runtimes.registry import register

_TYPES = {"float32": "tensor(float)", "int32": "tensor(int32)"}


@register("onnx", target="onnx", extra="onnx", packages=(("onnxruntime", "onnxruntime"),))
class OnnxGraph:
    """One `.onnx` graph."""

    def __init__(self, path: Path, spec: GraphSpec, threads: int) -> None:
        # Nothing goes to a network: from 1.29 on onnxruntime keeps usage data and may send them, unless told otherwise.
        os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
        try:
            import onnxruntime
        except ImportError as error:
            raise RuntimeUnavailable(
                "running .onnx files needs onnxruntime, which is not installed: pip install 'mer-edge[onnx]'"
            ) from error
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        try:
            source = path_or_content(path)
            self._session = onnxruntime.InferenceSession(source, options, providers=["CPUExecutionProvider"])
        except Exception as error:  # onnxruntime's own errors share no base class below Exception
            raise BundleError(
                f"{path.name} cannot be loaded by ONNX Runtime ({error}); convert the bundle again"
            ) from error
        inputs, outputs = self._session.get_inputs(), self._session.get_outputs()
        for kind, tensors, wanted in (("input", inputs, spec.inputs), ("output", outputs, spec.outputs)):
            # A symbolic size is a string or None; it fits any.
            shapes = [tuple(n if isinstance(n, int) else -1 for n in tensor.shape) for tensor in tensors]
            check_tensors(path.name, kind, shapes, wanted)
            for tensor, item in zip(tensors, wanted, strict=True):
                needed = _TYPES[tensor_dtype(item).name]
                if tensor.type != needed:
                    raise BundleError(f"{path.name}: {kind} {tensor.name!r} is {tensor.type}, needed is {needed}")
        self._spec = spec
        self._inputs = [tensor.name for tensor in inputs]
        self._outputs = [tensor.name for tensor in outputs]

    def run(self, inputs: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """See `Graph.run`."""
        feed = dict(zip(self._inputs, ordered_inputs(inputs, self._spec), strict=True))
        results = self._session.run(self._outputs, feed)
        return {tensor.name: array for tensor, array in zip(self._spec.outputs, results, strict=True)}
