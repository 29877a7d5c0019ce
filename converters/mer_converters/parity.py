"""The three distances between a full-precision model and what runs on the device, and the gate over them.

They are never mixed: student against full-precision model (distillation), target in fp32 against the student in torch
(conversion), a scheme against fp32 on the same target (quantization).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields

import numpy as np
from torch import nn

from mer_converters.golden import Array, one_thread, run_scene, scenes, window_rows
from mer_quantization.schemes import FP32, Scheme
from mer_sdk.baseline import PersonalBaseline
from mer_sdk.evaluation.metrics import log_softmax
from mer_sdk.golden import GoldenCase
from mer_sdk.manifest import AudioContract, BaselineContract, Clock, FaceContract
from mer_sdk.runtimes import Graph

PASSED, FAILED, UNCHECKED = "passed", "failed", "unchecked"


@dataclass(frozen=True)
class Party:
    """A network with its contract, for the distance of distillation."""

    network: nn.Module
    labels: tuple[str, ...]
    clock: Clock
    audio: AudioContract
    face: FaceContract
    baseline: BaselineContract


@dataclass(frozen=True)
class Distillation:
    """Student against full-precision model on synthetic windows, each with its own contract on the same streams.

    Attributes:
        mean_abs_log_probability: mean over windows and labels of the difference of log-probabilities, at least 0.
        max_abs_log_probability: the largest of those differences.
        agreement: share of windows on which both name the same label, 0-1.
        windows: how many.
    """

    mean_abs_log_probability: float
    max_abs_log_probability: float
    agreement: float
    windows: int


@dataclass(frozen=True)
class Distance:
    """Largest absolute differences over all golden cases; infinite where a value is not finite."""

    logits: float
    reliance: float
    audio_features: float
    face_features: float


@dataclass(frozen=True)
class CaseOutput:
    """What one party gave for one golden case: see `GoldenCase` for the shapes."""

    logits: Array
    reliance: Array
    audio_features: Array
    face_features: Array


@dataclass(frozen=True)
class GateResult:
    """Whether a bundle may be written: `state` is "passed", "failed" or "unchecked", `reason` one sentence."""

    state: str
    reason: str


def distillation(student: Party, full: Party, seeds: tuple[int, ...] = (7, 107, 207, 307)) -> Distillation | None:
    """Compare both on `4 * len(seeds)` synthetic windows; None where their labels or clocks differ."""
    if sorted(student.labels) != sorted(full.labels) or student.clock != full.clock:
        return None
    order = [full.labels.index(label) for label in student.labels]
    wanted = [scene for seed in seeds for scene in scenes(student.clock.window_steps, seed)]
    with one_thread():
        small, large = (
            [
                log_softmax(run_scene(p.network, scene, p.clock, p.audio, p.face, p.baseline).logits.astype(np.float64))
                for scene in wanted
            ]
            for p in (student, full)
        )
    pairs = [(mine, theirs[order]) for mine, theirs in zip(small, large, strict=True)]
    differences = np.array([np.abs(mine - theirs) for mine, theirs in pairs])
    same = [mine.argmax() == theirs.argmax() for mine, theirs in pairs]
    return Distillation(float(differences.mean()), float(differences.max()), float(np.mean(same)), len(pairs))


def run_cases(
    graphs: Mapping[str, Graph], cases: tuple[GoldenCase, ...], baseline: BaselineContract
) -> tuple[CaseOutput, ...]:
    """Run the golden inputs through loaded graphs, from raw input to logits: encoder errors reach the fusion."""
    cold = PersonalBaseline(baseline)
    outputs = []
    for case in cases:
        audio = np.stack([graphs["audio"].run({"pcm": row[None]})["audio_features"][0] for row in case.pcm])
        face = np.stack([graphs["face"].run({"crop": row[None]})["face_features"][0] for row in case.crop])
        rows = window_rows(audio, face, case.audio_mask, case.face_mask, cold)
        names = ("audio", "face", "audio_mask", "face_mask")
        result = graphs["fusion"].run(dict(zip(names, rows, strict=True)))
        outputs.append(CaseOutput(result["logits"][0], result["reliance"][0], audio, face))
    return tuple(outputs)


def torch_outputs(cases: tuple[GoldenCase, ...]) -> tuple[CaseOutput, ...]:
    """What the student in torch gave, as stored in the golden cases."""
    return tuple(CaseOutput(case.logits, case.reliance, case.audio_features, case.face_features) for case in cases)


def distance(one: tuple[CaseOutput, ...], other: tuple[CaseOutput, ...]) -> Distance:
    """The largest absolute difference of each output over all cases.

    Raises:
        ValueError: another number of cases or other shapes.
    """
    worst = dict.fromkeys((field.name for field in fields(Distance)), 0.0)
    for a, b in zip(one, other, strict=True):
        for name in worst:
            left, right = getattr(a, name), getattr(b, name)
            if left.shape != right.shape:
                raise ValueError(f"{name}: shapes {left.shape} and {right.shape} cannot be compared")
            difference = float(np.max(np.abs(left.astype(np.float64) - right)))
            worst[name] = max(worst[name], difference if math.isfinite(difference) else math.inf)
    return Distance(**worst)


def judge(scheme: Scheme, conversion: Distance | None, quantization: Distance | None) -> GateResult:
    """Apply the gate: the conversion's distance at fp32, and the scheme's own distance to fp32 on the same target.

    Args:
        scheme: what the artifact is written in.
        conversion: fp32 of the target against torch, None where the target does not run on this machine.
        quantization: the scheme against fp32, None likewise and for fp32 itself.
    """
    if conversion is None:
        return GateResult(UNCHECKED, "the target does not run on this system: the program was checked, no number was")
    if not conversion.logits <= FP32.limit:
        return GateResult(
            FAILED, f"fp32 differs from torch by {conversion.logits:.1e} on the logits; allowed: {FP32.limit:g}"
        )
    if scheme.name == FP32.name:
        return GateResult(PASSED, f"logits within {FP32.limit:g} of torch")
    if quantization is None:
        return GateResult(UNCHECKED, f"{scheme.name} was not compared with fp32")
    if not quantization.logits <= scheme.limit:
        return GateResult(
            FAILED,
            f"{scheme.name} differs from fp32 by {quantization.logits:.1e} on the logits; allowed: {scheme.limit:g}",
        )
    return GateResult(PASSED, f"logits within {scheme.limit:g} of fp32 on this target")
