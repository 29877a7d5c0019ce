"""What is missing: silence, pauses, pictures that are held; and clocks that begin anywhere."""

import container_files as files
import numpy as np
import pytest

from mer_sdk import EmotionSensor
from mer_sdk.contract.manifest import AudioContract, Clock
from mer_sdk.errors import SignalError
from mer_sdk.frontends.audio import STILL_SECONDS, AudioFrontend

RATE = 16000


class Somebody:
    def detect(self, rgb):
        return [(8.0, 8.0, 40.0, 40.0, 1.0)]


@pytest.fixture
def sensor(tiny_onnx):
    with EmotionSensor.open(tiny_onnx, detector=Somebody()) as opened:
        yield opened


def covered(pcm, rate=RATE, size=1000):
    frontend = AudioFrontend(AudioContract(chunk_samples=6000), Clock())
    steps = [step for start in range(0, len(pcm), size) for step in frontend.push(pcm[start : start + size], rate)]
    return [there for _, there in steps + frontend.flush()]


SECOND = np.zeros(RATE, np.float32)
QUIET = {
    "digital silence": np.zeros(RATE * 2, np.float32),
    "a constant": np.full(RATE * 2, 0.2, np.float32),
    "the last bit": (np.random.default_rng(0).integers(-1, 2, RATE * 2) / 32768).astype(np.float32),
    "a constant and the last bit": (0.1 + np.random.default_rng(1).integers(-1, 2, RATE * 2) / 32768).astype(
        np.float32
    ),
}


@pytest.mark.parametrize("name", QUIET)
@pytest.mark.parametrize("size", [160, 1000, 10**6])
def test_silence_is_missing_from_the_beginning(name, size):
    assert covered(QUIET[name], size=size) == [False] * 8


@pytest.mark.parametrize("name", QUIET)
@pytest.mark.parametrize("rate", [16000, 44100])
def test_silence_after_a_voice_is_missing_after_the_stated_time(name, rate):
    quiet = np.interp(np.arange(2 * rate) / rate, np.arange(2 * RATE) / RATE, QUIET[name]).astype(np.float32)
    if name in ("the last bit", "both") and rate != RATE:
        quiet = np.round(quiet * 32768).astype(np.float32) / 32768
    level = float(quiet[0])
    there = covered(np.concatenate([files.voice(1.0, rate) + level, quiet, files.voice(1.0, rate) + level]), rate)
    still = round(STILL_SECONDS / 0.25)
    assert there == [True] * 4 + [True] * (still - 1) + [False] * (8 - still + 1) + [True] * 4


def test_a_pause_between_words_and_a_whisper_are_no_silence():
    words = np.concatenate([files.voice(0.5), np.zeros(RATE * 3 // 4, np.float32)] * 4)
    assert covered(words) == [True] * 20
    assert covered(0.0005 * files.voice(2.0)) == [True] * 8  # 66 dB below a shout
    assert covered(0.0003 * np.random.default_rng(2).standard_normal(RATE * 2).astype(np.float32)) == [True] * 8


def test_from_a_muted_track_no_emotion_is_read(sensor, tmp_path):
    for suffix, codec in (("wav", "pcm_s16le"), ("flac", "flac"), ("mp3", "libmp3lame"), ("m4a", "aac")):
        path = files.write(tmp_path / f"muted.{suffix}", [np.zeros(RATE * 3, np.float32)], audio=codec)
        estimates = list(sensor.stream(path))
        assert {(one.state, one.emotion) for one in estimates} == {("none", "unknown")}, suffix
        assert "the sound is silent for 3 s" in " ".join(sensor.notes)
        assert sensor.baseline.steps["audio"] == 0
    path = files.write(tmp_path / "muted.mp4", [np.zeros(RATE * 3, np.float32)], files.shown(3.0))
    assert {one.state for one in sensor.stream(path)} == {"face"}


def test_a_microphone_that_dies_leaves_the_window(sensor):
    sound = np.concatenate([files.voice(1.0), np.zeros(RATE * 7, np.float32)])
    states = [one.state for one in sensor.push_audio(sound, RATE) + sensor.flush()]
    assert states[:16] == ["audio"] * 16
    assert set(states[24:]) == {"none"}


@pytest.mark.parametrize("pause", [5.0, 3600.0, 86400.0])
def test_a_pause_has_no_estimates_and_costs_nothing(sensor, pause):
    first = sensor.push_audio(files.voice(1.0), RATE, 0.0)
    rest = sensor.push_audio(files.voice(1.0), RATE, pause) + sensor.flush()
    times = [one.time for one in first + rest]
    assert times[:4] == [0.25, 0.5, 0.75, 1.0]
    assert times[-4:] == [pause + 0.25, pause + 0.5, pause + 0.75, pause + 1.0]
    assert len(times) <= 8 + 16
    # What was before the pause is out of the window.
    assert rest[-1].reliance == {"audio": 1.0, "face": 0.0}
    assert sensor.last_output.present["audio"] == 4


def test_a_pause_within_the_window_is_steps_without_sound(sensor):
    estimates = sensor.push_audio(files.voice(1.0), RATE, 0.0) + sensor.push_audio(files.voice(1.0), RATE, 3.0)
    estimates += sensor.flush()
    assert len(estimates) == 16
    assert sensor.last_output.present["audio"] == 8


def test_a_file_with_an_hours_pause_has_no_thousand_lines(sensor, tmp_path):
    one = files.write(tmp_path / "one.mkv", [files.voice(2.0)], files.shown(2.0), audio="flac")

    def paused(packets):
        for packet in packets:
            if float(packet.pts * packet.time_base) >= 1.0:
                packet.pts += round(3600 / packet.time_base)
                packet.dts = packet.pts
        return packets

    path = files.remux(one, tmp_path / "paused.mkv", paused)
    estimates = list(sensor.stream(path))
    assert estimates[-1].time == pytest.approx(3602, abs=0.3)
    assert len(estimates) < 80  # the pictures before the pause are held for ten seconds
    assert "pause" in " ".join(sensor.notes)


@pytest.mark.parametrize("begin", [1.7e9, 86400.0 * 30, 4.6])
def test_stamps_of_any_clock(sensor, begin):
    begin = np.floor(begin * 4) / 4
    picture = files.picture()
    estimates = []
    for index in range(20):
        estimates += sensor.push_frame(picture, begin + index * 0.1)
        estimates += sensor.push_audio(files.voice(0.1), RATE, begin + index * 0.1)
    estimates += sensor.flush()
    np.testing.assert_allclose([one.time - begin for one in estimates], 0.25 * np.arange(1, 9), atol=1e-6)
    assert [one.state for one in estimates] == ["audio+face"] * 8


def test_sound_without_stamps_beside_pictures_with_those_of_a_clock(sensor):
    estimates = []
    for index in range(20):
        estimates += sensor.push_frame(files.picture(), 1.7e9 + index * 0.1)
        estimates += sensor.push_audio(files.voice(0.1), RATE)
    estimates += sensor.flush()
    assert [one.state for one in estimates][-1] == "audio+face"
    assert len(estimates) <= 9


def test_two_clocks_are_refused_at_once(sensor):
    sensor.push_frame(files.picture(), 1.7e9)
    with pytest.raises(SignalError, match="stamp sound and pictures by one clock"):
        sensor.push_audio(files.voice(0.1), RATE, 0.0)
    sensor.reset()
    sensor.push_audio(files.voice(0.1), RATE, 1.7e9)
    with pytest.raises(SignalError, match="push frames in order"):
        sensor.push_frame(files.picture(), 0.0)


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), -float("inf")])
def test_stamps_that_are_no_numbers_are_refused(sensor, bad):
    with pytest.raises(SignalError, match="give a number of seconds"):
        sensor.push_audio(files.voice(0.1), RATE, bad)
    with pytest.raises(SignalError, match="give a number of seconds"):
        sensor.push_frame(files.picture(), bad)


@pytest.mark.parametrize("rates", [(16000, 44100), (48000, 8000), (44100, 16000)])
def test_another_rate_begins_the_sound_anew(sensor, rates):
    estimates = []
    for rate in rates:
        for part in np.array_split(files.voice(1.0, rate), 7):
            estimates += sensor.push_audio(part, rate)
    estimates += sensor.flush()
    assert [one.time for one in estimates] == [0.25 * (index + 1) for index in range(8)]
    assert sensor.last_output.present["audio"] == 8


@pytest.mark.parametrize("second", [(44100, "stereo"), (22050, "mono"), (48000, "mono")])
def test_a_file_whose_sound_changes_on_the_way(sensor, tmp_path, second):
    content = b""
    for rate, layout in ((44100, "mono"), second):
        sound = files.voice(2.0, rate)
        table = np.stack([sound, sound], axis=1) if layout == "stereo" else sound
        path = files.write(tmp_path / "part.aac", [table], rate=rate, audio="aac", layout=layout)
        content += path.read_bytes()
    whole = tmp_path / "changing.aac"
    whole.write_bytes(content)
    estimates = list(sensor.stream(whole))
    assert len(estimates) in (16, 17)
    assert {one.state for one in estimates} == {"audio"}
    assert sensor.last_output.present["audio"] >= 15


@pytest.mark.parametrize("every", [1.0, 2.9, 0.5])
def test_a_picture_is_shown_until_the_next_one(sensor, tmp_path, every):
    times = np.arange(0, 6.0, every)
    path = files.write(tmp_path / "held.mp4", frames=[(time, files.picture(0)) for time in times], video="libx264")
    estimates = list(sensor.stream(path))
    assert len(estimates) >= 4 * times[-1]
    assert all(one.face is not None for one in estimates)
    with_sound = files.write(
        tmp_path / "both.mkv", [files.voice(6.0)], [(time, files.picture(0)) for time in times], audio="flac"
    )
    seen = [one.face is not None for one in sensor.stream(with_sound)]
    assert all(seen[: int(4 * times[-1]) + 1])


def test_a_picture_before_a_long_pause_is_held_for_ten_seconds(sensor):
    estimates = sensor.push_frame(files.picture(), 0.0) + sensor.push_frame(files.picture(), 60.0) + sensor.flush()
    assert [one.time for one in estimates if one.face is not None][:40] == [0.25 * (i + 1) for i in range(40)]
    assert len(estimates) < 62


def test_one_picture_a_second_by_hand(sensor):
    estimates = [one for index in range(5) for one in sensor.push_frame(files.picture(), float(index))]
    assert [one.face is not None for one in estimates] == [True] * 16


def test_a_sound_that_ends_long_before_the_pictures_costs_no_memory(tiny_onnx, tmp_path):
    """The pictures are taken without it; they do not wait for the end of the file."""
    path = files.write(tmp_path / "short.mp4", [files.voice(1.0)], files.shown(20.0, rate=10))
    held = []

    with EmotionSensor.open(tiny_onnx, detector=Somebody()) as sensor:
        held.extend(len(sensor._alignment._frames) for _ in sensor.stream(path))
    assert len(held) == 80
    assert max(held) <= 48


def test_sound_behind_all_pictures_of_a_file_is_still_of_its_time(tiny_onnx, tmp_path):
    """As a fragment of a recording has it: its pictures come before its sound."""
    fragments = {"movflags": "frag_keyframe+empty_moov+default_base_moof", "frag_duration": "8000000"}
    path = files.write(
        tmp_path / "fragment.mp4", [files.voice(8.0)], files.shown(8.0), video="libx264", options=fragments, gop=300
    )
    with EmotionSensor.open(tiny_onnx, detector=Somebody()) as sensor:
        estimates = list(sensor.stream(path))
    assert [one.state for one in estimates] == ["audio+face"] * 32
