"""Temperature and threshold of each modality state: fitted on answers, worth something on other people."""

from __future__ import annotations

import numpy as np
import pytest

from mer_sdk.contract.bundle import Bundle
from mer_sdk.contract.manifest import StateDecision
from mer_sdk.errors import DataError
from mer_sdk.evaluation.calibration import (
    StateAnswers,
    break_even_confidence,
    calibration_of,
    cross_fitted,
    fitted_decision,
    fitted_state,
    joined,
    state_answers,
)
from mer_sdk.evaluation.datasets.clip import Clip
from mer_sdk.evaluation.features import ClipFeatures
from mer_sdk.evaluation.metrics import log_softmax
from mer_sdk.window.engine import StepEngine
from mer_sdk.window.step import StepFeatures

LABELS = 5


def answers(too_sure: float, count: int = 3000, seed: int = 0, loud: float = 2.0) -> StateAnswers:
    """Truth drawn from the probabilities of logits, which are then said `too_sure` times louder, of ten people."""
    rng = np.random.default_rng(seed)
    logits = rng.normal(size=(count, LABELS)) * loud
    shares = np.exp(log_softmax(logits))
    truth = np.array([rng.choice(LABELS, p=row) for row in shares])
    return StateAnswers(truth, logits * too_sure, rng.uniform(1, 16, count), np.arange(count) % 10)


@pytest.mark.parametrize("too_sure", [0.5, 1.0, 3.0])
def test_the_temperature_makes_confidence_honest_for_people_it_was_not_fitted_to(too_sure: float) -> None:
    given = answers(too_sure)
    fitted = fitted_state(given)
    assert fitted.temperature == pytest.approx(too_sure, rel=0.12)
    # Of honest probabilities a name pays from one half on.
    assert fitted.abstention_threshold == pytest.approx(0.5, abs=0.1)
    found = cross_fitted(given)
    assert found.ece < 0.04
    assert found.accuracy_covered > found.accuracy + 0.05
    assert found.covered == pytest.approx(fitted.coverage, abs=0.1)
    assert found.risk["0.7"] < found.risk["0.8"] < found.risk["0.9"] < 1 - found.accuracy
    assert too_sure == 1.0 or found.ece < calibration_of(given, StateDecision()).ece


def test_people_who_differ_make_it_careful() -> None:
    """Half of the people are answered twice too loudly: what fits all of them is not what fits the next one."""
    honest, loud = answers(1.0), answers(2.0, seed=1)
    mixed = joined([honest, StateAnswers(loud.truth, loud.logits, loud.weights, loud.people + 10)])
    alone = fitted_state(StateAnswers(mixed.truth, mixed.logits, mixed.weights, np.zeros_like(mixed.people)))
    careful = fitted_state(mixed)
    assert alone.temperature < careful.temperature < 2.0
    assert careful.coverage <= alone.coverage


def test_each_state_gets_its_own_and_all_together_what_lies_between() -> None:
    decision = fitted_decision({"audio": answers(3.0), "face": answers(0.5, seed=1)})
    assert decision.of("face").temperature < decision.temperature < decision.of("audio").temperature


def test_the_threshold_is_where_right_names_exceed_wrong_ones_most() -> None:
    confidence = np.array([0.9, 0.8, 0.7, 0.7, 0.6, 0.5])
    right = np.array([True, True, False, True, True, False])
    assert break_even_confidence(confidence, right, np.ones(6)) == 0.6
    assert break_even_confidence(confidence, right, np.array([1, 1, 1, 1, 1, 9.0])) == 0.6
    assert break_even_confidence(confidence, ~right, np.array([1, 1, 1, 1, 1, 9.0])) == 0.5
    # Naming never pays: nothing is as sure as this.
    assert break_even_confidence(confidence, np.zeros(6, bool), np.ones(6)) == 1.0


def test_what_cannot_be_fitted_is_said() -> None:
    given = answers(1.0, 20)
    with pytest.raises(DataError, match="at least 2 people"):
        cross_fitted(given.of(given.people == 0))
    with pytest.raises(DataError, match="no answers"):
        fitted_decision({})
    with pytest.raises(DataError, match="all finite: False"):
        fitted_state(StateAnswers(given.truth, given.logits * np.nan, given.weights, given.people))


def test_steps_are_told_apart_by_what_the_window_holds(tiny_onnx) -> None:
    bundle = Bundle.open(tiny_onnx)
    engine, rng = StepEngine(bundle), np.random.default_rng(0)
    sizes = {name: len(mean) for name, mean in bundle.manifest.baseline.population_mean.items()}

    def step(face: bool) -> StepFeatures:
        drawn = {name: rng.normal(size=size).astype(np.float32) for name, size in sizes.items()}
        return StepFeatures(drawn["audio"], drawn["face"] if face else None)

    # Nine steps of sound before the first face, and clips that never fill half of a window.
    clips = [
        ClipFeatures(Clip(f"take{number}", "happy", number % 2), tuple(step(index > 8) for index in range(steps)))
        for number, steps in enumerate((12, 12, 3, 12))
    ]
    found = state_answers(clips, engine, [0, 1, 2, 3], orders=2)
    assert set(found) == {"audio+face", "audio", "face"}
    # Cold and two warm orders: both shown, sound alone, faces alone.
    assert len(found["audio+face"].truth) == 3 * 3 * 3
    assert len(found["audio"].truth) == 3 * (3 * 2 + 1) + 3 * (3 * 5 + 1)
    assert len(found["face"].truth) == 3 * 3
    assert set(found["face"].weights.tolist()) == {3}
    assert set(found["audio"].truth.tolist()) == {0, 1, 2, 3}
