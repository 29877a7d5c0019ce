"""Time in live streams: what comes too fast, too late, not at all, or with a clock that jumps."""

import threading

import numpy as np
from live_streams import LONG, Faces, noise, open_live

from mer_sdk import EmotionSensor, LiveOptions, LiveSensor


def test_a_slow_device_drops_the_oldest_steps_and_says_how_many(tiny_onnx):
    entered, go, given = threading.Event(), threading.Event(), []

    def slow(estimate):
        given.append(estimate)
        entered.set()
        assert go.wait(LONG)

    with open_live(tiny_onnx, LiveOptions(queue_seconds=1.0), slow) as live:
        live.push_audio(noise(0.25), 16000)
        assert entered.wait(LONG)
        for second in range(30):
            live.push_audio(noise(1.0, seed=second), 16000)
            assert len(live._queue.steps) <= 4
        assert live.dropped == 120 - 4
        go.set()
        assert live.finish(LONG)
    assert [estimate.time for estimate in given] == [0.25, 29.5, 29.75, 30.0, 30.25]
    assert [estimate.live.dropped for estimate in given] == [0, 116, 0, 0, 0]
    # What was dropped is missing in the window, whose length stays one of time.
    assert [estimate.reliance["audio"] for estimate in given] == [1.0] * 5


def test_dropped_steps_count_as_time_in_the_window(tiny_onnx):
    go, entered, states = threading.Event(), threading.Event(), []

    def slow(estimate):
        states.append(live._sensor.last_output.present["audio"])
        entered.set()
        assert go.wait(LONG)

    with open_live(tiny_onnx, LiveOptions(queue_seconds=0.5), slow) as live:
        live.push_audio(noise(0.25), 16000)
        assert entered.wait(LONG)
        live.push_audio(noise(2.0), 16000)
        go.set()
        live.finish(LONG)
    assert states == [1, 2, 3]  # the first step, six dropped ones, two more: nine of the window's sixteen
    assert set(live._sensor._steps.engine._sound.owners) == {None}
    assert live.baseline.steps["audio"] == 3


def test_a_consumer_who_does_not_come_finds_the_newest_and_the_count(tiny_onnx):
    with open_live(tiny_onnx, LiveOptions(queue_seconds=1.0)) as live:
        for second in range(5):
            live.push_audio(noise(1.0, seed=second), 16000)
        live.finish()
        live._thread.join(LONG)
        estimates = list(live)
        assert [estimate.time for estimate in estimates] == [4.25, 4.5, 4.75, 5.0]
        assert sum(estimate.live.dropped for estimate in estimates) == live.dropped == 16
        assert estimates[0].live.dropped == 16


def test_what_comes_too_late_is_left_out_and_counted(tiny_onnx):
    with open_live(tiny_onnx, LiveOptions(tolerance=0.1, queue_seconds=60)) as live:
        first, second, third = np.split(noise(1.5), 3)
        live.push_audio(first, 16000, 0.0)
        live.push_audio(third, 16000, 1.0)
        live.push_audio(noise(0.5, seed=1), 16000, 1.5)  # 1.0 is now old enough: what is missing before it is a gap
        live.push_audio(second, 16000, 0.5)
        live.push_audio(noise(0.25), 16000, 2.0)
        live.finish()
        estimates = list(live)
        assert live.late == 1
    assert sum(estimate.live.late for estimate in estimates) == 1
    assert len(estimates) == 9
    assert live.baseline.steps["audio"] == 7


def test_late_frames_are_counted(tiny_onnx):
    with open_live(tiny_onnx, LiveOptions(tolerance=0.1, queue_seconds=60)) as live:
        picture = np.full((60, 80, 3), 207, np.uint8)
        for time in (0.0, 0.3, 0.25, 0.6, 0.1, 0.9):
            live.push_frame(picture, time)
        assert live.late == 1


def test_a_stalled_stream_goes_stale_and_comes_back(tiny_onnx):
    wall = [100.0]
    options = LiveOptions(streams=("audio", "video"), tolerance=0.0, stale_seconds=1.5, queue_seconds=60)
    live = LiveSensor(EmotionSensor.open(tiny_onnx, detector=Faces()), options, now=lambda: wall[0])
    picture = np.full((60, 80, 3), 207, np.uint8)
    with live:
        for time in (0.0, 0.25):
            live.push_frame(picture, time)
        live.push_audio(noise(1.0), 16000)
        assert live.get(LONG).live.stale == ()
        assert live.get(0) is None  # the second step waits for the camera
        assert live.stale == ()
        wall[0] += 2.0
        live.push_audio(noise(5.0), 16000)
        assert live.stale == ("video",)
        stalled = [live.get(LONG) for _ in range(23)]
        assert {estimate.live.stale for estimate in stalled} == {("video",)}
        # The frame at 0.25 s is still of the second step; once it has left the window, only sound is there.
        assert [estimate.state for estimate in stalled[:16]] == ["audio+face"] * 16
        assert {estimate.state for estimate in stalled[16:]} == {"audio"}
        live.push_frame(picture, 6.0)
        assert live.stale == ()
        live.push_frame(picture, 6.25)
        live.push_audio(noise(0.25), 16000)
        back = live.get(LONG)
        assert (back.time, back.live.stale, back.state) == (6.25, (), "audio+face")


def test_a_lag_beyond_the_queue_is_not_waited_for(tiny_onnx):
    with open_live(tiny_onnx, LiveOptions(streams=("audio", "video"), stale_seconds=1e9, queue_seconds=1.0)) as live:
        times = []
        for made in range(1, 13):
            live.push_audio(noise(0.25), 16000)
            times += [live.get(LONG).time] if made >= 6 else []
        assert times == [0.25 * (i + 1) for i in range(7)]
        assert live.get(0) is None
        assert live.dropped == 0


def test_time_stamps_may_begin_anywhere_and_jump(tiny_onnx):
    begin = 86400.0 * 30
    with open_live(tiny_onnx, LiveOptions(queue_seconds=60, tolerance=0.0)) as live:
        live.push_audio(noise(1.0), 16000, begin + 0.05)
        live.push_audio(noise(1.0), 16000, begin + 3600.0)
        live.finish()
        times = [estimate.time - begin for estimate in live]
    assert times[:4] == [0.25, 0.5, 0.75, 1.0]
    assert times[-4:] == [3600.25, 3600.5, 3600.75, 3601.0]
    assert len(times) <= 10  # the hour between is no estimates


def test_one_wrong_time_stamp_far_ahead_is_left_out_and_a_second_is_believed(tiny_onnx):
    picture = np.full((60, 80, 3), 207, np.uint8)
    with open_live(tiny_onnx, LiveOptions(streams=("audio", "video"), queue_seconds=60, tolerance=0.0)) as live:
        for number, time in enumerate((0.0, 0.25, 1e9, 0.5, 0.75, 1.0)):
            live.push_frame(picture, time)
            if number != 2:
                live.push_audio(noise(0.25), 16000)
        assert [live.get(LONG).time for _ in range(4)] == [0.25, 0.5, 0.75, 1.0]
        assert live.late == 1
        for time in (5000.0, 5000.25, 5000.5):
            live.push_frame(picture, time)
            live.push_audio(noise(0.25), 16000, time)
        live.finish()
        times = [estimate.time for estimate in live]
        assert times[-3:] == [5000.25, 5000.5, 5000.75]
        assert live.late == 1


def test_another_rate_and_type_begin_the_sound_anew(tiny_onnx):
    with open_live(tiny_onnx, LiveOptions(queue_seconds=60)) as live:
        live.push_audio(noise(1.0), 16000)
        live.push_audio((noise(1.0, 48000, 1) * 32767).astype(np.int16)[:, None].repeat(2, axis=1), 48000)
        live.finish()
        estimates = list(live)
    assert [estimate.time for estimate in estimates] == [0.25 * (i + 1) for i in range(8)]
    assert live.baseline.steps["audio"] == 8
    assert live.late == 0
