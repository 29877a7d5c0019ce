"""Which of several channels are heard, and as how much of the one that the graphs read."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np

# The choice is made anew for every block from what the last ones held, whose weight falls by 20 dB in so long, seconds.
BLOCK_SECONDS, FORGET_SECONDS = 0.05, 0.25
DECAY = 0.01 ** (BLOCK_SECONDS / FORGET_SECONDS)
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
        heard = [place for place in range(channels) if not (self.names and self.names[place] in BASS)]
        self._candidates = np.array(heard or range(channels))
        self._centre = self.names.index("FC") if "FC" in self.names and channels > 2 else None
        self._power = np.zeros((channels, channels))
        self._alive = np.zeros(channels, bool)
        self._weights = self._mean_of(self._candidates)
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
        result = np.empty(len(pcm), np.float32)
        for start in range(0, len(pcm), self._size):
            block = pcm[start : start + self._size]
            before, ramp = self._weights, self._decided
            self._decide(block)
            mixed = block @ self._weights
            if ramp and before is not self._weights:
                # Over one block, so that a change of the choice is no click.
                share = (np.arange(len(block), dtype=np.float32) + 1) / len(block)
                mixed = share * mixed + (1 - share) * (block @ before)
            result[start : start + len(block)] = mixed
            if self._decided:
                self._times[self._said] += len(block)
        return result

    def _decide(self, block: np.ndarray) -> None:
        """The weights from this block on."""
        moved = block - block.mean(axis=0)
        power = moved.T @ moved / np.float32(len(block))
        self._power = DECAY * self._power + power
        loud = np.diagonal(self._power)[self._candidates]
        most = float(loud.max())
        if most <= NOTHING:
            return  # nothing to choose by: what was chosen stays
        alive = loud >= np.where(self._alive[self._candidates], DEAD, ALIVE) * most
        self._alive[self._candidates] = alive
        chosen, why = self._candidates[alive], "as the others are silent or far fainter"
        if self._centre is not None and self._power[self._centre, self._centre] > max(CENTRE * most, NOTHING):
            chosen, why = np.array([self._centre]), "where voices are"
        elif len(chosen) > 1 and self._cancel(chosen):
            chosen, why = self._candidates[[int(loud.argmax())]], "as the channels cancel one another"
        weights = self._mean_of(chosen)
        if not np.array_equal(weights, self._weights):
            self._weights = weights
        self._said = "" if len(chosen) == self.channels else f"{self._words(chosen)}, {why}"
        self._decided = True

    def _cancel(self, chosen: np.ndarray) -> bool:
        power = self._power[np.ix_(chosen, chosen)]
        return float(power.sum()) < CANCELS * float(power.trace())

    def _mean_of(self, chosen: np.ndarray) -> np.ndarray:
        weights = np.zeros(self.channels, np.float32)
        weights[chosen] = 1.0 / len(chosen)
        return weights

    def _words(self, chosen: np.ndarray) -> str:
        if len(chosen) > 1:
            return f"the mean of {len(chosen)} of {self.channels} channels"
        place = int(chosen[0])
        name = WORDS.get(self.names[place], self.names[place]) if self.names else ""
        return f"channel {place + 1} of {self.channels}" + (f" ({name})" if name else "")


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
        rest = np.zeros(0, np.float32)
        if self._mix is not None and (self._mix.channels != count or (names and self._mix.names != tuple(names))):
            rest, self._mix = self._mix.flush(), None
        if count == 1:
            mono = samples.reshape(-1)
        else:
            self._mix = self._mix or Downmix(count, self._rate, names)
            mono = self._mix.push(samples)
        return np.concatenate([rest, mono]) if len(rest) else mono

    def flush(self) -> np.ndarray:
        """The samples still held back."""
        return self._mix.flush() if self._mix is not None else np.zeros(0, np.float32)
