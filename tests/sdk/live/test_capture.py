"""What pumps sources into a live sensor: devices that go away, come back, change, and give nonsense."""

import sys
import threading
import time

import numpy as np
import pytest
from fake_devices import FakeSound, Time
from live_streams import LONG, noise

from mer_sdk import EmotionSensor, LiveOptions, LiveSensor
from mer_sdk.errors import MediaError, StreamError
from mer_sdk.live.sources import BackOff, Camera, Capture, Microphone, Picture
from mer_sdk.media.decode import AudioPiece

QUICK = BackOff(0.005, 0.01)


class MiddleFace:
    """A face in the middle of every picture, whatever its size."""

    def detect(self, rgb):
        height, width = rgb.shape[:2]
        return [(width / 4, height / 4, width / 2, height / 2, 1.0)]


class Scripted:
    """A source that gives what a list says; an exception in it is raised."""

    name, returns, lost = "script", False, 0

    def __init__(self, items, streams=("audio",), returns=False):
        self.items, self.streams, self.returns = iter(items), streams, returns
        self.opened = self.closed = 0

    def open(self):
        self.opened += 1

    def read(self):
        item = next(self.items, None)
        if isinstance(item, Exception):
            raise item
        return item

    def close(self):
        self.closed += 1


def pieces(count, begin=0.0, rate=16000, length=0.25):
    return [AudioPiece(noise(length, rate, i), rate, begin + length * i) for i in range(count)]


def open_live(bundle, on_estimate=None, now=time.monotonic, **options):
    options = LiveOptions(**{"queue_seconds": 60.0, "tolerance": 0.0, **options})
    return LiveSensor(EmotionSensor.open(bundle, detector=MiddleFace()), options, on_estimate, now=now)


def test_a_capture_ends_when_its_sources_have(tiny_onnx):
    source = Scripted(pieces(8))
    with open_live(tiny_onnx) as live, Capture(live, [source], now=lambda: 0.0) as capture:
        assert [estimate.time for estimate in live] == [0.25 * (i + 1) for i in range(8)]
        (state,) = capture.states()
    assert (state.state, state.reason, source.opened) == ("ended", "", 1)
    assert source.closed == 1


class Clockwork:
    """A microphone that gives a piece and moves the time on when everybody has followed, until an end."""

    name, streams, returns, lost = "microphone", ("audio",), True, 0

    def __init__(self, time, end):
        self.time, self.end = time, end

    def open(self):
        pass

    def read(self):
        if self.time.at >= self.end:
            return None
        end = time.monotonic() + LONG
        while not self.time.all_have_followed() and time.monotonic() < end:
            time.sleep(0.001)
        begin, self.time.at = self.time.at, self.time.at + 0.25
        return AudioPiece(noise(0.25), 16000, begin)

    def close(self):
        pass


def test_a_camera_that_goes_away_is_opened_again_and_sound_goes_on(tiny_onnx, fake_camera):
    clock = fake_camera.time = Time(gone=(5.0, 13.0))
    sources = [Camera(0, now=clock.now), Clockwork(clock, 20.0)]
    live = open_live(tiny_onnx, now=clock.now, streams=("audio", "video"), stale_seconds=1.0)
    with live, Capture(live, sources, QUICK, now=clock.now) as capture:
        estimates, away = [], None
        while clock.at < 20.0:
            estimate = live.get(LONG)
            estimates.append(estimate)
            clock.estimated = estimate.time
            if 9.0 < estimate.time < 11.0:
                away = capture.states()[0]
        back = capture.states()[0]
    assert [estimate.time for estimate in estimates] == [0.25 * (i + 1) for i in range(len(estimates))]
    assert len(estimates) >= 73
    by_time = {estimate.time: estimate for estimate in estimates}
    assert (by_time[4.0].state, by_time[4.0].live.stale) == ("audio+face", ())
    # Stale a second after it has gone; out of the window, 4 s long, after that.
    assert {by_time[time / 4].live.stale for time in range(28, 50)} == {("video",)}
    assert {by_time[time / 4].state for time in range(44, 50)} == {"audio"}
    assert (by_time[18.0].state, by_time[18.0].live.stale) == ("audio+face", ())
    assert (by_time[4.0].face.box, by_time[18.0].face.box) == ((20, 15, 40, 30), (50, 30, 100, 60))
    assert (away.state, away.times_away) == ("away", 1)
    assert "camera 0 gives no more pictures" in away.reason
    assert (back.state, back.reason, back.times_away) == ("open", "", 1)


def test_a_microphone_that_comes_back_at_another_rate(tiny_onnx, monkeypatch):
    sound = FakeSound([44100, 16000])
    monkeypatch.setitem(sys.modules, "sounddevice", sound)
    with open_live(tiny_onnx) as live, Capture(live, [Microphone(now=sound.now)], QUICK, now=sound.now) as capture:
        estimates = [live.get(LONG) for _ in range(11)]
        end = time.monotonic() + LONG
        while capture.states()[0].times_away < 2 and time.monotonic() < end:
            time.sleep(0.01)
        (state,) = capture.states()
        capture.close()
        live.finish()
        estimates += list(live)
    assert [estimate.time for estimate in estimates] == [0.25 * (i + 1) for i in range(12)]
    assert {estimate.state for estimate in estimates} == {"audio"}
    assert (state.state, state.times_away, state.lost) == ("away", 2, 2)
    assert "microphone has stopped" in state.reason
    assert live.baseline.steps["audio"] >= 10  # the step in which it changed may lack sound


def test_a_clock_that_jumps_ahead(tiny_onnx):
    items = pieces(4) + pieces(4, begin=3600.0)
    with open_live(tiny_onnx) as live, Capture(live, [Scripted(items)], now=lambda: 0.0):
        times = [estimate.time for estimate in live]
    assert times[:4] == [0.25, 0.5, 0.75, 1.0]
    assert times[-4:] == [3600.25, 3600.5, 3600.75, 3601.0]
    assert len(times) <= 10


def test_nan_is_left_out_and_clipped_sound_is_told(tiny_onnx):
    items = pieces(12)
    items[4] = AudioPiece(np.full(4000, np.nan, np.float32), 16000, 1.0)
    items[5] = AudioPiece(np.sign(noise(0.25)), 16000, 1.25)
    items[6] = AudioPiece(np.full((4000, 2), -32768, np.int16), 16000, 1.5)
    items.insert(7, Picture(np.zeros((4, 4), np.uint8), 1.6))
    with open_live(tiny_onnx) as live, Capture(live, [Scripted(items)], now=lambda: 0.0) as capture:
        estimates = list(live)
        (state,) = capture.states()
    assert (state.refused, state.clipped) == (2, 2)
    assert [estimate.time for estimate in estimates] == [0.25 * (i + 1) for i in range(12)]
    assert np.isfinite([list(estimate.probabilities.values()) for estimate in estimates]).all()
    assert live.baseline.steps["audio"] == 11  # all but the step of NaN


def test_a_callback_that_raises_ends_the_capture(tiny_onnx):
    def raises(estimate):
        raise ValueError("no screen")

    endless = Scripted(piece for i in range(10**6) for piece in pieces(1, begin=0.25 * i))
    live = open_live(tiny_onnx, raises)
    with Capture(live, [endless], now=lambda: 0.0) as capture:
        capture._threads[0].join(LONG)
        (state,) = capture.states()
    assert (state.state, endless.closed) == ("ended", 1)
    assert "no screen" in state.reason
    with pytest.raises(StreamError, match="no screen"):
        live.finish()
    assert live.close(LONG)


def test_an_error_of_the_apps_own_function_is_not_swallowed(tiny_onnx):
    def raises(rgb, time):
        raise ZeroDivisionError("in the app")

    source = Scripted([Picture(np.zeros((8, 8, 3), np.uint8), 0.0)], ("video",))
    live = open_live(tiny_onnx)
    with pytest.raises(ZeroDivisionError, match="in the app"), live, Capture(live, [source], None, raises, lambda: 0.0):
        assert list(live) != []  # the frame was pushed before


def test_a_source_that_cannot_come_back_gives_its_error_after_its_estimates(tiny_onnx):
    source = Scripted([*pieces(4), MediaError("the pipe is damaged")])
    live = open_live(tiny_onnx)
    with pytest.raises(MediaError, match="damaged"), live, Capture(live, [source], now=lambda: 0.0):
        assert len(list(live)) == 4


def test_sources_that_were_opened_are_closed_where_another_cannot_be(tiny_onnx):
    class Absent(Scripted):
        def open(self):
            raise MediaError("there is none")

    first = Scripted([])
    with open_live(tiny_onnx) as live, pytest.raises(MediaError, match="there is none"):
        Capture(live, [first, Absent([], ("video",))])
    assert first.closed == 1


def test_close_returns_while_a_device_hangs(tiny_onnx):
    go = threading.Event()

    class Hangs(Scripted):
        def read(self):
            go.wait(LONG)

    with open_live(tiny_onnx) as live:
        capture = Capture(live, [Hangs([])])
        assert not capture.close(0.05)
        assert live.push_audio(noise(0.1), 16000)  # closing a capture does not end the sensor
        go.set()
        assert capture.close(LONG)
