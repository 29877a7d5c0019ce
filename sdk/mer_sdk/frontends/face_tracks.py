"""What a step saw: the faces among its frames, cut out as the face graph reads them, and whose they are."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from mer_sdk.contract.estimate import FaceView
from mer_sdk.contract.manifest import FaceContract
from mer_sdk.frontends.active_speaker import ActiveSpeaker, sound_level
from mer_sdk.frontends.face_crop import Box, check_frame, crop_face
from mer_sdk.frontends.face_detection import FaceDetector
from mer_sdk.frontends.face_identity import IdentityMemory, describe
from mer_sdk.frontends.face_tracking import FaceTracker, Track
from mer_sdk.limits import check_kind, check_number

# A step looks at its last frame; at earlier ones, up to so many in all, where that one is dark or lost the face.
FRAMES_TRIED = 3
# To hear who speaks, at least this many faces are followed, however few are asked for.
WATCHED = 4
# Hz, of the sound that a step gives.
SOUND_RATE = 16000
# Sound before this many seconds belongs to no frame of the step.
LONGEST_SOUND = 0.5
MOST_FACES = 8
# (seconds, gives uint8 RGB [height, width, 3]): pixels that are never looked at need not be converted.
Frame = tuple[float, Callable[[], np.ndarray]]


@dataclass(frozen=True)
class FaceOptions:
    """How faces are followed.

    Attributes:
        faces: how many are given at each step, 1-8.
        detect_seconds: while all faces are followed surely, the detector searches once in so many seconds, 0-10; 0 is
            every step. It also bounds how late a further face is noticed.
        prefer_speaking: among several faces, prefer the one whose mouth moves with the sound; else the one that was
            preferred before, at first the largest.
        remember_seconds: how long a person is remembered who is not seen, at least 0. Who comes back within it, and
            faces_seen as before, has the same id again.

    Raises:
        OptionError: a value outside its range.
    """

    faces: int = 1
    detect_seconds: float = 1.0
    prefer_speaking: bool = True
    remember_seconds: float = 600.0

    def __post_init__(self) -> None:
        wanted = f"allowed are whole numbers from 1 to {MOST_FACES}"
        check_number("faces", self.faces, wanted, least=1, most=MOST_FACES, whole=True)
        wanted = "allowed are 0 (search every step) to 10"
        check_number("detect_seconds", self.detect_seconds, wanted, least=0, most=10)
        check_kind("prefer_speaking", self.prefer_speaking, (bool, np.bool_), "True or False", optional=False)
        wanted = "give seconds, 0 to forget a face once it is gone"
        check_number("remember_seconds", self.remember_seconds, wanted, least=0)


@dataclass(frozen=True, eq=False)
class TrackedFace:
    """A face crop [S, S, 3] and whose it is."""

    crop: np.ndarray
    view: FaceView


class FaceTracks:
    """The faces of a stream, step by step: found, followed, recognised and cut out.

    Ids are those of persons, from 0: one who comes back, at another place or after a gap, has the earlier id where the
    face looks alike (see `mer_sdk.frontends.face_identity`); in doubt it is a new one. What is looked at depends
    on time stamps and pixels alone, so that a file and a live stream give the same.

    Args:
        detector: finds faces.
        contract: how a face is cut out.
        options: see `FaceOptions`; None takes its defaults.
    """

    def __init__(self, detector: FaceDetector, contract: FaceContract, options: FaceOptions | None = None) -> None:
        self.options = options or FaceOptions()
        self._contract = contract
        followed = max(self.options.faces, WATCHED) if self.options.prefer_speaking else self.options.faces
        self._tracker = FaceTracker(detector, self.options.detect_seconds, followed)
        self._memory = IdentityMemory(self.options.remember_seconds)
        self._speaking = ActiveSpeaker()
        self.reset()

    @property
    def searches(self) -> int:
        """Calls of the detector since the last reset."""
        return self._tracker.searches

    def reset(self) -> None:
        """Begin a new stream: nobody is followed or remembered, and ids begin at 0."""
        self._tracker.reset()
        self._memory.reset()
        self._speaking.reset()
        # Track -> person, and how often the detector had found the track when the person was described last.
        self._person: dict[int, int] = {}
        self._described: dict[int, int] = {}
        self._watched: float | None = None

    def forget(self, person: int) -> None:
        """Forget one person; while still in the picture, or back in it, that face has a new id."""
        for track in [key for key, one in self._person.items() if one == person]:
            self._drop(track)
        self._memory.forget(person)

    @property
    def remembered(self) -> tuple[int, ...]:
        """Ids of those who are remembered, whether they are in the picture or not."""
        return self._memory.known

    def pass_time(self, time: float) -> None:
        """It is so many seconds into the stream: who was not seen for `remember_seconds` is forgotten, also where no
        frame comes any more."""
        self._memory.pass_time(time)

    def look(self, frames: Sequence[Frame], sound: np.ndarray | None = None) -> tuple[TrackedFace, ...]:
        """The faces of a step, the preferred one first; empty where there is none.

        Args:
            frames: of the step, in order.
            sound: mono at 16 kHz in [-1, 1], up to the step's end; None where it is missing. What it holds of
                earlier steps is not looked at.

        Raises:
            SignalError: a frame of the wrong shape.
            OptionError: the detector gave something else than faces.
        """
        if not frames:
            return ()
        followed = any(not track.lost for track in self._tracker.tracks)
        seen: tuple[Track, ...] = ()
        for pick in searched(len(frames))[::-1]:
            time, pixels = frames[pick]
            rgb = check_frame(pixels())
            if not self._is_dark(rgb):
                seen = self._tracker.follow(rgb, time)
                # Where nobody was, one frame a step is enough to find who comes.
                if seen or not followed:
                    break
        alive = {track.id for track in self._tracker.tracks}
        for gone in [key for key in self._person if key not in alive]:
            self._drop(gone)
        if not seen:
            return ()
        for track in seen:
            self._recognise(track, rgb, time, seen)
        boxes = {self._person[track.id]: track.box for track in seen}
        if self.options.prefer_speaking and len(boxes) > 1:
            self._listen(frames[: pick + 1], rgb, boxes, sound)
        first = self._speaking.prefer(boxes, time)
        faces_seen = []
        for person in sorted(boxes, key=lambda person: person != first):
            crop = crop_face(rgb, boxes[person], self._contract)
            if crop is not None:
                faces_seen.append(TrackedFace(crop, FaceView(person, boxes[person])))
        return tuple(faces_seen[: self.options.faces])

    def _recognise(self, track: Track, rgb: np.ndarray, time: float, seen: Sequence[Track]) -> None:
        """Give a new track its person; keep what a known one looks like, as often as the detector finds the face."""
        new = track.id not in self._person
        fresh = new or self._described[track.id] != track.found
        view = describe(rgb, track.box) if fresh else None
        if not new:
            self._memory.observe(self._person[track.id], view, time)
        else:
            present = {self._person[one.id] for one in seen if one.id in self._person}
            person = self._memory.recognise(view, time, present)
            # Who is found elsewhere is no longer waited for where the face was lost.
            for other in [key for key, one in self._person.items() if one == person]:
                self._drop(other)
            self._person[track.id] = person
        self._described[track.id] = track.found

    def _listen(
        self, frames: Sequence[Frame], rgb: np.ndarray, boxes: dict[int, Box], sound: np.ndarray | None
    ) -> None:
        """Compare mouths with the sound in the step's middle and last frame; with one frame alone in that."""
        picks = searched(len(frames))[-2:]
        heard = None if sound is None else np.ravel(sound)
        end = frames[-1][0]
        for pick in picks:
            time, pixels = frames[pick]
            image = rgb if pick == picks[-1] else check_frame(pixels())
            level = None
            if heard is not None and self._watched is not None:
                # Samples are counted from the end, which is at most a frame after the last one's time.
                stop = len(heard) - round((end - time) * SOUND_RATE)
                start = stop - round(min(time - self._watched, LONGEST_SOUND) * SOUND_RATE)
                level = sound_level(heard[max(0, start) : max(0, stop)])
            self._speaking.watch(image, boxes, time, level)
            self._watched = time

    def _is_dark(self, rgb: np.ndarray) -> bool:
        # Every eighth pixel is enough: what this lets through, the crop refuses. A few of them mostly say it.
        return all(int(rgb[::apart, ::apart].max()) <= self._contract.black_level for apart in (64, 8))

    def _drop(self, track: int) -> None:
        self._tracker.drop(track)
        self._speaking.forget(self._person.pop(track))
        self._described.pop(track)


@lru_cache(maxsize=64)
def searched(count: int) -> tuple[int, ...]:
    """Which of a step's frames may be looked at: at most `FRAMES_TRIED`, evenly from the first to the last."""
    picks = np.unique(np.linspace(0, count - 1, min(FRAMES_TRIED, count)).round().astype(int))
    return tuple(int(pick) for pick in picks)
