"""coremltools, imported without the frameworks that it can convert from besides torch."""

from __future__ import annotations

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
