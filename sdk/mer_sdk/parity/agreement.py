"""How far two results are apart: the figures of `mer verify` and `mer compare`."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

# Highest allowed absolute error on the logits by scheme; quantized schemes are judged by SQNR and argmax instead.
TOLERANCE = {"fp32": 1e-4, "fp16": 5e-3}
SQNR_DB = 20.0


@dataclass(frozen=True)
class Distance:
    """Distance of values from their reference.

    Attributes:
        max_abs_error: the largest absolute difference; infinite where a value is NaN or infinite.
        sqnr_db: signal to quantization-noise ratio; None where both are equal, or nothing was compared.
        cosine: cosine of the angle between both; None where one of them is all zero.
    """

    max_abs_error: float
    sqnr_db: float | None
    cosine: float | None


def distance(values: np.ndarray, reference: np.ndarray) -> Distance:
    """Distance of `values` from `reference`, arrays of one shape."""
    a, b = np.asarray(values, np.float64).ravel(), np.asarray(reference, np.float64).ravel()
    if a.size == 0:
        return Distance(0.0, None, None)
    if not np.isfinite(a).all() or not np.isfinite(b).all():
        return Distance(float("inf"), None, None)
    noise, signal = float(((a - b) ** 2).sum()), float((b**2).sum())
    lengths = float(np.sqrt((a**2).sum()) * np.sqrt(signal))
    sqnr = 10.0 * np.log10(signal / noise) if noise > 0 and signal > 0 else None
    return Distance(
        max_abs_error=float(np.abs(a - b).max()),
        sqnr_db=None if sqnr is None else float(sqnr),
        cosine=float(a @ b) / lengths if lengths > 0 else None,
    )


def flips(logits: np.ndarray, reference: np.ndarray) -> int:
    """Rows of [n, K] logits whose largest entry is another one than in the reference."""
    return int((np.argmax(logits, axis=1) != np.argmax(reference, axis=1)).sum())


def within(scheme: str, logits: np.ndarray, reference: np.ndarray) -> bool:
    """Whether logits [n, K] are as near to the reference as their scheme must be (design: the gate's defaults).

    The reference of a quantized scheme is what the same bundle gave where it was made: kernels of another machine round
    a value that lies between two integers to the other one.
    """
    found = distance(logits, reference)
    if scheme in TOLERANCE:
        return found.max_abs_error <= TOLERANCE[scheme]
    return found.max_abs_error == 0.0 or (found.sqnr_db is not None and found.sqnr_db >= SQNR_DB)


def rule(scheme: str) -> str:
    """The rule of `within` in words."""
    if scheme in TOLERANCE:
        return f"max abs error at most {TOLERANCE[scheme]:g} on the logits"
    return f"SQNR at least {SQNR_DB:g} dB to the logits of the machine that made the bundle"
