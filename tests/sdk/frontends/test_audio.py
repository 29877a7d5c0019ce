import numpy as np
import pytest

from mer_sdk.contract.manifest import AudioContract, Clock
from mer_sdk.errors import SignalError
from mer_sdk.frontends.audio import AudioFrontend, ChunkBuffer, to_mono
from mer_sdk.frontends.resampling import Resampler

CONTRACT = AudioContract(chunk_samples=6000)
RATES = [8000, 11025, 16000, 22050, 44100, 48000, 96000, 192000]


def tone(rate, hertz=440.0, seconds=2.0):
    return (0.5 * np.sin(2 * np.pi * hertz * np.arange(int(rate * seconds)) / rate)).astype(np.float32)


def ripple(count, level):
    """Samples about one level, which are no silence."""
    return (level + 0.005 * (-1.0) ** np.arange(count)).astype(np.float32)


def pieces(samples, seed, largest=3000):
    random = np.random.default_rng(seed)
    start = 0
    while start < len(samples):
        size = int(random.integers(1, largest))
        yield samples[start : start + size]
        start += size


@pytest.mark.parametrize("rate", RATES)
def test_a_tone_stays_the_same_tone_at_the_same_time(rate):
    result = Resampler(rate, 16000).whole(tone(rate))
    assert len(result) == 32000
    np.testing.assert_allclose(result[300:-300], tone(16000)[300:-300], atol=2e-4)


@pytest.mark.parametrize("rate", [44100, 48000, 96000])
def test_what_is_above_half_the_target_rate_does_not_fold_back(rate):
    result = Resampler(rate, 16000).whole(tone(rate, hertz=9500.0))
    assert np.abs(result[300:-300]).max() < 1e-3


@pytest.mark.parametrize("rate", RATES)
def test_pieces_give_the_samples_of_the_whole(rate):
    noise = np.random.default_rng(1).uniform(-1, 1, rate).astype(np.float32)
    whole = Resampler(rate, 16000).whole(noise)
    resampler = Resampler(rate, 16000)
    joined = np.concatenate([*(resampler.push(piece) for piece in pieces(noise, 2)), resampler.flush()])
    assert len(joined) == len(whole)
    np.testing.assert_allclose(joined, whole, atol=1e-6)


@pytest.mark.parametrize("rate", [0, -8000, 999, 10**7, 10**9, 16000.5, float("nan")])
def test_impossible_rates_are_refused(rate):
    for source, target in ((rate, 16000), (16000, rate)):
        with pytest.raises(SignalError, match=f"sample rate is {rate} Hz; allowed are 1000 to 768000, whole"):
            Resampler(source, target)


def test_layouts_and_types_give_the_same_mono():
    mono = np.array([0.5, -0.25, 0.0], np.float32)
    stereo = np.stack([mono * 1.5, mono * 0.5], axis=1)
    np.testing.assert_allclose(to_mono(stereo), mono, atol=1e-7)
    np.testing.assert_array_equal(to_mono((mono * 32768).astype(np.int16)), mono)
    np.testing.assert_array_equal(to_mono((mono * 2.0**31).astype(np.int32)), mono)
    np.testing.assert_array_equal(to_mono((mono * 128 + 128).astype(np.uint8)), mono)
    np.testing.assert_array_equal(to_mono(mono.astype(np.float64)), mono)
    np.testing.assert_array_equal(to_mono(np.array([1.3, -1.2])), [1.0, -1.0])


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_a_value_that_is_no_number_is_named_by_its_place_in_the_stream(bad):
    frontend = AudioFrontend(CONTRACT, Clock())
    frontend.push(np.zeros(5000), 16000)
    piece = np.zeros((100, 2))
    piece[42, 1] = bad
    with pytest.raises(SignalError, match="PCM sample 5042 is not a finite number"):
        frontend.push(piece, 16000)


def test_wrong_pcm_is_refused():
    with pytest.raises(SignalError, match="divide 16-bit samples by 32768"):
        to_mono(np.array([1200.0, -300.0]))
    with pytest.raises(SignalError, match=r"shape \(1, 2, 3\)"):
        to_mono(np.zeros((1, 2, 3)))
    with pytest.raises(SignalError, match="has type int64"):
        to_mono(np.zeros(4, np.int64))


def test_the_chunk_ends_where_its_step_ends():
    """Chunk i of the ramp 1, 2, 3, ... holds the 6 samples before 4 * (i + 1), with zeros before the stream."""
    chunks = list(ChunkBuffer(6, 4).push(np.arange(1, 13, dtype=np.float32)))
    assert [chunk.tolist() for chunk in chunks] == [
        [0, 0, 1, 2, 3, 4],
        [3, 4, 5, 6, 7, 8],
        [7, 8, 9, 10, 11, 12],
    ]


def test_a_chunk_may_be_shorter_than_a_step():
    chunks = list(ChunkBuffer(2, 4).push(np.arange(1, 9, dtype=np.float32)))
    assert [chunk.tolist() for chunk in chunks] == [[3, 4], [7, 8]]


def test_an_incomplete_step_counts_from_half_of_it_or_alone():
    for samples, expected in ((5000, 1), (5999, 1), (6000, 2), (1000, 1)):
        frontend = AudioFrontend(CONTRACT, Clock())
        steps = frontend.push(ripple(samples, 0.5), 16000)
        steps += frontend.flush()
        assert len(steps) == expected, samples
    chunk, covered = steps[0]
    assert covered
    assert chunk[-3000:].max() == 0.0
    assert chunk[-3001] == pytest.approx(0.5, abs=0.01)


def test_gaps_and_late_starts_are_not_covered():
    frontend = AudioFrontend(CONTRACT, Clock())
    steps = frontend.push(tone(16000, seconds=0.5), 16000, time=0.5)
    steps += frontend.push(tone(16000, seconds=0.5), 16000, time=1.75)
    assert [covered for _, covered in steps] == [False, False, True, True, False, False, False, True, True]


def test_jitter_of_time_stamps_is_no_gap():
    frontend = AudioFrontend(CONTRACT, Clock())
    steps = []
    for index in range(20):
        steps += frontend.push(ripple(800, 0.1), 16000, time=index * 0.05 + 0.004 * (-1) ** index)
    assert len(steps) == 4
    assert all(covered for _, covered in steps)
    assert steps[2][0].min() == pytest.approx(0.1, abs=0.01)


def test_audio_out_of_order_or_at_another_rate_is_refused():
    frontend = AudioFrontend(CONTRACT, Clock())
    frontend.push(np.zeros(16000), 16000, time=0.0)
    with pytest.raises(SignalError, match=r"audio for 0\.500 s came after 1\.000 s"):
        frontend.push(np.zeros(100), 16000, time=0.5)
    with pytest.raises(SignalError, match="changed from 16000 to 8000 Hz"):
        frontend.push(np.zeros(100), 8000)


def test_samples_before_the_start_are_left_out():
    frontend = AudioFrontend(CONTRACT, Clock())
    pcm = np.concatenate([ripple(1600, 0.9), ripple(4000, 0.1)])
    ((chunk, covered),) = frontend.push(pcm, 16000, time=-0.1)
    assert covered
    assert chunk.max() == pytest.approx(0.1, abs=0.01)
    for size in (80, 160, 333, 800):
        frontend.reset()
        steps = []
        for place in range(0, len(pcm), size):
            steps += frontend.push(pcm[place : place + size], 16000, time=place / 16000 - 0.1)
        np.testing.assert_array_equal(steps[0][0], chunk)
