"""How a live conversation cuts, waits, and what it keeps."""

from __future__ import annotations

from dataclasses import dataclass, field

from mer_sdk.dialogue.utterances import UtteranceOptions
from mer_sdk.limits import check_kind, check_names, check_number


@dataclass(frozen=True)
class ConversationOptions:
    """How a live conversation cuts, waits, and what it keeps. All times in seconds.

    Attributes:
        utterance: see `UtteranceOptions`.
        streams: names of the streams of sound that are known to come, and are waited for from the start. A stream that
            is not named counts once it begins.
        tolerance: how far a time stamp may lie behind the latest one of its stream.
        stale_seconds: a stream that has given nothing for so long is not waited for until it comes again, and what was
            being said in it is over.
        patience: how long an utterance of a bundle that reads text waits for its text after its end, by the streams'
            time stamps; where all streams are stale, by the clock on the wall.
        queue_seconds: a stream that lags behind another by more than this is not waited for.
        queue: how many utterances may wait for the device, and estimates for whoever takes them; where there are more,
            the oldest is dropped and counted.
        frames: how many frames are kept for utterances that are not over, one a step and stream, and again for those
            that wait for the device; where there are more, the oldest are dropped and counted.

    Raises:
        OptionError: a value outside its range.
    """

    utterance: UtteranceOptions = field(default_factory=UtteranceOptions)
    streams: tuple[str, ...] = ()
    tolerance: float = 0.1
    stale_seconds: float = 1.0
    patience: float = 2.0
    queue_seconds: float = 30.0
    queue: int = 16
    frames: int = 32

    def __post_init__(self) -> None:
        wanted = "an UtteranceOptions, such as UtteranceOptions(minimum=0.3)"
        check_kind("utterance", self.utterance, UtteranceOptions, wanted, optional=False)
        check_names("streams", self.streams, what="stream", example="('anna', 'ben')")
        for name in ("tolerance", "patience"):
            check_number(name, getattr(self, name), "allowed is 0 or more, such as 0.5", least=0, unit=" s")
        wanted = "it must be above 0, such as 1.0"
        check_number("stale_seconds", self.stale_seconds, wanted, above=0, endless=True)
        wanted = f"it must be above the tolerance of {self.tolerance} s"
        check_number("queue_seconds", self.queue_seconds, wanted, above=float(self.tolerance))
        for name in ("queue", "frames"):
            check_number(name, getattr(self, name), "give a whole number of at least 1", least=1, whole=True)
