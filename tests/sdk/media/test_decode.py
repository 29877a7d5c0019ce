import wave

import numpy as np
import pytest

from mer_sdk import EmotionSensor
from mer_sdk.errors import MediaError, MissingExtra
from mer_sdk.media.decode import AudioPiece, MediaFile, VideoFrame
from mer_sdk.window.decision import softmax


class SquareDetector:
    """Finds the bright square that the test videos show."""

    def detect(self, rgb):
        rows, columns = np.nonzero(rgb.min(axis=2) > 150)
        if not len(rows):
            return []
        left, top = int(columns.min()), int(rows.min())
        return [(left, top, int(columns.max()) - left, int(rows.max()) - top, 1.0)]


class NobodyDetector:
    def detect(self, rgb):
        return []


def states(bundle, path, detector=None):
    with EmotionSensor.open(bundle, detector=detector or SquareDetector()) as sensor:
        return [estimate.state for estimate in sensor.stream(path)]


def test_audio_and_video_have_the_times_of_the_file(write_media, tmp_path):
    with MediaFile(write_media(tmp_path / "clip.mp4")) as media:
        assert (media.info.audio, media.info.video) == (True, True)
        items = list(media.read())
    frames = [item for item in items if isinstance(item, VideoFrame)]
    sound = [item for item in items if isinstance(item, AudioPiece)]
    np.testing.assert_allclose([frame.time for frame in frames], np.arange(50) / 25, atol=1e-3)
    assert frames[0].rgb().shape == (120, 160, 3)
    samples = np.concatenate([piece.pcm for piece in sound])
    assert {piece.sample_rate for piece in sound} == {48000}
    assert len(samples) / 48000 == pytest.approx(2.0, abs=0.06)
    assert np.abs(samples).max() == pytest.approx(0.3, abs=0.05)


def test_a_clip_with_both(tiny_onnx, write_media, tmp_path):
    assert states(tiny_onnx, write_media(tmp_path / "clip.mp4")) == ["audio+face"] * 8


def test_the_raw_output_is_that_of_the_estimate(tiny_onnx, write_media, tmp_path):
    path = write_media(tmp_path / "clip.mp4")
    with EmotionSensor.open(tiny_onnx, detector=SquareDetector()) as sensor:
        for estimate in sensor.stream(path):
            expected = softmax(sensor.last_output.logits)
            np.testing.assert_allclose(list(estimate.probabilities.values()), expected, atol=1e-7)


def test_a_video_of_a_turned_phone_is_upright(write_media, tmp_path):
    path = write_media(tmp_path / "phone.mp4", audio=False)
    content = path.read_bytes()
    one, minus, zero = b"\x00\x01\x00\x00", b"\xff\xff\x00\x00", b"\x00" * 4
    upright, turned = one + 3 * zero + one, zero + one + zero + minus + zero
    track = content.index(b"tkhd")
    place = content.index(upright, track)
    # The matrix of the track header: x' = -y, y' = x, which turns the picture clockwise by 90 degrees.
    path.write_bytes(content[:place] + turned + content[place + len(turned) :])
    with MediaFile(path) as media:
        picture = next(iter(media.read())).rgb()
    assert picture.shape == (160, 120, 3)
    # The square lies at x 20-60 and y 40-80 of the stored picture, so at x 40-80 and y 20-60 of the upright one.
    rows, columns = np.nonzero(picture.min(axis=2) > 150)
    assert np.abs(np.array([rows.min(), rows.max(), columns.min(), columns.max()]) - [20, 60, 40, 80]).max() <= 4


def test_sound_only(tiny_onnx, write_media, tmp_path):
    assert states(tiny_onnx, write_media(tmp_path / "sound.mp4", video=False)) == ["audio"] * 8
    assert states(tiny_onnx, write_media(tmp_path / "sound.wav", video=False)) == ["audio"] * 8


def test_silent_video(tiny_onnx, write_media, tmp_path):
    assert states(tiny_onnx, write_media(tmp_path / "silent.mp4", audio=False)) == ["face"] * 8


def test_no_face_in_the_video(tiny_onnx, write_media, tmp_path):
    path = write_media(tmp_path / "clip.mp4")
    assert states(tiny_onnx, path, NobodyDetector()) == ["audio"] * 8
    path = write_media(tmp_path / "silent.mp4", audio=False)
    assert states(tiny_onnx, path, NobodyDetector()) == ["none"] * 8


def test_a_file_shorter_than_a_step_gives_one_estimate(tiny_onnx, write_media, tmp_path):
    assert states(tiny_onnx, write_media(tmp_path / "short.wav", seconds=0.12, video=False)) == ["audio"]


@pytest.mark.parametrize("rate", [8000, 96000])
def test_other_rates_stereo_and_flac(tiny_onnx, tmp_path, rate):
    import soundfile

    samples = np.random.default_rng(0).uniform(-0.4, 0.4, (rate, 2))
    for name in ("sound.wav", "sound.flac"):
        soundfile.write(tmp_path / name, samples, rate)
        assert states(tiny_onnx, tmp_path / name) == ["audio"] * 4


def test_an_empty_wav(tiny_onnx, tmp_path):
    path = tmp_path / "empty.wav"
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(16000)
    with pytest.raises(MediaError, match=r"empty\.wav holds no samples|empty\.wav cannot be read"):
        states(tiny_onnx, path)
    path.write_bytes(b"")
    with pytest.raises(MediaError, match=r"empty\.wav is empty \(0 bytes\)"):
        states(tiny_onnx, path)


def test_a_text_file_named_mp4(tiny_onnx, tmp_path):
    path = tmp_path / "notes.mp4"
    path.write_text("These are notes, not a video.\n" * 50)
    with pytest.raises(MediaError, match=r"notes\.mp4 cannot be read as audio or video"):
        states(tiny_onnx, path)


def test_a_missing_file_and_a_folder(tiny_onnx, tmp_path):
    with pytest.raises(MediaError, match=r"absent\.mp4 does not exist"):
        states(tiny_onnx, tmp_path / "absent.mp4")
    with pytest.raises(MediaError, match="is a folder"):
        states(tiny_onnx, tmp_path)


def test_a_truncated_mp4_without_its_index(tiny_onnx, write_media, tmp_path):
    path = write_media(tmp_path / "clip.mp4")
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(MediaError, match=r"clip\.mp4 cannot be read"):
        states(tiny_onnx, path)


def test_a_truncated_mp4_gives_what_is_there_and_then_the_error(tiny_onnx, write_media, tmp_path):
    path = write_media(tmp_path / "clip.mp4", seconds=4.0, faststart=True)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    given: list[object] = []
    with EmotionSensor.open(tiny_onnx, detector=SquareDetector()) as sensor:
        stream = sensor.stream(path)
        with pytest.raises(MediaError, match=r"clip\.mp4 breaks off after \d\.\d\d s") as caught:
            given.extend(stream)
    assert "truncated" in str(caught.value)
    assert 4 <= len(given) <= 10


def test_missing_pyav_names_the_extra(tiny_onnx, tmp_path, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "av", None)
    with pytest.raises(MissingExtra, match=r"needs av.*pip install 'mer-edge\[media\]'"):
        states(tiny_onnx, tmp_path / "clip.mp4")


def test_a_real_talking_face(tiny_onnx, shared_data):
    path = shared_data / "ravdess_av" / "mp4" / "01-01-03-01-01-02-05.mp4"
    with EmotionSensor.open(tiny_onnx) as sensor:
        estimates = list(sensor.stream(path))
    faces = [estimate.face for estimate in estimates if estimate.face is not None]
    assert len(estimates) == 13
    assert len(faces) >= 10
    assert {face.id for face in faces} == {0}
