"""coremltools, without the frameworks that it can convert from besides torch, and without most checks of itself."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from mer_converters.targets.lean_import import without_packages

# Each is imported by coremltools where it is installed, for converters that are not used here. ExecuTorch alone parses
# a table of all operators, scikit-learn brings SciPy and pandas.
UNUSED = ("executorch", "libsvm", "sklearn", "tensorflow", "torchaudio", "torchvision", "transformers", "xgboost")


def coremltools() -> Any:
    """The module `coremltools`."""
    with without_packages(*UNUSED):
        import coremltools

    return coremltools


@contextmanager
def validated_once() -> Iterator[None]:
    """Within it, coremltools validates a program at the end of each list of passes, not after each of their hundred.

    Validating takes about as long as the passes themselves. The package is the same, and a program that a pass damaged
    is refused as before, without the name of the pass.
    """
    coremltools()
    from coremltools.converters.mil.mil import Program
    from coremltools.converters.mil.mil.passes.pass_pipeline import PassPipelineManager

    validate, apply = Program.validate, PassPipelineManager.apply_pipeline

    def unchecked(program: Any, check_essential_scope: bool = False) -> None:
        pass

    def applied(program: Any, passes: Any) -> None:
        Program.validate = unchecked
        try:
            apply(program, passes)
        finally:
            Program.validate = validate
        program.validate()

    PassPipelineManager.apply_pipeline = staticmethod(applied)
    try:
        yield
    finally:
        PassPipelineManager.apply_pipeline = staticmethod(apply)
