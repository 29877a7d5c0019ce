"""Sound and pictures for live sensors, and the plain sensor that live ones are held to."""

from itertools import pairwise

import numpy as np

from mer_sdk import EmotionSensor, LiveOptions, LiveSensor

LONG = 120  # seconds after which a test that hangs fails
PATIENT = LiveOptions(streams=("audio", "video"), tolerance=0.3, stale_seconds=1e9, queue_seconds=60)


class Faces:
    """A face whose box depends on the picture, none in some pictures."""

    def detect(self, rgb):
        corner = int(rgb[0, 0, 0])
        return [] if corner % 5 == 0 else [(corner % 20, corner % 10, 40, 40, 1.0)]


def noise(seconds, rate=16000, seed=0):
    return np.random.default_rng(seed).uniform(-0.5, 0.5, int(seconds * rate)).astype(np.float32)


def scene(seed, seconds=3.4, rate=44100):
    random = np.random.default_rng(seed)
    pcm = (random.uniform(-0.5, 0.5, (int(seconds * rate), 2)) * 32767).astype(np.int16)
    times = np.sort(random.uniform(0, seconds, int(seconds * 20)))
    return pcm, [(random.integers(0, 256, (60, 80, 3), np.uint8), float(time)) for time in times]


def pieces_of(pcm, rate, random, count=40):
    cuts = np.unique([0, *random.integers(0, len(pcm), count), len(pcm)])
    return [(pcm[a:b], a / rate) for a, b in pairwise(cuts)]


def open_live(bundle, options=PATIENT, on_estimate=None, **given):
    return LiveSensor(EmotionSensor.open(bundle, detector=Faces(), **given), options, on_estimate)


def offline(bundle, pcm, rate, frames, smoothing=None):
    """The plain sensor, given everything in order."""
    events = [(time, 0, rgb) for rgb, time in frames]
    events += [(start / rate, 1, pcm[start : start + 1000]) for start in range(0, len(pcm), 1000)]
    with EmotionSensor.open(bundle, detector=Faces(), smoothing=smoothing) as sensor:
        sensor._alignment.expected = {"audio", "video"}
        estimates = []
        for time, kind, what in sorted(events, key=lambda event: event[:2]):
            estimates += sensor.push_audio(what, rate, time) if kind else sensor.push_frame(what, time)
        return estimates + sensor.flush(), sensor.baseline.steps


def table(estimates):
    return np.array([list(estimate.probabilities.values()) for estimate in estimates])


def assert_same(live, plain):
    assert [(e.time, e.state, e.face) for e in live] == [(e.time, e.state, e.face) for e in plain]
    np.testing.assert_allclose(table(live), table(plain), atol=1e-5)
    assert all((e.live.dropped, e.live.late, e.live.stale) == (0, 0, ()) for e in live)
