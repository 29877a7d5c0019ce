"""A simulated day before a camera and a microphone, from one seed: who comes and goes, what fails, what the clocks do.

Simulated are the light, the sound, the places where faces are, and all clocks. A sound card runs 200 ppm fast, frames
and sound are stamped by a wall clock that summer time moves, and the day's faults come at fixed shares of it.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from mer_sdk.live.sources.source import SampleClock

RATE, PIECE_SECONDS, FRAME_SECONDS = 16000, 0.1, 0.5
CARD_FAST, JITTER = 200e-6, 0.004
# The wall clock at the beginning, seconds.
EPOCH = 1_774_000_000.0
HEIGHT, WIDTH, FACE, TOP = 96, 160, 64, 16
PLACES = (8, 88)
# People there are; after the first hour they come again and again.
PEOPLE = 100


@dataclass(frozen=True)
class Fault:
    """What goes wrong from `begin` to `end` seconds of the day.

    Kinds: "camera", "microphone" (away), "both" (nothing comes), "sleep" (nothing comes, and the clock that never goes
    back has jumped), "ahead" and "back" (the wall clock is set by an hour at `begin`), "stall" (who takes the
    estimates does not).
    """

    kind: str
    begin: float
    end: float


@dataclass(frozen=True, eq=False)
class Event:
    """What an app pushes.

    Attributes:
        time: seconds of the day, by the clock that never goes back.
        stamp: by the wall clock.
        pcm: int16, or None.
        rgb: uint8 [height, width, 3], or None.
        wrong: "" for what is right; else "late", "far" (a stamp a month ahead), "empty" (a picture that is none).
    """

    time: float
    stamp: float
    pcm: np.ndarray | None = None
    rgb: np.ndarray | None = None
    wrong: str = ""


class SeenFaces:
    """In place of a face detector: reads from a picture's last pixel where `Day` painted faces."""

    def detect(self, rgb: np.ndarray) -> list[tuple[float, float, float, float, float]]:
        flags = int(rgb[-1, -1, 0])
        return [(float(x), float(TOP), float(FACE), float(FACE), 1.0) for i, x in enumerate(PLACES) if flags >> i & 1]


def faults_of(seconds: float) -> list[Fault]:
    """The faults of a day; of a shorter one, as many and shorter."""
    share = seconds / 86400.0
    plan = [("stall", (hour + 0.5) / 24, 20.0) for hour in range(24)]
    plan += [("both", (hour + 0.8) / 24, 45.0) for hour in range(24)]
    plan += [("microphone", (hour + 0.3) / 24, 15.0 if hour % 8 else 600.0) for hour in range(24)]
    plan += [("camera", (hour + 0.65) / 24, 15.0 if hour % 8 else 1200.0) for hour in range(24)]
    plan += [("ahead", 6.1 / 24, 0.0), ("back", 18.1 / 24, 0.0), ("sleep", 11.05 / 24, 1200.0)]
    whole = [Fault(kind, at * seconds, at * seconds + length * min(1.0, share * 4)) for kind, at, length in plan]
    return sorted(whole, key=lambda fault: fault.begin)


class Day:
    """The events of a day, in the order in which an app gets them.

    Args:
        seconds: of the day; 86,400 is a whole one.
        seed: of all draws.

    Attributes:
        faults: see `faults_of`.
        present_seconds: seconds with somebody before the camera, once the day was read.
        stamps_moved: how often the sound's stamps were begun anew, as the card's clock had drifted 0.1 s away.
        pushed: how many events of each wrong kind were given.
        card_error: seconds by which the last sound's stamp differs from the clock.
    """

    def __init__(self, seconds: float, seed: int = 16) -> None:
        self.seconds, self.faults = seconds, faults_of(seconds)
        self._random = random.Random(seed)
        self._draw = np.random.default_rng(seed)
        self._faces = [self._face() for _ in range(PEOPLE)]
        self._empty = np.full((HEIGHT, WIDTH, 3), 90, np.uint8) + self._draw.integers(
            0, 6, (HEIGHT, WIDTH, 1), np.uint8
        )
        self._empty[-1, -1] = 0
        self._voice = self._speech(20)
        self._silence = np.zeros(round(RATE * PIECE_SECONDS), np.int16)
        self.present_seconds, self.stamps_moved, self.card_error = 0.0, 0, 0.0
        self.pushed = {"late": 0, "far": 0, "empty": 0}
        # As of the time asked for last: what the wall clock was moved by, the faults that are on, whether none is near.
        self._next, self._moved, self._quiet = 0.0, 0.0, False
        self._on: set[str] = set()

    def wall(self, time: float) -> float:
        """The wall clock at a time that is not before the one asked for last, seconds."""
        while time >= self._next:
            self._next = min((t for f in self.faults for t in (f.begin, f.end) if t > time), default=np.inf)
            moves = {"ahead": 3600.0, "back": -3600.0}
            self._moved = sum(moves.get(fault.kind, 0.0) for fault in self.faults if fault.begin <= time)
            self._on = {fault.kind for fault in self.faults if fault.begin <= time < fault.end}
            near = (fault.begin - 5 <= time <= fault.end + 10 for fault in self.faults)
            self._next, self._quiet = min(self._next, time + 5.0), not any(near)
        return EPOCH + time + self._moved

    def events(self) -> Iterator[Event]:
        """All of the day."""
        clock = SampleClock()
        visits = self._visits()
        present: list[tuple[int, int, float]] = []  # (person, place, until)
        shown, heard, samples, before = 0, 0, round(RATE * PIECE_SECONDS), 0.0
        visit = next(visits)
        piece = PIECE_SECONDS / (1.0 + CARD_FAST)  # what the card calls a tenth of a second
        while True:
            time = min((heard + 1) * piece, shown * FRAME_SECONDS)
            if time >= self.seconds:
                return
            while visit[0] <= time:
                present.append((visit[1], visit[2], visit[3]))
                visit = next(visits)
            present = [one for one in present if one[2] > time]
            if (heard + 1) * piece <= shown * FRAME_SECONDS:
                begin, heard = heard * piece, heard + 1
                wall = self.wall(begin)
                if self._on & {"microphone", "both", "sleep"}:
                    continue
                stamp = clock.stamp(samples, RATE, wall + self._random.uniform(0.0, JITTER))
                self.stamps_moved += abs(stamp - before - PIECE_SECONDS) > 1e-6 and before > 0.0
                before, self.card_error = stamp, stamp - wall
                at = heard * samples % (len(self._voice) - samples)
                yield Event(time, stamp, pcm=self._voice[at : at + samples] if present else self._silence)
                continue
            shown += 1
            wall = self.wall(time)
            if self._on & {"camera", "both", "sleep"}:
                continue
            self.present_seconds += FRAME_SECONDS * bool(present)
            yield Event(time, wall, rgb=self._picture(present) if present else self._empty)
            if self._quiet:
                yield from self._wrong(time, wall, shown)

    def _wrong(self, time: float, wall: float, number: int) -> Iterator[Event]:
        """Every ten minutes a frame that is late and one that is none, every hour one with a wrong stamp."""
        kinds = [
            name for name, every in (("late", 1200), ("empty", 1200), ("far", 7200)) if number % every == every // 3
        ]
        for kind in kinds:
            self.pushed[kind] += 1
            stamp = wall + {"late": -1.5, "far": 2.6e6, "empty": 0.0}[kind]
            picture = np.zeros((0, 0, 3), np.uint8) if kind == "empty" else self._empty
            yield Event(time, stamp, rgb=picture, wrong=kind)

    def _visits(self) -> Iterator[tuple[float, int, int, float]]:
        """(begin, person, place, end) of who comes, in order: a crowd in the first 45 minutes, then about one in 15."""
        time = 5.0
        for person in range(PEOPLE):
            yield time, person, person % 2, time + 22.0
            time += 27.0 if person % 10 else 15.0
        while True:
            person, length = self._random.randrange(PEOPLE), self._random.uniform(15.0, 60.0)
            place = self._random.randrange(2)
            yield time, person, place, time + length
            if self._random.random() < 0.25:  # somebody with them
                later = time + self._random.uniform(1.0, 10.0)
                yield later, (person + 1 + self._random.randrange(PEOPLE - 1)) % PEOPLE, 1 - place, time + length
            time += length + self._random.expovariate(1 / 900.0) + 11.0

    def _picture(self, present: list[tuple[int, int, float]]) -> np.ndarray:
        picture = self._empty.copy()
        flags = 0
        for person, place, _ in present:
            x = PLACES[place]
            picture[TOP : TOP + FACE, x : x + FACE] = self._faces[person]
            flags |= 1 << place
        picture[-1, -1] = flags
        return picture

    def _face(self) -> np.ndarray:
        """A smooth texture that no other person has."""
        coarse = self._draw.uniform(20, 235, (10, 10, 3))
        places = np.linspace(0, 8.999, FACE)
        low, part = places.astype(int), (places % 1)[:, None]
        rows = coarse[low] * (1 - part[..., None]) + coarse[low + 1] * part[..., None]
        columns = rows[:, low] * (1 - part) + rows[:, low + 1] * part
        return columns.astype(np.uint8)

    def _speech(self, seconds: int) -> np.ndarray:
        """Sound like a voice: harmonics of a pitch that moves, in syllables, and noise."""
        at = np.arange(seconds * RATE) / RATE
        phase = 2 * np.pi * np.cumsum(120 + 30 * np.sin(2 * np.pi * 0.4 * at)) / RATE
        tone = sum(np.sin(k * phase) / k for k in range(1, 12)) * (0.4 + 0.4 * np.sin(2 * np.pi * 4 * at))
        noise = self._draw.normal(0, 0.05, len(at))
        return ((0.15 * tone + 0.2 * noise) * 32767).clip(-32768, 32767).astype(np.int16)
