"""Clips to features per step, once for all conditions: the encoders do not depend on window, state or baseline."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from itertools import groupby

import numpy as np

from mer_sdk.contract.manifest import FaceContract, Manifest
from mer_sdk.errors import DataError, MediaError, SignalError
from mer_sdk.evaluation.datasets.clip import IMAGE_SUFFIXES, Clip
from mer_sdk.evaluation.datasets.clip_files import clip_duration, load_audio, load_faces, load_frames, load_image
from mer_sdk.evaluation.datasets.media_parts import read_part
from mer_sdk.frontends.audio import AudioFrontend
from mer_sdk.frontends.face_crop import check_frame, crop_face
from mer_sdk.frontends.face_detection import FaceDetector, open_detector
from mer_sdk.frontends.face_tracks import FaceTracks
from mer_sdk.media.decode import AudioPiece, MediaFile
from mer_sdk.window.alignment import StreamAlignment
from mer_sdk.window.engine import StepEngine
from mer_sdk.window.sensor import FILE_PATIENCE
from mer_sdk.window.step import StepFeatures


@dataclass(frozen=True)
class ClipFeatures:
    """A clip and the raw features (before the baseline) of each of its steps."""

    clip: Clip
    steps: tuple[StepFeatures, ...]


def detector_of(clips: Iterable[Clip]) -> FaceDetector | None:
    """The packaged detector for `encode_clip`, loaded once, where some of the clips are videos; None where none is."""
    filmed = any(clip.video or (clip.paired and not clip.faces) for clip in clips)
    return open_detector(None) if filmed else None


def encode_clip(
    clip: Clip, engine: StepEngine, track_scale: float = 1.0, detector: FaceDetector | None = None
) -> ClipFeatures:
    """Cut a clip into steps and run both encoders over them.

    A clip has as many steps as the sensor gives for its file: the last one counts where half of it is there. The face
    of a step is the last image of the track whose time lies in the step; a step without one is missing. Clips without a
    track but with a video are watched as the sensor watches them (see `mer_sdk.frontends.face_tracks.FaceTracks`), and
    the face is cut out with the contract's margin.

    Args:
        engine: encodes; its window and baselines are not touched.
        track_scale: side of the region of a track's image that is used, relative to the image (the images are cut out
            around the face already, so the contract's margin is not applied to them).
        detector: for videos; None for the SDK's packaged one.

    Raises:
        DataError: a file of the clip is missing, empty, truncated or not what its name says.
    """
    steps = clip_steps(clip, engine.manifest, track_scale, detector)
    return ClipFeatures(clip, tuple(engine.encode(chunk, crop) for chunk, crop in steps))


def clip_steps(
    clip: Clip, manifest: Manifest, track_scale: float = 1.0, detector: FaceDetector | None = None
) -> list[tuple[np.ndarray | None, np.ndarray | None]]:
    """What each step of a clip reads: (chunk, crop), each None where it is missing; see `encode_clip`.

    Files of one's own (`Clip.media`) are cut by the sensor's own alignment, so that a step reads what it reads in
    `EmotionSensor.stream`; digital silence is no sound there.

    Raises:
        DataError: as `encode_clip`.
    """
    if clip.media is not None:
        return list(_media_steps(clip, manifest, detector))
    if clip.audio is not None:
        chunks: list[np.ndarray | None] = list(audio_chunks(clip, manifest))
    else:
        chunks = [None] * max(1, int(clip_duration(clip) * 1000 / manifest.clock.step_ms + 0.5))
    return list(zip(chunks, face_crops(clip, manifest, len(chunks), track_scale, detector), strict=True))


def _media_steps(
    clip: Clip, manifest: Manifest, detector: FaceDetector | None
) -> Iterator[tuple[np.ndarray | None, np.ndarray | None]]:
    """As `EmotionSensor.stream` takes a file, without its network."""
    assert clip.media is not None  # it is asked for those alone
    if clip.media.suffix.lower() in IMAGE_SUFFIXES:
        still = load_image(clip.media)
        faces = FaceTracks(detector or open_detector(None), manifest.face).look([(0.0, partial(check_frame, still))])
        yield None, faces[0].crop if faces else None
        return
    alignment = StreamAlignment(manifest)
    watch: FaceTracks | None = None
    most = manifest.clock.window_steps

    def taken() -> Iterator[tuple[np.ndarray | None, np.ndarray | None]]:
        nonlocal watch
        due = alignment.done
        alignment.skip_empty(most)
        if alignment.done > due:
            # Steps of a long pause: of those no more than a window stands before what follows.
            yield from [(None, None)] * min(alignment.done - due, most)
            return
        step = alignment.take()
        crop = None
        if step.frames:
            watch = watch or FaceTracks(detector or open_detector(None), manifest.face)
            seen = watch.look(step.frames, step.chunk)
            crop = seen[0].crop if seen else None
        yield step.chunk, crop

    try:
        with MediaFile(clip.media) as media:
            known = {"audio": media.info.audio, "video": media.info.video}
            alignment.expected = {name for name, there in known.items() if there}
            for item in read_part(media, clip.start, clip.end):
                if isinstance(item, AudioPiece):
                    alignment.add_audio(item.pcm, item.sample_rate, item.time, item.channels)
                else:
                    alignment.add_frame(item.rgb, item.time, item.duration)
                while alignment.ready(FILE_PATIENCE):
                    yield from taken()
        end = alignment.end()
        while alignment.done < end:
            yield from taken()
    except (MediaError, SignalError) as error:
        raise DataError(str(error)) from error


def audio_chunks(clip: Clip, manifest: Manifest) -> np.ndarray:
    """The chunks of a clip, float32 [steps, chunk_samples] at the contract's rate, cut by the sensor's own front end.

    Raises:
        DataError: the clip's sound cannot be read.
    """
    samples, rate = load_audio(clip)
    try:
        return wave_chunks(samples, rate, manifest)
    except SignalError as error:
        raise DataError(f"{clip.audio}: {error}") from error


def wave_chunks(samples: np.ndarray, rate: int, manifest: Manifest) -> np.ndarray:
    """The chunks of a whole recording, float32 [steps, chunk_samples] at the contract's rate.

    Args:
        samples: see `mer_sdk.frontends.audio.to_mono`; rate: Hz.

    Raises:
        SignalError: samples or a rate outside the contract.
    """
    frontend = AudioFrontend(manifest.audio, manifest.clock)
    steps = frontend.push(samples, rate) + frontend.flush()
    return np.stack([chunk for chunk, _ in steps])


def face_crops(
    clip: Clip, manifest: Manifest, steps: int, track_scale: float = 1.0, detector: FaceDetector | None = None
) -> list[np.ndarray | None]:
    """The crop of each step, float32 [S, S, 3] RGB 0-255, or None where there is no face.

    Args:
        detector: finds faces in a video; only used for clips without a face track. None for the SDK's packaged one.

    Raises:
        DataError: an image or a video cannot be read.
    """
    seconds = manifest.clock.step_ms / 1000
    crops: list[np.ndarray | None] = [None] * steps
    images = load_faces(clip, manifest.face.black_level) if clip.faces else load_frames(clip)
    watch: FaceTracks | None = None
    for step, group in groupby(images, key=lambda image: int(image[0] / seconds)):
        frames = list(group)
        if step >= steps:
            continue
        if clip.faces:
            image = frames[-1][1]
            crops[step] = crop_face(image, track_box(image, manifest.face, track_scale), manifest.face)
            continue
        watch = watch or FaceTracks(detector or open_detector(None), manifest.face)
        faces_seen = watch.look([(time, partial(check_frame, image)) for time, image in frames])
        crops[step] = faces_seen[0].crop if faces_seen else None
    return crops


def track_box(image: np.ndarray, contract: FaceContract, scale: float) -> tuple[float, float, float, float]:
    """The box (x, y, width, height) whose region, once the contract's margin is added, is `scale` times the image."""
    height, width = image.shape[:2]
    share = scale / (1 + 2 * contract.margin)
    return (width * (1 - share) / 2, height * (1 - share) / 2, width * share, height * share)
