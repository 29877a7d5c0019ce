"""Live streams: pieces of any size, from any threads, late, missing, too fast, and how a stream ends."""

import threading
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest

from mer_sdk import EmotionSensor, LiveConversation, LiveOptions, LiveSensor, Smoothing
from mer_sdk.errors import OptionError, SignalError, StreamError

STEP = 0.25
PATIENT = LiveOptions(streams=("audio", "video"), tolerance=0.3, stale_seconds=1e9, queue_seconds=60)
LONG = 20  # seconds after which a test that hangs fails


class Faces:
    """A face whose box depends on the picture, none in some pictures."""

    def detect(self, rgb):
        corner = int(rgb[0, 0, 0])
        return [] if corner % 5 == 0 else [(corner % 20, corner % 10, 40, 40, 1.0)]


def scene(seed, seconds=3.4, rate=44100):
    random = np.random.default_rng(seed)
    pcm = (random.uniform(-0.5, 0.5, (int(seconds * rate), 2)) * 32767).astype(np.int16)
    times = np.sort(random.uniform(0, seconds, int(seconds * 20)))
    return pcm, [(random.integers(0, 256, (60, 80, 3), np.uint8), float(time)) for time in times]


def pieces_of(pcm, rate, random, count=40):
    cuts = np.unique([0, *random.integers(0, len(pcm), count), len(pcm)])
    return [(pcm[a:b], a / rate) for a, b in pairwise(cuts)]


def offline(bundle, pcm, rate, frames, smoothing=None):
    """The plain sensor, given everything in order."""
    events = [(time, 0, rgb) for rgb, time in frames]
    events += [(start / rate, 1, pcm[start : start + 1000]) for start in range(0, len(pcm), 1000)]
    with EmotionSensor.open(bundle, detector=Faces(), smoothing=smoothing) as sensor:
        sensor._intake.expected = {"audio", "video"}
        estimates = []
        for time, kind, what in sorted(events, key=lambda event: event[:2]):
            estimates += sensor.push_audio(what, rate, time) if kind else sensor.push_frame(what, time)
        return estimates + sensor.flush(), sensor.baseline.steps


def table(estimates):
    return np.array([list(estimate.probabilities.values()) for estimate in estimates])


def assert_same(live, plain):
    assert [(e.time, e.state, e.face) for e in live] == [(e.time, e.state, e.face) for e in plain]
    np.testing.assert_allclose(table(live), table(plain), atol=1e-5)
    assert all((e.live.dropped, e.live.late, e.live.stale) == (0, 0, ()) for e in live)


def open_live(bundle, options=PATIENT, on_estimate=None, **given):
    return LiveSensor(EmotionSensor.open(bundle, detector=Faces(), **given), options, on_estimate)


@pytest.mark.parametrize(("seed", "rate"), [(0, 44100), (1, 16000), (2, 8000), (3, 48000)])
def test_random_pieces_out_of_order_give_the_estimates_of_the_whole(tiny_onnx, seed, rate):
    random = np.random.default_rng(seed)
    pcm, frames = scene(seed, rate=rate)
    plain, steps = offline(tiny_onnx, pcm, rate, frames, Smoothing(seconds=0.7, margin=0.05))
    # Each stream's pieces come up to 0.3 s late, and the streams up to 2 s apart.
    events = [(time + random.uniform(0, 0.29), "audio", piece, time) for piece, time in pieces_of(pcm, rate, random)]
    events += [(time + random.uniform(0, 0.29) + 2 * (seed % 2), "video", rgb, time) for rgb, time in frames]
    with open_live(tiny_onnx, smoothing=Smoothing(seconds=0.7, margin=0.05)) as live:
        for _, stream, what, time in sorted(events, key=lambda event: event[0]):
            assert live.push_audio(what, rate, time) if stream == "audio" else live.push_frame(what, time)
        live.finish()
        estimates = list(live)
        assert live.over
        assert live.baseline.steps == steps
    assert len(estimates) == 14
    assert_same(estimates, plain)


@pytest.mark.parametrize("seed", [4, 5, 6])
def test_many_threads_give_the_estimates_of_the_whole(tiny_onnx, seed):
    random = np.random.default_rng(seed)
    pcm, frames = scene(seed)
    plain, _ = offline(tiny_onnx, pcm, 44100, frames)
    work = [("audio", *item) for item in pieces_of(pcm, 44100, random)] + [("video", *item) for item in frames]
    random.shuffle(work)
    options = replace(PATIENT, tolerance=59.0)
    with open_live(tiny_onnx, options) as live:

        def push(part):
            for stream, what, time in part:
                live.push_audio(what, 44100, time) if stream == "audio" else live.push_frame(what, time)

        threads = [threading.Thread(target=push, args=(work[i::4],)) for i in range(4)]
        ender = threading.Thread(target=lambda: ([thread.join() for thread in threads], live.finish()))
        for thread in (*threads, ender):
            thread.start()
        estimates = list(live)
        ender.join(LONG)
    assert_same(estimates, plain)


def test_a_file_in_pieces_gives_what_stream_gives(tiny_onnx, write_media, tmp_path):
    pytest.importorskip("av")
    from mer_sdk.media import AudioPiece, MediaFile

    path, random = write_media(tmp_path / "clip.mp4"), np.random.default_rng(8)
    with EmotionSensor.open(tiny_onnx, detector=Faces()) as sensor:
        plain = list(sensor.stream(path))
    with open_live(tiny_onnx) as live, MediaFile(path) as media:
        for item in media.read():
            if isinstance(item, AudioPiece):
                parts = pieces_of(item.pcm, item.sample_rate, random, 3)
                for part, start in (parts[i] for i in random.permutation(len(parts))):
                    live.push_audio(part, item.sample_rate, item.time + start)
            else:
                live.push_frame(item.rgb(), item.time)
        live.finish()
        assert_same(list(live), plain)


def test_a_callback_gets_every_estimate_and_finish_waits_for_it(tiny_onnx):
    pcm, frames = scene(9)
    given = []
    with open_live(tiny_onnx, on_estimate=given.append) as live:
        for rgb, time in frames:
            live.push_frame(rgb, time)
        live.push_audio(pcm, 44100)
        assert live.finish(LONG)
        with pytest.raises(OptionError, match="go to on_estimate"):
            next(iter(live))
    assert_same(given, offline(tiny_onnx, pcm, 44100, frames)[0])


def noise(seconds, rate=16000, seed=0):
    return np.random.default_rng(seed).uniform(-0.5, 0.5, int(seconds * rate)).astype(np.float32)


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
    assert set(live._sensor._engine._sound.owners) == {None}
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


def test_bad_input_is_refused_and_the_stream_goes_on(tiny_onnx):
    with open_live(tiny_onnx, LiveOptions(queue_seconds=60)) as live:
        for pcm, rate, time in (
            (np.array([np.nan], np.float32), 16000, None),
            (noise(0.1), 10, None),
            (noise(0.1), 16000, float("inf")),
        ):
            with pytest.raises(SignalError):
                live.push_audio(pcm, rate, time)
        with pytest.raises(SignalError, match="a frame has shape"):
            live.push_frame(np.zeros((3, 4)), 0.0)
        with pytest.raises(OptionError, match="no text"):
            live.push_text("hello")
        live.push_audio(noise(0.5), 16000)
        live.push_audio(np.zeros(0, np.float32), 16000)
        live.finish()
        assert len(list(live)) == 2


def test_a_frame_is_copied(tiny_onnx):
    picture = np.full((60, 80, 3), 207, np.uint8)
    with open_live(tiny_onnx) as live:
        live.push_frame(picture, 0.0)
        picture[:] = 205  # Faces finds none in this one
        live.push_audio(noise(0.25), 16000)
        live.finish()
        assert next(iter(live)).face.id == 0


def test_close_returns_while_a_consumer_waits(tiny_onnx):
    live, taken = open_live(tiny_onnx), []
    consumer = threading.Thread(target=lambda: taken.extend(live))
    consumer.start()
    assert live.close(LONG)
    consumer.join(LONG)
    assert (consumer.is_alive(), taken, live.over) == (False, [], True)
    assert live.close()
    assert not live.push_audio(noise(0.1), 16000)
    assert not live.push_frame(np.zeros((5, 5, 3), np.uint8), 0.0)
    assert live.finish(0)


def test_close_returns_while_a_callback_hangs(tiny_onnx):
    entered, go = threading.Event(), threading.Event()
    live = open_live(tiny_onnx, LiveOptions(), lambda estimate: (entered.set(), go.wait(LONG)))
    live.push_audio(noise(1.0), 16000)
    assert entered.wait(LONG)
    assert not live.close(0.01)
    go.set()
    assert live.close(LONG)


def test_a_callback_that_raises_ends_the_stream_with_its_error(tiny_onnx):
    def raises(estimate):
        raise ValueError("no screen")

    live = open_live(tiny_onnx, LiveOptions(), raises)
    live.push_audio(noise(0.5), 16000)
    live._thread.join(LONG)
    # A `with` block that ended well would raise it, too.
    for act in (lambda: live.push_audio(noise(0.5), 16000), live.finish, lambda: live.__exit__(None)):
        with pytest.raises(StreamError, match="ValueError: no screen") as caught:
            act()
        assert isinstance(caught.value.__cause__, ValueError)
    assert live.close()


def test_an_error_of_the_detector_reaches_the_consumer(tiny_onnx):
    class Broken:
        def detect(self, rgb):
            raise RuntimeError("no model")

    live = LiveSensor.open(tiny_onnx, detector=Broken())
    live.push_frame(np.full((60, 80, 3), 90, np.uint8), 0.0)
    live.finish()
    with pytest.raises(StreamError, match="no model"):
        list(live)
    assert live.close()


def test_close_and_finish_within_a_callback(tiny_onnx):
    given = []

    def once(estimate):
        given.append((estimate.time, live.finish(), live.close()))

    with open_live(tiny_onnx, LiveOptions(), once) as live:
        live.push_audio(noise(1.0), 16000)
        live._thread.join(LONG)
    assert given == [(0.25, False, False)]


def test_in_another_process_only_close_is_allowed(tiny_onnx, tiny_senses):
    live = open_live(tiny_onnx)
    talk = LiveConversation.open(tiny_senses)
    picture = np.zeros((5, 5, 3), np.uint8)
    both = [
        lambda one: one.push_audio(noise(0.1), 16000),
        lambda one: one.push_frame(picture, 0.0),
        lambda one: one.get(0),
        lambda one: next(iter(one)),
        lambda one: one.finish(0),
        lambda one: (one.over,),
        lambda one: (one.dropped,),
        lambda one: (one.late,),
        lambda one: (one.stale,),
    ]
    acts = {
        live: [*both, lambda one: (one.baseline,), lambda one: one.between_steps().__enter__()],
        talk: [
            *both,
            lambda one: one.push_text("hello", 0.0),
            lambda one: one.course(),
            lambda one: (one.short, one.dropped_frames),
            lambda one: one.between_utterances().__enter__(),
        ],
    }
    for one, tried in acts.items():
        # A real fork is in test_sealed.py; here the parent's thread goes on, as it cannot in a child.
        process, one._process = one._process, -1
        for act in tried:
            with pytest.raises(StreamError, match=f"a {one._what} does not go through a fork"):
                act(one)
        assert one.close()
        assert one._thread.is_alive()
        one._process = process
        assert one.close(LONG)
        assert not one._thread.is_alive()


def test_two_sensors_do_not_disturb_each_other(tiny_onnx):
    pcm, frames = scene(11)
    plain, _ = offline(tiny_onnx, pcm, 44100, frames)
    with open_live(tiny_onnx) as one, open_live(tiny_onnx) as other:
        for rgb, time in frames:
            one.push_frame(rgb, time)
            other.push_frame(255 - rgb, time)
        one.push_audio(pcm, 44100, 0.0)
        other.push_audio(pcm[::-1], 44100, 0.0)
        one.finish()
        other.finish()
        assert_same(list(one), plain)
        assert np.abs(table(list(other)) - table(plain)).max() > 1e-3


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("streams", ("sound",)),
        ("tolerance", -0.1),
        ("stale_seconds", 0),
        ("queue_seconds", 0.1),
        ("queue_seconds", float("nan")),
    ],
)
def test_options_outside_their_ranges_are_refused(name, value):
    with pytest.raises(OptionError, match=name if name != "streams" else "'sound' is unknown"):
        LiveOptions(**{name: value})
