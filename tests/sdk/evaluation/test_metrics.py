"""Metrics against values worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest

from mer_sdk.errors import OptionError
from mer_sdk.evaluation import metrics

LABELS = np.array([0, 0, 0, 0, 1, 1, 2, 2])
CHOSEN = np.array([0, 0, 0, 1, 1, 0, 2, 1])


def test_recalls_and_f1():
    assert metrics.war(LABELS, CHOSEN) == pytest.approx(5 / 8)
    assert metrics.uar(LABELS, CHOSEN) == pytest.approx((3 / 4 + 1 / 2 + 1 / 2) / 3)
    # F1 = 2 TP / (label count + prediction count)
    assert metrics.macro_f1(LABELS, CHOSEN) == pytest.approx((6 / 8 + 2 / 5 + 2 / 3) / 3)
    np.testing.assert_array_equal(metrics.confusion(LABELS, CHOSEN, 4)[:3, :3], [[3, 1, 0], [1, 1, 0], [0, 1, 1]])
    recall = metrics.class_recall(LABELS, CHOSEN, 4)
    np.testing.assert_allclose(recall[:3], [0.75, 0.5, 0.5])
    assert np.isnan(recall[3])


def test_class_that_no_label_has_is_left_out_of_the_means():
    assert metrics.uar(np.array([0, 0, 2]), np.array([0, 1, 2])) == pytest.approx(0.75)
    assert metrics.macro_f1(np.array([0, 0, 2]), np.array([0, 1, 2])) == pytest.approx((2 / 3 + 1) / 2)


def test_nll():
    log_probabilities = np.log([[0.5, 0.5], [0.9, 0.1]])
    assert metrics.nll(np.array([0, 1]), log_probabilities) == pytest.approx(-(np.log(0.5) + np.log(0.1)) / 2)


def test_ece():
    probabilities = np.array([[0.95, 0.05], [0.95, 0.05], [0.62, 0.38], [0.3, 0.7]])
    labels = np.array([0, 1, 0, 1])
    # Bins of 1/15: 0.95 twice (half right), 0.62 and 0.7 each alone and right.
    assert metrics.ece(labels, probabilities) == pytest.approx((2 * 0.45 + 0.38 + 0.3) / 4)
    assert metrics.ece(np.array([0]), np.array([[1.0, 0.0]])) == 0


def test_ccc():
    x = np.array([1.0, 2.0, 3.0])
    assert metrics.ccc(x, x) == pytest.approx(1)
    assert metrics.ccc(x, -x + 4) == pytest.approx(-1)
    # var = 2/3, covariance = 2/3, distance of the means = 1
    assert metrics.ccc(x, x + 1) == pytest.approx((4 / 3) / (4 / 3 + 1))
    assert metrics.ccc(np.ones(3), np.ones(3)) == 0


def test_argmax_agreement():
    assert metrics.argmax_agreement([[1, 2], [3, 1], [0, 1]], [[0, 1], [0, 1], [2, 9]]) == pytest.approx(2 / 3)


def test_interval_of_accuracy_is_near_the_binomial_one():
    labels = np.zeros(200, int)
    chosen = (np.arange(200) < 60).astype(int)  # 70 % right, standard error 3.24 points
    interval = metrics.bootstrap_interval(labels, chosen, "war")
    assert interval.low == pytest.approx(0.7 - 1.96 * 0.0324, abs=0.01)
    assert interval.high == pytest.approx(0.7 + 1.96 * 0.0324, abs=0.01)
    assert interval == metrics.bootstrap_interval(labels, chosen, "war")
    assert interval != metrics.bootstrap_interval(labels, chosen, "war", seed=1)


@pytest.mark.parametrize("metric", metrics.METRICS)
def test_interval_survives_resamples_without_a_class(metric):
    labels = np.array([0] * 20 + [1])
    chosen = np.array([0] * 10 + [1] * 10 + [1])
    interval = metrics.bootstrap_interval(labels, chosen, metric, resamples=500)
    assert 0 <= interval.low < interval.high <= 1


def test_resampling_agrees_with_counting_each_resample():
    rng = np.random.default_rng(0)
    labels, runs = rng.integers(0, 3, 30), rng.integers(0, 3, (2, 30))
    draws = np.random.default_rng(5).multinomial(30, np.full(30, 1 / 30), size=50)
    for metric in metrics.METRICS:
        function = getattr(metrics, metric)
        values = [np.mean([function(np.repeat(labels, d), np.repeat(run, d)) for run in runs]) for d in draws]
        interval = metrics.bootstrap_interval(labels, runs, metric, resamples=50, seed=5)
        assert (interval.low, interval.high) == pytest.approx(tuple(np.quantile(values, [0.025, 0.975])))


def test_runs_are_averaged():
    runs = np.stack([LABELS, CHOSEN])
    assert metrics.war(LABELS, runs) == pytest.approx((1 + 5 / 8) / 2)
    same = metrics.bootstrap_interval(LABELS, np.stack([CHOSEN, CHOSEN]))
    once = metrics.bootstrap_interval(LABELS, CHOSEN)
    assert (same.low, same.high) == pytest.approx((once.low, once.high))


def test_paired_bootstrap():
    better = metrics.paired_bootstrap(LABELS, LABELS, CHOSEN, "war")
    assert better.difference == pytest.approx(3 / 8)
    assert better.share_better > 0.9
    assert better.interval.low >= 0
    tie = metrics.paired_bootstrap(LABELS, CHOSEN, CHOSEN, "uar")
    assert (tie.difference, tie.interval.low, tie.interval.high, tie.share_better) == (0, 0, 0, 0.5)


def test_what_does_not_fit_is_refused():
    with pytest.raises(OptionError, match="do not fit"):
        metrics.war(LABELS, CHOSEN[:3])
    with pytest.raises(OptionError, match="war, uar, macro_f1"):
        metrics.bootstrap_interval(LABELS, CHOSEN, "accuracy")


def test_paired_difference_over_groups_is_wider_when_clips_of_a_group_agree():
    labels = np.zeros(200, int)
    groups = np.repeat(np.arange(20), 10)
    first, second = np.zeros(200, int), (groups % 2).astype(int)  # wrong in every other group, there always
    alone = metrics.paired_bootstrap(labels, first, second, "war")
    together = metrics.paired_bootstrap(labels, first, second, "war", groups=groups)
    assert alone.difference == together.difference == pytest.approx(0.5)
    # Standard errors of a share of one half: of 200 clips 3.5 points, of 20 groups 11.2.
    assert alone.interval.high - alone.interval.low == pytest.approx(4 * 0.0354, rel=0.15)
    assert together.interval.high - together.interval.low == pytest.approx(4 * 0.1118, rel=0.15)
