"""Postprocessing: from the logits of each step to smoothed probabilities and what is said of them."""

from __future__ import annotations

import numpy as np

from mer_converters.emit.source_bundle import SourceBundle
from mer_sdk.contract.estimate import UNKNOWN, FaceView, state_of
from mer_sdk.window.decision import softmax
from mer_sdk.window.postprocessing import postprocess
from mer_sdk.window.smoothing import Smoother, Smoothing
from mer_sdk.window.step import StepOutput

OPTIONS = ((0.0, 0.0), (1.0, 0.0), (0.0, 0.2), (1.5, 0.1))
STEPS = 36
# Steps before which so many seconds pass without an estimate; after the second nothing is carried over.
PAUSES = {12: 3.0, 24: 70.0}
# Steps in which the window holds nothing.
EMPTY = (8, 20, 21)


def stages(source: SourceBundle) -> dict[str, np.ndarray]:
    """`stage_smoothing_*`: logits, steps of the window that hold each modality, times and persons to decisions.

    A decision is (position of the emotion or -1 for unknown, confidence, valence, arousal).
    """
    random, count = np.random.default_rng(20), len(source.manifest.labels)
    # A label goes on for some steps, with noise, so that smoothing has something to do.
    logits = random.normal(0, 0.9, (STEPS, count))
    for begin in range(0, STEPS, 6):
        logits[begin : begin + 6, random.integers(count)] += 1.2
    window = source.manifest.clock.window_steps
    present = random.integers(1, window + 1, (STEPS, len(source.modalities)))
    states = np.array([[name in state for name in source.modalities] for state in source.states[1:]])
    present *= states[np.arange(STEPS) // 3 % len(states)]
    present[list(EMPTY)] = 0
    persons = np.repeat([-1, 0, 1, -1, 0, 2], STEPS // 6)
    times = (np.arange(STEPS) + 1) * source.manifest.clock.step_ms / 1000.0
    for step, seconds in PAUSES.items():
        times[step:] += seconds
    if "face" not in source.modalities:
        persons[:] = -1
    given = (logits.astype(np.float32), present, times, persons)
    told = [_run(source, Smoothing(*one), *given) for one in OPTIONS]
    return {
        "stage_smoothing_options": np.array(OPTIONS),
        "stage_smoothing_logits": logits,
        "stage_smoothing_present": present,
        "stage_smoothing_times": times,
        "stage_smoothing_persons": persons,
        "stage_smoothing_probabilities": np.stack([shares for shares, _ in told]),
        "stage_smoothing_decisions": np.stack([decisions for _, decisions in told]),
    }


def _run(
    source: SourceBundle,
    options: Smoothing,
    logits: np.ndarray,
    present: np.ndarray,
    times: np.ndarray,
    persons: np.ndarray,
) -> tuple[np.ndarray, np.ndarray]:
    manifest, smoother = source.manifest, Smoother(options)
    shares, decisions = [], []
    for row, held, time, person in zip(logits, present.tolist(), times.tolist(), persons.tolist(), strict=True):
        counts = dict(zip(source.modalities, held, strict=True))
        state = state_of(name for name, steps in counts.items() if steps)
        temperature = manifest.decision.of(state).temperature
        probabilities = softmax(row, temperature) if any(held) else np.full(len(row), 1.0 / len(row))
        output = StepOutput(row, probabilities.tolist(), dict.fromkeys(counts, 0.0), counts, max(held), state)
        view = None if person < 0 else FaceView(person, (0.0, 0.0, 1.0, 1.0))
        said = postprocess(output, manifest, smoother, time, view, 0.0)
        shares.append(list(said.probabilities.values()))
        named = -1 if said.emotion == UNKNOWN else manifest.labels.index(said.emotion)
        decisions.append((named, said.confidence, said.valence, said.arousal))
    return np.array(shares), np.array(decisions)
