"""From PCM of any rate and layout, in pieces of any size, to the audio chunk of each step.

Everything here is stateful and exact: pieces of any size give the same samples as the whole recording at once.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from math import ceil

import numpy as np

from mer_sdk.contract.manifest import AudioContract, Clock
from mer_sdk.errors import SignalError
from mer_sdk.frontends.input_checks import checked_sound
from mer_sdk.frontends.resampling import RATES, Resampler
from mer_sdk.media.layout import MonoMix
from mer_sdk.media.samples import to_float
from mer_sdk.media.timeline import GAP_SECONDS

# Sound is silent where it moves by no more than a step and a half of 16 bits up or down: digital zeros, a muted track,
# a dead microphone, a constant. It is missing once it has been silent for so long, seconds, and before it first moves.
STILL_SPAN = 3.0 / 32768.0
STILL_SECONDS = 1.0


def to_mono(pcm: np.ndarray, start: int = 0) -> np.ndarray:
    """Mono float32 samples in [-1, 1] from a whole recording; see `to_float`, and `Downmix` for its channels.

    Raises:
        SignalError: see `to_float`.
    """
    scaled = to_float(pcm, start)
    # The rate only says how long a block is, in which the choice of channels stays.
    mix = MonoMix(RATES[1] // 16)
    return np.concatenate([mix.push(scaled), mix.flush()])


class ChunkBuffer:
    """Cuts a stream of samples at the contract's rate into the chunk of each step.

    The chunk of step i is the last `chunk_samples` samples before the end of step i, with zeros before the stream.
    """

    def __init__(self, chunk_samples: int, step_samples: int) -> None:
        self._chunk, self._step = chunk_samples, step_samples
        self.reset()

    def reset(self) -> None:
        """Begin a new stream."""
        self._buffer = np.zeros(max(0, self._chunk - self._step), np.float32)

    @property
    def pending(self) -> int:
        """Samples of the step that is not complete yet."""
        return len(self._buffer) - max(0, self._chunk - self._step)

    def push(self, samples: np.ndarray) -> Iterator[np.ndarray]:
        """Take samples, give the chunk ([chunk_samples] float32) of every step that they complete."""
        self._buffer = np.concatenate([self._buffer, samples])
        context = max(0, self._chunk - self._step)
        chunks = []
        while len(self._buffer) >= context + self._step:
            chunks.append(self._buffer[: context + self._step][-self._chunk :].copy())
            self._buffer = self._buffer[self._step :]
        return iter(chunks)

    def flush(self) -> np.ndarray | None:
        """The chunk of the incomplete last step, its missing end zero; None where nothing is pending."""
        if not self.pending:
            return None
        return next(self.push(np.zeros(self._step - self.pending, np.float32)))


class AudioFrontend:
    """PCM with time stamps in, (chunk, covered) of each step out.

    This is where it is decided whether a step has sound. It is covered where at least half of its own samples were
    recorded, which before a late start and in gaps they were not, and where they are no silence: see `STILL_SPAN`.

    Attributes:
        still_steps: steps that were recorded and are not covered, as they are silent.
    """

    def __init__(self, contract: AudioContract, clock: Clock) -> None:
        self._contract = contract
        self._step_ms = clock.step_ms
        self._step = contract.sample_rate * clock.step_ms // 1000
        self._chunks = ChunkBuffer(contract.chunk_samples, self._step)
        self.reset()

    def reset(self) -> None:
        """Begin a new stream at time 0; another sample rate is allowed then."""
        self._rate: int | None = None
        self._resampler: Resampler | None = None
        self._mix: MonoMix | None = None
        self._taken = 0
        self._made = 0
        self._gaps: list[tuple[float, float]] = []
        self._motion: _Motion | None = None
        self._ended = False
        self.still_steps = 0
        self._chunks.reset()

    @property
    def taken(self) -> int:
        """Samples of the stream that have been taken in, with those that were missing."""
        return self._taken

    @property
    def time(self) -> float:
        """Seconds of the stream that have been taken in."""
        return self._taken / self._rate if self._rate else 0.0

    @property
    def choice(self) -> str:
        """Which channels are heard, in words; empty for all: see `Downmix.choice`."""
        return self._mix.choice if self._mix is not None else ""

    def push(
        self, pcm: np.ndarray, sample_rate: int, time: float | None = None, channels: Sequence[str] = ()
    ) -> list[tuple[np.ndarray, bool]]:
        """Take PCM, give the steps that it completes.

        Args:
            pcm: see `to_float`. The number of channels may change.
            sample_rate: Hz; the same for the whole stream.
            time: seconds from the stream's start to the first sample; None continues where the last piece ended.
            channels: names of the channels; see `Downmix`.

        Raises:
            SignalError: bad PCM (see `to_float`), a changed rate, or a time that lies in what was already given.
        """
        return self.push_checked(checked_sound(pcm, sample_rate, self._taken), sample_rate, time, channels)

    def push_checked(
        self, samples: np.ndarray, sample_rate: int, time: float | None = None, channels: Sequence[str] = ()
    ) -> list[tuple[np.ndarray, bool]]:
        """`push` of what `checked_sound` gave."""
        if self._rate is None:
            self._resampler = Resampler(int(sample_rate), self._contract.sample_rate)
            self._rate = int(sample_rate)
            self._mix = MonoMix(self._rate)
            self._motion = _Motion(self._rate * self._step_ms / 1000.0)
        if self._rate != sample_rate:
            raise SignalError(
                f"the sample rate changed from {self._rate} to {sample_rate} Hz; call reset() before another recording"
            )
        assert self._mix is not None  # made above
        steps = []
        missing = 0 if time is None else round((time - self.time) * self._rate)
        if missing < 0 and not self._taken:
            # Samples before the stream's start (encoder priming) are left out, so that sound begins at 0 in any pieces.
            samples = samples[-missing:]
        elif time is not None and abs(time - self.time) > GAP_SECONDS:
            if missing < 0:
                raise SignalError(f"audio for {time:.3f} s came after {self.time:.3f} s was given; push it in order")
            self._gaps.append((self.time, time))
            self._taken += missing
            steps += self._advance(np.concatenate([self._mix.flush(), np.zeros(missing, np.float32)]))
        self._taken += len(samples)
        return steps + self._advance(self._mix.push(samples, channels))

    def flush(self) -> list[tuple[np.ndarray, bool]]:
        """End the stream: the steps still held back.

        An incomplete last step counts, its missing end zero, where at least half of it is there or it is the only one:
        what an encoder pads at the end of a file opens no new step.
        """
        if self._resampler is None or self._mix is None or self._ended:
            return []
        self._ended = True
        steps = self._advance(self._mix.flush())
        steps += self._cut(self._resampler.flush())
        pending = self._chunks.pending
        if pending and (2 * pending >= self._step or self._made == 0):
            covered = self._covered(pending)
            chunk = self._chunks.flush()
            assert chunk is not None  # samples are pending
            steps.append((chunk, covered))
        return steps

    def _advance(self, mono: np.ndarray) -> list[tuple[np.ndarray, bool]]:
        assert self._resampler is not None  # push made both
        assert self._motion is not None
        self._motion.take(mono)
        return self._cut(self._resampler.push(mono))

    def _cut(self, samples: np.ndarray) -> list[tuple[np.ndarray, bool]]:
        return [(chunk, self._covered(self._step)) for chunk in self._chunks.push(samples)]

    def _covered(self, samples: int) -> bool:
        assert self._motion is not None  # push made it
        begin = self._made * self._step / self._contract.sample_rate
        end = begin + samples / self._contract.sample_rate
        still = self._motion.still(self._made) * self._step_ms / 1000.0
        self._made += 1
        missing = sum(max(0.0, min(end, stop) - max(begin, start)) for start, stop in self._gaps)
        self._gaps = [gap for gap in self._gaps if gap[1] > end]
        recorded = missing <= 0.5 * (end - begin)
        silent = still >= STILL_SECONDS
        self.still_steps += recorded and silent
        return recorded and not silent


class _Motion:
    """For how many steps in a row a sound has been silent.

    Args:
        step: samples of a step, at the sound's own rate; need not be whole.
    """

    def __init__(self, step: float) -> None:
        self._step = step
        self._taken = 0
        # Step -> lowest and highest sample of it, of the steps that were not asked about yet.
        self._spans: dict[int, tuple[float, float]] = {}
        # Before it first moves, a sound has been silent for ever.
        self._still = float("inf")

    def take(self, mono: np.ndarray) -> None:
        """Look at the next samples."""
        place = 0
        while place < len(mono):
            number = int((self._taken + 0.5) // self._step)
            stop = min(len(mono), place + max(1, ceil((number + 1) * self._step - 0.5) - self._taken))
            part = mono[place:stop]
            low, high = float(part.min()), float(part.max())
            before = self._spans.get(number)
            self._spans[number] = (min(low, before[0]), max(high, before[1])) if before else (low, high)
            self._taken += stop - place
            place = stop

    def still(self, number: int) -> float:
        """How many steps in a row have been silent, with this one; each is asked about once, in order."""
        low, high = self._spans.pop(number, (0.0, 0.0))
        self._still = self._still + 1 if high - low <= STILL_SPAN else 0
        return self._still
