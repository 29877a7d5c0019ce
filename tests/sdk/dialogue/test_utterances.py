"""Sound to utterances: where they are cut, whatever the pieces, gaps, speakers and rates."""

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from loud_speech import PIECE, QUICK, RATE, Loudness, by_the_rules, cut_at, sound

from mer_sdk import ConversationOptions, LiveConversation
from mer_sdk.dialogue.utterances import UtteranceCutter, UtteranceOptions
from mer_sdk.frontends.voice_activity import VoiceActivity, VoiceOptions
from mer_sdk.live.sound_stream import SoundStream

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


def test_real_speech_is_cut_where_it_is_spoken(tiny_senses):
    folder = Path(__file__).parents[4] / "shared" / "data" / "ravdess" / "flac"
    if not folder.exists():
        pytest.skip("RAVDESS is not here")
    soundfile = pytest.importorskip("soundfile")
    clips = [soundfile.read(path, dtype="float32")[0] for path in sorted(folder.glob("03-01-05-02-0?-0?-0[12].flac"))]
    assert len(clips) >= 4
    bounds = np.cumsum([0, *(len(clip) for clip in clips)]) / RATE
    whole, random = np.concatenate(clips), np.random.default_rng(0)
    cuts = np.sort(random.integers(0, len(whole), 60))
    with LiveConversation.open(tiny_senses, options=ConversationOptions(stale_seconds=1e9)) as live:
        for part in np.split(whole, cuts):
            live.push_audio(part, RATE)
        live.finish()
        found = list(live)
    # One utterance a clip: its end lies in the clip, where no voiced piece follows for the hangover.
    assert [int(np.searchsorted(bounds, estimate.time)) for estimate in found] == [1, 2, 3, 4]
    for estimate, begin in zip(found, bounds[1:], strict=True):
        after = VoiceActivity().pieces(whole[int(estimate.time * RATE) : int(begin * RATE)])
        assert (after[2:] < 0.5).all()
