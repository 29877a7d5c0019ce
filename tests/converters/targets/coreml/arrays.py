"""Seeded arrays for the tests of handlers, and their list of cases as pytest parameters."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest


def normal(*shape: int, seed: int = 0, scale: float = 1.0) -> np.ndarray:
    """float32 numbers of mean 0 and standard deviation `scale`."""
    return (np.random.default_rng(seed).standard_normal(shape) * scale).astype(np.float32)


def uniform(*shape: int, low: float = 0.0, high: float = 1.0, seed: int = 0) -> np.ndarray:
    """float32 numbers between `low` and `high`."""
    return np.random.default_rng(seed).uniform(low, high, shape).astype(np.float32)


def integers(*shape: int, low: int = -9, high: int = 10, seed: int = 0) -> np.ndarray:
    """int32 numbers from `low` to `high` - 1."""
    return np.random.default_rng(seed).integers(low, high, shape).astype(np.int32)


def listed(cases: dict[str, list[Any]]) -> Any:
    """Decorator that runs a test once for every `operation` and `case` of `cases`."""
    parameters = [
        pytest.param(operation, case, id=f"{operation}-{case.label or index}")
        for operation, several in cases.items()
        for index, case in enumerate(several)
    ]
    return pytest.mark.parametrize(("operation", "case"), parameters)
