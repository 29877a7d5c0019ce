"""What devices really send: overlaps, clocks that drift, pictures that are none. It is counted, nothing is raised."""

import container_files as files
import numpy as np
import pytest
from live_streams import LONG, Faces, noise, open_live

from mer_sdk import LiveOptions
from mer_sdk.live.sources import camera as camera_module

WIDE = LiveOptions(queue_seconds=60, tolerance=0.1)


def steps_of(live):
    live.finish()
    return list(live)


@pytest.mark.parametrize("begin", [0.0, 0.1, 70.3, 1e5, 1.7e9])
@pytest.mark.parametrize("overlap", [0.05, 0.1, 0.04999999, 0.05000001, 0.0999999])
@pytest.mark.parametrize("rate", [16000, 44100])
def test_an_overlap_of_exactly_the_tolerance(tiny_onnx, begin, overlap, rate):
    with open_live(tiny_onnx, WIDE) as live:
        for index in range(12):
            live.push_audio(noise(0.25, rate, index), rate, begin + index * (0.25 - overlap))
        estimates = steps_of(live)
    assert {one.state for one in estimates} == {"audio"}
    covered = 0.25 + 11 * (0.25 - overlap)
    # An overlap up to 50 ms is jitter, and what is beyond is trimmed once it has grown to that.
    assert covered / 0.25 - 1 <= len(estimates) <= covered / 0.25 + 2
    assert live.late == 0


@pytest.mark.parametrize("drift", [0.01, -0.01, 0.001, -0.03])
def test_a_sound_card_whose_clock_runs_otherwise(tiny_onnx, drift):
    with open_live(tiny_onnx, WIDE) as live:
        for index in range(400):
            live.push_audio(noise(0.05, 16000, index), 16000, index * 0.05 * (1 + drift))
        estimates = steps_of(live)
    assert len(estimates) == pytest.approx(80 * (1 + drift), abs=2)
    assert live.baseline.steps["audio"] >= len(estimates) - 1
    # Where there are more samples than time, some of them are of no time, and counted.
    assert live.late <= max(0.0, -drift) * 400


def test_two_streams_whose_clocks_drift_apart_stay_together(tiny_onnx):
    with open_live(tiny_onnx, LiveOptions(streams=("audio", "video"), queue_seconds=60, stale_seconds=1e9)) as live:
        for index in range(200):
            live.push_audio(noise(0.05, 16000, index), 16000, index * 0.05 * 1.01)
            live.push_frame(np.full((60, 80, 3), 207, np.uint8), index * 0.05 * 1.01)
        states = [one.state for one in steps_of(live)]
    assert states == ["audio+face"] * len(states)


@pytest.mark.parametrize(
    "picture",
    [
        np.zeros((48, 64, 2), np.uint8),
        np.zeros((48, 64), np.uint8),
        np.zeros((48, 64, 4), np.uint8),
        np.zeros((0, 64, 3), np.uint8),
        np.zeros((0,), np.uint8),
        np.zeros((48, 64, 3, 1), np.uint8),
    ],
)
def test_pictures_that_are_none_are_counted(tiny_onnx, picture):
    with open_live(tiny_onnx, WIDE) as live:
        for index in range(10):
            assert live.push_frame(picture if index % 2 else np.full((60, 80, 3), 207, np.uint8), index * 0.25)
            assert live.push_audio(noise(0.25, 16000, index), 16000)
        estimates = steps_of(live)
        assert live.refused == 5
    assert len(estimates) == 10
    assert {one.state for one in estimates} == {"audio+face"}


def test_a_conversation_counts_them_too(tiny_senses):
    from mer_sdk import LiveConversation

    with LiveConversation.open(tiny_senses, detector=Faces()) as live:
        assert live.push_frame(np.zeros((48, 64, 2), np.uint8), 0.0)
        assert live.push_frame(np.zeros((0, 0, 3), np.uint8), 0.1)
        assert live.refused == 2


class Video:
    """In place of cv2.VideoCapture: it gives the pictures one after the other, then goes away."""

    pictures: tuple = ()
    aspect = (0, 0)

    def __init__(self, number):
        self.left = list(self.pictures)

    def isOpened(self):  # noqa: N802
        return True

    def get(self, name):
        import cv2

        return {cv2.CAP_PROP_SAR_NUM: self.aspect[0], cv2.CAP_PROP_SAR_DEN: self.aspect[1]}.get(name, 0.0)

    def grab(self):
        return bool(self.left)

    def retrieve(self):
        return True, self.left.pop(0)

    def release(self):
        pass


@pytest.fixture
def pictures_of(monkeypatch):
    """What a camera that gives certain pictures makes of them."""
    cv2 = pytest.importorskip("cv2")
    monkeypatch.setattr(cv2, "VideoCapture", Video)
    monkeypatch.setattr(camera_module, "LINUX", False)
    clock = iter(range(1000))

    def read(pictures, aspect=(0, 0)):
        monkeypatch.setattr(Video, "pictures", tuple(pictures))
        monkeypatch.setattr(Video, "aspect", aspect)
        source = camera_module.Camera(0, now=lambda: float(next(clock)))
        source.open()
        return [source.read().rgb for _ in pictures]

    return read


def test_a_camera_of_any_channels(pictures_of):
    blue = np.zeros((4, 6, 3), np.uint8)
    blue[..., 0] = 200
    with_alpha = np.concatenate([blue, np.full((4, 6, 1), 9, np.uint8)], axis=2)
    grey = np.full((4, 6), 77, np.uint8)
    found = pictures_of([blue, with_alpha, grey, grey[..., None]])
    for rgb in found[:2]:
        np.testing.assert_array_equal(rgb, blue[..., ::-1])
    for rgb in found[2:]:
        np.testing.assert_array_equal(rgb, np.full((4, 6, 3), 77))


def test_a_camera_that_gives_nothing_or_two_channels_goes_on(pictures_of, tiny_onnx):
    from mer_sdk.live.sources import Capture

    bad = [None, np.zeros((0, 0, 3), np.uint8), np.zeros((4, 6, 2), np.uint8), np.zeros((4, 6, 3), np.uint16)]
    good = np.full((60, 80, 3), 207, np.uint8)
    pictures_of([good])  # sets the camera up
    Video.pictures = (good, *bad, good)

    class Ends(camera_module.Camera):
        returns = False

        def read(self):
            return super().read() if self._capture.left else None

    times = iter(np.arange(0, 100, 0.25))
    with (
        open_live(tiny_onnx, WIDE) as live,
        Capture(live, [Ends(0, now=lambda: next(times))], now=lambda: 0.0) as capture,
    ):
        estimates = []
        while (one := live.get(LONG)) is not None:
            estimates.append(one)
        assert [state.refused for state in capture.states()] == [4]
        assert capture.error is None
    assert estimates


def test_pixels_of_a_camera_that_are_not_square(pictures_of):
    (rgb,) = pictures_of([files.picture(size=(96, 64))], aspect=(16, 15))
    assert rgb.shape == (64, 102, 3)
    (rgb,) = pictures_of([files.picture(size=(96, 64))], aspect=(1, 2))
    assert rgb.shape == (128, 96, 3)
    for aspect in ((0, 0), (1, 1), (65535, 1)):
        (rgb,) = pictures_of([files.picture(size=(96, 64))], aspect=aspect)
        assert rgb.shape == (64, 96, 3)


def test_a_file_that_plays_is_shown_upright(tmp_path):
    from mer_sdk.live.sources import Playback

    path = files.write(tmp_path / "oblong.mp4", frames=files.shown(0.4), video="libx264")
    content = bytearray(path.read_bytes())
    place = content.index(b"tkhd") + 44
    content[place : place + 36] = b"".join(
        value.to_bytes(4, "big", signed=True) for value in (0, 65536, 0, -65536, 0, 0, 0, 0, 1 << 30)
    )
    path.write_bytes(content)
    source = Playback(path)
    source.open()
    assert source.read().rgb.shape == (96, 64, 3)
    source.close()


@pytest.mark.parametrize("gap", [5.0, 3600.0])
def test_silence_and_pauses_are_missing_live_too(tiny_onnx, gap):
    with open_live(tiny_onnx, WIDE) as live:
        live.push_audio(np.zeros(32000, np.float32), 16000, 0.0)
        live.push_audio(noise(1.0), 16000, 2.0 + gap)
        estimates = steps_of(live)
    assert [one.state for one in estimates[:8]] == ["none"] * 8
    assert [one.state for one in estimates[-4:]] == ["audio"] * 4
    assert len(estimates) <= 8 + 4 + 16


def test_one_picture_a_second_is_a_face_in_every_step(tiny_onnx):
    options = LiveOptions(streams=("audio", "video"), queue_seconds=60, stale_seconds=1e9, tolerance=0.0)
    with open_live(tiny_onnx, options) as live:
        for second in range(6):
            live.push_frame(np.full((60, 80, 3), 207, np.uint8), float(second))
            live.push_audio(noise(1.0, seed=second), 16000)
        estimates = steps_of(live)
    assert [one.face is not None for one in estimates[:21]] == [True] * 21


def test_stereo_pushed_live_in_any_order_is_heard_as_a_file_is(tiny_onnx):
    speech = files.voice(2.0)
    table = np.stack([speech, np.zeros_like(speech)], axis=1)
    found = []
    for given in (speech, table):
        with open_live(tiny_onnx, WIDE) as live:
            order = [0, 2, 1, 4, 3, 5, 7, 6]
            for place in order:
                live.push_audio(given[place * 4000 : (place + 1) * 4000], 16000, place * 0.25)
            found.append([list(one.probabilities.values()) for one in steps_of(live)])
    np.testing.assert_allclose(found[1], found[0], atol=1e-6)
