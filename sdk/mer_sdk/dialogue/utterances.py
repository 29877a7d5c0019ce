"""From a stream of sound to its utterances, cut by voice activity."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np

from mer_sdk.frontends.audio import to_mono
from mer_sdk.frontends.voice_activity import PIECE_SAMPLES, VOICE_RATE, SpeechModel, VoiceActivity, VoiceOptions
from mer_sdk.limits import check_kind, check_number


@dataclass(frozen=True)
class UtteranceOptions:
    """Where an utterance begins and ends. All times in seconds.

    Attributes:
        voice: when somebody counts as speaking. Its hangover is the pause that ends an utterance, 0.7 s; a
            `VoiceOptions` of yours replaces all of them, and has a hangover of 2 s unless it says otherwise.
        minimum: an utterance whose voiced part (first to last voiced piece) is shorter is left out and counted.
        longest: an utterance that goes on for longer is cut here, after its last voiced piece; the next one follows on.
        pre_roll: sound kept before the first voiced piece, as far as no utterance before has it.

    Raises:
        OptionError: a value outside its range.
    """

    voice: VoiceOptions = field(default_factory=lambda: VoiceOptions(hangover=0.7))
    minimum: float = 0.25
    longest: float = 15.0
    pre_roll: float = 0.2

    def __post_init__(self) -> None:
        check_kind(
            "voice", self.voice, VoiceOptions, "a VoiceOptions, such as VoiceOptions(hangover=0.7)", optional=False
        )
        for name in ("minimum", "pre_roll"):
            check_number(name, getattr(self, name), "allowed is 0 or more, such as 0.2", least=0, unit=" s")
        least = self.minimum + self.pre_roll + PIECE_SAMPLES / VOICE_RATE
        wanted = f"with this minimum and pre_roll it must be at least {least:g} s"
        check_number("longest", self.longest, wanted, least=least, unit=" s")


@dataclass(frozen=True, eq=False)
class Cut:
    """An utterance's place, in samples at 16 kHz from the beginning of the sound, and its samples, float32 [n]."""

    begin: int
    end: int
    samples: np.ndarray


class UtteranceCutter:
    """Takes consecutive mono sound at 16 kHz in pieces of any length, gives utterances as soon as they are over.

    An utterance reaches from `pre_roll` before its first voiced piece of 32 ms to the end of its last one. It is over
    once no piece was voiced for the hangover. What comes out depends on the sound alone, not on how it was pushed.

    Args:
        options: see `UtteranceOptions`.
        model: see `VoiceActivity`.

    Attributes:
        short: utterances left out so far as they were shorter than the minimum.

    Raises:
        MissingExtra: see `VoiceActivity`.
    """

    def __init__(self, options: UtteranceOptions | None = None, model: SpeechModel | None = None) -> None:
        self.options = options or UtteranceOptions()
        self._voice = VoiceActivity(self.options.voice, model)
        self._minimum, self._longest, self._pre_roll, self._hold = (
            round(value * VOICE_RATE)
            for value in (
                self.options.minimum,
                self.options.longest,
                self.options.pre_roll,
                self.options.voice.hangover,
            )
        )
        self.short = 0
        self._sound: np.ndarray
        self._begin()

    @property
    def speaking(self) -> bool:
        """Whether an utterance has begun and is not over."""
        return self._first is not None

    @property
    def settled(self) -> int:
        """Every utterance that is still to come ends after this sample."""
        return self._last - 1 if self.speaking else self._heard

    @property
    def next_begin(self) -> int:
        """No utterance that is still to come begins before this sample."""
        return self._start if self.speaking else max(self._floor, self._heard - self._pre_roll)

    def push(self, samples: np.ndarray) -> list[Cut]:
        """Take samples; give the utterances that they end.

        Args:
            samples: see `VoiceActivity.pieces`.

        Raises:
            SignalError: see `VoiceActivity.pieces`; nothing was taken in then.
        """
        probabilities = self._voice.pieces(samples)
        self._sound = np.concatenate([self._sound, to_mono(samples)])
        cuts: list[Cut] = []
        for probability in probabilities:
            cuts += self._piece(bool(probability >= self.options.voice.threshold))
        self._forget()
        return cuts

    def end(self) -> list[Cut]:
        """The sound ends here: the utterance that had begun, if any. What is pushed next is another sound, from 0."""
        cuts = list(self._close()) if self.speaking else []
        self._begin()
        return cuts

    def _begin(self) -> None:
        self._voice.reset()
        # Samples from `_sound_begin` on that an utterance may still want.
        self._sound = np.zeros(0, np.float32)
        self._sound_begin = 0
        # Where the pieces heard so far end, and where the last utterance ended.
        self._heard = self._floor = 0
        # Of the utterance that has begun: its beginning, its first voiced piece's, and its last voiced piece's end.
        self._start = self._last = 0
        self._first: int | None = None

    def _piece(self, voiced: bool) -> Iterator[Cut]:
        begin = self._heard
        self._heard = end = begin + PIECE_SAMPLES
        if voiced:
            if self.speaking and end - self._start > self._longest:
                yield from self._close()
            if not self.speaking:
                self._first, self._start = begin, max(self._floor, begin - self._pre_roll)
            self._last = end
        elif self.speaking and end - self._last >= self._hold:
            yield from self._close()

    def _close(self) -> Iterator[Cut]:
        assert self._first is not None  # only what has begun is closed
        if self._last - self._first >= self._minimum:
            sound = self._sound[self._start - self._sound_begin : self._last - self._sound_begin]
            yield Cut(self._start, self._last, sound.copy())
        else:
            self.short += 1
        self._floor, self._first = self._last, None

    def _forget(self) -> None:
        done = max(0, self.next_begin - self._sound_begin)
        self._sound, self._sound_begin = self._sound[done:], self._sound_begin + done
