"""The queue behind a live sensor, without threads: streams that stall and come again."""

import numpy as np
import pytest

from mer_sdk.contract.bundle import Bundle
from mer_sdk.live.step_queue import LiveOptions, LiveQueue
from mer_sdk.window.alignment import StreamAlignment

RATE = 16000


def queue_of(bundle, wall):
    manifest = Bundle.open(bundle).manifest
    options = LiveOptions(streams=("audio", "video"), tolerance=0.1, stale_seconds=1.0)
    return LiveQueue(StreamAlignment(manifest), manifest.clock, options, lambda: wall[0])


@pytest.mark.parametrize("frames_a_second", [2, 5, 25])
def test_a_slow_camera_is_used_again_after_a_stall(tiny_onnx, frames_a_second):
    """Each frame waits for the tolerance, so sound is always ahead; that must not make every later frame late."""
    wall = [0.0]
    queue = queue_of(tiny_onnx, wall)
    picture, steps, shown = np.zeros((8, 8, 3), np.uint8), [], 0
    for piece in range(200):
        time = piece * 0.1
        wall[0] = time
        queue.add_audio(np.full(RATE // 10, 0.1, np.float32), RATE, time)
        while shown / frames_a_second < time + 0.1:
            if not 5.0 <= shown / frames_a_second < 8.0:
                queue.add_frame(lambda: picture, shown / frames_a_second)
            shown += 1
        queue.move()
        steps += list(queue.steps)
        queue.steps.clear()
    stalled = [step for step in steps if step.stale]
    assert stalled
    assert all(4.0 <= step.given.number * 0.25 <= 9.0 for step in stalled)
    after = [step for step in steps if step.given.number * 0.25 >= 9.5]
    with_frames = sum(bool(step.given.frames) for step in after)
    assert with_frames >= len(after) * min(1.0, frames_a_second / 4) - 2
    assert queue.late <= 3


@pytest.mark.parametrize("first", ["audio", "video"])
@pytest.mark.parametrize("jump", [-3600.0, -20.0])
def test_a_clock_that_is_set_back_goes_on(tiny_onnx, jump, first):
    """As a wall clock at the end of summer time; either stream may be the first to show it."""
    wall = [0.0]
    queue = queue_of(tiny_onnx, wall)
    picture, numbers, stale = np.zeros((8, 8, 3), np.uint8), [], []
    for piece in range(400):
        wall[0] = piece * 0.1
        stamp = 10000.0 + wall[0] + (jump if piece >= 200 else 0.0)
        for stream in ("audio", "video") if first == "audio" else ("video", "audio"):
            if stream == "audio":
                queue.add_audio(np.full(RATE // 10, 0.1, np.float32), RATE, stamp)
            else:
                queue.add_frame(lambda: picture, stamp)
        queue.move()
        numbers += [step.given.number for step in queue.steps]
        stale += [step.stale for step in queue.steps]
        queue.steps.clear()
    assert numbers == list(range(40000, 40000 + len(numbers)))
    assert len(numbers) >= 157  # of 160: the last ones wait for a frame beyond the tolerance
    assert set(stale) == {()}
    assert (queue.late, queue.dropped) == (0, 0)
    assert queue.set_back == pytest.approx(-jump, abs=0.11)


def test_a_single_stamp_far_back_is_left_out_and_counted(tiny_onnx):
    queue = queue_of(tiny_onnx, [0.0])
    picture = np.zeros((8, 8, 3), np.uint8)
    for piece in range(100):
        queue.add_audio(np.full(RATE // 10, 0.1, np.float32), RATE, None if piece % 2 else 60 + piece * 0.1)
        queue.add_frame(lambda: picture, 0.5 if piece == 50 else 60 + piece * 0.1)
    queue.finish()
    assert (queue.late, queue.set_back) == (1, 0.0)
    assert queue.dropped + len(queue.steps) == 40


def test_a_clock_that_was_wrong_twice_in_a_row_is_mended_when_it_is_right_again(tiny_onnx):
    queue = queue_of(tiny_onnx, [0.0])
    for time in (0.0, 0.25, 0.5, 9000.0, 9000.25, 1.25, 1.5, 1.75, 2.0):
        queue.add_audio(np.full(RATE // 4, 0.1, np.float32), RATE, time)
    queue.finish()
    numbers = [step.given.number for step in queue.steps]
    assert numbers[-6:] == list(range(36000, 36006))
    assert (queue.late, queue.set_back) == (0, 8999.25)
