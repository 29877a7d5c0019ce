"""How a live stream ends, and what does not end it: errors, close and finish from anywhere, bad input."""

import threading

import numpy as np
import pytest
from live_streams import LONG, noise, open_live

from mer_sdk import Conversation, ConversationOptions, EmotionSensor, LiveConversation, LiveOptions, LiveSensor
from mer_sdk.errors import OptionError, SignalError, StreamError


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

    def the_rest():
        live.finish()  # raises, too, should the thread have come to the frame before
        return list(live)

    with pytest.raises(StreamError, match="no model"):
        the_rest()
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
            lambda one: one.timeline(),
            lambda one: (one.short, one.dropped_frames),
            lambda one: one.between_utterances().__enter__(),
        ],
    }
    for one, tried in acts.items():
        # A real fork is in test_sandbox.py; here the parent's thread goes on, as it cannot in a child.
        process, one._process = one._process, -1
        for act in tried:
            with pytest.raises(StreamError, match=f"a {one._what} does not go through a fork"):
                act(one)
        assert one.close()
        assert one._thread.is_alive()
        one._process = process
        assert one.close(LONG)
        assert not one._thread.is_alive()


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


@pytest.mark.parametrize("in_callback", [False, True])
def test_close_lets_go_of_what_is_known_of_people_but_for_the_baseline(tiny_onnx, in_callback):
    def end(estimate):
        live.close()

    live = open_live(tiny_onnx, LiveOptions(queue_seconds=60), **({"on_estimate": end} if in_callback else {}))
    live.push_audio(noise(6.0), 16000)
    live.push_frame(np.zeros((48, 64, 3), np.uint8), 0.1)
    if in_callback:
        live._thread.join(LONG)
        assert live.over
    else:
        live.finish()
        assert len(list(live)) == 24
    live.close()
    if not in_callback:
        assert live.baseline.steps["audio"] == 24
    with live.between_steps() as sensor, pytest.raises(OptionError, match="the sensor is closed"):
        sensor.enrol()
    assert sensor.last_features is None


def test_time_stamps_that_are_no_seconds_are_refused_and_nobody_waits_for_ever(tiny_onnx):
    with open_live(tiny_onnx) as live:
        for time in (1e308, 1.7e18, "1"):
            with pytest.raises(SignalError, match=r"give (a number of )?seconds"):
                live.push_audio(noise(0.5), 16000, time)
        with pytest.raises(OptionError, match="the timeout is nan s"):
            live.get(float("nan"))
        live.push_audio(noise(0.5), 16000)
        live.finish(1e300)
        assert len(list(live)) == 2


def test_an_error_at_the_end_of_the_input_is_told_to_whoever_waits(tiny_onnx, monkeypatch):
    def fail():
        raise OverflowError("too large")

    with open_live(tiny_onnx) as live:
        monkeypatch.setattr(live, "_end_input", fail)
        for end in (live.finish, lambda: list(live)):
            with pytest.raises(StreamError, match="OverflowError: too large"):
                end()
        monkeypatch.undo()
        live._error = None


def test_close_waits_for_whoever_looks_at_the_sensor_between_two_steps(tiny_onnx):
    with open_live(tiny_onnx, LiveOptions(queue_seconds=60)) as live:
        live.push_audio(noise(6.0), 16000)
        live.finish()
        list(live)
        with live.between_steps() as sensor:
            closing = threading.Thread(target=live.close, args=(LONG,))
            closing.start()
            closing.join(0.2)
            assert sensor.enrolling == 0
            assert sensor._steps.engine._graphs
            assert sensor.baseline.steps["audio"] == 24
        closing.join(LONG)
        assert not sensor._steps.engine._graphs
        assert live.baseline.steps["audio"] == 24


def test_a_timeout_is_a_number_of_seconds_or_none(tiny_onnx):
    with open_live(tiny_onnx, LiveOptions(streams=("audio",))) as live:
        for wait in (live.get, live.finish, live.close):
            for value, said in ((float("nan"), "nan s"), ("1", "'1'"), ([], "an array"), (True, "true")):
                with pytest.raises(OptionError, match=f"the timeout is {said}; give a number of seconds, or None"):
                    wait(value)
        assert live.push_audio(noise(0.5), 16000)  # nothing was finished or closed
        assert live.get(float("inf")) is not None
        assert live.get(np.float32(LONG)) is not None
        assert live.get(-1) is None
        assert live.close(None)


def test_a_live_sensor_takes_a_fresh_sensor_that_is_its_own_from_then_on(tiny_onnx):
    with EmotionSensor.open(tiny_onnx) as sensor:
        sensor.push_audio(noise(0.1), 16000)
        with pytest.raises(OptionError, match="was pushed to already: give a live sensor a fresh one, or call reset"):
            LiveSensor(sensor)
        sensor.reset()
        sensor.enrol()
        with LiveSensor(sensor) as live:
            acts = (
                lambda: LiveSensor(sensor),
                lambda: sensor.push_audio(noise(0.1), 16000),
                lambda: sensor.push_frame(np.zeros((8, 8, 3), np.uint8), 0.0),
                sensor.flush,
                sensor.reset,
                lambda: next(sensor.stream("clip.wav")),
            )
            for act in acts:
                with pytest.raises(OptionError, match="the sensor belongs to a live sensor: push to that one"):
                    act()
            live.push_audio(noise(0.5), 16000)
            live.finish()
            assert len(list(live)) == 2
    with pytest.raises(OptionError, match="the sensor is closed"):
        LiveSensor(sensor)


def test_a_live_conversation_takes_a_fresh_conversation(tiny_talk):
    with Conversation.open(tiny_talk) as talk:
        talk.push_text("hello")
        with pytest.raises(OptionError, match="has utterances already: give a live conversation a fresh one, or call"):
            LiveConversation(talk)
        talk.reset()
        with LiveConversation(talk), pytest.raises(OptionError, match="belongs to a live conversation already"):
            LiveConversation(talk)
    with pytest.raises(OptionError, match="the conversation is closed"):
        LiveConversation(talk)


def test_what_live_streams_are_made_of_is_checked(tiny_onnx, tiny_talk):
    with EmotionSensor.open(tiny_onnx) as sensor, Conversation.open(tiny_talk) as talk:
        for make, said in (
            (lambda: LiveSensor(None), "sensor is None; give a fresh EmotionSensor"),
            (lambda: LiveSensor(talk), "sensor is a Conversation; give a fresh EmotionSensor"),
            (lambda: LiveSensor(sensor, 0), "options is 0; give a LiveOptions"),
            (lambda: LiveSensor(sensor, ConversationOptions()), "options is a ConversationOptions; give a LiveOptions"),
            (lambda: LiveSensor(sensor, on_estimate=5), "on_estimate is 5; give a function that takes an estimate"),
            (lambda: LiveSensor(sensor, now=5), "now is 5; give a function that gives seconds"),
            (lambda: LiveConversation(sensor), "conversation is a EmotionSensor; give a fresh Conversation"),
            (lambda: LiveConversation(talk, LiveOptions()), "options is a LiveOptions; give a ConversationOptions"),
            (lambda: LiveConversation(talk, recognise=5), "recognise is 5; give a function of samples and their rate"),
            (lambda: LiveConversation(talk, on_estimate=5), "on_estimate is 5; give a function that takes an estimate"),
            (lambda: LiveConversation(talk, voice=5), "voice is 5; give what makes a speech model"),
            (lambda: LiveConversation(talk, now="x"), "now is 'x'; give a function that gives seconds"),
        ):
            with pytest.raises(OptionError, match=said):
                make()
        assert LiveSensor(sensor).close()  # what was refused took nothing away
        assert LiveConversation(talk).close()
