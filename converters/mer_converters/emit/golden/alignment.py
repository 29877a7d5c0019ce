"""Sound and pictures in pieces, with gaps and pauses, to what each step reads."""

from __future__ import annotations

from functools import partial

import numpy as np

from mer_converters.emit.source_bundle import SourceBundle
from mer_sdk.window.alignment import StreamAlignment
from mer_sdk.window.sensor import PATIENCE_SECONDS

AUDIO, VIDEO = 0, 1
JOINS = -1.0
RATE = 8000
FRAME = np.zeros((1, 1, 3), np.uint8)
# Of a step at most so many frames may be looked at.
LOOKED = 3


def stages(source: SourceBundle) -> dict[str, np.ndarray]:
    """`stage_alignment_*`: events in order to steps.

    An event is (0 sound or 1 picture, time in seconds or -1 where sound goes on, number of samples). A step is (number,
    1 where it has sound, number of frames that may be looked at, their times or -1); a pause that is left out is
    (-1, steps, 0, ...).
    """
    events = _events()
    random = np.random.default_rng(26)
    sound = random.uniform(-0.5, 0.5, int(events[:, 2].sum())).astype(np.float32)
    alignment, rows, place = StreamAlignment(source.manifest), [], 0
    for kind, time, count in events.tolist():
        if kind == AUDIO:
            pcm = sound[place : place + int(count)]
            place += len(pcm)
            alignment.add_audio(pcm, RATE, None if time == JOINS else time)
        else:
            alignment.add_frame(partial(np.asarray, FRAME), time)
        while alignment.ready(PATIENCE_SECONDS):
            rows.append(_step(alignment, source.manifest.clock.window_steps))
    end = alignment.end()
    while alignment.done < end:
        rows.append(_step(alignment, source.manifest.clock.window_steps))
    return {
        "stage_alignment_rate": np.array([RATE]),
        "stage_alignment_events": events,
        "stage_alignment_sound": sound,
        "stage_alignment_steps": np.array(rows),
    }


def _events() -> np.ndarray:
    """Both streams, sound from before the beginning; a picture that is held; a gap in the sound; a camera that stops,
    and comes back; a long pause."""
    sound = [(AUDIO, -0.1 + 0.01 * index, 0.01) for index in range(10)]
    sound += [(AUDIO, 0.0, 0.3), *((AUDIO, JOINS, 0.3) for _ in range(6)), (AUDIO, 3.2, 0.4)]
    sound += [(AUDIO, 3.6 + 0.4 * index, 0.4) for index in range(1, 30)]
    sound += [(AUDIO, 60.0 + 0.4 * index, 0.4) for index in range(8)]
    begin = 0.0
    rows = []
    for kind, time, seconds in sound:
        begin = begin if time == JOINS else time
        rows.append((begin + seconds, kind, time, round(seconds * RATE)))
        begin += seconds
    times = [0.05 + 0.1 * index for index in range(12)] + [4.1, 4.3, 15.5, 60.1, 60.35, 60.6, 61.4, 62.9]
    rows += [(time, VIDEO, time, 0) for time in times]
    # As they come: sound once its last sample is there.
    return np.array([row[1:] for row in sorted(rows)], np.float32).astype(np.float64).round(4)


def _step(alignment: StreamAlignment, window: int) -> list[float]:
    due = alignment.done
    alignment.skip_empty(window)
    if alignment.done != due:
        return [-1.0, float(alignment.done - due), 0.0, *[-1.0] * LOOKED]
    given = alignment.take()
    times = [time for time, _ in given.frames]
    there = float(given.chunk is not None)
    return [float(given.number), there, float(len(times)), *times, *[-1.0] * (LOOKED - len(times))]
