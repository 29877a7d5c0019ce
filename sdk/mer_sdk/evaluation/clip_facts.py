"""What a clip is like, whatever a model says of it: length, level, light, faces. Not what a model needs to be right."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from mer_sdk.errors import DataError, MerError
from mer_sdk.evaluation.datasets.clip import IMAGE_SUFFIXES, Clip
from mer_sdk.evaluation.datasets.clip_files import clip_duration, load_audio, load_faces, load_frames, load_image
from mer_sdk.evaluation.datasets.media_parts import frames, streams
from mer_sdk.frontends.face_detection import FaceDetector

# Level is taken over blocks of this length, of which the loudest tenth counts; a face is looked for once a second.
BLOCK_SECONDS, LOUDEST, LOOK_SECONDS = 0.25, 0.1, 1.0
# A sample this near to full scale is clipped.
FULL_SCALE = 0.999
_LUMA = np.array([0.299, 0.587, 0.114])


@dataclass(frozen=True)
class ClipFacts:
    """One clip as it was measured.

    Attributes:
        clip: its id.
        label, speaker, split: as the data set says them; "" where it does not.
        seconds: length; 0 for a still.
        level: RMS of the loudest tenth of its quarter seconds in dB below full scale (0 is the loudest); None without
            sound, -120 for digital silence.
        clipped: share of the samples at full scale, 0-1.
        light: mean brightness of the pictures looked at, 0-255; None without pictures.
        width, height: of the pictures, 0 without.
        looks, faces: pictures looked at, one a second, and in how many of them a face was found.
        sha256: of the file and the part of it; "" where the clip is made of several files.
    """

    clip: str
    label: str
    speaker: str
    split: str
    seconds: float
    level: float | None
    clipped: float
    light: float | None
    width: int
    height: int
    looks: int
    faces: int
    sha256: str


def clip_facts(clip: Clip, detector: Callable[[], FaceDetector]) -> ClipFacts:
    """Measure a clip.

    Args:
        detector: gives the face detector where there are pictures to search; images of a face track are faces.

    Raises:
        DataError: the clip cannot be read.
        MissingExtra: a package that reads it is not installed.
    """
    level, clipped, seconds = None, 0.0, 0.0
    still = clip.media is not None and clip.media.suffix.lower() in IMAGE_SUFFIXES
    if _has_sound(clip):
        samples, rate = load_audio(clip)
        seconds = len(samples) / rate
        level, clipped = sound_level(samples, rate), float(np.mean(np.abs(samples) >= FULL_SCALE))
    elif not still and (clip.media or clip.video):
        seconds = clip_duration(clip)
    lights, faces, size = [], 0, (0, 0)
    for picture in _pictures(clip):
        size = picture.shape[1], picture.shape[0]
        lights.append(float((picture[::4, ::4] @ _LUMA).mean()))
        faces += 1 if clip.faces else bool(len(detector().detect(picture)))
    return ClipFacts(
        clip=clip.id,
        label=clip.label,
        speaker=str(clip.speaker) if clip.person is None else clip.person,
        split=clip.split,
        seconds=seconds,
        level=level,
        clipped=clipped,
        light=float(np.mean(lights)) if lights else None,
        width=size[0],
        height=size[1],
        looks=len(lights),
        faces=faces,
        sha256=_hash(clip),
    )


def sound_level(samples: np.ndarray, rate: int) -> float:
    """RMS of the loudest tenth of the quarter seconds, in dB below full scale; at least -120."""
    block = max(1, int(BLOCK_SECONDS * rate))
    whole = np.asarray(samples, np.float64)
    parts = np.array([np.mean(whole[begin : begin + block] ** 2) for begin in range(0, len(whole), block)])
    loudest = np.sort(parts)[-max(1, round(LOUDEST * len(parts))) :]
    return float(max(-120.0, 10 * np.log10(max(loudest.mean(), 1e-12))))


def _has_sound(clip: Clip) -> bool:
    if clip.media is None:
        return clip.audio is not None
    return clip.media.suffix.lower() not in IMAGE_SUFFIXES and streams(clip.media).audio


def _pictures(clip: Clip) -> Iterator[np.ndarray]:
    """uint8 RGB pictures, about one a second; of a face track all."""
    if clip.faces:
        yield from (image for _, image in load_faces(clip))
        return
    if clip.media is not None and clip.media.suffix.lower() in IMAGE_SUFFIXES:
        yield load_image(clip.media)
        return
    due = 0.0
    if clip.media is not None:
        try:
            for time, frame in frames(clip.media, clip.start, clip.end):
                if time >= due:
                    due = time + LOOK_SECONDS
                    yield frame.rgb()
        except DataError:
            raise
        except MerError as error:
            raise DataError(str(error)) from error
        return
    for time, image in load_frames(clip):
        if time >= due:
            due = time + LOOK_SECONDS
            yield image


def _hash(clip: Clip) -> str:
    path: Path | None = clip.media
    if path is None:
        return ""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    digest.update(f"{clip.start}-{clip.end}".encode())
    return digest.hexdigest()
