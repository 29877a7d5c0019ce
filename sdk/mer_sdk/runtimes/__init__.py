"""Inference runtimes, one file each. Importing this package imports none of the runtimes' own packages."""

from mer_sdk.runtimes import coreml, executorch, litert, onnx
from mer_sdk.runtimes.graph import Graph
from mer_sdk.runtimes.registry import (
    Runtime,
    RuntimeStatus,
    available,
    load_graph,
    register,
    runtime_for_target,
    runtime_named,
    runtime_note,
    runtimes,
    simulating_runtime,
)

__all__ = [
    "Graph",
    "Runtime",
    "RuntimeStatus",
    "available",
    "coreml",
    "executorch",
    "litert",
    "load_graph",
    "onnx",
    "register",
    "runtime_for_target",
    "runtime_named",
    "runtime_note",
    "runtimes",
    "simulating_runtime",
]
