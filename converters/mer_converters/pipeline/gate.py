"""The three distances between a full-precision model and what runs on the device, and the gate over them.

They are never mixed: student against full-precision model (distillation), target in fp32 against the student in torch
(conversion), a scheme against fp32 on the same target (quantization).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from mer_converters.pipeline.accuracy import LEAST_AGREEMENT, LOUDNESS, MOST_UAR_LOST, Accuracy
from mer_converters.pipeline.golden import one_thread, run_synthetic_input
from mer_converters.pipeline.synthetic_inputs import synthetic_inputs
from mer_fusion.checkpoint import Checkpoint
from mer_quantization.schemes import FP16, FP32, W8, Scheme
from mer_sdk.contract.golden import CaseInput, CaseOutput
from mer_sdk.evaluation.metrics import log_softmax
from mer_sdk.parity import agreement

PASSED, FAILED = "passed", "failed"


@dataclass(frozen=True)
class Distillation:
    """Student against full-precision model on synthetic inputs, each with its own contract on the same
    streams.

    Attributes:
        mean_abs_log_probability: mean over answers and labels of the difference of log-probabilities, at least 0.
        max_abs_log_probability: the largest of those differences.
        agreement: share of answers on which both name the same label, 0-1.
        windows: how many answers: one a window, or one an utterance of a dialogue.
    """

    mean_abs_log_probability: float
    max_abs_log_probability: float
    agreement: float
    windows: int


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


def distillation(
    student: Checkpoint, full: Checkpoint, seeds: tuple[int, ...] = (7, 107, 207, 307)
) -> Distillation | None:
    """Compare both on the golden inputs of several seeds; None where labels, clocks or dialogue windows differ."""
    small, large = student.card, full.card
    same_window = (small.clock, small.dialogue) == (large.clock, large.dialogue)
    if sorted(small.labels) != sorted(large.labels) or not same_window:
        return None
    order = [large.labels.index(label) for label in small.labels]
    wanted = [synthetic for seed in seeds for synthetic in synthetic_inputs(small, seed)]
    with one_thread():
        networks = [checkpoint.network.prepare_for_export() for checkpoint in (student, full)]
        mine, theirs = (
            np.concatenate([_log_probabilities(*run_synthetic_input(network, card, synthetic)) for synthetic in wanted])
            for network, card in zip(networks, (small, large), strict=True)
        )
    differences = np.abs(mine - theirs[:, order])
    same = float(np.mean(mine.argmax(axis=1) == theirs[:, order].argmax(axis=1)))
    return Distillation(float(differences.mean()), float(differences.max()), same, len(mine))


def _log_probabilities(given: CaseInput, output: CaseOutput) -> np.ndarray:
    """[answers, K]: one of a window, one of each utterance of a dialogue that has a modality."""
    logits = np.atleast_2d(output.logits.astype(np.float64))
    if given.speakers is not None:
        logits = logits[np.max(list(given.masks.values()), axis=0) > 0]
    return log_softmax(logits)


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
