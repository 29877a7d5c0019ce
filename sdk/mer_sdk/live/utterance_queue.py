"""Utterances of several streams in the order of their ends, with texts and frames. It knows nothing of threads."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field, replace

import numpy as np

from mer_sdk.dialogue.options import ConversationOptions
from mer_sdk.frontends.voice_activity import SpeechModel
from mer_sdk.live.sound_stream import SoundStream, Spoken

# A text belongs to an utterance that it does not overlap if it is at most this far from it, and one that ends at most
# this long before the utterance does is its last, seconds: recognisers' times and voice activity's differ so much.
REACH = 0.5
# Texts that may wait for their utterance, and utterances remembered to tell that a text came too late for them.
MOST_TEXTS = 64
REMEMBERED = 32


@dataclass(frozen=True, eq=False)
class Turn:
    """An utterance with all that is known of it: what `Conversation.push_utterance` takes.

    Attributes:
        begin, end: seconds.
        speaker: see `LiveConversation.push_audio`.
        samples: float32 [n] at 16 kHz; None where there is a text alone.
        text: the words, or None.
        frames: (uint8 RGB [height, width, 3], seconds since `begin`), in order.
    """

    begin: float
    end: float
    speaker: Hashable
    samples: np.ndarray | None
    text: str | None
    frames: tuple[tuple[np.ndarray, float], ...]


@dataclass(frozen=True)
class _Text:
    """Words said from `begin` to `end`; `final` where no more of the same utterance is to be expected."""

    words: str
    begin: float
    end: float
    speaker: Hashable
    final: bool


@dataclass(eq=False)
class _Waiting:
    """An utterance that is over and not handed on yet."""

    begin: float
    end: float
    speaker: Hashable
    stream: str | None
    samples: np.ndarray | None
    since: float
    texts: list[_Text] = field(default_factory=list)


class UtteranceQueue:
    """Sound, frames and texts in, turns out, in the order of their ends.

    Args:
        options: see `ConversationOptions`.
        awaits_text: whether utterances wait for texts.
        step: seconds; one frame a step and stream is kept.
        now: seconds on a clock that never goes back, by which streams become stale.
        model: makes what tells speech from other sound, one a stream.

    Attributes:
        turns: those that wait to be estimated.
        dropped: turns that had no room, so far.
        dropped_frames: frames that had no room, so far.
    """

    def __init__(
        self,
        options: ConversationOptions,
        awaits_text: bool,
        step: float,
        now: Callable[[], float],
        model: Callable[[], SpeechModel],
    ) -> None:
        self._options, self._awaits_text, self._step, self._now, self._model = options, awaits_text, step, now, model
        self.turns: deque[Turn] = deque()
        self.dropped = self.dropped_frames = 0
        self._late = 0
        self._sound: dict[str | None, SoundStream] = {}
        # By stream: step number -> (time, frame); and the latest time stamp.
        self._frames: dict[str | None, dict[int, tuple[float, np.ndarray]]] = {}
        self._seen: dict[str | None, float] = {}
        # When each stream gave something last, and the stale streams of sound that were ended.
        self._came: dict[tuple[str, str | None], float] = {}
        self._ended: set[str | None] = set()
        self._origin = math.inf
        self._waiting: list[_Waiting] = []
        self._texts: list[_Text] = []
        self._gone: deque[_Waiting] = deque(maxlen=REMEMBERED)
        self._last_end = -math.inf
        for name in options.streams:
            self._stream(name)

    @property
    def late(self) -> int:
        """Pieces of sound, frames, texts and whole utterances that came too late, so far."""
        return self._late + sum(stream.late for stream in self._sound.values())

    @property
    def short(self) -> int:
        """See `UtteranceCutter.short`."""
        return sum(stream.short for stream in self._sound.values())

    def due(self, stream: str | None) -> float:
        """Where sound of a stream without a time stamp begins."""
        return self._sound[stream].due if stream in self._sound else 0.0

    def add_audio(self, samples: np.ndarray, rate: int, time: float, stream: str | None, speaker: Hashable) -> None:
        """Take float32 samples [n] of `rate` Hz, the first at `time` seconds."""
        sound = self._stream(stream)
        self._mark("audio", stream, time)
        self._ended.discard(stream)
        self._take(sound.push(samples, rate, time, stream if speaker is None else speaker))
        self.move()

    def add_frame(self, rgb: np.ndarray, time: float, stream: str | None) -> None:
        """Take a frame; of the frames of a step the last counts."""
        self._mark("video", stream, time)
        if time < self._last_end:
            self._late += 1
        frames, number = self._frames.setdefault(stream, {}), math.floor(time / self._step)
        if number not in frames or frames[number][0] <= time:
            frames[number] = (time, rgb)
        self._seen[stream] = max(self._seen.get(stream, -math.inf), time)
        self.move()
        if sum(len(kept) for kept in self._frames.values()) > self._options.frames:
            kept = min((kept for kept in self._frames.values() if kept), key=min)
            del kept[min(kept)]
            self.dropped_frames += 1

    def add_text(self, words: str, begin: float, end: float | None, speaker: Hashable) -> None:
        """Take what was said from `begin` to `end` seconds; without an end, at about `begin`."""
        self._origin = min(self._origin, begin)
        self._texts.append(_Text(words, begin, begin if end is None else end, speaker, end is None))
        if len(self._texts) > MOST_TEXTS:
            self._texts.pop(0)
            self.dropped += 1
        self.move()

    def move(self) -> None:
        """Queue the turns that nothing is missing of."""
        for name, stream in self._sound.items():
            if self._stale("audio", name) and name not in self._ended:
                self._ended.add(name)
                self._take(stream.end())
        self._texts = [text for text in self._texts if not self._place(text)]
        while self._waiting:
            first = min(self._waiting, key=_order)
            if not (self._settled(first.end) and self._complete(first)):
                break
            self._hand_on(first)
        self._forget_frames()

    def finish(self) -> None:
        """Queue all turns that are left; nothing may be added afterwards."""
        for stream in self._sound.values():
            self._take(stream.end())
        for text in self._texts:
            self._place(text, last=True)
        self._texts = []
        for waiting in sorted(self._waiting, key=_order):
            self._hand_on(waiting)

    def waits(self) -> bool:
        """Whether something may come to its end by waiting alone, as streams become stale."""
        open_streams = any(name not in self._ended and stream.time > -math.inf for name, stream in self._sound.items())
        return bool(self._waiting or self._texts) or open_streams

    def stale(self) -> tuple[str, ...]:
        """Names of the streams, of sound or frames, that have given nothing for `stale_seconds`; "" is the unnamed."""
        return tuple(sorted({name or "" for kind, name in self._came if self._stale(kind, name)}))

    def _stream(self, name: str | None) -> SoundStream:
        if name not in self._sound:
            self._sound[name] = SoundStream(name, self._options.utterance, self._options.tolerance, self._model())
            self._came["audio", name] = self._now()
        return self._sound[name]

    def _mark(self, kind: str, stream: str | None, time: float) -> None:
        self._came[kind, stream] = self._now()
        self._origin = min(self._origin, time)

    def _stale(self, kind: str, name: str | None) -> bool:
        return self._now() - self._came[kind, name] > self._options.stale_seconds

    def _take(self, spoken: list[Spoken]) -> None:
        now = self._now()
        self._waiting += [_Waiting(s.begin, s.end, s.speaker, s.stream, s.samples, now) for s in spoken]

    def _time(self) -> float:
        """The latest time stamp of all sound."""
        return max((stream.time for stream in self._sound.values()), default=-math.inf)

    def _awaited(self, kind: str, name: str | None, settled: float) -> bool:
        lag = max(self._time(), *self._seen.values(), self._origin) - max(settled, self._origin)
        return not self._stale(kind, name) and lag <= self._options.queue_seconds

    def _settled(self, time: float) -> bool:
        """Whether nothing that is still to come ends at this time or before, or shows it."""
        marks = [("audio", name, stream.settled) for name, stream in self._sound.items()]
        marks += [("video", name, seen - self._options.tolerance) for name, seen in self._seen.items()]
        waits = any(mark < time and self._awaited(kind, name, mark) for kind, name, mark in marks)
        return not waits and all(text.end > time for text in self._texts)

    def _complete(self, waiting: _Waiting) -> bool:
        """Whether an utterance's text is there, or is not waited for any longer."""
        if not self._awaits_text or waiting.samples is None:
            return True
        if any(text.final or text.end >= waiting.end - REACH for text in waiting.texts):
            return True
        times = [one.time for name, one in self._sound.items() if self._awaited("audio", name, one.settled)]
        # Where no sound comes its clock stands still, so the wall's counts.
        passed = min(times) - waiting.end if times else self._now() - waiting.since
        return passed >= self._options.patience

    def _place(self, text: _Text, last: bool = False) -> bool:
        """Give a text to the utterance that it overlaps most; False while a better one may come."""
        known = [one for one in (*self._waiting, *self._gone) if text.speaker is None or one.speaker == text.speaker]
        best = max(known, key=lambda one: (_overlap(text, one), -one.end), default=None)
        shared = _overlap(text, best) if best else -math.inf
        if not last and self._may_come(text, shared):
            return False
        if best is None or shared < -REACH:
            self._waiting.append(_Waiting(text.begin, text.end, text.speaker, None, None, self._now(), [text]))
        elif best in self._waiting:
            best.texts.append(text)
        else:
            self._late += 1
        return True

    def _may_come(self, text: _Text, shared: float) -> bool:
        """Whether an utterance that is not over yet may share more with a text than this."""
        for name, stream in self._sound.items():
            most = min(text.end - text.begin, text.end - stream.next_begin)
            theirs = stream.time == -math.inf or text.speaker in (None, stream.speaker)
            if theirs and most > max(shared, -REACH) and self._awaited("audio", name, stream.settled):
                return True
        return False

    def _hand_on(self, waiting: _Waiting) -> None:
        self._waiting.remove(waiting)
        if waiting.end < self._last_end:
            self._late += 1
            return
        self._last_end = waiting.end
        texts = sorted(waiting.texts, key=lambda text: (text.begin, text.end))
        words = " ".join(text.words for text in texts) if texts else None
        self._gone.append(waiting)
        frames = self._shown(waiting)
        self.turns.append(Turn(waiting.begin, waiting.end, waiting.speaker, waiting.samples, words, frames))
        waiting.samples = None
        self._bound_turns()

    def _bound_turns(self) -> None:
        """Drop what has no room: frames first, which are what is large."""
        for index, turn in enumerate(self.turns):
            if sum(len(one.frames) for one in self.turns) <= self._options.frames:
                break
            self.dropped_frames += len(turn.frames)
            self.turns[index] = replace(turn, frames=())
        if len(self.turns) > self._options.queue:
            self.turns.popleft()
            self.dropped += 1

    def _shown(self, waiting: _Waiting) -> tuple[tuple[np.ndarray, float], ...]:
        """The frames of an utterance: those of its own stream, or where it has none, those of the unnamed one."""
        frames = self._frames.get(waiting.stream if waiting.stream in self._frames else None, {})
        spanned = sorted((time, number) for number, (time, _) in frames.items() if waiting.begin <= time < waiting.end)
        return tuple((frames[number][1], time - waiting.begin) for time, number in spanned)

    def _forget_frames(self) -> None:
        """Frames that no utterance can want any more."""
        begins = [waiting.begin for waiting in self._waiting]
        begins += [
            stream.next_begin for name, stream in self._sound.items() if self._awaited("audio", name, stream.settled)
        ]
        if begins:
            least = min(begins)
            for name, kept in self._frames.items():
                self._frames[name] = {number: one for number, one in kept.items() if one[0] >= least}


def _order(waiting: _Waiting) -> tuple[float, float, str, str]:
    return waiting.end, waiting.begin, str(waiting.stream), str(waiting.speaker)


def _overlap(text: _Text, waiting: _Waiting) -> float:
    """Seconds that both share; below 0, how far they are apart."""
    return min(text.end, waiting.end) - max(text.begin, waiting.begin)
