"""Opening a saved Core ML package."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class SavedProgram:
    """A program as read: the file's specification and the function that is run."""

    path: Path
    spec: Any
    function: Any


def open_program(path: str | Path) -> SavedProgram:
    """Read a `.mlpackage`."""
    import coremltools as ct
    from coremltools.converters.mil.frontend.milproto.load import load

    package = Path(path)
    model = ct.models.MLModel(str(package), skip_model_load=True)
    spec = model.get_spec()
    program = load(spec, spec.specificationVersion, model.weights_dir)
    return SavedProgram(package, spec, program.functions["main"])
