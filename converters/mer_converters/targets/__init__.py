"""Export targets, one file each. Importing them loads no converter tool: a tool is imported where it is used."""

from mer_converters.targets.coreml import exporter as coreml
from mer_converters.targets.executorch import exporter as executorch
from mer_converters.targets.onnx import exporter as onnx
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
from mer_converters.targets.tflite import exporter as tflite

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
