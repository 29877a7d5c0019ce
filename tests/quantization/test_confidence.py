"""Temperatures and thresholds: an over-confident artifact gets a temperature that makes it honest, and knows when to be
silent."""

from __future__ import annotations

import numpy as np
import pytest

from mer_quantization.confidence import MOST, fitted_confidence
from mer_sdk.errors import DataError, OptionError
from mer_sdk.evaluation.metrics import log_softmax

CLIPS, LABELS = 2000, 5


def answers(too_sure: float, seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Truth drawn from the probabilities of logits, which are then said `too_sure` times louder."""
    rng = np.random.default_rng(seed)
    logits = rng.normal(size=(CLIPS, LABELS)) * 2
    shares = np.exp(log_softmax(logits))
    truth = np.array([rng.choice(LABELS, p=row) for row in shares])
    return truth, log_softmax(logits * too_sure), np.arange(CLIPS)


@pytest.mark.parametrize("too_sure", [1.0, 3.0, 0.5])
def test_the_temperature_undoes_what_makes_an_artifact_too_sure(too_sure: float) -> None:
    found = fitted_confidence(*answers(too_sure), temperature=2.0, coverage=0.8)
    assert found.temperature == pytest.approx(2.0 * too_sure, rel=0.15)
    assert found.ece < 0.05
    assert too_sure == 1.0 or found.ece < found.ece_before
    assert found.covered == pytest.approx(0.8, abs=0.06)
    assert found.accuracy_covered > found.accuracy + 0.03
    assert 1 / LABELS < found.abstention_threshold < 1.0


def test_composed_scenes_never_make_an_artifact_surer() -> None:
    assert fitted_confidence(*answers(0.5), temperature=2.0, composed=True).temperature == 2.0
    assert fitted_confidence(*answers(3.0), temperature=2.0, composed=True).temperature > 5.0


def test_full_coverage_never_abstains() -> None:
    found = fitted_confidence(*answers(1.0), temperature=1.0, coverage=1.0)
    assert found.abstention_threshold == 0.0
    assert found.covered == 1.0
    assert found.accuracy_covered == found.accuracy


def test_no_answer_is_judged_by_what_was_fitted_on_it() -> None:
    """Answers without information: cross-fitting finds no calibration that was not there."""
    rng = np.random.default_rng(1)
    truth, rows = rng.integers(0, LABELS, CLIPS), log_softmax(rng.normal(size=(CLIPS, LABELS)) * 3)
    found = fitted_confidence(truth, rows, np.arange(CLIPS), 1.0)
    assert found.temperature >= 0.95 * MOST
    assert found.accuracy_covered == pytest.approx(found.accuracy, abs=0.05)


@pytest.mark.parametrize("coverage", [0.0, -0.1, 1.1])
def test_impossible_coverage(coverage: float) -> None:
    with pytest.raises(OptionError, match="above 0 and at most 1"):
        fitted_confidence(*answers(1.0), temperature=1.0, coverage=coverage)


def test_too_few_clips_and_answers_that_are_no_numbers() -> None:
    truth, rows, groups = answers(1.0)
    with pytest.raises(DataError, match="of 1 clips"):
        fitted_confidence(truth, rows, np.zeros_like(groups), 1.0)
    with pytest.raises(DataError, match="finite: False"):
        fitted_confidence(truth, np.where(rows == rows.max(), np.nan, rows), groups, 1.0)
