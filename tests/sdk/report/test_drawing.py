"""What the report draws with: curves, scales and markup."""

import numpy as np
import pytest

from mer_sdk.errors import OptionError
from mer_sdk.evaluation import metrics
from mer_sdk.evaluation.curves import BINS, curves
from mer_sdk.report.drawing import scale
from mer_sdk.report.markup import Markup, element


def test_curves_agree_with_the_scores():
    random = np.random.default_rng(5)
    truth = random.integers(0, 4, 50)
    scores = metrics.log_softmax(random.normal(0, 2, (2, 50, 4)))
    found = curves("audio", "warm", truth, scores)
    assert found.coverage[-1].coverage == 1.0
    assert found.coverage[-1].accuracy == pytest.approx(metrics.war(truth, scores.argmax(axis=2)))
    thresholds = [point.threshold for point in found.coverage]
    assert thresholds == sorted(thresholds, reverse=True)
    gap = sum(item.answers * abs(item.confidence - item.accuracy) for item in found.reliability) / 50
    both = metrics.ece(np.tile(truth, 2), np.exp(scores.reshape(100, 4)), BINS)
    assert gap == pytest.approx(both)
    with pytest.raises(OptionError, match="do not fit"):
        curves("audio", "warm", truth[:3], scores)


def test_coverage_takes_the_surest_first():
    log = np.log(np.array([[[0.9, 0.1], [0.6, 0.4], [0.8, 0.2], [0.3, 0.7]]]))
    found = curves("face", "cold", np.array([0, 1, 0, 1]), log)
    assert [(p.coverage, p.accuracy) for p in found.coverage] == [(0.25, 1.0), (0.5, 1.0), (0.75, 1.0), (1.0, 0.75)]


@pytest.mark.parametrize("values", [[3.0], [0.0], [1.7, 2031.5], [70.2, 76.8], [-3.0, 12.0], [1e-4, 2e-4]])
@pytest.mark.parametrize("zero", [True, False])
def test_scales_hold_every_value_between_round_ticks(values, zero):
    found = scale(values, 40.0, 400.0, zero=zero and min(values) >= 0)
    assert found.low <= min(values) <= max(values) <= found.high
    assert 2 <= len(found.ticks) <= 8
    assert [found.at(found.low), found.at(found.high)] == pytest.approx([40.0, 400.0])


@pytest.mark.parametrize(
    ("values", "ends"), [([100.0], (90, 100)), ([96.0, 100.0], (90, 100)), ([0.0], (0, 10)), ([55.0], (50, 60))]
)
def test_no_axis_of_shares_goes_beyond_them(values, ends):
    found = scale(values, 40.0, 400.0, least=10.0, bounds=(0.0, 100.0))
    assert (found.low, found.high) == ends


def test_markup_escapes_text_and_attributes():
    made = element("p", {"title": '"<&'}, "<b>", Markup("<br>"))
    assert made == '<p title="&quot;&lt;&amp;">&lt;b&gt;<br></p>'
