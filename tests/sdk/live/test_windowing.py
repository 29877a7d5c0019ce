"""The steps of a live queue against a plain offline reference: random pieces, order, gaps, rates and frames.

The reference is written anew here, from the whole recording at once: silence where nothing was recorded, resampled in
one go, cut by slices. The queue sees the same sound and frames in pieces, out of order within its tolerance.
"""

import math
import random

import numpy as np
import pytest

from mer_sdk.contract.bundle import Bundle
from mer_sdk.frontends.resampling import Resampler
from mer_sdk.live.step_queue import LiveOptions, LiveQueue
from mer_sdk.window.alignment import StreamAlignment

hypothesis = pytest.importorskip("hypothesis")
strategies = hypothesis.strategies

STEP, STEP_SAMPLES, TOLERANCE = 0.25, 4000, 0.3
RATES = (8000, 16000, 22050, 44100, 48000)
cases = hypothesis.settings(
    max_examples=60, deadline=None, derandomize=True, suppress_health_check=list(hypothesis.HealthCheck)
)


@pytest.fixture(scope="module")
def manifest(tiny_onnx):
    return Bundle.open(tiny_onnx).manifest


def recorded(rng, rate, stretches):
    """(start sample, samples) of each recorded stretch; between them gaps of 0.1 to 3 s, at times one at the start."""
    parts, at = [], 0
    for number in range(stretches):
        if number or rng.random() < 0.3:
            at += round(rng.uniform(0.1, 3.0) * rate)
        length = round(rng.uniform(0.02, 2.5) * rate)
        parts.append((at, np.random.default_rng(rng.randrange(2**32)).uniform(-0.5, 0.5, length).astype(np.float32)))
        at += length
    return parts


def sound_steps(parts, rate, chunk_samples):
    """Offline: (chunk, covered) of every step."""
    total = parts[-1][0] + len(parts[-1][1])
    whole, there = np.zeros(total, np.float32), np.zeros(total, bool)
    for start, samples in parts:
        whole[start : start + len(samples)] = samples
        there[start : start + len(samples)] = True
    heard = Resampler(rate, 16000).whole(whole)
    count, rest = divmod(len(heard), STEP_SAMPLES)
    count += 2 * rest >= STEP_SAMPLES or count == 0
    padded = np.concatenate([np.zeros(chunk_samples, np.float32), heard, np.zeros(STEP_SAMPLES, np.float32)])
    steps = []
    for number in range(count):
        end = (number + 1) * STEP_SAMPLES
        own = there[round(number * STEP * rate) : min(total, round((number + 1) * STEP * rate))]
        steps.append((padded[end : end + chunk_samples], float(own.mean()) if len(own) else 0.0))
    return steps


def all_steps(sound, frames):
    """Offline: how many steps there are in all."""
    last_gap = frames[-1] - frames[-2] if len(frames) > 1 else 0.0
    seen = math.floor((frames[-1] + min(last_gap, STEP)) / STEP + 0.5) if frames else 0
    return max(len(sound), seen, 1)


def lasts(frames, time):
    """Offline: until when the picture is shown that was there at a time; 0 where there was none."""
    last_gap = frames[-1] - frames[-2] if len(frames) > 1 else 0.0
    ends = [*frames[1:], frames[-1] + min(last_gap, STEP)] if frames else []
    return max((end - 1e-5 for begin, end in zip(frames, ends, strict=True) if begin <= time), default=0.0)


def shuffled(rng, items):
    """Items (time, ...) in an order in which none comes more than the tolerance after a later one of its stream."""
    return sorted(items, key=lambda item: item[0] + rng.uniform(0, 0.9 * TOLERANCE))


def streamed(manifest, rng, parts, rate, frames):
    """The steps of a queue that gets everything in random pieces, out of order."""
    options = LiveOptions(("audio", "video") if frames else ("audio",), TOLERANCE, 1e9, 1e6)
    queue = LiveQueue(StreamAlignment(manifest), manifest.clock, options, lambda: 0.0)
    pieces = []
    for start, samples in parts:
        at = 0
        while at < len(samples):
            size = min(len(samples) - at, rng.choice([1, 160, 1000, rate // 50, rate // 10, rate // 3]))
            if size < 200:
                size = min(len(samples) - at, 200)
            pieces.append(((start + at) / rate, samples[at : at + size]))
            at += size
    streams = {"audio": shuffled(rng, pieces), "video": shuffled(rng, [(time,) for time in frames])}
    steps = []
    while any(streams.values()):
        # Either stream may be ahead of the other, by up to a second.
        names = sorted((name for name in streams if streams[name]), key=lambda name: streams[name][0][0] + rng.random())
        item = streams[names[0]].pop(0)
        if names[0] == "audio":
            queue.add_audio(item[1], rate, item[0])
        else:
            queue.add_frame(lambda: None, item[0])
        steps += list(queue.steps)
        queue.steps.clear()
    queue.finish()
    assert (queue.late, queue.dropped) == (0, 0)
    return [step.given for step in [*steps, *queue.steps]]


@cases
@hypothesis.given(
    seed=strategies.integers(0, 2**32 - 1),
    rate=strategies.sampled_from(RATES),
    stretches=strategies.integers(1, 3),
    frames_a_second=strategies.sampled_from([0, 3, 12, 30]),
)
def test_pieces_out_of_order_give_the_steps_of_the_whole(manifest, seed, rate, stretches, frames_a_second):
    rng = random.Random(seed)
    parts = recorded(rng, rate, stretches)
    sound = sound_steps(parts, rate, manifest.audio.chunk_samples)
    frames: list[float] = []
    if frames_a_second:
        count = rng.randrange(1, 5 * frames_a_second)
        # Some frames are lost, and the camera's clock jitters.
        shown = [max(0.0, number / frames_a_second + rng.uniform(-0.01, 0.01)) for number in range(count)]
        frames = sorted(time for time in shown if rng.random() < 0.9) or [0.0]
    given = streamed(manifest, rng, parts, rate, frames)

    assert [one.number for one in given] == list(range(all_steps(sound, frames)))
    for one in given:
        chunk, covered = sound[one.number] if one.number < len(sound) else (None, 0.0)
        if covered > 0.51:
            np.testing.assert_allclose(one.chunk, chunk, atol=2e-6)
        elif covered < 0.49:
            assert one.chunk is None
        own = [time for time in frames if one.number * STEP <= time < (one.number + 1) * STEP]
        if not own and one.number * STEP < lasts(frames, one.number * STEP):
            own = [one.number * STEP]  # the picture before is still shown
        seen = [time for time, _ in one.frames]
        assert set(seen) <= set(own)
        assert (seen[:1], seen[-1:]) == (own[:1], own[-1:])
