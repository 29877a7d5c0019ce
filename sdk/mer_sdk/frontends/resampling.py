"""Sound of any sample rate at the contract's rate, in pieces of any size.

The filter is a Kaiser-windowed sinc. Neighbouring outputs read nearly the same input samples and the filter repeats
every few hundred of them, so a band of outputs is a matrix product whose table is made once. A product has the same
shape and the same place in the stream whatever the pieces are: its sums are rounded alike, and pieces of any size give
the samples of the whole recording.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from math import ceil, gcd

import numpy as np

from mer_sdk.errors import MerError, SignalError
from mer_sdk.limits import check_number

ZERO_CROSSINGS = 16
ROLLOFF = 0.945
KAISER_BETA = 8.6
# All usual rates have at most so many phases; another is taken as the nearest ratio that has, within 2 ppm
# for most; 47999 Hz is taken as 48000, 21 ppm away.
MOST_PHASES = 640
RATES = (1000, 768000)
# Outputs of a band, at least, but half as many from so many inputs an output on; bands of a cycle, at most. Wider bands
# multiply more zeros, more bands are more calls.
BAND, HALF_FROM, BANDS = 64, 8, 10
# Outputs of a cycle, at least; and cycles of a block, which is what one product computes of a band.
CYCLE, ROWS = 160, 4


@dataclass(frozen=True, eq=False)
class _Band:
    """Outputs `first`... of each cycle: weights [span, outputs] of the input samples from `start` of the cycle on."""

    first: int
    start: int
    weights: np.ndarray


@dataclass(frozen=True, eq=False)
class _Filter:
    """The bands of a cycle, which is `outputs` samples long, made of `inputs`.

    Attributes:
        half: half of the filter's length, input samples.
        reach: input samples that a block reads, from the first one of its filter on.
    """

    up: int
    down: int
    half: int
    outputs: int
    inputs: int
    reach: int
    bands: tuple[_Band, ...]


def check_rate(rate: object, error: type[MerError] = SignalError) -> None:
    """Raises `error` where a sample rate is none that can be brought to another one."""
    wanted = f"allowed are {RATES[0]} to {RATES[1]}, whole"
    check_number("the sample rate", rate, wanted, least=RATES[0], most=RATES[1], whole=True, unit=" Hz", error=error)


class Resampler:
    """Band-limited resampling by a Kaiser-windowed sinc, in pieces. Output sample k is at input time k * source/target.

    Args:
        source: sample rate of the input, Hz, 1000 to 768000.
        target: sample rate of the output, Hz, likewise.

    Raises:
        SignalError: a sample rate outside that range, or not whole.
    """

    def __init__(self, source: int, target: int) -> None:
        for rate in (source, target):
            check_rate(rate)
        self._filter = _filter(int(source), int(target))
        self.reset()

    def reset(self) -> None:
        """Begin a new stream."""
        # The buffer begins `half - 1` samples before the first input sample of a block: silence before the stream.
        self._buffer = np.zeros(self._filter.half - 1 if self._filter else 0, np.float32)
        self._block = 0
        self._received = 0
        self._sent = 0

    def push(self, samples: np.ndarray) -> np.ndarray:
        """Take mono float32 samples, give those that can be computed now."""
        given = np.asarray(samples, np.float32)
        self._received += len(given)
        if self._filter is None:
            return given
        self._buffer = np.concatenate([self._buffer, given])
        # Output k reads up to input floor(k * down / up) + half.
        ready = ceil((self._received - self._filter.half) * self._filter.up / self._filter.down)
        return self._emit(self._filter, ready)

    def flush(self) -> np.ndarray:
        """The samples still held back, with silence after the end; then the stream is over until `reset`."""
        if self._filter is None:
            return np.zeros(0, np.float32)
        return self._emit(self._filter, ceil(self._received * self._filter.up / self._filter.down))

    def whole(self, samples: np.ndarray) -> np.ndarray:
        """A whole recording at once, ceil(n * target / source) samples: the same as in pieces. Begins anew."""
        self.reset()
        result = np.concatenate([self.push(np.asarray(samples, np.float32)), self.flush()])
        self.reset()
        return result

    def _emit(self, filters: _Filter, until: int) -> np.ndarray:
        if until <= self._sent:
            return np.zeros(0, np.float32)
        size = ROWS * filters.outputs
        blocks = -(-until // size) - self._block
        step = ROWS * filters.inputs
        # The last block may not be complete: what is missing is zero, and is multiplied by zeros for what is given.
        needed = (blocks - 1) * step + filters.reach
        given = self._buffer
        if len(given) < needed:
            given = np.concatenate([given, np.zeros(needed - len(given), np.float32)])
        result = np.empty((blocks, ROWS, filters.outputs), np.float32)
        width = given.itemsize
        strides = (step * width, filters.inputs * width, width)
        for band in filters.bands:
            span, count = band.weights.shape
            # Rows overlap in the buffer; `as_strided` would take several times as long to say so.
            rows = np.ndarray((blocks, ROWS, span), np.float32, given, band.start * width, strides)
            np.matmul(rows, band.weights, out=result[:, :, band.first : band.first + count])
        begin = self._block * size
        made = result.reshape(-1)[self._sent - begin : until - begin]
        self._sent, whole = until, until // size - self._block
        self._block += whole
        self._buffer = self._buffer[whole * step :]
        return made


@lru_cache(maxsize=16)
def _filter(source: int, target: int) -> _Filter | None:
    """None where the rates are alike."""
    up, down = target // gcd(source, target), source // gcd(source, target)
    if up > MOST_PHASES:
        from fractions import Fraction

        down, up = Fraction(source, target).limit_denominator(MOST_PHASES).as_integer_ratio()
    if up == down:
        return None
    cutoff = ROLLOFF * min(1.0, up / down)
    half = ceil(ZERO_CROSSINGS / cutoff)
    weights = _phases(up, cutoff, half)
    band = BAND if down < HALF_FROM * up else BAND // 2
    # So long that no band reads more than a cycle: rows of a product that overlap would have to be copied.
    longest = ceil(band * down / up) + 2 * half
    outputs = up * max(ceil(CYCLE / up), ceil(longest / down))
    width = max(band, ceil(outputs / BANDS))
    bands = []
    for first in range(0, outputs, width):
        places = [number * down // up for number in range(first, min(first + width, outputs))]
        table = np.zeros((places[-1] - places[0] + 2 * half, len(places)), np.float32)
        for column, place in enumerate(places):
            table[place - places[0] :, column][: 2 * half] = weights[(first + column) * down % up]
        bands.append(_Band(first, places[0], table))
    inputs = outputs * down // up
    reach = (ROWS - 1) * inputs + bands[-1].start + len(bands[-1].weights)
    return _Filter(up, down, half, outputs, inputs, reach, tuple(bands))


def _phases(up: int, cutoff: float, half: int) -> np.ndarray:
    """The filter of each phase, float32 [up, 2 * half]."""
    phases = np.arange(up)[:, None] / up
    offsets = np.arange(2 * half)[None, :] - (half - 1)
    distance = phases - offsets
    inside = np.clip(1.0 - (distance / half) ** 2, 0.0, None)
    weights = np.sinc(cutoff * distance) * np.i0(KAISER_BETA * np.sqrt(inside))
    # Each phase sums to one, so that a constant stays that constant.
    return np.asarray(weights / weights.sum(axis=1, keepdims=True), np.float32)
