"""Live sound whose time stamps jitter, whose pieces change places, and pieces that come twice."""

import numpy as np
import pytest

from mer_sdk.contract.bundle import Bundle
from mer_sdk.live.piece_order import Repeats, next_piece
from mer_sdk.live.step_queue import LiveOptions, LiveQueue
from mer_sdk.window.alignment import StreamAlignment

RATE = 16000


def heard(bundle, pieces):
    """The chunks of all steps, and how many pieces were late, of (stamp, samples)."""
    manifest = Bundle.open(bundle).manifest
    options = LiveOptions(streams=("audio",))
    queue = LiveQueue(StreamAlignment(manifest), manifest.clock, options, lambda: 0.0)
    for stamp, samples in pieces:
        queue.add_audio(samples, RATE, stamp)
        queue.move()
    queue.finish()
    return np.array([step.given.chunk for step in queue.steps]), queue.late


def pieces_of(seconds, length):
    """(exact stamp, samples) of noise in pieces of `length` seconds."""
    sound = np.random.default_rng(3).uniform(-0.5, 0.5, round(seconds * RATE)).astype(np.float32)
    size = round(length * RATE)
    return [(place / RATE, sound[place : place + size]) for place in range(0, len(sound), size)]


@pytest.mark.parametrize(("length", "jitter"), [(0.01, 0.006), (0.01, 0.01), (0.02, 0.02), (0.005, 0.02)])
def test_stamps_that_jitter_by_more_than_half_a_piece_do_not_change_the_order(tiny_onnx, length, jitter):
    exact = pieces_of(1.5, length)
    random = np.random.default_rng(7)
    moved = [(stamp + random.uniform(-jitter, jitter), samples) for stamp, samples in exact]
    wanted, _ = heard(tiny_onnx, exact)
    found, late = heard(tiny_onnx, [exact[0], *moved[1:]])
    np.testing.assert_array_equal(found, wanted)
    assert late == 0


def test_pieces_with_exact_stamps_that_change_places_are_put_in_order(tiny_onnx):
    exact = pieces_of(1.5, 0.01)
    order = [index ^ 1 for index in range(len(exact))]
    found, late = heard(tiny_onnx, [exact[index] for index in order])
    np.testing.assert_array_equal(found, heard(tiny_onnx, exact)[0])
    assert late == 0


@pytest.mark.parametrize("length", [0.01, 0.04])
def test_a_piece_that_comes_twice_is_heard_once_and_counted(tiny_onnx, length):
    exact = pieces_of(1.5, length)
    found, late = heard(tiny_onnx, [piece for piece in exact for _ in range(2)])
    np.testing.assert_array_equal(found, heard(tiny_onnx, exact)[0])
    assert late == len(exact)


def test_stamps_decide_where_they_are_exact_and_coming_decides_where_they_are_not():
    # (begin, end, order of coming): the second begins where the first ends.
    assert next_piece([(1.0, 1.01, 5), (1.01, 1.02, 4)], RATE) == 0
    assert next_piece([(1.0, 1.01, 5), (1.006, 1.016, 4)], RATE) == 1
    # Too far off to be jitter.
    assert next_piece([(1.0, 1.01, 5), (1.3, 1.31, 4)], RATE) == 0


def test_silence_and_other_sound_of_the_same_time_are_no_repeat():
    repeats, noise = Repeats(), np.linspace(-0.5, 0.5, 160, dtype=np.float32)
    assert not repeats.seen(1.0, noise, RATE)
    assert repeats.seen(1.0, noise.copy(), RATE)
    assert not repeats.seen(1.01, noise, RATE)
    assert not repeats.seen(1.0, -noise, RATE)
    assert not repeats.seen(2.0, np.zeros(160, np.float32), RATE)
    assert not repeats.seen(2.0, np.zeros(160, np.float32), RATE)
