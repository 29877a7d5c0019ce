"""What happens to a stream that runs for days: devices that go, a machine that sleeps, memory that ends."""

import threading

import numpy as np
import pytest
from live_streams import LONG, Faces, noise

from mer_sdk import EmotionSensor, LiveOptions, LiveSensor
from mer_sdk.errors import MediaError, StreamError
from mer_sdk.live.sources import BackOff, Capture, Picture
from mer_sdk.media.decode import AudioPiece

PICTURE = np.full((60, 80, 3), 207, np.uint8)
HOURS = 8 * 3600.0


def open_live(bundle, clock, on_estimate=None, **options):
    given = LiveOptions(**{"streams": ("audio", "video"), "tolerance": 0.0, "queue_seconds": 60.0, **options})
    return LiveSensor(EmotionSensor.open(bundle, detector=Faces()), given, on_estimate, now=lambda: clock[0])


def push(live, clock, begin, steps, sound=True, pictures=True):
    """Steps of a quarter of a second, as of a time of the clock."""
    for number in range(steps):
        time = begin + 0.25 * number
        clock[0] = time + 0.25
        if pictures:
            live.push_frame(PICTURE, time)
        if sound:
            live.push_audio(noise(0.25, seed=number), 16000, time)


def test_a_machine_that_sleeps_goes_on_where_it_wakes(tiny_onnx):
    clock = [0.0]
    with open_live(tiny_onnx, clock) as live:
        push(live, clock, 0.0, 20)
        clock[0] += HOURS  # the clock that never goes back has jumped, and nothing came
        assert live.stale == ("audio", "video")
        push(live, clock, 5.0 + HOURS, 20)
        assert live.stale == ()
        live.finish()
        estimates = list(live)
        assert (live.dropped, live.late, live.set_back) == (0, 0, 0.0)
    times = [estimate.time for estimate in estimates]
    asleep = [time for time in times if 5.0 < time <= HOURS]
    assert len(asleep) <= 40  # a picture lasts for ten seconds; of the rest of the night there is no step
    assert [time for time in times if time > 5.0 + HOURS] == [5.0 + HOURS + 0.25 * (step + 1) for step in range(20)]
    woken = next(estimate for estimate in estimates if estimate.time > 5.25 + HOURS)
    assert woken.state == "audio+face"
    assert woken.live.stale == ()
    # After eight hours a face is not remembered, whose baseline is kept; the night is in nobody's.
    sensor = live._sensor
    assert {person: sensor.baseline_of(person).steps["audio"] for person in sensor.persons} == {0: 20, 1: 20}


def test_camera_and_microphone_go_and_come_back_together(tiny_onnx):
    class Device:
        returns, lost = True, 0

        def __init__(self, stream, items):
            self.name, self.streams, self.items, self.opened = stream, (stream,), iter(items), 0

        def open(self):
            self.opened += 1

        def read(self):
            item = next(self.items, None)
            if isinstance(item, MediaError):
                raise item
            return item

        def close(self):
            pass

    gone = MediaError("the hub was pulled out")
    sound = [AudioPiece(noise(0.25, seed=n), 16000, 0.25 * n) for n in range(8)]
    later = [AudioPiece(noise(0.25, seed=n), 16000, 600 + 0.25 * n) for n in range(8)]
    pictures = [Picture(PICTURE, 0.25 * n) for n in range(8)]
    pictures_later = [Picture(PICTURE, 600 + 0.25 * n) for n in range(8)]
    devices = [
        Device("audio", [*sound, gone, *later]),
        Device("video", [*pictures, gone, *pictures_later]),
    ]
    options = LiveOptions(streams=("audio", "video"), tolerance=0.0, queue_seconds=60.0, stale_seconds=1e9)
    live = LiveSensor(EmotionSensor.open(tiny_onnx, detector=Faces()), options)
    with live, Capture(live, devices, BackOff(0.001, 0.002), now=lambda: 0.0) as capture:
        times = [estimate.time for estimate in live]
        states = capture.states()
    assert [(state.state, state.times_away, device.opened) for state, device in zip(states, devices, strict=True)] == [
        ("ended", 1, 2),
        ("ended", 1, 2),
    ]
    assert times[:8] == [0.25 * (n + 1) for n in range(8)]
    assert times[-8:] == [600 + 0.25 * (n + 1) for n in range(8)]
    assert live.dropped == 0


def test_memory_that_ends_in_a_callback_is_told_and_all_is_let_go(tiny_onnx):
    clock, taken, pushed = [0.0], [], threading.Event()

    def full(estimate):
        taken.append(estimate.time)
        if len(taken) == 3:
            assert pushed.wait(LONG)  # else a push would be refused for it, or not, as the threads run
            raise MemoryError

    live = open_live(tiny_onnx, clock, full)
    push(live, clock, 0.0, 8)
    pushed.set()
    live._thread.join(LONG)
    assert taken == [0.25, 0.5, 0.75]
    with pytest.raises(StreamError, match="MemoryError") as caught:
        live.finish()
    assert isinstance(caught.value.__cause__, MemoryError)
    with pytest.raises(StreamError, match="MemoryError"):
        live.push_audio(noise(0.25), 16000)
    with live.between_steps() as sensor:  # what was learned until then can still be saved
        assert sum(sensor.baseline.steps.values()) == 0
    assert live.close(LONG)


def test_memory_that_ends_in_a_graph_ends_the_stream_and_the_capture(tiny_onnx, monkeypatch):
    class Endless:
        name, streams, returns, lost, closed = "microphone", ("audio",), True, 0, False
        given = 0

        def open(self):
            pass

        def read(self):
            self.given += 1
            return AudioPiece(noise(0.25), 16000, 0.25 * (self.given - 1))

        def close(self):
            self.closed = True

    sensor = EmotionSensor.open(tiny_onnx, detector=Faces())
    encode = sensor._steps.engine.encode

    def full(chunk, crop):
        if source.given > 4:
            raise MemoryError("cannot allocate 8 GB")
        return encode(chunk, crop)

    source = Endless()
    monkeypatch.setattr(sensor._steps.engine, "encode", full)
    live = LiveSensor(sensor, LiveOptions(queue_seconds=60.0))
    with Capture(live, [source], now=lambda: 0.0) as capture:
        capture._threads[0].join(LONG)
        (state,) = capture.states()
    assert (state.state, source.closed) == ("ended", True)
    assert "cannot allocate 8 GB" in state.reason
    with pytest.raises(StreamError, match="MemoryError: cannot allocate 8 GB"):
        list(live)
    assert live.close(LONG)
