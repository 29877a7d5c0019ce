"""A running baseline takes neutral steps in with a share of the neutral offset, by how neutral the person was found."""

from dataclasses import replace

import numpy as np
import pytest

from mer_sdk.contract.bundle import Bundle
from mer_sdk.window.baseline import PersonalBaseline
from mer_sdk.window.engine import StepEngine
from mer_sdk.window.step import StepFeatures

AUDIO, FACE, STEPS, PRIOR = 6, 5, 16, 0.25
ROW = np.linspace(-1, 1, AUDIO + FACE, dtype=np.float32)
SOUND, LOOK = ROW[:AUDIO], ROW[AUDIO:]


class Said:
    """A fusion graph that finds the person neutral with a probability; the temperature is 1."""

    neutral = 1.0

    def run(self, inputs):
        shares = np.maximum([self.neutral, *[(1 - self.neutral) / 6] * 6], 1e-30)
        return {"logits": np.log(shares[None].astype(np.float32)), "reliance": np.array([[0.5, 0.5]], np.float32)}


@pytest.fixture
def said():
    return Said()


@pytest.fixture
def engine(tiny_onnx, said):
    return StepEngine(Bundle(Bundle.open(tiny_onnx).manifest, loader=lambda threads: {"fusion": said}))


def expected(engine, name, row, *shares):
    """The baseline after as many steps of one row, each with a share of the offset."""
    contract = engine.manifest.baseline
    offset = np.array(contract.neutral_offset[name])
    total = contract.prior_steps * np.array(contract.population_mean[name]) + len(shares) * row + sum(shares) * offset
    return total / (contract.prior_steps + len(shares))


@pytest.mark.parametrize(("probability", "share"), [(1.0, 1.0), (0.625, 0.5), (PRIOR, 0.0), (0.0, -1 / 3)])
def test_a_step_gets_as_much_of_the_offset_as_the_person_is_neutral_more_often(engine, said, probability, share):
    said.neutral = probability
    for _ in range(STEPS + 3):
        engine.advance(StepFeatures(SOUND, LOOK))
    assert engine.baseline.steps == {"audio": 3, "face": 3}
    np.testing.assert_allclose(engine.baseline.mean("audio"), expected(engine, "audio", SOUND, *[share] * 3), atol=1e-6)
    np.testing.assert_allclose(engine.baseline.mean("face"), expected(engine, "face", LOOK, *[share] * 3), atol=1e-6)


def test_what_leaves_the_window_is_judged_by_the_estimate_before(engine, said):
    for neutral in [0.0] * (STEPS - 1) + [1.0, 0.625, 0.0]:
        said.neutral = neutral
        engine.advance(StepFeatures(SOUND, None))
    said.neutral = 1.0  # nobody asks any more: an utterance or a recording ends
    np.testing.assert_allclose(engine.baseline.mean("audio"), expected(engine, "audio", SOUND, 1, 0.5), atol=1e-6)
    engine.begin_window(STEPS - 1)
    np.testing.assert_allclose(
        engine.baseline.mean("audio"), expected(engine, "audio", SOUND, 1, 0.5, -1 / 3), atol=1e-6
    )
    engine.finish()
    shares = [1, 0.5, *[-1 / 3] * STEPS]
    np.testing.assert_allclose(engine.baseline.mean("audio"), expected(engine, "audio", SOUND, *shares), atol=1e-6)


def test_one_modality_that_is_not_finite_leaves_the_other_its_share(engine, said):
    for step in range(STEPS + 1):
        engine.advance(StepFeatures(np.full(AUDIO, np.nan, np.float32) if step == 0 else SOUND, LOOK))
    assert engine.baseline.steps == {"audio": 0, "face": 1}
    np.testing.assert_allclose(engine.baseline.mean("face"), expected(engine, "face", LOOK, 1), atol=1e-6)


def test_an_answer_that_is_not_finite_leaves_the_last_one_standing(engine, said):
    for neutral in [1.0] * STEPS + [float("nan")] * 3:
        said.neutral = neutral
        engine.advance(StepFeatures(SOUND, LOOK))
    np.testing.assert_allclose(engine.baseline.mean("face"), expected(engine, "face", LOOK, 1, 1, 1), atol=1e-6)


def test_steps_without_an_estimate_leave_it_standing(engine, said):
    for _ in range(STEPS):
        engine.advance(StepFeatures(SOUND, None))
    for _ in range(2):
        engine.skip()
    for _ in range(STEPS):
        engine.advance(StepFeatures(None, None))  # until the window is empty, the last two steps
    wanted = expected(engine, "audio", SOUND, *[1] * STEPS)
    np.testing.assert_allclose(engine.baseline.mean("audio"), wanted, atol=1e-6)


def test_sound_goes_to_whoever_was_current_with_what_was_said_of_them(engine, said):
    for _ in range(STEPS):
        engine.advance(StepFeatures(SOUND, LOOK), person=1)
    said.neutral = 0.0
    for _ in range(2):
        engine.advance(StepFeatures(SOUND, LOOK), person=2)
    for person, share in ((1, 1), (2, 0)):
        count = engine.baseline_of(person).steps["audio"]
        wanted = expected(engine, "audio", SOUND, *[share] * count)
        np.testing.assert_allclose(engine.baseline_of(person).mean("audio"), wanted, atol=1e-6)
    assert engine.baseline_of(1).steps["audio"] == 2


def test_a_profile_begins_without(engine, tmp_path):
    baseline = PersonalBaseline(engine.manifest.baseline)
    baseline.save(tmp_path / "empty.json")
    baseline.expect_neutral(1.0)
    baseline.load(tmp_path / "empty.json")
    baseline.observe_step("face", LOOK)
    np.testing.assert_allclose(baseline.mean("face"), expected(engine, "face", LOOK, 0), atol=1e-6)


def test_others_are_judged_by_their_own_estimates(engine, said):
    for _ in range(STEPS + 1):
        said.neutral = 1.0
        engine.advance(StepFeatures(None, LOOK), person=4, others={9: LOOK, 7: LOOK})
        said.neutral = 0.0
        engine.look_at(9)
    for person, share in ((4, 1.0), (9, -1 / 3), (7, 0.0)):  # 7 was never asked about
        wanted = expected(engine, "face", LOOK, share)
        np.testing.assert_allclose(engine.baseline_of(person).mean("face"), wanted, atol=1e-6, err_msg=str(person))


def test_an_enrolment_takes_all_of_the_offset_and_who_is_forgotten_begins_without(engine, said):
    said.neutral = 0.0
    engine.advance(StepFeatures(SOUND, None))
    engine.enrol(1)
    engine.advance(StepFeatures(SOUND, None))
    np.testing.assert_allclose(engine.baseline.mean("audio"), expected(engine, "audio", SOUND, 1), atol=1e-6)
    engine.forget(0)
    engine.baseline.observe_step("audio", SOUND)
    np.testing.assert_allclose(engine.baseline.mean("audio"), expected(engine, "audio", SOUND, 0), atol=1e-6)


def test_nothing_changes_without_a_prior_or_without_an_offset(engine):
    contract = engine.manifest.baseline
    for plain in (replace(contract, neutral_prior=0.0), replace(contract, neutral_offset={})):
        baseline = PersonalBaseline(plain)
        baseline.expect_neutral(1.0)
        baseline.observe_step("face", LOOK)
        baseline.observe_all(ROW.astype(np.float64))
        np.testing.assert_allclose(baseline.mean("face"), expected(engine, "face", LOOK, 0, 0), rtol=1e-6)
