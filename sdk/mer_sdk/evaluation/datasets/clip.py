"""A clip of a data set: paths and labels. Nothing is read before `clip_files` is asked for it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from mer_sdk.errors import DataError
from mer_sdk.media.names import shown

SOUND_SUFFIXES = (".wav", ".flac", ".mp3", ".ogg", ".oga", ".opus", ".m4a", ".aac", ".wma", ".aif", ".aiff", ".amr")
VIDEO_SUFFIXES = (".mp4", ".mov", ".m4v", ".mkv", ".webm", ".avi", ".mpg", ".mpeg", ".3gp", ".wmv", ".ts", ".mts")
IMAGE_SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".bmp")


@dataclass(frozen=True)
class ArchivedImage:
    """An image file inside a zip file.

    Attributes:
        archive: the zip file.
        name: of the image in it.
    """

    archive: Path
    name: str

    def __str__(self) -> str:
        return f"{self.name} in {self.archive}"


@dataclass(frozen=True)
class Clip:
    """One labelled take of one speaker.

    Attributes:
        id: the take's own name; the same for its audio, its video and its face track.
        label: the emotion in the data set's own words.
        speaker: the data set's number of the person.
        fold: the speaker-disjoint fold, or None where the data set has none.
        intensity, statement, repetition: as the data set numbers them, or None.
        audio: a file with the sound (wav, flac, or an mp4 with sound), or None.
        video: a file with the whole picture (mp4), or None.
        faces: the face track: images cut out around the face, in order of time.
        face_times: when each image of the track was taken, seconds from the clip's beginning; () where they are evenly
            spread over the clip.
        media: in place of the three: a file with sound, a picture or both, whichever it holds, or a still.
        start, end: the part of `media` that is the clip, seconds; None for up to its end.
        person: the speaker's name where the data set names people; "" where it does not say who it is, and the clip
            counts as a person of its own; None where `speaker` is the name.
        split: "train", "dev", "test" or as the data set calls it; "" for none.
        text, dialogue: what is said, and the dialogue it belongs to; "" where unknown.
    """

    id: str
    label: str
    speaker: int
    fold: int | None = None
    intensity: int | None = None
    statement: int | None = None
    repetition: int | None = None
    audio: Path | None = None
    video: Path | None = None
    faces: tuple[Path | ArchivedImage, ...] = ()
    face_times: tuple[float, ...] = ()
    media: Path | None = None
    start: float = 0.0
    end: float | None = None
    person: str | None = None
    split: str = ""
    text: str = ""
    dialogue: str = ""

    @property
    def paired(self) -> bool:
        """Whether the clip has both sound and a picture of the face; of `media` what the kind of file may hold."""
        if self.media is not None:
            return self.media.suffix.lower() not in (*SOUND_SUFFIXES, *IMAGE_SUFFIXES)
        return self.audio is not None and (bool(self.faces) or self.video is not None)


@dataclass(frozen=True)
class LeftOut:
    """A clip that is not used: its name or place, and why."""

    clip: str
    reason: str

    @classmethod
    def because(cls, clip: Clip, error: DataError) -> LeftOut:
        """A clip that cannot be read. The reason names its files without their folders: these are in the clip's own
        name, and another machine has them elsewhere."""
        reason = str(error)
        for path in (clip.media, clip.audio, clip.video):
            if path is not None:
                reason = reason.replace(str(path), path.name).replace(shown(path), shown(path.name))
        return cls(clip.id, reason)
