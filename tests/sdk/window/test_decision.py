"""From logits to probabilities and to what is said of them."""

import math
from dataclasses import replace

import numpy as np
import pytest

from mer_sdk.contract.bundle import Bundle
from mer_sdk.contract.manifest import BaselineContract, Decision, StateDecision
from mer_sdk.window.baseline import PersonalBaseline
from mer_sdk.window.decision import decide, softmax


@pytest.mark.parametrize("shape", [(7,), (3, 8), (2, 3, 4)])
@pytest.mark.parametrize("temperature", [1.0, 0.7, 3.0])
def test_probabilities_are_those_of_the_definition(shape, temperature):
    logits = np.random.default_rng(0).normal(0, 5, shape).astype(np.float32)
    powers = np.exp(logits.astype(np.float64) / temperature)
    found = softmax(logits, temperature)
    assert found.dtype == np.float64
    np.testing.assert_allclose(found, powers / powers.sum(axis=-1, keepdims=True), rtol=1e-12)


def test_large_logits_do_not_overflow_and_nan_is_not_hidden():
    np.testing.assert_array_equal(softmax(np.array([3e38, -3e38, 0.0], np.float32)), [1.0, 0.0, 0.0])
    assert np.isnan(softmax(np.array([0.0, np.nan, 1.0], np.float32))).all()


def test_the_label_that_holds_is_judged_by_its_own_probability(tiny_onnx):
    manifest = replace(Bundle.open(tiny_onnx).manifest, decision=Decision(abstention_threshold=0.3))
    shares = np.array([0.5, 0.35, 0.15, 0.0, 0.0, 0.0, 0.0])
    likeliest = decide(shares.tolist(), manifest, "face")
    assert (likeliest.emotion, likeliest.confidence) == ("neutral", 0.5)
    held = decide(shares.tolist(), manifest, "face", label=1)
    assert (held.emotion, held.confidence, held.probabilities) == ("happy", 0.35, likeliest.probabilities)
    assert held.valence == pytest.approx(0.35 * 0.81 - 0.15 * 0.63)
    assert decide(shares.tolist(), manifest, "face", label=2).emotion == "unknown"
    own = replace(manifest, decision=Decision(abstention_threshold=0.3, states={"audio": StateDecision(1.0, 0.6)}))
    assert (decide(shares.tolist(), own, "audio").emotion, decide(shares.tolist(), own, "face").emotion) == (
        "unknown",
        "neutral",
    )
    nothing = decide(shares.tolist(), manifest, "none")
    assert (nothing.emotion, nothing.valence, nothing.arousal) == ("unknown", 0.0, 0.0)


def test_a_step_at_a_time_is_observed_as_rows_are():
    contract = BaselineContract(2.0, {"face": (0.5, -0.25)})
    rows = np.random.default_rng(0).normal(0, 9, (20, 2)).astype(np.float32)
    rows[3, 1], rows[7, 0], rows[9] = math.nan, -math.inf, 3e38  # the last is finite, and stays in
    single, whole = PersonalBaseline(contract), PersonalBaseline(contract)
    for row in rows:
        single.observe_step("face", row)
    whole.observe("face", rows)
    assert single.steps == whole.steps == {"face": 18}
    np.testing.assert_allclose(single.mean("face"), whole.mean("face"), rtol=1e-6)
