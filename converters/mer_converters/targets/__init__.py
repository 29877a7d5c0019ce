"""Export targets, one file each. Importing them loads no converter tool: a tool is imported where it is used."""

from mer_converters.targets import coreml, executorch, onnx, tflite
from mer_converters.targets.registry import (
    ExportJob,
    PerturbableTarget,
    QuantizingTarget,
    Target,
    find_target,
    register,
    target_names,
    tool_versions,
)

__all__ = [
    "ExportJob",
    "PerturbableTarget",
    "QuantizingTarget",
    "Target",
    "coreml",
    "executorch",
    "find_target",
    "onnx",
    "register",
    "target_names",
    "tflite",
    "tool_versions",
]
