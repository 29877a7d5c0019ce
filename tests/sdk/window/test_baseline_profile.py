"""A saved profile knows which encoders it belongs to."""

import copy
import dataclasses
import json
import os
import pickle

import numpy as np
import pytest

from mer_sdk.contract.manifest import BaselineContract
from mer_sdk.errors import BundleError, OptionError, SignalError
from mer_sdk.window.baseline import PersonalBaseline

CONTRACT = BaselineContract(20.0, {"audio": (0.1, 0.2), "face": (-0.05, 0.0, 0.5)})


def other(**means):
    return PersonalBaseline(dataclasses.replace(CONTRACT, population_mean={**CONTRACT.population_mean, **means}))


@pytest.fixture
def profile(tmp_path):
    known = PersonalBaseline(CONTRACT)
    known.observe("audio", np.array([[1.0, 2.0], [3.0, 4.0]]))
    known.observe("face", np.array([1.0, 1.0, 1.0]))
    known.save(tmp_path / "me.json")
    return tmp_path / "me.json", known


def test_a_profile_goes_on_with_the_same_encoders(profile):
    path, known = profile
    # The prior weight is not of the encoders; neither is the target or the scheme, which have the same means.
    again = PersonalBaseline(dataclasses.replace(CONTRACT, prior_steps=5.0))
    again.load(path)
    assert again.steps == known.steps == {"audio": 2, "face": 1}
    same = PersonalBaseline(CONTRACT)
    same.load(path)
    for name in ("audio", "face"):
        np.testing.assert_array_equal(same.mean(name), known.mean(name))


@pytest.mark.parametrize("means", [{"audio": (0.1, 0.2001)}, {"face": (0.0, -0.05, 0.5)}, {"audio": (0.1, 0.2, 0.3)}])
def test_another_models_profile_is_refused_even_where_the_sizes_are_the_same(profile, means):
    path, _ = profile
    stranger = other(**means)
    with pytest.raises(BundleError, match=r"me\.json belongs to the encoders of another model.*enrol again"):
        stranger.load(path)
    assert stranger.steps == {"audio": 0, "face": 0}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "it is no JSON"),
        ("[" * 5000, "it is no JSON"),
        ("[]", "mer run --save-baseline writes one"),
        ('{"a": 1}', "mer run --save-baseline writes one"),
        ('{"mer_baseline": 1, "modalities": {}}', "does not say which model"),
        ('{"mer_baseline": 99, "modalities": {}}', "of a later version; bring mer-edge up to date"),
        ('{"mer_baseline": "2", "modalities": {}}', "is a damaged personal baseline"),
        ('{"mer_baseline": true, "modalities": {}}', "is a damaged personal baseline"),
        ('{"mer_baseline": 0, "modalities": {}}', "is a damaged personal baseline"),
        ('{"mer_baseline": -1, "modalities": {}}', "is a damaged personal baseline"),
        ('{"mer_baseline": 1.5, "modalities": {}}', "is a damaged personal baseline"),
    ],
)
def test_what_is_no_profile_is_one_sentence(tmp_path, content, message):
    path = tmp_path / "x.json"
    path.write_text(content)
    with pytest.raises(BundleError, match=message):
        PersonalBaseline(CONTRACT).load(path)


@pytest.mark.parametrize(
    "damage",
    [
        lambda parts: parts.pop("audio"),
        lambda parts: parts["audio"].update(sum=[1.0]),
        lambda parts: parts["audio"].update(sum=["x", 1.0]),
        lambda parts: parts["audio"].update(sum=[float("nan"), 1.0]),
        lambda parts: parts["audio"].update(steps=-1),
        lambda parts: parts["audio"].update(steps="many"),
        lambda parts: parts.update(audio=None),
        lambda parts: parts["audio"].update(sum=[1e300, 1.0]),  # a mean that float32 cannot hold
        lambda parts: parts["audio"].update(steps=10**400),
        lambda parts: parts["audio"].update(steps=10**30),
        lambda parts: parts["audio"].update(steps="5"),
        lambda parts: parts["audio"].update(steps=True),
        lambda parts: parts["audio"].update(steps=0),  # sums of nothing
        lambda parts: parts["audio"].update(sum=["4.0", "6.0"]),
        lambda parts: parts["audio"].update(sum=[1e20, 1.0]),  # no encoder gives such features
    ],
)
def test_a_damaged_profile_changes_nothing(profile, damage):
    path, _ = profile
    content = json.loads(path.read_text())
    damage(content["modalities"])
    path.write_text(json.dumps(content))
    known = PersonalBaseline(CONTRACT)
    known.observe("audio", np.array([5.0, 5.0]))
    with pytest.raises(BundleError, match="is a damaged personal baseline"):
        known.load(path)
    assert known.steps == {"audio": 1, "face": 0}


def test_a_profile_that_was_saved_before_there_was_an_offset_goes_on(profile):
    path, known = profile
    offset = {"audio": (1.0, 2.0), "face": (0.5, 0.0, -0.5)}
    later = PersonalBaseline(dataclasses.replace(CONTRACT, neutral_offset=offset))
    assert later.encoders == known.encoders
    later.load(path)
    np.testing.assert_array_equal(later.mean("face"), known.mean("face"))
    later.observe_neutral("face", np.array([1.0, 1.0, 1.0], np.float32))
    mean = (20 * np.array([-0.05, 0.0, 0.5]) + 1.0 + np.array([1.5, 1.0, 0.5])) / 22
    np.testing.assert_allclose(later.mean("face"), mean, rtol=1e-6)
    later.observe_neutral("face", np.array([np.nan, 1.0, 1.0], np.float32))
    assert later.steps == {"audio": 2, "face": 2}


def test_bundles_of_one_checkpoint_share_profiles(tiny_onnx, tiny_tflite, tmp_path):
    from mer_sdk import EmotionSensor

    with EmotionSensor.open(tiny_onnx) as sensor:
        sensor.push_audio(np.random.default_rng(0).uniform(-0.5, 0.5, 16000).astype(np.float32), 16000)
        sensor.flush()
        sensor.baseline.save(tmp_path / "me.json")
    with EmotionSensor.open(tiny_tflite, baseline=tmp_path / "me.json") as sensor:
        assert sensor.baseline.steps["audio"] == 4


def test_a_place_that_cannot_be_written_is_one_sentence(profile, tmp_path):
    _, known = profile
    with pytest.raises(OptionError, match=r"the profile .* cannot be written"):
        known.save(tmp_path / "absent" / "me.json")
    if os.path.exists("/dev/full"):
        with pytest.raises(OptionError, match="No space left on device"):
            known.save("/dev/full")


@pytest.mark.parametrize(
    "copied", [PersonalBaseline.copy, copy.copy, copy.deepcopy, lambda one: pickle.loads(pickle.dumps(one))]
)
def test_a_copy_goes_on_by_itself(profile, copied):
    path, known = profile
    own = copied(known)
    own.observe("audio", np.array([5.0, 6.0]))
    assert (own.steps["audio"], known.steps["audio"]) == (3, 2)
    np.testing.assert_allclose(own.mean("audio"), (20 * np.array([0.1, 0.2]) + [9.0, 12.0]) / 23, rtol=1e-6)
    own.load(path)
    np.testing.assert_array_equal(own.mean("audio"), known.mean("audio"))
    own.reset()
    assert known.steps == {"audio": 2, "face": 1}


@pytest.mark.parametrize("modality", ["nope", "", None, 5, []])
def test_a_modality_that_the_baseline_lacks_is_named(modality):
    baseline = PersonalBaseline(CONTRACT)
    for ask in (
        baseline.mean,
        lambda name: baseline.observe(name, [1.0, 2.0]),
        lambda name: baseline.observe_step(name, 1),
    ):
        with pytest.raises(OptionError, match=r"the modality is .*; this baseline has audio, face"):
            ask(modality)


@pytest.mark.parametrize(
    "features", [None, "ab", [], 1.0, [1.0], [1.0, 2.0, 3.0], [[1.0], [1.0, 2.0]], [[[1.0, 2.0]]], ["a", "b"]]
)
def test_features_of_another_shape_are_refused_and_change_nothing(features):
    baseline = PersonalBaseline(CONTRACT)
    for observe in (baseline.observe, baseline.observe_step, baseline.observe_neutral):
        with pytest.raises(SignalError, match="features"):
            observe("audio", features)
    assert baseline.steps == {"audio": 0, "face": 0}
    baseline.observe("audio", np.zeros((0, 2)))
    assert baseline.steps["audio"] == 0


@pytest.mark.parametrize("probability", [5, -5, 1.0001, "1", None, [1.0]])
def test_a_probability_is_one(probability):
    with pytest.raises(OptionError, match=r"the probability of neutral is .*; allowed are 0 to 1"):
        PersonalBaseline(CONTRACT).expect_neutral(probability)
