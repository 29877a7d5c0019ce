"""How the sound, the faces and the pictures of a clip are read.

Audio is read with soundfile (wav, flac) or PyAV (mp4), both part of `mer-edge[media]`, pictures of faces with OpenCV
(`mer-edge[opencv]`), all imported where they are used. Files of one's own (`Clip.media`) are read as the sensor reads
files.
"""

from __future__ import annotations

import importlib
import zipfile
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from mer_sdk.contract.npy import DAMAGED
from mer_sdk.errors import DataError, MissingExtra
from mer_sdk.evaluation.datasets import media_parts
from mer_sdk.evaluation.datasets.clip import ArchivedImage, Clip
from mer_sdk.frontends.resampling import Resampler

CONTAINER_SUFFIXES = (".mp4", ".mov", ".mkv", ".m4v", ".avi")
BLACK_LEVEL = 8.0
# Bytes of one picture of a face in an archive.
LARGEST_IMAGE = 16 * 2**20
# Of one picture: a header of a few bytes may claim 12 GB.
LARGEST_PIXELS = 50_000_000
# Of one file's sound, all channels: four hours at 16 kHz.
MOST_SAMPLES = 4 * 3600 * 16000
# A container states its length to within a few frames; below this share of it the file ends early.
_COMPLETE_SHARE = 0.9
_FRAME_SECONDS = 0.1


def load_audio(clip: Clip) -> tuple[np.ndarray, int]:
    """The sound of a clip: (mono float32 samples in [-1, 1], sample rate in Hz). Channels are averaged.

    Raises:
        DataError: the clip has no sound, or its file is missing, empty, truncated, not audio, or holds NaN.
        MissingExtra: soundfile or PyAV is not installed.
    """
    if clip.media is not None:
        return media_parts.sound(clip.media, clip.start, clip.end)
    if clip.audio is None:
        raise DataError(
            f"clip {clip.id} has no audio file; choose clips with sound, or evaluate the state 'face' alone"
        )
    path = _present(clip.audio)
    samples, rate = _container_audio(path) if path.suffix.lower() in CONTAINER_SUFFIXES else _plain_audio(path)
    if samples.size == 0:
        raise DataError(f"{path} holds no audio samples; fetch the file again")
    if not np.isfinite(samples).all():
        raise DataError(f"{path} holds samples that are not finite (NaN or infinity); fetch the file again")
    return samples, rate


def load_audio_at(clip: Clip, rate: int) -> np.ndarray:
    """The sound of a clip, mono float32 samples in [-1, 1], at `rate` Hz; raises what `load_audio` raises."""
    samples, own = load_audio(clip)
    return samples if own == rate else Resampler(own, rate).whole(samples)


def clip_duration(clip: Clip) -> float:
    """Length of a clip in seconds, from its sound where it has any, else from its video, read from the file's header.

    Raises:
        DataError: neither is there (a face track alone has no time), or the file cannot be read.
    """
    if clip.media is not None:
        return media_parts.seconds(clip.media, clip.start, clip.end)
    source = clip.audio or clip.video
    if source is None:
        raise DataError(
            f"clip {clip.id} has neither audio nor video, so its length is unknown; put its audio beside it"
        )
    path = _present(source)
    if path.suffix.lower() in CONTAINER_SUFFIXES:
        av = _package("av", "reading video", "av")
        try:
            with av.open(str(path)) as container:
                if container.duration:
                    return float(container.duration) / float(av.time_base)
        except (av.FFmpegError, ValueError, OSError) as error:
            raise DataError(f"{path} cannot be read as video ({error}); it may be truncated: fetch it again") from error
        raise DataError(f"{path} does not state its length; convert it to mp4 again")
    soundfile = _package("soundfile", "reading audio", "soundfile")
    try:
        return float(soundfile.info(str(path)).duration)
    except soundfile.SoundFileError as error:
        raise DataError(f"{path} cannot be read as audio ({error}); fetch it again") from error


def load_faces(clip: Clip, black_level: float = BLACK_LEVEL) -> list[tuple[float, np.ndarray]]:
    """The face track of a clip: (time in seconds, uint8 RGB image [height, width, 3]) in order of time.

    Without `face_times` image k of n stands for the k-th of n equal parts of the clip, so its time is
    (k + 0.5) / n * duration. Images whose brightest value is at most `black_level` mean "no face was found here" and
    are left out; they keep their place in the count. A clip without a face track gives an empty list.

    Raises:
        DataError: an image is missing, empty, truncated or not an image, or the clip's duration cannot be read.
    """
    if not clip.faces:
        return []
    times = clip.face_times or _spread(clip_duration(clip), len(clip.faces))
    found = []
    with ExitStack() as stack:
        archives: dict[Path, zipfile.ZipFile] = {}
        for time, place in zip(times, clip.faces, strict=True):
            if isinstance(place, ArchivedImage) and place.archive not in archives:
                archives[place.archive] = stack.enter_context(_opened_archive(place.archive))
            image = _decoded(_image_bytes(place, archives), place)
            if image.max() > black_level:
                found.append((time, image))
    return found


def _spread(duration: float, count: int) -> tuple[float, ...]:
    """The middles of `count` equal parts of a clip, seconds."""
    return tuple((index + 0.5) / count * duration for index in range(count))


def load_frames(clip: Clip) -> Iterator[tuple[float, np.ndarray]]:
    """The frames of a clip's video: (time in seconds from its first frame, uint8 RGB [height, width, 3]).

    A clip without a video gives none.

    Raises:
        DataError: the file is missing, empty, truncated, or has no picture.
        MissingExtra: PyAV is not installed.
    """
    if clip.media is not None:
        yield from ((time, frame.rgb()) for time, frame in media_parts.frames(clip.media, clip.start, clip.end))
        return
    if clip.video is None:
        return
    path = _present(clip.video)
    av: Any = _package("av", "reading video", "av")
    begin, time, stated = None, 0.0, 0.0
    try:
        with av.open(str(path)) as container:
            if not container.streams.video:
                raise DataError(f"{path} has no picture; use its 01 (full audio-visual) or 02 (video) file")
            stream = container.streams.video[0]
            stated = float(stream.duration * stream.time_base) if stream.duration else 0.0
            for frame in container.decode(stream):
                stamp = float(frame.time or 0.0)
                begin = stamp if begin is None else begin
                time = stamp - begin
                yield time, frame.to_ndarray(format="rgb24")
    except (av.FFmpegError, ValueError, OSError) as error:
        raise DataError(f"{path} cannot be read as video ({error}); it may be truncated: fetch it again") from error
    if begin is None or time < _COMPLETE_SHARE * stated - _FRAME_SECONDS:
        raise DataError(f"{path} is truncated: {time:.2f} s of {stated:.2f} s can be read; fetch it again")


def load_image(place: Path | ArchivedImage) -> np.ndarray:
    """One image file, on its own or in a zip file, as uint8 RGB [height, width, 3].

    Raises:
        DataError: missing, empty, truncated or not an image.
    """
    if isinstance(place, Path):
        return _decoded(_image_bytes(place, {}), place)
    with _opened_archive(place.archive) as archive:
        return _decoded(_image_bytes(place, {place.archive: archive}), place)


def _opened_archive(path: Path) -> zipfile.ZipFile:
    try:
        return zipfile.ZipFile(_present(path))
    except DAMAGED as error:
        raise DataError(f"{path} is not a zip file ({error}); it may be truncated: fetch it again") from error


def _image_bytes(place: Path | ArchivedImage, archives: dict[Path, zipfile.ZipFile]) -> bytes:
    if isinstance(place, Path):
        return _present(place).read_bytes()
    try:
        member = archives[place.archive].getinfo(place.name)
        if member.file_size > LARGEST_IMAGE:
            raise ValueError(f"it would have {member.file_size:,} bytes; allowed are {LARGEST_IMAGE:,}")
        return archives[place.archive].read(member)
    except DAMAGED as error:
        raise DataError(f"{place} cannot be read ({error}); fetch the archive again") from error


def _decoded(data: bytes, place: Path | ArchivedImage) -> np.ndarray:
    cv2 = _package("cv2", "reading images", "opencv-python-headless", "opencv")
    # OpenCV fills the missing part of a cut-off JPEG with grey and says nothing, so the end marker is looked for here.
    if data[:2] == b"\xff\xd8" and b"\xff\xd9" not in data[-256:]:
        raise DataError(f"{place} is a truncated JPEG (no end marker); fetch it again")
    if _pixels(data) > LARGEST_PIXELS:
        raise DataError(f"{place} says that it has {_pixels(data):,} pixels; allowed are {LARGEST_PIXELS:,}")
    image = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR) if data else None
    if image is None:
        raise DataError(f"{place} is not an image that can be read; fetch it again")
    return np.ascontiguousarray(image[:, :, ::-1])


def _pixels(data: bytes) -> int:
    """How many pixels the header of a JPEG or PNG file states; 0 for other files."""
    if data.startswith(b"\x89PNG\r\n\x1a\n"):
        return int.from_bytes(data[16:20], "big") * int.from_bytes(data[20:24], "big")
    at = 2 if data.startswith(b"\xff\xd8") else len(data)
    while at + 9 <= len(data):
        marker = data[at + 1]
        if data[at] != 0xFF or marker == 0xFF:  # between segments
            at += 1
        elif 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC):  # a frame header
            return int.from_bytes(data[at + 5 : at + 7], "big") * int.from_bytes(data[at + 7 : at + 9], "big")
        else:
            at += 2 + (0 if 0xD0 <= marker <= 0xD9 else int.from_bytes(data[at + 2 : at + 4], "big"))
    return 0


def _present(path: Path) -> Path:
    if not path.is_file():
        raise DataError(f"{path} is missing; fetch the data set again or correct the path")
    if path.stat().st_size == 0:
        raise DataError(f"{path} is empty (0 bytes); fetch it again")
    return path


def _package(name: str, feature: str, package: str, extra: str = "media") -> ModuleType:
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise MissingExtra(feature, package, extra) from error


def _plain_audio(path: Path) -> tuple[np.ndarray, int]:
    soundfile = _package("soundfile", "reading audio", "soundfile")
    _refuse_short_wav(path)
    try:
        with soundfile.SoundFile(str(path)) as file:
            stated, rate = file.frames, int(file.samplerate)
            if stated * file.channels > MOST_SAMPLES:
                raise DataError(f"{path} says that it has {stated:,} samples; allowed are {MOST_SAMPLES:,} in all")
            samples = file.read(dtype="float32", always_2d=True)
    except soundfile.SoundFileError as error:
        raise DataError(f"{path} cannot be read as audio ({error}); it may be truncated: fetch it again") from error
    if len(samples) < stated:
        raise DataError(f"{path} is truncated: its header promises {stated} samples, it holds {len(samples)}")
    return samples.mean(axis=1, dtype=np.float32), rate


def _refuse_short_wav(path: Path) -> None:
    """libsndfile shortens a cut-off wav without a word; the RIFF header still says how long it was."""
    with path.open("rb") as file:
        head = file.read(8)
    stated = int.from_bytes(head[4:8], "little")
    streamed = stated in (0, 0xFFFFFFFF)  # written by tools that did not know the length
    if head[:4] == b"RIFF" and not streamed and path.stat().st_size < stated + 8:
        raise DataError(f"{path} is truncated: its header promises {stated + 8} bytes, it has {path.stat().st_size}")


def _container_audio(path: Path) -> tuple[np.ndarray, int]:
    av: Any = _package("av", "reading video", "av")
    parts: list[np.ndarray] = []
    try:
        with av.open(str(path)) as container:
            if not container.streams.audio:
                raise DataError(f"{path} has no sound; use its 01 (full audio-visual) or 03 (audio) file")
            stream = container.streams.audio[0]
            rate = int(stream.rate)
            stated = float(stream.duration * stream.time_base) if stream.duration else 0.0
            resampler = av.AudioResampler(format="fltp", layout=stream.layout, rate=rate)
            for frame in container.decode(stream):
                parts += [piece.to_ndarray() for piece in resampler.resample(frame)]
    except (av.FFmpegError, ValueError, OSError) as error:
        raise DataError(f"{path} cannot be read as video ({error}); it may be truncated: fetch it again") from error
    samples = np.concatenate(parts, axis=1).mean(axis=0, dtype=np.float32) if parts else np.zeros(0, np.float32)
    if len(samples) < _COMPLETE_SHARE * stated * rate:
        raise DataError(
            f"{path} is truncated: {len(samples) / rate:.2f} s of {stated:.2f} s can be read; fetch it again"
        )
    return samples, rate
