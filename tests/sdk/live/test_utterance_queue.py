"""Utterances of several streams: in what order they come, which text is whose, and which frames."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from loud_speech import QUICK, RATE, Loudness, by_the_rules, cut_at, sound

from mer_sdk.dialogue.options import ConversationOptions
from mer_sdk.dialogue.utterances import UtteranceOptions
from mer_sdk.errors import OptionError
from mer_sdk.live.utterance_queue import UtteranceQueue


class Wall:
    seconds = 0.0

    def __call__(self):
        return self.seconds


def a_queue(awaits_text=False, now=None, **given):
    options = ConversationOptions(utterance=QUICK, **given)
    return UtteranceQueue(options, awaits_text, 0.25, now or Wall(), Loudness)


@settings(max_examples=12, deadline=None)
@given(st.integers(0, 10**6))
def test_overlapping_speech_of_two_streams_comes_in_the_order_of_its_ends(seed):
    random = np.random.default_rng(seed)
    said = {
        name: sound([(at, at + random.uniform(0.3, 1.5)) for at in random.uniform(0, 6, 3)], 8) for name in ("a", "b")
    }
    expected = sorted(
        (round(end / RATE, 6), round(begin / RATE, 6), name)
        for name, samples in said.items()
        for begin, end in by_the_rules(samples, QUICK)
    )
    queue, turns = a_queue(streams=("a", "b")), []
    left = {name: cut_at(samples, RATE, random) for name, samples in said.items()}
    while any(left.values()):
        name = random.choice([name for name, pieces in left.items() if pieces])
        samples, rate, time, _ = left[name].pop(0)
        queue.add_audio(samples, rate, time, str(name), None)
        while queue.turns:
            turns.append(queue.turns.popleft())
    queue.finish()
    turns += queue.turns
    assert [(round(turn.end, 6), round(turn.begin, 6), turn.speaker) for turn in turns] == expected
    assert (queue.late, queue.dropped) == (0, 0)


def test_a_stream_that_stalls_is_not_waited_for_and_its_utterance_ends():
    wall = Wall()
    queue = a_queue(now=wall, streams=("a", "b"), stale_seconds=1.0)
    queue.add_audio(sound([(0.5, 1.0)], 1.0), RATE, 0.0, "b", None)  # b stalls while somebody speaks
    queue.add_audio(sound([(0.2, 1.5)], 3.0), RATE, 0.0, "a", None)
    assert not queue.turns
    assert queue.stale() == ()
    wall.seconds = 1.5
    queue.add_audio(sound([], 0.1), RATE, 3.0, "a", None)
    assert [turn.speaker for turn in queue.turns] == ["b", "a"]
    assert queue.stale() == ("b",)
    queue.add_audio(sound([(0.0, 0.4)], 1.0), RATE, 1.0, "b", None)  # what it says now ends before what was handed on
    queue.finish()
    assert [turn.speaker for turn in queue.turns] == ["b", "a"]
    assert queue.late == 1
    assert queue.stale() == ()


def test_a_stream_that_lags_too_far_is_not_waited_for():
    queue = a_queue(streams=("a", "b"), queue_seconds=4.0)
    queue.add_audio(sound([(0.5, 1.0)], 4.0), RATE, 0.0, "a", None)
    assert not queue.turns
    queue.add_audio(sound([], 1.0), RATE, 4.0, "a", None)
    assert [turn.speaker for turn in queue.turns] == ["a"]


def test_the_oldest_turn_is_dropped_where_there_is_no_room():
    queue = a_queue(queue=2)
    queue.add_audio(sound([(i, i + 0.5) for i in range(5)], 6.0), RATE, 0.0, None, None)
    assert [round(turn.begin) for turn in queue.turns] == [3, 4]
    assert queue.dropped == 3


def talk(queue, seconds=6.0):
    """Utterances at about 1-2 and 3-4 s."""
    queue.add_audio(sound([(1.0, 2.0), (3.0, 4.0)], seconds), RATE, 0.0, "a", "anna")


def words(queue):
    return [(turn.speaker, turn.text) for turn in queue.turns]


def test_texts_go_to_the_utterance_that_they_overlap_most():
    queue = a_queue(awaits_text=True, patience=10.0)
    queue.add_text("one", 1.1, 1.5, "anna")  # before the sound of it
    queue.finish()
    assert words(queue) == [("anna", "one")]  # nothing else came: a text is an utterance of its own
    queue = a_queue(awaits_text=True, patience=10.0)
    talk(queue, 2.2)
    queue.add_text("one", 1.1, 1.4, "anna")
    queue.add_audio(sound([(0.8, 1.8)], 3.8), RATE, 2.2, "a", "anna")
    queue.add_text("three", 2.0, 3.9, "anna")  # overlaps the first for a moment, the second for most of it
    assert not queue.turns  # the first may still get more
    queue.add_text("two", 1.5, 2.0, "anna")
    assert words(queue) == [("anna", "one two"), ("anna", "three")]


def test_a_text_before_its_utterance_is_over_waits_for_it():
    queue = a_queue(awaits_text=True)
    queue.add_audio(sound([(1.0, 2.0)], 1.9), RATE, 0.0, "a", "anna")
    queue.add_text("soon", 1.8, None, "anna")
    assert not queue.turns
    queue.add_audio(sound([], 0.5), RATE, 1.9, "a", "anna")
    assert words(queue) == [("anna", "soon")]


def test_an_utterance_waits_for_its_text_as_long_as_the_patience_and_a_later_one_is_counted():
    queue = a_queue(awaits_text=True, patience=1.0)
    talk(queue, 2.9)
    assert not queue.turns
    queue.add_audio(sound([], 0.3), RATE, 2.9, "a", "anna")
    assert words(queue) == [("anna", None)]
    queue.add_text("too late", 1.2, 1.8, "anna")
    assert (queue.late, len(queue.turns)) == (1, 1)


def test_patience_goes_by_the_wall_where_no_sound_comes():
    wall = Wall()
    queue = a_queue(awaits_text=True, now=wall, patience=1.5, stale_seconds=1.0)
    talk(queue, 2.5)
    wall.seconds = 1.2
    queue.move()
    assert not queue.turns
    assert queue.waits()
    wall.seconds = 1.6
    queue.move()
    assert words(queue) == [("anna", None)]


def test_a_text_far_from_all_speech_or_of_another_speaker_is_an_utterance_of_its_own():
    queue = a_queue(awaits_text=True, patience=10.0)
    talk(queue)
    queue.add_text("typed", 3.5, None, "ben")
    queue.add_text("whispered", 5.2, None, "anna")
    queue.add_text("said", 3.5, None, "anna")
    queue.add_text("also said", 1.5, None, None)
    queue.finish()
    assert words(queue) == [("anna", "also said"), ("ben", "typed"), ("anna", "said"), ("anna", "whispered")]
    assert [turn.samples is None for turn in queue.turns] == [False, True, False, True]


def picture(value):
    return np.full((4, 4, 3), value, np.uint8)


def test_frames_go_with_the_utterance_that_they_lie_in():
    queue = a_queue(tolerance=0.0)
    for number in range(12):
        queue.add_frame(picture(number), number * 0.125, None)
    queue.add_audio(sound([(1.0, 2.0)], 3.0), RATE, 0.0, "a", None)
    assert not queue.turns  # frames of it are still to come
    for number in range(12, 20):
        queue.add_frame(picture(number), number * 0.125, None)
    (turn,) = queue.turns
    # The last frame of each step, from the pre-roll to the end, in seconds since the utterance began.
    assert [int(rgb[0, 0, 0]) for rgb, _ in turn.frames] == [7, 9, 11, 13, 15]
    assert [round(turn.begin + time, 6) for _, time in turn.frames] == [0.875, 1.125, 1.375, 1.625, 1.875]
    assert all(len(kept) < 4 for kept in queue._frames.values())


def test_frames_of_a_stream_are_of_its_utterances_and_too_many_are_dropped():
    queue = a_queue(frames=4, streams=("a", "b"))
    for number in range(10):
        queue.add_frame(picture(number), number * 0.25, "b")
        queue.add_frame(picture(100), number * 0.25, None)
    assert queue.dropped_frames == 16
    queue.add_audio(sound([(1.6, 2.1)], 3.0), RATE, 0.0, "a", None)
    queue.add_audio(sound([(1.6, 2.1)], 3.0), RATE, 0.0, "b", None)
    queue.finish()
    assert {turn.speaker: {int(rgb[0, 0, 0]) for rgb, _ in turn.frames} for turn in queue.turns} == {
        "a": {100},
        "b": {8},
    }


def test_frames_of_turns_that_wait_are_bounded_too():
    queue = a_queue(frames=3, tolerance=0.0)
    for number in range(24):
        queue.add_frame(picture(number), number * 0.25, None)
        queue.add_audio(sound([(0.05, 0.2)] * (number % 4 == 0), 0.25), RATE, number * 0.25, None, None)
    assert len(queue.turns) == 6
    shown = [len(turn.frames) for turn in queue.turns]
    assert shown == [0, 0, 0, 1, 1, 1]
    assert queue.dropped_frames == 3


@pytest.mark.parametrize(
    ("kind", "values"),
    [
        (UtteranceOptions, {"minimum": -1}),
        (UtteranceOptions, {"pre_roll": float("nan")}),
        (UtteranceOptions, {"longest": 0.3}),
        (ConversationOptions, {"tolerance": -0.1}),
        (ConversationOptions, {"patience": float("inf")}),
        (ConversationOptions, {"stale_seconds": 0}),
        (ConversationOptions, {"queue_seconds": 0.05}),
        (ConversationOptions, {"queue": 0}),
        (ConversationOptions, {"frames": 0}),
    ],
)
def test_options_outside_their_ranges_are_refused(kind, values):
    with pytest.raises(OptionError, match=next(iter(values))):
        kind(**values)
