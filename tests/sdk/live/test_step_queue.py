"""The queue behind a live sensor, without threads: streams that stall and come again."""

import numpy as np
import pytest

from mer_sdk.contract.bundle import Bundle
from mer_sdk.live.step_queue import LiveOptions, LiveQueue
from mer_sdk.window.alignment import StreamAlignment

RATE = 16000


@pytest.mark.parametrize("frames_a_second", [2, 5, 25])
def test_a_slow_camera_is_used_again_after_a_stall(tiny_onnx, frames_a_second):
    """Each frame waits for the tolerance, so sound is always ahead; that must not make every later frame late."""
    wall = [0.0]
    manifest = Bundle.open(tiny_onnx).manifest
    options = LiveOptions(streams=("audio", "video"), tolerance=0.1, stale_seconds=1.0)
    queue = LiveQueue(StreamAlignment(manifest), manifest.clock, options, lambda: wall[0])
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
