"""The two distances that a conversion measures, and the gate over them.

They are never mixed: target in fp32 against the student in torch (conversion), a scheme against fp32 on the same target
(quantization). The third one, student against full-precision model, is measured on clips where it is distilled.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from mer_converters.pipeline.accuracy import LEAST_AGREEMENT, LOUDNESS, MOST_UAR_LOST, Accuracy
from mer_quantization.schemes import FP16, FP32, W8, Scheme
from mer_sdk.contract.golden import CaseOutput
from mer_sdk.parity import agreement

PASSED, FAILED = "passed", "failed"


@dataclass(frozen=True)
class Distance:
    """Largest absolute differences over all golden cases; infinite where a value is not finite.

    Attributes:
        logits, reliance: of the fusion graph's outputs.
        features: modality -> of its encoder's output.
        sqnr_db: signal to noise of the logits over all cases; None where they are equal, or one is not finite.
    """

    logits: float
    reliance: float
    features: dict[str, float]
    sqnr_db: float | None = None


@dataclass(frozen=True)
class GateResult:
    """Whether a bundle may be written: `state` is "passed" or "failed", `reason` one sentence."""

    state: str
    reason: str


def distance(one: Sequence[CaseOutput], other: Sequence[CaseOutput]) -> Distance:
    """The largest absolute difference of each output over all cases.

    Raises:
        ValueError: another number of cases, other modalities or other shapes.
    """
    logits = [_largest("logits", a.logits, b.logits) for a, b in zip(one, other, strict=True)]
    reliance = [_largest("reliance", a.reliance, b.reliance) for a, b in zip(one, other, strict=True)]
    features: dict[str, float] = {}
    for a, b in zip(one, other, strict=True):
        if set(a.features) != set(b.features):
            raise ValueError(f"features: {sorted(a.features)} and {sorted(b.features)} cannot be compared")
        for name, rows in a.features.items():
            features[name] = max(features.get(name, 0.0), _largest(name, rows, b.features[name]))
    apart = agreement.distance(*(np.concatenate([case.logits.ravel() for case in cases]) for cases in (one, other)))
    return Distance(max(logits), max(reliance), features, apart.sqnr_db)


def _largest(name: str, left: np.ndarray, right: np.ndarray) -> float:
    if left.shape != right.shape:
        raise ValueError(f"{name}: shapes {left.shape} and {right.shape} cannot be compared")
    difference = float(np.max(np.abs(left.astype(np.float64) - right)))
    return difference if math.isfinite(difference) else math.inf


def judge(
    scheme: Scheme,
    conversion: Distance,
    quantization: Distance | None,
    note: str = "",
    accuracy: Accuracy | None = None,
) -> GateResult:
    """Apply the gate: the conversion's distance at fp32, and the scheme's own distance to fp32 on the same target.

    A quantized scheme is judged by agreement and accuracy where labelled clips were given, else by SQNR.

    Args:
        scheme: what the artifact is written in.
        conversion: fp32 of the target against torch.
        quantization: the scheme against fp32, None for fp32 itself.
        note: what the runtime that gave the distances does not prove, "" for a real one; it ends the reason.
        accuracy: a quantized scheme against fp32 on labelled clips, None where there are none.

    Raises:
        ValueError: another scheme than fp32 without its distance.
    """
    state, reason = _verdict(scheme, conversion, quantization, accuracy)
    return GateResult(state, f"{reason}; {note}" if note else reason)


def _verdict(
    scheme: Scheme, conversion: Distance, quantization: Distance | None, accuracy: Accuracy | None
) -> tuple[str, str]:
    fp32_limit = agreement.TOLERANCE[FP32.name]
    if not conversion.logits <= fp32_limit:
        return FAILED, f"fp32 differs from torch by {conversion.logits:.1e} on the logits; allowed: {fp32_limit:g}"
    if scheme.name == FP32.name:
        return PASSED, f"logits within {fp32_limit:g} of torch"
    if quantization is None:
        raise ValueError(f"{scheme.name} is judged by its distance from fp32, which was not given")
    if scheme.limit is not None:
        if not quantization.logits <= scheme.limit:
            said = f"{scheme.name} differs from fp32 by {quantization.logits:.1e} on the logits"
            return FAILED, f"{said}; allowed: {scheme.limit:g}"
        return PASSED, f"logits within {scheme.limit:g} of fp32 on this target"
    if not math.isfinite(quantization.logits):
        return FAILED, f"{scheme.name} gives logits that are not finite"
    if accuracy is not None:
        return _verdict_on_labels(scheme, accuracy)
    least = agreement.SQNR_DB
    if quantization.sqnr_db is None and quantization.logits > 0:
        return FAILED, f"fp32 gives logits of 0 and {scheme.name} others, so that they cannot be compared"
    if quantization.sqnr_db is None or quantization.sqnr_db >= least:
        found = "equal to fp32" if quantization.sqnr_db is None else f"{quantization.sqnr_db:.1f} dB from fp32"
        return PASSED, f"logits of the golden cases are {found} on this target; at least {least:g} dB SQNR is needed"
    said = f"{scheme.name} has {quantization.sqnr_db:.1f} dB SQNR against fp32 on the logits of the golden cases"
    return FAILED, f"{said}; at least {least:g} dB is needed; {_nearest(scheme)}"


def _verdict_on_labels(scheme: Scheme, accuracy: Accuracy) -> tuple[str, str]:
    states = ", ".join(f"{found.share:.1%} with {state}" for state, found in accuracy.by_state.items())
    said = (
        f"{scheme.name} names the same label as fp32 in {accuracy.agreement:.1%} of {accuracy.answers} answers on "
        f"{accuracy.clips} clips that did not calibrate it{f': {states}' if states else ''} (at least "
        f"{LEAST_AGREEMENT:.0%} is needed{', and none clearly below it' if states else ''}), UAR "
        f"{accuracy.uar:.1%} after {accuracy.uar_fp32:.1%} (at most {100 * MOST_UAR_LOST:g} point may be lost), scores "
        f"{accuracy.loudness:.2f} times as loud (allowed: {LOUDNESS[0]:g} to {LOUDNESS[1]:g})"
    )
    return (PASSED, said) if accuracy.passed else (FAILED, f"{said}; {_nearest(scheme)}")


def _nearest(scheme: Scheme) -> str:
    """What to take instead of a scheme that lost too much."""
    other = FP16 if scheme.name == W8.name else W8
    return f"the nearest scheme with more precision is {other.name}"
