"""Smoothing on timelines whose answers are known, alone and in the sensor."""

import math
from dataclasses import replace

import numpy as np
import pytest

from mer_sdk import EmotionSensor, Smoothing
from mer_sdk.contract.bundle import Bundle
from mer_sdk.contract.manifest import Decision
from mer_sdk.errors import OptionError
from mer_sdk.evaluation.metrics import flicker_rate
from mer_sdk.window.smoothing import FORGET_SECONDS, Smoother

STEP = 0.25


def timeline(smoother, rows, person=None, start=0.0):
    return [smoother.update(np.array(row), start + (i + 1) * STEP, person) for i, row in enumerate(rows)]


@pytest.mark.parametrize("seconds", [0.5, 1.0, 3.0])
def test_the_step_response_covers_63_percent_after_the_time_constant(seconds):
    smoother = Smoother(Smoothing(seconds=seconds))
    steps = round(seconds / STEP)
    timeline(smoother, [(1.0, 0.0)] * 5)
    answers = timeline(smoother, [(0.0, 1.0)] * 3 * steps, start=5 * STEP)
    for constants in (1, 2, 3):
        reached = answers[constants * steps - 1].probabilities[1]
        assert reached == pytest.approx(1 - math.exp(-constants))
    assert all(answer.probabilities.sum() == pytest.approx(1.0) for answer in answers)


def test_a_gap_in_the_steps_counts_by_its_time():
    dense, sparse = Smoother(Smoothing(seconds=1.0)), Smoother(Smoothing(seconds=1.0))
    for smoother in (dense, sparse):
        smoother.update(np.array([1.0, 0.0]), 0.25)
    for time in (0.5, 0.75, 1.0, 1.25):
        last = dense.update(np.array([0.2, 0.8]), time)
    assert sparse.update(np.array([0.2, 0.8]), 1.25).probabilities == pytest.approx(last.probabilities)


def test_off_leaves_every_step_as_it_is():
    rows = np.random.default_rng(0).dirichlet(np.ones(5), 40)
    for row, answer in zip(rows, timeline(Smoother(Smoothing()), rows), strict=True):
        np.testing.assert_array_equal(answer.probabilities, row)
        assert answer.label == row.argmax()


def test_the_label_switches_only_where_the_new_one_leads_by_the_margin():
    rows = [(0.60, 0.40), (0.46, 0.54), (0.451, 0.549), (0.44, 0.56), (0.54, 0.46), (0.549, 0.451), (0.56, 0.44)]
    labels = [answer.label for answer in timeline(Smoother(Smoothing(margin=0.1)), rows)]
    assert labels == [0, 0, 0, 1, 1, 1, 0]


def test_the_margin_is_taken_on_the_smoothed_course():
    rows = [(0.9, 0.1)] + [(0.1, 0.9)] * 12
    answers = timeline(Smoother(Smoothing(seconds=1.0, margin=0.2)), rows)
    leads = [answer.probabilities[1] - answer.probabilities[0] for answer in answers]
    first = next(index for index, lead in enumerate(leads) if lead >= 0.2)
    assert [answer.label for answer in answers] == [int(index >= first) for index in range(len(rows))]
    plain = timeline(Smoother(Smoothing(seconds=1.0)), rows)
    assert [answer.label for answer in plain].index(1) < first


def test_reset_begins_anew():
    smoother = Smoother(Smoothing(seconds=2.0, margin=0.5))
    timeline(smoother, [(1.0, 0.0)] * 4)
    assert smoother.update(np.array([0.4, 0.6]), 1.25).label == 0
    smoother.reset()
    again = smoother.update(np.array([0.4, 0.6]), 0.25)
    assert (again.label, list(again.probabilities)) == (1, [0.4, 0.6])


def test_each_person_has_a_course_and_the_first_takes_over_what_was_heard():
    smoother = Smoother(Smoothing(seconds=1.0))
    timeline(smoother, [(1.0, 0.0)] * 4)
    first = smoother.update(np.array([0.0, 1.0]), 1.25, person=3)
    assert first.probabilities[0] == pytest.approx(math.exp(-0.25))
    second = smoother.update(np.array([0.0, 1.0]), 1.5, person=4)
    assert list(second.probabilities) == [0.0, 1.0]
    back = smoother.update(np.array([0.0, 1.0]), 1.75, person=3)
    assert back.probabilities[0] == pytest.approx(math.exp(-0.75))
    unseen = smoother.update(np.array([1.0, 0.0]), 2.0)  # goes on with person 3
    assert unseen.probabilities[0] == pytest.approx(math.exp(-1.0) + 1 - math.exp(-0.25))


def test_a_course_is_forgotten_after_a_minute_or_when_told():
    smoother = Smoother(Smoothing(seconds=1000.0))
    smoother.update(np.array([1.0, 0.0]), 0.25, person=0)
    smoother.update(np.array([1.0, 0.0]), 0.5, person=1)
    late = smoother.update(np.array([0.0, 1.0]), 0.5 + FORGET_SECONDS, person=0)
    assert list(late.probabilities) == [0.0, 1.0]
    smoother.forget()
    assert list(smoother.update(np.array([1.0, 0.0]), 61.0).probabilities) == [1.0, 0.0]


@pytest.mark.parametrize(("name", "value"), [("seconds", -1), ("seconds", math.nan), ("margin", -0.1), ("margin", 1.0)])
def test_values_outside_the_range_are_refused(name, value):
    with pytest.raises(OptionError, match=f"is {value}.*allowed is 0"):
        Smoothing(**{name: value})


def sensed(bundle, smoothing, seconds=4.0):
    pcm = np.random.default_rng(0).uniform(-1, 1, (int(seconds * 4), 4000)).astype(np.float32)
    pcm *= np.random.default_rng(1).uniform(0, 1, (len(pcm), 1)).astype(np.float32)
    with EmotionSensor.open(bundle, smoothing=smoothing) as sensor:
        return [estimate for piece in pcm for estimate in sensor.push_audio(piece, 16000)]


def table(estimates, name="probabilities"):
    return np.array([list(getattr(estimate, name).values()) for estimate in estimates])


def test_the_sensor_gives_raw_and_smoothed(tiny_onnx):
    plain, smoothed = sensed(tiny_onnx, None), sensed(tiny_onnx, Smoothing(seconds=1.0))
    np.testing.assert_array_equal(table(plain), table(plain, "raw_probabilities"))
    np.testing.assert_array_equal(table(smoothed, "raw_probabilities"), table(plain))
    expected = [table(plain)[0]]
    for row in table(plain)[1:]:
        expected.append(math.exp(-0.25) * expected[-1] + (1 - math.exp(-0.25)) * row)
    np.testing.assert_allclose(table(smoothed), expected, atol=1e-12)
    for estimate in smoothed:
        assert estimate.confidence == max(estimate.probabilities.values())
        assert estimate.probabilities[estimate.emotion] == estimate.confidence


def test_the_sensor_smooths_each_stream_by_itself(tiny_onnx):
    pcm = np.random.default_rng(0).uniform(-1, 1, 8000).astype(np.float32)
    with EmotionSensor.open(tiny_onnx, smoothing=Smoothing(seconds=5.0, margin=0.9)) as sensor:
        first = sensor.push_audio(pcm, 16000)
        sensor.push_audio(pcm / 100, 16000)
        sensor.reset()
        assert table(sensor.push_audio(pcm, 16000)).tolist() == table(first).tolist()


def test_unknown_is_decided_on_the_label_that_holds(tiny_onnx):
    plain = sensed(tiny_onnx, Smoothing(seconds=1.0))
    threshold = float(np.median([estimate.confidence for estimate in plain]))
    bundle = Bundle.open(tiny_onnx)
    strict = Bundle(replace(bundle.manifest, decision=Decision(abstention_threshold=threshold)), bundle.path)
    for estimate, free in zip(sensed(strict, Smoothing(seconds=1.0)), plain, strict=True):
        assert estimate.emotion == (free.emotion if free.confidence >= threshold else "unknown")
    assert {estimate.emotion == "unknown" for estimate in sensed(strict, Smoothing(seconds=1.0))} == {True, False}


def test_a_margin_keeps_the_label_and_says_its_probability(tiny_onnx):
    class Whole:
        def detect(self, rgb):
            return [(0.0, 0.0, 40.0, 40.0, 1.0)]

    def heard_then_seen(smoothing):
        pcm = np.random.default_rng(0).uniform(-1, 1, 16000).astype(np.float32)
        frame = np.random.default_rng(0).integers(0, 256, (40, 40, 3), np.uint8)
        with EmotionSensor.open(tiny_onnx, detector=Whole(), smoothing=smoothing) as sensor:
            return sensor.push_audio(pcm, 16000) + [
                estimate for i in range(16, 52) for estimate in sensor.push_frame(frame, i / 4)
            ]

    plain, held = heard_then_seen(None), heard_then_seen(Smoothing(margin=0.99))
    assert len({estimate.emotion for estimate in plain}) > 1  # otherwise there is nothing to hold
    assert {estimate.emotion for estimate in held} == {plain[0].emotion}
    assert all(estimate.confidence == estimate.probabilities[estimate.emotion] for estimate in held)


def test_flicker_rate_counts_changes_per_minute():
    assert flicker_rate([["a", "b", "a", "b", "a"]], 0.25) == pytest.approx(240)
    assert flicker_rate([["a"] * 5], 0.25) == 0
    # Two changes in 4 steps of 250 ms; between the timelines nothing is counted.
    assert flicker_rate([["a", "unknown", "b"], ["a", "a", "a"]], 0.25) == pytest.approx(120)
    assert flicker_rate([np.array([0, 1, 1]).tolist(), [2]], 0.5) == pytest.approx(60)
    with pytest.raises(OptionError, match="no timeline has two steps"):
        flicker_rate([["a"], []], 0.25)
    with pytest.raises(OptionError, match="step_seconds is 0"):
        flicker_rate([["a", "b"]], 0)
