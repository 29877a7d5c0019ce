"""From what the window says at one step to the estimate that an app gets."""

from __future__ import annotations

import time as clock

from mer_sdk.contract.estimate import NOTHING, EmotionEstimate, FaceView
from mer_sdk.contract.manifest import Manifest
from mer_sdk.window.decision import decide
from mer_sdk.window.smoothing import Smoother
from mer_sdk.window.step import StepOutput


def postprocess(
    output: StepOutput,
    manifest: Manifest,
    smoother: Smoother,
    end: float,
    view: FaceView | None,
    begin: float,
    speech: bool | None = None,
) -> EmotionEstimate:
    """The estimate of one person at one step.

    Args:
        output: of the engine.
        manifest: of the bundle.
        smoother: takes this step.
        end: of the step, seconds since the stream began.
        view: the person's face at this step, None where it was not seen.
        begin: when work on the step began, by `time.perf_counter`.
        speech: see `EmotionEstimate`.
    """
    state = output.state
    shares, label = output.shares, None
    if not smoother.idle:
        if state != NOTHING:
            held = smoother.update(output.probabilities, end, view.id if view else None)
            shares, label = held.probabilities.tolist(), held.label
        else:
            smoother.forget()
    decided = decide(shares, manifest, state, label)
    alone = decided.probabilities if smoother.idle else dict(zip(manifest.labels, output.shares, strict=True))
    return EmotionEstimate(
        time=round(end, 6),
        emotion=decided.emotion,
        confidence=decided.confidence,
        probabilities=decided.probabilities,
        valence=decided.valence,
        arousal=decided.arousal,
        va_source=manifest.va_source,
        state=state,
        reliance=output.reliance,
        face=view,
        latency_ms=(clock.perf_counter() - begin) * 1000.0,
        raw_probabilities=dict(alone),
        speech=speech,
    )
