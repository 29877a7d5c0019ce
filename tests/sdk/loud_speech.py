"""Sound in which speech is what is loud, and where its utterances lie."""

from itertools import pairwise

import numpy as np

from mer_sdk.dialogue.utterances import UtteranceOptions
from mer_sdk.frontends.voice_activity import VoiceOptions

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


def cut_at(samples, rate, random, begin=0.0, count=30):
    bounds = np.unique([0, *random.integers(0, len(samples), count), len(samples)])
    return [(samples[a:b], rate, begin + a / rate, None) for a, b in pairwise(bounds)]
