import json

import numpy as np
import pytest

from mer_sdk import EmotionSensor
from mer_sdk.contract.bundle import Bundle
from mer_sdk.contract.manifest import Decision, StateDecision
from mer_sdk.errors import BundleError, OptionError, SignalError
from mer_sdk.frontends.resampling import Resampler
from mer_sdk.frontends.voice_activity import VoiceActivity, VoiceOptions
from mer_sdk.window.baseline import PersonalBaseline

RATE = 44100


class FixedDetector:
    """Finds the given faces in every frame."""

    def __init__(self, *faces):
        self.faces = list(faces)

    def detect(self, rgb):
        return self.faces


NOBODY = FixedDetector()
SOMEBODY = FixedDetector((10, 10, 40, 40, 1.0))


def sound(seconds=3.1, rate=RATE, seed=0):
    return np.random.default_rng(seed).uniform(-0.5, 0.5, int(seconds * rate)).astype(np.float32)


def picture(seed):
    """One scene, with its own grain: a wholly new picture would be a cut."""
    scene = np.random.default_rng(0).integers(30, 226, (80, 100, 3))
    return (scene + np.random.default_rng(seed).integers(-30, 31, scene.shape)).astype(np.uint8)


def probabilities(estimates):
    return np.array([list(estimate.probabilities.values()) for estimate in estimates])


@pytest.fixture
def sensor(tiny_onnx):
    with EmotionSensor.open(tiny_onnx, detector=SOMEBODY) as opened:
        yield opened


def run_audio(sensor, pcm, rate, cuts):
    sensor.reset()
    estimates = []
    for piece in np.split(pcm, cuts):
        estimates += sensor.push_audio(piece, rate)
    return estimates + sensor.flush()


@pytest.mark.parametrize("rate", [8000, 16000, 44100, 48000, 96000])
def test_pieces_of_any_size_give_the_estimates_of_the_whole(sensor, rate):
    pcm = sound(rate=rate)
    whole = run_audio(sensor, pcm, rate, [])
    cuts = np.sort(np.random.default_rng(5).integers(0, len(pcm), 60))
    pieces = run_audio(sensor, pcm, rate, cuts)
    assert [estimate.time for estimate in pieces] == [estimate.time for estimate in whole]
    assert len(whole) == 12
    np.testing.assert_allclose(probabilities(pieces), probabilities(whole), atol=1e-5)


def test_both_runtimes_say_the_same(tiny_onnx, tiny_tflite):
    results = []
    for path in (tiny_onnx, tiny_tflite):
        with EmotionSensor.open(path) as sensor:
            results.append(probabilities(run_audio(sensor, sound(), RATE, [])))
    np.testing.assert_allclose(results[0], results[1], atol=1e-5)


def test_a_step_is_the_graphs_on_the_contracts_input(tiny_onnx):
    """One step, computed by hand from the manifest's words alone."""
    bundle = Bundle.open(tiny_onnx)
    with EmotionSensor.open(bundle, detector=SOMEBODY) as sensor:
        pcm, frame = sound(0.25, 16000), picture(1)
        assert sensor.push_frame(frame, 0.2) == []
        assert sensor.push_audio(pcm[:1000], 16000) == []
        assert sensor.push_frame(picture(2), 0.25) == []
        (estimate,) = sensor.push_audio(pcm[1000:], 16000)
    graphs = bundle.load_graphs()
    mean = {name: np.array(value, np.float32) for name, value in bundle.manifest.baseline.population_mean.items()}
    audio, face = np.zeros((1, 16, 6), np.float32), np.zeros((1, 16, 5), np.float32)
    mask = np.zeros((1, 16), np.float32)
    chunk = np.concatenate([np.zeros(2000, np.float32), pcm])
    crop = frame[10:50, 10:50].astype(np.float32)
    from mer_sdk.frontends.face_crop import resize_triangle

    audio[0, -1] = graphs["audio"].run({"pcm": chunk[None]})["audio_features"][0] - mean["audio"]
    face[0, -1] = graphs["face"].run({"crop": resize_triangle(crop, 16, 16)[None]})["face_features"][0] - mean["face"]
    mask[0, -1] = 1
    logits = graphs["fusion"].run({"audio": audio, "face": face, "audio_mask": mask, "face_mask": mask})["logits"][0]
    expected = np.exp(logits) / np.exp(logits).sum()
    np.testing.assert_allclose(list(estimate.probabilities.values()), expected, atol=1e-6)
    assert (estimate.time, estimate.state, estimate.face.box) == (0.25, "audio+face", (10, 10, 40, 40))


def test_sound_alone_has_state_audio(sensor):
    estimates = run_audio(sensor, sound(), RATE, [])
    assert {estimate.state for estimate in estimates} == {"audio"}
    assert {estimate.face for estimate in estimates} == {None}
    assert all(estimate.reliance == {"audio": 1.0, "face": 0.0} for estimate in estimates)


def test_video_alone_has_state_face(sensor):
    estimates = []
    for index in range(25):
        estimates += sensor.push_frame(picture(index), index / 25)
    estimates += sensor.flush()
    assert [estimate.time for estimate in estimates] == [0.25, 0.5, 0.75, 1.0]
    assert {estimate.state for estimate in estimates} == {"face"}
    assert {estimate.face.id for estimate in estimates} == {0}


def test_a_video_without_a_face_has_state_none_and_emotion_unknown(tiny_onnx):
    with EmotionSensor.open(tiny_onnx, detector=NOBODY) as sensor:
        estimates = [e for index in range(25) for e in sensor.push_frame(picture(index), index / 25)]
    assert estimates
    for estimate in estimates:
        assert (estimate.state, estimate.emotion, estimate.face) == ("none", "unknown", None)
        assert (estimate.valence, estimate.arousal) == (0.0, 0.0)
        assert sum(estimate.reliance.values()) == 0.0


def test_an_estimate_waits_for_both_streams(sensor):
    sensor.push_frame(picture(0), 0.0)
    assert sensor.push_audio(sound(0.5), RATE) == []
    assert len(sensor.push_frame(picture(1), 0.5)) == 1  # the resampler still holds the end of the second step
    assert len(sensor.push_audio(sound(0.1), RATE)) == 1


def test_a_stream_that_stops_does_not_stop_the_other(sensor):
    sensor.push_frame(picture(0), 0.0)
    estimates = sensor.push_audio(sound(5.0), RATE)
    assert [estimate.state for estimate in estimates[:2]] == ["audio+face", "audio+face"]
    assert len(estimates) == 10  # up to 2 s before the 4.75 s of complete steps
    assert {estimate.face for estimate in estimates[1:]} == {None}


def test_audio_that_comes_too_late_is_left_out(sensor):
    sensor.push_frame(picture(0), 0.0)
    sensor.push_audio(sound(0.26), RATE, time=0.0)
    estimates = [e for index in range(101) for e in sensor.push_frame(picture(index), index / 25)]
    assert [estimate.state for estimate in estimates[:2]] == ["audio+face", "audio+face"]
    done = len(estimates)
    late = sensor.push_audio(sound(3.75), RATE, time=0.25)
    assert [estimate.time for estimate in late] == [(done + 1 + i) * 0.25 for i in range(len(late))]
    assert sensor.last_features.audio is not None


def test_nan_is_refused_with_its_place(sensor):
    pcm = sound()
    pcm[1234] = np.nan
    with pytest.raises(SignalError, match="PCM sample 1234 is not a finite number"):
        sensor.push_audio(pcm, RATE)


def test_frames_out_of_order_are_refused(sensor):
    sensor.push_frame(picture(0), 1.0)
    with pytest.raises(SignalError, match=r"a frame at 0\.5 s came after one at 1\.000 s"):
        sensor.push_frame(picture(0), 0.5)
    with pytest.raises(SignalError, match="a frame at nan s"):
        sensor.push_frame(picture(0), float("nan"))


def test_an_ended_stream_takes_nothing_until_another_begins(sensor):
    made = sensor.push_audio(sound(1.65, 16000), 16000)
    assert len(made + sensor.flush()) == 7
    for push in (lambda: sensor.push_audio(sound(1.0, 16000), 16000), lambda: sensor.push_frame(picture(0), 2.0)):
        with pytest.raises(SignalError, match=r"ended by flush\(\): reset\(\) begins another"):
            push()
    assert sensor.flush() == []
    sensor.reset()
    assert len(sensor.push_audio(sound(1.0, 16000), 16000)) == 4


def test_the_window_forgets_what_is_older_than_four_seconds(sensor):
    quiet, other = sound(4.5, 16000, seed=1), sound(4.5, 16000, seed=2)
    tail = sound(4.0 + 0.125, 16000, seed=3)
    last = []
    for head in (quiet, other):
        sensor.reset()
        sensor.push_audio(head, 16000)
        sensor.push_audio(tail, 16000)
        sensor.push_audio(sound(0.125, 16000, seed=4), 16000)
        last.append(sensor.last_features.audio)
    np.testing.assert_array_equal(last[0], last[1])


def test_the_baseline_is_saved_and_continued(tiny_onnx, tmp_path):
    profile = tmp_path / "me.json"
    with EmotionSensor.open(tiny_onnx) as sensor:
        cold = probabilities(run_audio(sensor, sound(), RATE, []))
        assert sensor.baseline.steps == {"audio": 12, "face": 0}
        sensor.baseline.save(profile)
        again = probabilities(run_audio(sensor, sound(), RATE, []))
        np.testing.assert_array_equal(again, cold)  # reset() begins cold
    with EmotionSensor.open(tiny_onnx, baseline=profile) as sensor:
        warm = probabilities(run_audio(sensor, sound(), RATE, []))
        assert sensor.baseline.steps["audio"] == 24
    assert np.abs(warm - cold).max() > 1e-4


def test_each_stream_begins_with_the_given_baseline_whatever_an_earlier_one_learned_or_forgot(tiny_onnx):
    given = PersonalBaseline(Bundle.open(tiny_onnx).manifest.baseline)
    given.observe("audio", np.ones((10, len(given.mean("audio")))))
    before = given.mean("audio")
    with EmotionSensor.open(tiny_onnx, baseline=given) as sensor:
        first = probabilities(run_audio(sensor, sound(), RATE, []))
        assert sensor.baseline.steps["audio"] == 22
        np.testing.assert_array_equal(probabilities(run_audio(sensor, sound(), RATE, [])), first)
        sensor.forget()
        assert sensor.baseline.steps["audio"] == 0
        sensor.reset()
        assert sensor.baseline.steps["audio"] == 10
    np.testing.assert_array_equal(given.mean("audio"), before)


@pytest.mark.parametrize(
    "content", ["", "not json", '{"modalities": {}}', '{"modalities": {"audio": {"sum": [1], "steps": 1}, "face": 3}}']
)
def test_a_broken_baseline_file_is_refused(tiny_onnx, tmp_path, content):
    path = tmp_path / "broken.json"
    path.write_text(content)
    with pytest.raises(BundleError, match=r"broken\.json is not a personal baseline"):
        EmotionSensor.open(tiny_onnx, baseline=path)


def test_below_the_threshold_the_emotion_is_unknown(tiny_onnx):
    from dataclasses import replace

    bundle = Bundle.open(tiny_onnx)
    strict = Bundle(replace(bundle.manifest, decision=Decision(abstention_threshold=0.99)), bundle.path)
    with EmotionSensor.open(strict) as sensor:
        estimates = run_audio(sensor, sound(), RATE, [])
    assert {estimate.emotion for estimate in estimates} == {"unknown"}
    assert all(estimate.confidence == max(estimate.probabilities.values()) for estimate in estimates)


def test_the_temperature_flattens(tiny_onnx):
    from dataclasses import replace

    bundle = Bundle.open(tiny_onnx)
    hot = Bundle(replace(bundle.manifest, decision=Decision(temperature=1e6)), bundle.path)
    with EmotionSensor.open(hot) as sensor:
        estimate = run_audio(sensor, sound(), RATE, [])[-1]
    np.testing.assert_allclose(list(estimate.probabilities.values()), 1 / 7, atol=1e-4)


def test_a_modality_state_has_its_own_temperature_and_threshold(tiny_onnx):
    from dataclasses import replace

    bundle = Bundle.open(tiny_onnx)
    decision = Decision(temperature=1e6, states={"audio": StateDecision(0.5, 0.99), "face": StateDecision(2.0)})
    with EmotionSensor.open(bundle) as sensor:
        plain = run_audio(sensor, sound(), RATE, [])[-1]
    with EmotionSensor.open(Bundle(replace(bundle.manifest, decision=decision), bundle.path)) as sensor:
        heard = run_audio(sensor, sound(), RATE, [])[-1]
    assert (heard.state, heard.emotion) == ("audio", "unknown")
    squares = np.array(list(plain.probabilities.values())) ** 2
    np.testing.assert_allclose(list(heard.probabilities.values()), squares / squares.sum(), rtol=1e-6)


def test_an_estimate_is_plain_json(sensor):
    estimate = run_audio(sensor, sound(), RATE, [])[-1]
    data = json.loads(json.dumps(estimate.to_json()))
    assert sum(data["probabilities"].values()) == pytest.approx(1.0)
    assert -1 <= data["valence"] <= 1
    assert data["latency_ms"] > 0


def test_a_closed_sensor_says_so(tiny_onnx):
    with EmotionSensor.open(tiny_onnx) as sensor:
        pass
    with pytest.raises(OptionError, match="is closed"):
        sensor.push_audio(sound(), RATE)


def test_resampled_and_native_audio_agree(sensor):
    """The sensor on 48 kHz gives what it gives on the same audio brought to 16 kHz beforehand."""
    pcm = sound(2.0, 48000)
    high = probabilities(run_audio(sensor, pcm, 48000, []))
    low = probabilities(run_audio(sensor, Resampler(48000, 16000).whole(pcm), 16000, []))
    np.testing.assert_allclose(high, low, atol=1e-6)


@pytest.mark.parametrize("count", range(1, 13))
def test_the_frames_that_are_kept_are_those_that_a_step_searches(tiny_onnx, count):
    from mer_sdk.frontends.face_tracks import searched
    from mer_sdk.window.alignment import StreamAlignment

    frames = [(0.25 * index / count, lambda: picture(0)) for index in range(count)]
    alignment = StreamAlignment(Bundle.open(tiny_onnx).manifest)
    for time, pixels in frames:
        alignment.add_frame(pixels, time)
    alignment.add_frame(frames[0][1], 0.25)  # the next step's: what is not searched of this one goes
    assert len(alignment._frames[0]) == min(count, 3)
    kept = [time for time, _ in alignment.take().frames]
    assert kept == [frames[pick][0] for pick in searched(count)]
    assert kept[-1] == frames[-1][0]


class Loudness:
    """Hears speech in whatever is louder than 0.15."""

    def reset(self):
        pass

    def __call__(self, piece):
        return float(np.abs(piece).max() > 0.15)


def test_what_is_heard_before_the_first_word_counts_once_it_is_said(tiny_onnx):
    quiet, loud = sound(seconds=1.0) * 0.1, sound(seconds=1.0)
    assert np.abs(quiet).max() < 0.15 < np.abs(loud).max()
    with (
        EmotionSensor.open(tiny_onnx, voice=VoiceOptions(hangover=1.5, lead=1.5)) as hearing,
        EmotionSensor.open(tiny_onnx) as all_,
    ):
        hearing._steps.voice = VoiceActivity(VoiceOptions(hangover=1.5, lead=1.5), Loudness())
        before = hearing.push_audio(quiet, RATE)
        assert {(estimate.state, estimate.emotion, estimate.speech) for estimate in before} == {
            ("none", "unknown", False)
        }
        all_.push_audio(quiet, RATE)
        after, expected = hearing.push_audio(loud, RATE), all_.push_audio(loud, RATE)
        # The resampler holds a few samples back, so that the last quiet step may come with the loud ones.
        said = [estimate for estimate in after if estimate.speech]
        assert len(said) >= 3
        assert np.array_equal(probabilities(said), probabilities(expected[-len(said) :]))
        assert {estimate.state for estimate in said} == {"audio"}


@pytest.mark.parametrize(
    ("pause", "held"),
    [
        # Speech in the steps 4, 5 and 11, 12. Half a second before it is kept; a step that only holds the last of the
        # pause before is not. Three quarters of a second after it the window begins anew behind it.
        (0.75, [1, 2, 3, 4, 3, 4, 5, 6, 7, 3, 4, 3, 4, 5]),
        (None, list(range(1, 15))),
    ],
)
def test_a_window_begins_with_each_utterance(tiny_onnx, pause, held):
    options, rate = VoiceOptions(hangover=9.0, pause=pause), 16000
    loud = np.repeat([number in (4, 5, 11, 12) for number in range(14)], rate // 4)
    pcm = sound(3.5, rate) * np.where(loud, 1.0, 0.1).astype(np.float32)
    with EmotionSensor.open(tiny_onnx, detector=SOMEBODY, voice=options) as sensor:
        sensor._steps.voice = VoiceActivity(options, Loudness())
        found = []
        for number in range(14):
            sensor.push_frame(picture(number), number / 4)
            sensor.push_audio(pcm[number * rate // 4 :][: rate // 4], rate, number / 4)
            found.append(sensor.last_output)
        sensor.flush()
        assert [output.steps for output in [*found[1:], sensor.last_output]] == held
        # What left the window went into the baseline, and nothing twice.
        assert sensor.baseline.steps == {"audio": 14, "face": 14}


def test_a_stream_in_which_nobody_speaks_names_no_emotion(tiny_onnx):
    with EmotionSensor.open(tiny_onnx, voice=VoiceOptions(hangover=0.5)) as sensor:
        sensor._steps.voice = VoiceActivity(VoiceOptions(hangover=0.5), Loudness())
        estimates = sensor.push_audio(sound(seconds=6.0) * 0.1, RATE)
        assert {estimate.emotion for estimate in estimates} == {"unknown"}
        # What was held back is forgotten: later speech begins its own window.
        sensor.push_audio(sound(seconds=0.25), RATE, 6.0)
        assert sensor._steps.before_speech == []
