"""A conversation as it is spoken: where voice activity cuts utterances, and which sound, text and frames each has.

No sound is stored: a piece of it is one value, over and over. What tells speech from other sound is loudness, see
`Loud`; its probabilities are far from every threshold.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from mer_converters.emit.source_bundle import SourceBundle
from mer_sdk.dialogue.options import ConversationOptions
from mer_sdk.dialogue.utterances import UtteranceCutter, UtteranceOptions
from mer_sdk.frontends.voice_activity import PIECE_SAMPLES, VOICE_RATE, VoiceOptions
from mer_sdk.live.utterance_queue import Turn, UtteranceQueue

# (threshold, hangover, minimum, longest, pre-roll) of cutters.
CUTTERS = ((0.5, 0.75, 0.25, 15.0, 0.1875), (0.5, 0.25, 0.0, 1.5, 0.5), (0.375, 0.0, 0.125, 4.0, 0.0))
SECONDS = 12
# (patience, seconds until stale, queue, frames kept, longest lag, whether texts are awaited) of live conversations.
LIVE = ((2.0, 1.0, 16, 32, 30.0, 1), (0.5, 1.0, 2, 6, 3.0, 0), (1.0, 3.0, 16, 8, 5.0, 1))
UTTERANCE = UtteranceOptions(VoiceOptions(hangover=0.5), minimum=0.25, longest=4.0, pre_roll=0.125)
TOLERANCE = 0.125
STEP = 0.25
SOUND, FRAME, TEXT, WAIT = range(4)
# Numbers of streams and of speakers; 0 has no name.
NAMES = (None, "anna", "ben")
RATES = (16000, 8000, 48000)
# Of a turn at most so many texts and frames are told.
TEXTS, FRAMES = 3, 8


class Loud:
    """A network that takes loud sound for speech."""

    def reset(self) -> None:
        """It has no state."""

    def __call__(self, piece: np.ndarray) -> float:
        return float(min(1.0, 5.0 * np.abs(piece).mean(dtype=np.float64)))


def stages(source: SourceBundle) -> dict[str, np.ndarray]:
    """`stage_cutter_*`: probabilities of pieces to cuts; `stage_spoken*`: sound, frames and texts of two streams, and
    time that passes, to turns.

    An event is (0 sound, 1 frame, 2 text or 3 nothing; seconds on the wall; its time, -1 where sound goes on; stream;
    speaker; end of a text, -1 where it is not known, or samples of a sound; rate; value of the sound, or number of the
    text). A turn is (begin, end, speaker, samples or -1, mean of the samples, numbers of its texts or -1, count of its
    frames, their times or -1); it begins with the number of the event after which it came, the last one's being the
    end.
    """
    arrays = _cutters()
    arrays["stage_spoken_options"] = np.array(LIVE)
    for index, options in enumerate(LIVE):
        events = _events(np.random.default_rng(40 + index))
        turns, counts = _run(events, options)
        prefix = f"stage_spoken{index}_"
        arrays |= {f"{prefix}events": events, f"{prefix}turns": turns, f"{prefix}counts": counts}
    return arrays


def _cutters() -> dict[str, np.ndarray]:
    random = np.random.default_rng(39)
    pieces = SECONDS * VOICE_RATE // PIECE_SAMPLES
    probabilities = np.where(_speech(random, pieces, 20), 0.75, 0.125)
    probabilities[random.random(pieces) < 0.1] = 0.4375
    arrays = {"stage_cutter_options": np.array(CUTTERS), "stage_cutter_probabilities": probabilities}
    sizes = [*random.integers(0, 9000, 40).tolist()]
    arrays["stage_cutter_pieces"] = np.array(sizes)
    for index, (threshold, hangover, minimum, longest, pre_roll) in enumerate(CUTTERS):
        options = UtteranceOptions(VoiceOptions(threshold, hangover), minimum, longest, pre_roll)
        cutter, rows = UtteranceCutter(options, _Scripted(probabilities)), []
        for number, size in enumerate(sizes):
            cuts = cutter.push(np.zeros(size, np.float32))
            rows += [(number, cut.begin, cut.end, cutter.short) for cut in cuts]
        rows += [(len(sizes), cut.begin, cut.end, cutter.short) for cut in cutter.end()]
        arrays[f"stage_cutter{index}_cuts"] = np.array(rows)
    return arrays


class _Scripted:
    """A network that gives the probabilities in order."""

    def __init__(self, probabilities: np.ndarray) -> None:
        self._left = iter(probabilities.tolist())

    def reset(self) -> None:
        """It has no state."""

    def __call__(self, piece: np.ndarray) -> float:
        return float(next(self._left))


def _speech(random: np.random.Generator, count: int, longest: int) -> np.ndarray:
    """Whether each of some pieces is speech, in runs of any length up to `longest`."""
    said, speaks = np.zeros(count, bool), False
    place = 0
    while place < count:
        length = int(random.integers(1, longest)) * (1 if random.random() < 0.6 else 3)
        said[place : place + length] = speaks
        place, speaks = place + length, not speaks
    return said


def _events(random: np.random.Generator) -> np.ndarray:
    """Two microphones, a camera and a recogniser, some of it late, out of order, or not there for a while.

    All times are exact in float32.
    """
    found: list[tuple[float, tuple[float, ...]]] = []
    for stream, rate in ((1, RATES[int(random.integers(3))]), (2, 8000)):
        loud, speaker = _speech(random, SECONDS * 8, 14), 0.0
        for piece in range(SECONDS * 8):
            time = piece / 8
            if random.random() < 0.03 or (stream == 2 and 6.0 <= time < 8.5):
                continue  # missing
            speaker = float(random.integers(1, 3)) if random.random() < 0.04 else speaker
            delay = random.choice([0.0, 0.125, 0.25, 0.75], p=[0.8, 0.1, 0.07, 0.03])
            value = 0.1875 if loud[piece] else 0.0078125
            given = -1.0 if random.random() < 0.3 and delay == 0 else time + (stream == 2) / 64
            found.append((time + 0.125 + delay, (SOUND, given, stream, speaker, rate // 8, rate, value)))
    for frame in range(SECONDS * 6):
        shown, whose = frame * 11 / 64, float(random.integers(0, 2))
        found.append((shown + random.choice([0.0, 0.25]), (FRAME, shown, whose, 0, 0, 0, 0)))
    for number in range(14):
        begin = float(random.integers(0, SECONDS * 8)) / 8
        end = begin + float(random.integers(0, 20)) / 8 if random.random() < 0.7 else -1.0
        who = float(random.integers(0, 3))
        told = max(begin, end) + float(random.integers(0, 24)) / 8
        found.append((told, (TEXT, begin, 0, who, end, 0, number)))
    found += [(when / 2 + 0.0625, (WAIT, 0, 0, 0, 0, 0, 0)) for when in range(2 * SECONDS + 8)]
    found.sort(key=lambda one: one[0])
    return np.array([(given[0], when, *given[1:]) for when, given in found])


@dataclass
class _Clock:
    seconds: float = 0.0

    def __call__(self) -> float:
        return self.seconds


def _run(events: np.ndarray, given: tuple[float, ...]) -> tuple[np.ndarray, np.ndarray]:
    patience, stale, queue, frames, lag, awaits = given
    options = ConversationOptions(
        utterance=UTTERANCE,
        streams=("anna",),
        tolerance=TOLERANCE,
        stale_seconds=stale,
        patience=patience,
        queue_seconds=lag,
        queue=int(queue),
        frames=int(frames),
    )
    clock = _Clock()
    utterances = UtteranceQueue(options, bool(awaits), STEP, clock, Loud)
    rows: list[list[float]] = []
    for number, (kind, clock.seconds, time, stream, speaker, end, rate, value) in enumerate(events.tolist()):
        name = NAMES[int(stream)]
        if kind == SOUND:
            begin = utterances.due(name) if time < 0 else time
            samples = np.full(int(end), value, np.float32)
            utterances.add_audio(samples, int(rate), begin, name, NAMES[int(speaker)])
        elif kind == FRAME:
            utterances.add_frame(np.zeros((1, 1, 3), np.uint8), time, name)
        elif kind == TEXT:
            utterances.add_text(str(int(value)), time, None if end < 0 else end, NAMES[int(speaker)])
        else:
            utterances.move()
        # Whoever estimates them is slower than they come.
        if kind == WAIT and number % 3 == 0:
            rows += [_row(number, turn) for turn in utterances.turns]
            utterances.turns.clear()
    utterances.finish()
    rows += [_row(len(events), turn) for turn in utterances.turns]
    counts = (utterances.dropped, utterances.dropped_frames, utterances.late, utterances.short)
    return np.array(rows), np.array(counts)


def _row(number: int, turn: Turn) -> list[float]:
    texts = [float(word) for word in (turn.text or "").split()][:TEXTS]
    times = [time for _, time in turn.frames][:FRAMES]
    samples = turn.samples
    sound = (-1.0, 0.0) if samples is None else (float(len(samples)), float(samples.mean(dtype=np.float64)))
    assert math.isfinite(turn.begin)
    speaker = float(NAMES.index(None if turn.speaker is None else str(turn.speaker)))
    row = [float(number), turn.begin, turn.end, speaker, *sound, *texts, *[-1.0] * (TEXTS - len(texts))]
    return [*row, float(len(turn.frames)), *times, *[-1.0] * (FRAMES - len(times))]
