"""Measures of face_tracking.py: who a face is, and who speaks. Real clips; nothing is tuned here."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import combinations, permutations
from pathlib import Path
from typing import Any

import numpy as np

from mer_sdk.contract.manifest import FaceContract
from mer_sdk.evaluation.datasets import FerPlus, Selection, load_image, open_dataset
from mer_sdk.frontends.face_detection import FaceDetector, HaarDetector, open_detector
from mer_sdk.frontends.face_identity import SAME_PERSON, IdentityMemory, describe, descriptor, similarity
from mer_sdk.frontends.face_tracks import SOUND_RATE, FaceOptions, FaceTracks, Frame, searched
from mer_sdk.frontends.resampling import Resampler
from mer_sdk.media.decode import AudioPiece, MediaFile, VideoFrame

STEP, CONTRACT = 0.25, FaceContract()
# As the sensor gives it: the step's sound and what is before it, seconds.
CHUNK_SECONDS = 1.5
GAP_SECONDS = 60.0
STRANGERS = {"train": 3000, "valid": 2500}


@dataclass(frozen=True)
class Recording:
    """A decoded clip: frames by step, and sound at 16 kHz or None."""

    name: str
    person: str
    frames: tuple[VideoFrame, ...]
    sound: np.ndarray | None

    @property
    def steps(self) -> list[list[Frame]]:
        """The frames of each step that the sensor keeps."""
        found: dict[int, list[Frame]] = {}
        for frame in self.frames:
            found.setdefault(int((frame.time + 1e-6) / STEP), []).append((frame.time, frame.rgb))
        return [[found[number][pick] for pick in searched(len(found[number]))] for number in sorted(found)]


def read(path: Path, person: str) -> Recording:
    """Decode a clip; frames are converted to RGB when looked at."""
    frames, pieces, rate = [], [], 0
    with MediaFile(path) as media:
        for item in media.read():
            if isinstance(item, AudioPiece):
                pieces.append(item.pcm.mean(axis=1))
                rate = item.sample_rate
            else:
                frames.append(item)
    sound = Resampler(rate, SOUND_RATE).whole(np.concatenate(pieces)) if pieces else None
    return Recording(path.stem, person, tuple(frames), sound)


def heard(sound: np.ndarray, number: int) -> np.ndarray:
    """The sound that a step reads."""
    stop = round((number + 1) * STEP * SOUND_RATE)
    return sound[max(0, stop - round(CHUNK_SECONDS * SOUND_RATE)) : stop]


# Who it is.


def views_of(recording: Recording, detector: FaceDetector, every: float = 0.5) -> list[np.ndarray]:
    """Descriptors of the largest face found, one in `every` seconds."""
    found, due = [], 0.0
    for frame in recording.frames:
        if frame.time + 1e-6 >= due:
            due += every
            view = largest(frame.rgb(), detector)
            found += [] if view is None else [view]
    return found


def largest(rgb: np.ndarray, detector: FaceDetector) -> np.ndarray | None:
    """The descriptor of the largest face of a picture."""
    faces = sorted(detector.detect(rgb), key=lambda face: -face[2] * face[3])
    return describe(rgb, faces[0][:4]) if faces else None


def strangers(folder: Path, split: str) -> np.ndarray:
    """Descriptors of the first faces of FER+, [N, D]; near all of different people."""
    source = FerPlus(folder)
    images = source.split(split, source.labels).images[: STRANGERS[split]]
    return np.stack([descriptor(image.astype(np.float32)) for image in images])


def rate(values: np.ndarray | Sequence[bool]) -> dict[str, Any]:
    """Share of true ones, and of how many."""
    flags = np.asarray(values, bool)
    return {"share": float(flags.mean()) if len(flags) else 0.0, "of": len(flags)}


def above(views: np.ndarray) -> dict[str, Any]:
    """Pairs of a set above the threshold."""
    scores = (views @ views.T)[np.triu_indices(len(views), 1)]
    return rate(scores > SAME_PERSON)


def persons(data: Path, recordings: Sequence[Recording]) -> dict[str, Any]:
    """Right and wrong merges: pairs of single pictures, a memory against strangers, and whole streams with a gap."""
    detector = open_detector(None)
    clips = open_dataset(f"ravdess:{data / 'ravdess_av'}").clips(Selection(actors=(5,)))
    tracks: list[np.ndarray] = []
    for clip in (clip for clip in clips if clip.faces):
        views = [largest(load_image(path), detector) for path in clip.faces[3::6]]
        kept = [view for view in views if view is not None]
        tracks += [np.stack(kept)] if kept else []
    photos = []
    for path in sorted((data / "test_media").glob("*.jpg")):
        image, wide = load_image(path), HaarDetector(width=1600, smallest=0.05)
        views = [describe(image, face[:4]) for face in wide.detect(image)]
        photos += [view for view in views if view is not None]
    memory = [views_of(one, detector) for one in recordings]
    train, valid = strangers(data / "ferplus", "train"), strangers(data / "ferplus", "valid")
    return {
        "threshold": SAME_PERSON,
        "train_pairs": above(train),
        "same_pairs": rate(np.concatenate([((a @ b.T) > SAME_PERSON).ravel() for a, b in combinations(tracks, 2)])),
        "valid_pairs": above(valid),
        "photo_pairs": above(np.stack(photos)),
        "photos_to_clips": rate([similarity(one, views) > SAME_PERSON for one in photos for views in memory]),
        "strangers_to_clips": rate([max(similarity(one, v) for v in memory) > SAME_PERSON for one in valid]),
        **_returns(recordings, detector),
        **_many_clips(tracks),
    }


def _many_clips(tracks: list[np.ndarray]) -> dict[str, Any]:
    """Actor 05's 60 clips one after another in one memory: how many persons it makes of him."""
    store = IdentityMemory(1e9)
    ids = []
    for number, views in enumerate(tracks):
        person = store.recognise(views[0], float(number))
        for view in views[1:]:
            store.observe(person, view, float(number))
        ids.append(person)
    first = [person in ids[:number] for number, person in enumerate(ids)]
    return {"actor_clips": rate(first[1:]), "actor_ids": len(set(ids))}


def _returns(recordings: Sequence[Recording], detector: FaceDetector) -> dict[str, Any]:
    """Streams of two pieces with a minute between: the same person, and two different ones."""
    right: list[bool] = []
    wrong: list[bool] = []
    for one, two in permutations(recordings, 2):
        kept = _comes_back(one.steps, two.steps, detector)
        (right if one.person == two.person else wrong).append(kept)
    cut: list[bool] = []
    for one in (one for one in recordings if len(one.steps) > 40):
        stops = range(16, len(one.steps) - 16, 4)
        cut += [_comes_back(one.steps[:stop], one.steps[stop + 8 :], detector) for stop in stops]
    return {"return_clip": rate(right), "return_cut": rate(cut), "return_other": rate(wrong)}


def _comes_back(before: list[list[Frame]], after: list[list[Frame]], detector: FaceDetector) -> bool:
    """Whether the first face of the second piece has an id that was given in the first."""
    watch = FaceTracks(detector, CONTRACT)
    ids = {look.view.id for step in before for look in watch.look(step)}
    shift = before[-1][-1][0] + GAP_SECONDS - after[0][0][0]
    for step in after:
        faces_seen = watch.look([(time + shift, pixels) for time, pixels in step])
        if faces_seen:
            return faces_seen[0].view.id in ids
    return False


# Who speaks.

Other = Callable[[int, int], int]


def _rest(number: int, count: int) -> int:
    """Frame of somebody who is silent: the last 0.7 s of the clip back and forth."""
    place = number % 40
    return count - 1 - (place if place < 20 else 39 - place)


OTHERS: dict[str, Other] = {
    "is silent": _rest,
    "speaks at other times": lambda number, count: (number + count // 2) % count,
    "speaks at the same time": lambda number, count: min(number, count - 1),
}


def speaking(recordings: Sequence[Recording]) -> dict[str, Any]:
    """Two clips side by side, each played twice, the sound of one: how often its face is the preferred one."""
    small = {
        one.name: [np.ascontiguousarray(frame.rgb()[::2, 320:960:2]) for frame in one.frames] for one in recordings
    }
    result = {}
    for label, other in OTHERS.items():
        shares, ends = [], []
        for one, two in permutations(recordings, 2):
            # The sound's owner stands left and right in turn: the largest or first face must not win by its place.
            for left in (True, False):
                right = _preferred(one, small[one.name], small[two.name], other, left)
                shares.append(float(np.mean(right)))
                ends.append(float(np.mean(right[8:])))
        result[label] = {"all": float(np.mean(shares)), "after": float(np.mean(ends)), "pairs": len(shares)}
    return result


def _preferred(
    one: Recording, mine: list[np.ndarray], theirs: list[np.ndarray], other: Other, left: bool
) -> list[bool]:
    """For each step with a face, whether the preferred one is that of `one`."""
    count, width = len(mine), mine[0].shape[1]
    length = one.frames[-1].time + STEP / 8
    assert one.sound is not None  # all RAVDESS clips have sound
    whole = round(length * SOUND_RATE)
    piece = np.pad(one.sound, (0, max(0, whole - len(one.sound))))[:whole]
    sound = np.concatenate([piece, piece])

    def picture(number: int) -> np.ndarray:
        pair = [mine[number % count], theirs[other(number % count, len(theirs))]]
        return np.concatenate(pair if left else pair[::-1], axis=1)

    steps: dict[int, list[Frame]] = {}
    for number in range(2 * count):
        time = one.frames[number % count].time + (length if number >= count else 0.0)
        steps.setdefault(int((time + 1e-6) / STEP), []).append((time, partial(picture, number)))
    watch = FaceTracks(open_detector(None), CONTRACT, FaceOptions(faces=2))
    right = []
    for number in sorted(steps):
        frames = [steps[number][pick] for pick in searched(len(steps[number]))]
        faces_seen = watch.look(frames, heard(sound, number))
        if faces_seen:
            x, _, side, _ = faces_seen[0].view.box
            right.append((x + side / 2 < width) == left)
    return right
