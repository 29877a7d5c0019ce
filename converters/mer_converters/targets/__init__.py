"""Export targets, one room each. Importing this loads no torch: `find_target` loads the tools of what it names."""

from mer_converters.targets.registry import (
    ExportJob,
    PerturbableTarget,
    QuantizingTarget,
    Target,
    exported_program,
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
    "exported_program",
    "find_target",
    "register",
    "target_names",
    "tool_versions",
]
