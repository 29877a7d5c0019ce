"""Sound to utterances: where they are cut, in what order they come, and which text is whose."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mer_sdk.conversation_options import ConversationOptions
from mer_sdk.errors import OptionError
from mer_sdk.frontends.voice import VoiceOptions
from mer_sdk.sound_stream import SoundStream
from mer_sdk.utterance_cutter import UtteranceCutter, UtteranceOptions
from mer_sdk.utterance_queue import UtteranceQueue

RATE, PIECE = 16000, 512
QUICK = UtteranceOptions(VoiceOptions(hangover=0.32), minimum=0.1, longest=3.0, pre_roll=0.2)


class Loudness:
    """Speech is what is loud."""

    def reset(self):
        pass

    def __call__(self, piece):
        return min(1.0, float(np.abs(piece).mean()))


def sound(spans, seconds, rate=RATE):
    """Samples that are loud from begin to end seconds, quiet noise elsewhere."""
    samples = np.random.default_rng(0).normal(0, 0.01, int(seconds * rate)).astype(np.float32)
    for begin, end in spans:
        part = samples[int(begin * rate) : int(end * rate)]
        part += 0.9 * np.sign(np.sin(2 * np.pi * 100 * np.arange(len(part)) / rate + 0.1)).astype(np.float32)
    return np.clip(samples, -1, 1)


def by_the_rules(samples, options):
    """Where utterances lie, read off the whole sound at once: [(begin, end)] in samples."""
    count = len(samples) // PIECE
    voiced = [np.abs(samples[i * PIECE : (i + 1) * PIECE]).mean() >= options.voice.threshold for i in range(count)]
    pre_roll, longest = round(options.pre_roll * RATE), round(options.longest * RATE)
    hold, minimum = round(options.voice.hangover * RATE), round(options.minimum * RATE)
    runs: list[list[int]] = []  # [begin with pre-roll, first voiced sample, last voiced sample]
    for index in np.flatnonzero(voiced):
        begin, end = int(index) * PIECE, (int(index) + 1) * PIECE
        silent = -(-hold // PIECE) * PIECE or PIECE  # pieces that a pause must have to end an utterance
        if runs and begin - runs[-1][2] < silent and end - runs[-1][0] <= longest:
            runs[-1][2] = end
        else:
            runs.append([max(runs[-1][2] if runs else 0, begin - pre_roll), begin, end])
    return [(start, last) for start, first, last in runs if last - first >= minimum]


spans = st.lists(st.tuples(st.floats(0, 7.5), st.floats(0.02, 3.9)), max_size=6)


@settings(max_examples=30, deadline=None)
@given(spans, st.lists(st.integers(0, 8 * RATE), max_size=30), st.floats(0, 0.6), st.floats(0, 0.4))
def test_random_pieces_give_the_utterances_that_the_rules_give(loud, cuts, hangover, pre_roll):
    options = UtteranceOptions(VoiceOptions(hangover=hangover), minimum=0.1, longest=2.0, pre_roll=pre_roll)
    samples = sound([(begin, begin + length) for begin, length in loud], 8)
    expected = by_the_rules(samples, options)
    cutter, found = UtteranceCutter(options, Loudness()), []
    for a, b in pairwise([0, *sorted(cuts), len(samples)]):
        found += cutter.push(samples[a:b])
        # What is still to come keeps to what was said of it.
        settled, begins = cutter.settled, cutter.next_begin
        rest = expected[len(found) :]
        assert all(end > settled and begin >= begins for begin, end in rest)
    found += cutter.end()
    assert [(cut.begin, cut.end) for cut in found] == expected
    for cut in found:
        np.testing.assert_array_equal(cut.samples, samples[cut.begin : cut.end])


def test_an_utterance_is_over_once_the_hangover_has_passed_and_short_ones_are_counted():
    cutter = UtteranceCutter(QUICK, Loudness())
    samples = sound([(1.0, 2.0), (3.0, 3.05)], 5)
    ends = []
    for index in range(0, len(samples), 160):
        ends += [(index + 160, cut) for cut in cutter.push(samples[index : index + 160])]
    assert len(ends) == 1
    position, cut = ends[0]
    assert cut.begin == pytest.approx(0.8 * RATE, abs=PIECE)
    assert cut.end == pytest.approx(2.0 * RATE, abs=PIECE)
    assert 0.32 * RATE <= position - cut.end <= 0.32 * RATE + 160 + PIECE
    assert cutter.short == 1


def test_memory_is_bounded_in_endless_silence_and_endless_speech():
    cutter = UtteranceCutter(QUICK, Loudness())
    for loud in (0.0, 0.9):
        for _ in range(40):
            cutter.push(np.full(8000, loud, np.float32))
            assert len(cutter._sound) <= 3.0 * RATE + 8000 + PIECE


def spoken(stream, pieces):
    """All utterances of a stream given (samples, rate, time, speaker)."""
    found = []
    for samples, rate, time, speaker in pieces:
        found += stream.push(samples, rate, time, speaker)
    return found + stream.end()


def cut_at(samples, rate, random, begin=0.0, count=30):
    bounds = np.unique([0, *random.integers(0, len(samples), count), len(samples)])
    return [(samples[a:b], rate, begin + a / rate, None) for a, b in pairwise(bounds)]


def places(found):
    return [(one.speaker, round(one.begin, 6), round(one.end, 6)) for one in found]


@settings(max_examples=12, deadline=None)
@given(st.integers(0, 10**6), st.sampled_from([8000, 16000, 44100]), st.sampled_from([0.0, 7.3]))
def test_pieces_out_of_order_within_the_tolerance_give_the_whole_sounds_utterances(seed, rate, begin):
    random = np.random.default_rng(seed)
    samples = sound([(0.5, 1.2), (1.9, 2.6), (3.2, 3.3)], 4, rate)
    whole = spoken(SoundStream("a", QUICK, 0.0, Loudness()), [(samples, rate, begin, None)])
    pieces = sorted(cut_at(samples, rate, random, begin), key=lambda piece: piece[2] + random.uniform(0, 0.29))
    stream = SoundStream("a", QUICK, 0.3, Loudness())
    found = spoken(stream, pieces)
    assert places(found) == places(whole)
    assert len(found) == 3 - (whole[-1].end < begin + 3)
    assert stream.late == 0
    for one, other in zip(found, whole, strict=True):
        np.testing.assert_array_equal(one.samples, other.samples)


def test_gaps_speakers_and_rates():
    voice = sound([(0.0, 1.0)], 1.0)
    # Up to the hangover a gap is silence in the utterance.
    found = spoken(SoundStream("a", QUICK, 0.0, Loudness()), [(voice, RATE, 0.0, 1), (voice, RATE, 1.2, 1)])
    assert places(found) == [(1, 0.0, pytest.approx(2.2, abs=0.04))]
    # A longer one, another speaker or another rate ends it.
    for time, rate, speaker in ((2.0, RATE, 1), (1.0, RATE, 2), (1.0, 48000, 1)):
        pieces = [(voice, RATE, 0.0, 1), (sound([(0.0, 1.0)], 1.0, rate), rate, time, speaker)]
        found = spoken(SoundStream("a", QUICK, 0.0, Loudness()), pieces)
        assert [one.speaker for one in found] == [1, speaker]
        assert found[1].begin == pytest.approx(time)
        assert found[0].end <= 1.0


def test_late_and_doubtful_pieces():
    stream = SoundStream("a", QUICK, 0.1, Loudness())
    voice = sound([(0.0, 0.5)], 0.5)
    for time in (0.0, 1.0, 1.5, 0.5, 1e9, 2.0, 2.5):
        stream.push(voice, RATE, time, None)
    assert stream.late == 2  # 0.5 came after 1.0 was given up for; nothing confirmed 1e9
    assert stream.end()[-1].end == pytest.approx(3.0, abs=0.04)
    # A second one near it is believed.
    for time in (5000.0, 5000.5):
        stream.push(voice, RATE, time, None)
    assert places(stream.end()) == [(None, 5000.0, pytest.approx(5001.0, abs=0.04))]


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
