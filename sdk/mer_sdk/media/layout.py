"""Which of several channels are heard, and as how much of the one that the graphs read."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np

# The choice is made anew for every block from what the last ones held, whose weight falls by 20 dB in so long, seconds.
BLOCK_SECONDS, FORGET_SECONDS = 0.05, 0.25
DECAY = 0.01 ** (BLOCK_SECONDS / FORGET_SECONDS)
# Powers are taken of at most about so many samples a second: what they are compared with needs no more.
POWER_RATE = 48000
# A channel that is this far below the loudest is left out, and counts again once it is less far below (power).
DEAD, ALIVE = 10**-2.6, 10**-1.4
# The centre of a surround layout carries the voice unless it is this far below the loudest channel (power).
CENTRE = 1e-4
# Channels cancel where their mean has less than this share of the power that unrelated channels would have.
CANCELS = 0.1
# The power of sound that moves by no more than a step and a half of 16 bits.
NOTHING = (1.5 / 32768.0) ** 2 / 2
BASS = ("LFE", "LFE2")
WORDS = {"FL": "left", "FR": "right", "FC": "centre"}


class Downmix:
    """Several channels to one, in pieces: pieces of any size give the same samples.

    The mean of all channels, as a rule. Where the names say which channel is the centre, that is where voices are, and
    it is heard alone, unless it is silent. A channel that is silent, or over 26 dB below the loudest of the last third
    of a second, is left out, so that a voice in one of two channels keeps its level. Where the channels cancel one
    another, as with a swapped wire, the loudest is heard alone. Bass channels are not heard.

    Args:
        channels: how many, 2 to 64.
        rate: sample rate, Hz.
        names: of the channels, as FFmpeg names them ("FL", "FR", "FC", "LFE", ...); empty where unknown.
    """

    def __init__(self, channels: int, rate: int, names: Sequence[str] = ()) -> None:
        self.channels = channels
        self.names = tuple(names) if len(names) == channels else ()
        self._size = max(1, round(rate * BLOCK_SECONDS))
        self._apart = max(1, rate // POWER_RATE)
        heard = [place for place in range(channels) if not (self.names and self.names[place] in BASS)]
        self._candidates = tuple(heard or range(channels))
        self._centre = self.names.index("FC") if "FC" in self.names and channels > 2 else None
        self._power = np.zeros((channels, channels))
        # Candidates that count, and the channels that are heard.
        self._alive: frozenset[int] = frozenset()
        self._heard = self._candidates
        self._decided = False
        self._left = np.zeros((0, channels), np.float32)
        self._said = ""
        # What was heard -> samples of it.
        self._times: Counter[str] = Counter()

    @property
    def choice(self) -> str:
        """What was heard for most of the time, in words; empty for the mean of all channels."""
        return self._times.most_common(1)[0][0] if self._times else ""

    def push(self, pcm: np.ndarray) -> np.ndarray:
        """Take float32 [n, channels], give mono float32 of the blocks that are complete."""
        given = np.concatenate([self._left, pcm]) if len(self._left) else pcm
        whole = len(given) // self._size * self._size
        self._left = given[whole:]
        return self._mixed(given[:whole])

    def flush(self) -> np.ndarray:
        """The samples still held back."""
        rest, self._left = self._left, self._left[:0]
        return self._mixed(rest)

    def _mixed(self, pcm: np.ndarray) -> np.ndarray:
        size = min(self._size, len(pcm))
        # One row a channel: sums run along the memory.
        planes = np.ascontiguousarray(pcm.T) if self._apart == 1 else pcm.T
        result = np.empty(len(pcm), np.float32)
        mixed = 0
        for place, power in enumerate(_powers(planes, size, self._apart)):
            start, before, ramp = place * size, self._heard, self._decided
            self._decide(power)
            if self._heard != before:
                _mix(planes[:, mixed:start], before, result[mixed:start])
                mixed = start
                if ramp:
                    # Over one block, so that a change of the choice is no click.
                    mixed += size
                    old, new = np.empty((2, size), np.float32)
                    _mix(planes[:, start:mixed], before, old)
                    _mix(planes[:, start:mixed], self._heard, new)
                    share = (np.arange(size, dtype=np.float32) + 1) / size
                    result[start:mixed] = share * new + (1 - share) * old
            if self._decided:
                self._times[self._said] += size
        _mix(planes[:, mixed:], self._heard, result[mixed:])
        return result

    def _decide(self, power: np.ndarray) -> None:
        """Which channels are heard from the block on whose powers [channels, channels] these are."""
        self._power *= DECAY
        self._power += power
        # As a list: of a few channels, each of numpy's calls takes longer than all that is asked of them.
        rows = self._power.tolist()
        loud = [row[place] for place, row in enumerate(rows)]
        most = max([loud[place] for place in self._candidates])
        if most <= NOTHING:
            return  # nothing to choose by: what was chosen stays
        alive, faint, dead = self._alive, ALIVE * most, DEAD * most
        chosen = [place for place in self._candidates if loud[place] >= (dead if place in alive else faint)]
        self._alive = frozenset(chosen)
        why = "as the others are silent or far fainter"
        if self._centre is not None and loud[self._centre] > max(CENTRE * most, NOTHING):
            chosen, why = [self._centre], "where voices are"
        elif len(chosen) > 1 and _cancel(rows, chosen):
            chosen, why = [max(self._candidates, key=loud.__getitem__)], "as the channels cancel one another"
        self._heard = tuple(chosen)
        self._said = "" if len(chosen) == self.channels else f"{self._words(chosen)}, {why}"
        self._decided = True

    def _words(self, chosen: Sequence[int]) -> str:
        if len(chosen) > 1:
            return f"the mean of {len(chosen)} of {self.channels} channels"
        place = chosen[0]
        name = WORDS.get(self.names[place], self.names[place]) if self.names else ""
        return f"channel {place + 1} of {self.channels}" + (f" ({name})" if name else "")


def _cancel(powers: Sequence[Sequence[float]], chosen: Sequence[int]) -> bool:
    """Whether the mean of the channels keeps hardly any of the power that unrelated ones would leave in it."""
    together = sum([powers[one][other] for one in chosen for other in chosen])
    return together < CANCELS * sum([powers[place][place] for place in chosen])


def _powers(planes: np.ndarray, size: int, apart: int) -> np.ndarray:
    """The powers of the channels and of their products, float64 [blocks, channels, channels], without constants.

    Args:
        planes: [channels, blocks * size].
        size: samples of a block.
        apart: of each block every so-manieth sample is looked at.
    """
    if not size:
        return np.zeros((0, len(planes), len(planes)))
    blocks = np.ascontiguousarray(planes.reshape(len(planes), -1, size)[:, :, ::apart])
    count = np.float32(blocks.shape[2])
    moved = blocks - np.add.reduce(blocks, axis=2, keepdims=True) / count
    # For a few channels and long blocks this is quicker than a product of matrices.
    result = np.einsum("abn,cbn->bac", moved, moved) / count
    return result.astype(np.float64)


def _mix(planes: np.ndarray, heard: tuple[int, ...], result: np.ndarray) -> None:
    """Write the mean of the channels that are heard."""
    share = np.float32(1.0 / len(heard))
    if len(heard) == 2:
        # The same to the last bit, as halves are exact.
        np.add(planes[heard[0]], planes[heard[1]], out=result)
        result *= share
        return
    np.multiply(planes[heard[0]], share, out=result)
    for place in heard[1:]:
        result += planes[place] * share


class MonoMix:
    """Sound of any layout to one channel, in pieces; the layout may change on the way.

    Args:
        rate: sample rate, Hz.
    """

    def __init__(self, rate: int) -> None:
        self._rate = rate
        self._mix: Downmix | None = None

    @property
    def choice(self) -> str:
        """See `Downmix.choice`."""
        return self._mix.choice if self._mix is not None else ""

    def push(self, samples: np.ndarray, names: Sequence[str] = ()) -> np.ndarray:
        """Take float32 [n] or [n, channels], give mono float32 as far as the choice of channels is made."""
        count = 1 if samples.ndim == 1 else samples.shape[1]
        rest = None
        if self._mix is not None and (self._mix.channels != count or (names and self._mix.names != tuple(names))):
            rest, self._mix = self._mix.flush(), None
        if count == 1:
            mono = samples.reshape(-1)
        else:
            self._mix = self._mix or Downmix(count, self._rate, names)
            mono = self._mix.push(samples)
        return mono if rest is None else np.concatenate([rest, mono])

    def flush(self) -> np.ndarray:
        """The samples still held back."""
        return self._mix.flush() if self._mix is not None else np.zeros(0, np.float32)
