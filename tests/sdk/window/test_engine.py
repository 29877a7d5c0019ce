from dataclasses import replace

import numpy as np
import pytest

from mer_sdk.contract.bundle import Bundle
from mer_sdk.errors import OptionError, SignalError
from mer_sdk.window.baseline import PersonalBaseline
from mer_sdk.window.decision import softmax
from mer_sdk.window.engine import PERSONS, StepEngine
from mer_sdk.window.step import StepFeatures

AUDIO, FACE, STEPS = 6, 5, 16


class Recorder:
    """A fusion graph that keeps what it was given."""

    def run(self, inputs):
        self.seen = {name: np.array(value) for name, value in inputs.items()}
        return {"logits": np.arange(7, dtype=np.float32)[None], "reliance": np.array([[0.25, 0.75]], np.float32)}


@pytest.fixture
def recorder():
    return Recorder()


@pytest.fixture
def engine(tiny_onnx, recorder):
    manifest = Bundle.open(tiny_onnx).manifest
    as_they_are = replace(manifest, baseline=replace(manifest.baseline, neutral_prior=0.0))
    return StepEngine(Bundle(as_they_are, loader=lambda threads: {"fusion": recorder}))


def features(seed, audio=True, face=True):
    random = np.random.default_rng(seed)
    row = random.normal(size=AUDIO + FACE).astype(np.float32)
    return StepFeatures(row[:AUDIO] if audio else None, row[AUDIO:] if face else None)


def test_the_newest_step_is_the_last_row_and_missing_ones_are_zero(engine, recorder):
    engine.advance(features(0))
    output = engine.advance(features(1, face=False))
    seen = recorder.seen
    assert seen["audio_mask"].tolist() == [[0.0] * 14 + [1.0, 1.0]]
    assert seen["face_mask"].tolist() == [[0.0] * 14 + [1.0, 0.0]]
    np.testing.assert_allclose(seen["audio"][0, -1], features(1).audio - 0.1, atol=1e-6)
    np.testing.assert_allclose(seen["face"][0, -2], features(0).face + 0.05, atol=1e-6)
    assert not seen["audio"][0, :14].any()
    assert not seen["face"][0, -1].any()
    assert (output.present, output.steps) == ({"audio": 2, "face": 1}, 2)
    assert output.reliance == {"audio": 0.25, "face": 0.75}
    np.testing.assert_allclose(output.probabilities, softmax(np.arange(7)))


def test_a_step_is_observed_once_it_has_left_the_window(engine, recorder):
    for step in range(STEPS):
        engine.advance(features(step))
    assert engine.baseline.steps == {"audio": 0, "face": 0}
    engine.advance(features(STEPS, face=False))
    assert engine.baseline.steps == {"audio": 1, "face": 1}
    mean = (20 * 0.1 + features(0).audio) / 21
    np.testing.assert_allclose(recorder.seen["audio"][0, 0], features(1).audio - mean, atol=1e-6)
    engine.finish()
    assert engine.baseline.steps == {"audio": 17, "face": 16}


def test_steps_of_another_utterance_leave_the_window_at_once(engine, recorder):
    for step in range(6):
        engine.advance(features(step), 0, {1: features(20 + step).face})
    engine.begin_window(2)
    assert engine.baseline.steps == {"audio": 4, "face": 4}
    assert engine.baseline_of(1).steps == {"audio": 0, "face": 4}
    assert engine.look_at(1).steps == 2
    output = engine.advance(features(6), 0)
    seen = recorder.seen
    assert (output.present, output.steps) == ({"audio": 3, "face": 3}, 3)
    assert seen["audio_mask"].tolist() == seen["face_mask"].tolist() == [[0.0] * 13 + [1.0] * 3]
    mean = (20 * 0.1 + sum(features(step).audio for step in range(4))) / 24
    np.testing.assert_allclose(seen["audio"][0, -1], features(6).audio - mean, atol=1e-6)
    assert not seen["audio"][0, :13].any()
    # Nothing is observed twice, and more than a window is all of it.
    engine.begin_window(STEPS)
    engine.finish()
    assert engine.baseline.steps == {"audio": 7, "face": 7}


def test_an_empty_window_says_nothing(engine):
    output = engine.advance(StepFeatures(None, None))
    assert output.steps == 0
    assert output.reliance == {"audio": 0.0, "face": 0.0}
    np.testing.assert_allclose(output.probabilities, 1 / 7)


def test_another_person_has_another_baseline_and_own_face_rows(engine, recorder):
    engine.advance(features(0, face=False))
    engine.advance(features(1), person=4)
    engine.advance(features(2), person=9)
    assert recorder.seen["face_mask"][0, -3:].tolist() == [0.0, 0.0, 1.0]
    # Sound belongs to whoever was current when it was heard.
    assert recorder.seen["audio_mask"][0, -3:].tolist() == [0.0, 0.0, 1.0]
    second = engine.baseline
    engine.advance(features(3), person=4)
    assert recorder.seen["face_mask"][0, -4:].tolist() == [0.0, 1.0, 0.0, 1.0]
    assert recorder.seen["audio_mask"][0, -4:].tolist() == [1.0, 1.0, 0.0, 1.0]
    first = engine.baseline
    assert first is not second
    engine.finish()
    # What was heard before the first face belongs to its owner.
    assert first.steps == {"audio": 3, "face": 2}
    assert second.steps == {"audio": 1, "face": 1}


def test_the_first_person_takes_over_the_given_baseline(tiny_onnx, recorder):
    bundle = Bundle(Bundle.open(tiny_onnx).manifest, loader=lambda threads: {"fusion": recorder})
    enrolled = PersonalBaseline(bundle.manifest.baseline)
    enrolled.observe("face", np.ones((100, FACE)))
    engine = StepEngine(bundle, baseline=enrolled)
    engine.advance(features(0), person=3)
    assert engine.baseline is enrolled
    engine.advance(features(0), person=4)
    assert engine.baseline.steps["face"] == 0
    engine.reset()
    assert engine.baseline.steps["face"] == 0


def test_other_faces_have_windows_of_their_own_and_no_sound(engine, recorder):
    engine.advance(features(0), person=4)
    engine.advance(features(1), person=4, others={9: features(2).face})
    engine.look_at(9)
    assert recorder.seen["audio_mask"].sum() == 0
    assert recorder.seen["face_mask"][0, -2:].tolist() == [0.0, 1.0]
    np.testing.assert_array_equal(recorder.seen["face"][0, -1], features(2).face - engine.baseline_of(9).mean("face"))
    assert engine.persons == (9, 4)  # the current person last
    with pytest.raises(OptionError, match="person 7 is not known here; known are 9, 4"):
        engine.look_at(7)
    engine.finish()
    assert engine.baseline_of(9).steps == {"audio": 0, "face": 1}


def test_enrolment_begins_the_baseline_anew_with_the_next_steps_alone(engine):
    engine.advance(features(0), person=4)
    engine.enrol(2)
    for number in (1, 2, 3):
        assert engine.enrolling == max(0, 3 - number)
        engine.advance(features(number), person=4)
    assert engine.baseline.steps == {"audio": 2, "face": 2}  # at once, not when they leave the window
    expected = PersonalBaseline(engine.manifest.baseline)
    for number in (1, 2):
        expected.observe_neutral("face", features(number).face)
    expected.observe("face", features(3).face)
    engine.finish()  # what was there before the enrolment stays out, what came after it goes in, each row once
    assert engine.baseline.steps == {"audio": 3, "face": 3}
    np.testing.assert_allclose(engine.baseline.mean("face"), expected.mean("face"), rtol=1e-6)


@pytest.mark.parametrize("offset", [None, (0.25, -1.0, 2.0, 0.0, 0.75)])
def test_an_enrolment_adds_the_neutral_offset_to_its_own_steps_alone(engine, offset):
    contract = engine.manifest.baseline
    moved = {} if offset is None else {"audio": (0.0,) * AUDIO, "face": offset}
    engine.reset(PersonalBaseline(replace(contract, neutral_offset=moved)))
    rest, still, added = np.linspace(-1, 1, FACE, dtype=np.float32), 5, 0.0 if offset is None else np.array(offset)
    engine.enrol(still)
    for _ in range(still):
        engine.advance(StepFeatures(None, rest))
    population, prior = np.array(contract.population_mean["face"]), contract.prior_steps
    mean = (prior * population + still * (rest + added)) / (prior + still)
    np.testing.assert_allclose(engine.baseline.mean("face"), mean, rtol=1e-6)
    for _ in range(3):  # after it the baseline runs as ever
        engine.advance(StepFeatures(None, rest))
    engine.finish()
    assert engine.baseline.steps["face"] == still + 3
    mean = (prior * population + still * (rest + added) + 3 * rest) / (prior + still + 3)
    np.testing.assert_allclose(engine.baseline.mean("face"), mean, rtol=1e-6)


def test_a_step_without_anything_does_not_count_for_the_enrolment(engine):
    engine.enrol(1)
    engine.skip()
    assert engine.enrolling == 1
    engine.advance(features(0))
    assert engine.enrolling == 0


def test_somebody_else_is_not_enrolled_in_passing(engine):
    engine.advance(features(0), person=4)
    engine.enrol(3)
    engine.advance(features(1), person=9)
    assert engine.enrolling == 0
    assert engine.baseline.steps["face"] == 0


def test_an_enrolment_before_the_first_face_is_that_of_its_owner(engine):
    engine.enrol(3)
    engine.advance(features(0, face=False))
    engine.advance(features(1), person=3)
    assert engine.enrolling == 1
    engine.advance(features(2), person=3)
    assert engine.baseline.steps == {"audio": 3, "face": 2}


def test_who_stays_in_the_picture_is_not_forgotten_for_a_crowd_that_passes_by(engine):
    for step in range(PERSONS + 10):
        # Whoever passes by comes first in the picture, too.
        engine.advance(features(step), 0, {100 + step: features(step).face, 1: features(step).face})
        assert engine.look_at(1).present["face"] == min(step + 1, STEPS)
        assert engine.persons[-1] == 0
    assert len(engine.persons) == PERSONS
    engine.finish()
    assert engine.baseline_of(1).steps["face"] == PERSONS + 10


def test_a_closed_engine_holds_baselines_alone(engine):
    for step in range(STEPS + 2):
        engine.advance(features(step), person=4)
    engine.close()
    assert engine.persons == (4,)
    assert engine.baseline.steps == {"audio": 2, "face": 2}
    engine.finish()  # nothing is left in the window to be taken in
    assert engine.baseline.steps == {"audio": 2, "face": 2}
    assert not engine._graphs


def test_a_forgotten_person_leaves_nothing_behind(engine):
    engine.advance(features(0), person=4)
    engine.advance(features(1), person=9)
    engine.forget(4)
    assert engine.persons == (9,)
    engine.forget(9)
    assert engine.persons == (9,)  # the current person begins anew
    engine.finish()
    assert engine.baseline.steps == {"audio": 0, "face": 0}


def test_baselines_are_kept_of_a_bounded_number_of_persons(engine):
    for person in range(PERSONS + 10):
        engine.advance(features(0), person=person)
    assert len(engine.persons) == PERSONS
    assert engine.persons[-1] == PERSONS + 9
    assert len(engine._faces) <= engine.manifest.clock.window_steps


def test_inputs_of_another_shape_are_refused(tiny_onnx):
    engine = StepEngine(Bundle.open(tiny_onnx))
    with pytest.raises(SignalError, match=r"pcm has shape \(100,\), needed is \(6000,\)"):
        engine.encode(np.zeros(100), None)
    with pytest.raises(SignalError, match=r"crop has shape \(8, 8, 3\), needed is \(16, 16, 3\)"):
        engine.encode(None, np.zeros((8, 8, 3)))
