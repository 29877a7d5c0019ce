"""One live stream of sound: pieces with time stamps put in order, gaps, and the utterances in it with their times."""

from __future__ import annotations

import math
from bisect import insort
from collections.abc import Hashable, Iterator
from dataclasses import dataclass

import numpy as np

from mer_sdk.dialogue.utterances import Cut, UtteranceCutter, UtteranceOptions
from mer_sdk.frontends.resampling import Resampler
from mer_sdk.frontends.voice_activity import VOICE_RATE, SpeechModel
from mer_sdk.live.piece_order import SEAMLESS, Repeats, next_piece
from mer_sdk.media.layout import MonoMix
from mer_sdk.media.timeline import GAP_SECONDS

# A time stamp this far ahead of everything before counts only once the next one confirms it, seconds.
FAR_SECONDS = 4.0
# Pieces that may wait for earlier ones, whatever their time stamps say.
MOST_HELD = 256


@dataclass(frozen=True, eq=False)
class Spoken:
    """An utterance of a stream.

    Attributes:
        stream: its name.
        speaker: see `LiveConversation.push_audio`.
        begin, end: seconds on the clock that all streams share.
        samples: float32 [n], mono at 16 kHz.
    """

    stream: str | None
    speaker: Hashable
    begin: float
    end: float
    samples: np.ndarray


@dataclass(frozen=True, eq=False)
class _Piece:
    samples: np.ndarray
    rate: int
    speaker: Hashable


class SoundStream:
    """Takes pieces of one stream, gives its utterances. It knows nothing of threads and of other streams.

    A piece that joins the sound before it, to within 50 ms, goes on from there. Up to the hangover, missing sound is
    silence; a longer gap, another rate, or another speaker ends the utterance, and the sound begins anew.

    Args:
        name: of the stream.
        options: see `UtteranceOptions`.
        tolerance: seconds by which a piece may come after a later one.
        model: see `VoiceActivity`; this stream's own.

    Attributes:
        time: seconds up to which sound came, by its time stamps; -inf before the first.
        late: pieces left out so far, as sound of their time had been used or was given up.

    Raises:
        MissingExtra: see `VoiceActivity`.
    """

    def __init__(
        self, name: str | None, options: UtteranceOptions, tolerance: float, model: SpeechModel | None = None
    ) -> None:
        self.name = name
        self.time = -math.inf
        self.late = 0
        self._options, self._tolerance = options, tolerance
        self._cutter = UtteranceCutter(options, model)
        # Pieces that wait for earlier ones: (time, order of coming, piece), sorted.
        self._held: list[tuple[float, int, _Piece]] = []
        self._order = 0
        self._repeats = Repeats()
        # The latest time stamp.
        self._newest = -math.inf
        # The last piece, if its time stamp was far ahead and none has confirmed it yet.
        self._doubtful: tuple[float, _Piece] | None = None
        # The sound that goes on: when it began, the samples taken of it, their rate (None: it has ended), who speaks.
        self._base = -math.inf
        self._taken = 0
        self._rate: int | None = None
        self._speaker: Hashable = None
        self._resampler: Resampler | None = None
        self._mix: MonoMix | None = None

    @property
    def short(self) -> int:
        """See `UtteranceCutter.short`."""
        return self._cutter.short

    @property
    def speaking(self) -> bool:
        """Whether an utterance has begun and is not over."""
        return self._cutter.speaking

    @property
    def speaker(self) -> Hashable:
        """Who speaks in the sound that was used last."""
        return self._speaker

    @property
    def settled(self) -> float:
        """Every utterance that is still to come ends after this time, as long as none is late; -inf before any."""
        return self._time_of(self._cutter.settled)

    @property
    def next_begin(self) -> float:
        """No utterance that is still to come begins before this time, as long as none is late; -inf before any."""
        return self._time_of(self._cutter.next_begin)

    @property
    def due(self) -> float:
        """Where sound without a time stamp begins: where the latest piece ended; 0 before the first."""
        return max(0.0, self.time)

    def push(self, samples: np.ndarray, rate: int, time: float, speaker: Hashable) -> list[Spoken]:
        """Take float32 samples [n] or [n, channels] of `rate` Hz, the first at `time` seconds; give what is over."""
        piece = _Piece(samples, rate, speaker)
        if self._repeats.seen(time, samples, rate):
            self.late += 1
            return []
        doubtful, self._doubtful = self._doubtful, None
        if doubtful is not None and abs(time - doubtful[0]) <= FAR_SECONDS:
            self._hold(*doubtful)
        elif doubtful is not None:
            self.late += 1
        if self.time != -math.inf and time - self.time > FAR_SECONDS:
            self._doubtful = (time, piece)
        else:
            self._hold(time, piece)
        return list(self._release(self._tolerance))

    def end(self) -> list[Spoken]:
        """The utterance that has begun ends here, with what is held back; what comes next begins the sound anew."""
        if self._doubtful is not None:
            self._hold(*self._doubtful)
            self._doubtful = None
        return [*self._release(-math.inf), *self._end()]

    def _hold(self, time: float, piece: _Piece) -> None:
        insort(self._held, (time, self._order, piece), key=lambda held: held[:2])
        self._order += 1
        self._newest = max(self._newest, time)
        self.time = max(self.time, time + len(piece.samples) / piece.rate)

    def _release(self, tolerance: float) -> Iterator[Spoken]:
        """Use what is old enough that nothing can come before it any more."""
        while self._held:
            time, _, piece = self._held[0]
            # Nothing can come before sound that joins what was used, or that begins with the clock.
            seamless = abs(time - max(0.0, self._reached)) * piece.rate <= SEAMLESS
            if not seamless and time > self._newest - tolerance and len(self._held) <= MOST_HELD:
                return
            if seamless:
                self._held.pop(0)
            else:
                places = [(at, at + len(one.samples) / one.rate, order) for at, order, one in self._held]
                time, _, piece = self._held.pop(next_piece(places, piece.rate))
            yield from self._use(time, piece)

    @property
    def _reached(self) -> float:
        """Seconds up to which sound was used."""
        return self._base + (self._taken / self._rate if self._rate else 0.0)

    def _use(self, time: float, piece: _Piece) -> Iterator[Spoken]:
        samples, missing = piece.samples, time - self._reached
        if missing < -GAP_SECONDS:
            samples = samples[round(-missing * piece.rate) :]
            time, missing = self._reached, 0.0
            if not len(samples):
                self.late += 1
                return
        changed = (piece.rate, piece.speaker) != (self._rate, self._speaker)
        if changed or missing > max(GAP_SECONDS, self._options.voice.hangover):
            # Sound that is a little early begins where the sound before it ended, so that no two utterances overlap.
            begin = max(time, self._reached)
            yield from self._end()
            self._base, self._taken, self._rate, self._speaker = begin, 0, piece.rate, piece.speaker
            self._resampler, self._mix = Resampler(piece.rate, VOICE_RATE), MonoMix(piece.rate)
        elif missing > GAP_SECONDS:
            shape = (round(missing * piece.rate), *samples.shape[1:])
            yield from self._cut(np.zeros(shape, np.float32))
        yield from self._cut(samples)

    def _cut(self, samples: np.ndarray) -> Iterator[Spoken]:
        assert self._resampler is not None  # the sound has begun
        assert self._mix is not None
        self._taken += len(samples)
        yield from map(self._spoken, self._cutter.push(self._resampler.push(self._mix.push(samples))))

    def _end(self) -> Iterator[Spoken]:
        if self._resampler is None or self._mix is None:
            return
        rest = self._cutter.push(self._resampler.push(self._mix.flush()))
        rest += self._cutter.push(self._resampler.flush())
        yield from map(self._spoken, rest + self._cutter.end())
        self._base, self._taken, self._rate, self._resampler = self._reached, 0, None, None

    def _spoken(self, cut: Cut) -> Spoken:
        return Spoken(self.name, self._speaker, self._time_of(cut.begin), self._time_of(cut.end), cut.samples)

    def _time_of(self, sample: int) -> float:
        return self._base + sample / VOICE_RATE
