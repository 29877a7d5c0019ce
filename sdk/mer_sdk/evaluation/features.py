"""Clips to features per step, once for all conditions: the encoders do not depend on window, state or baseline."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from mer_sdk.errors import DataError
from mer_sdk.evaluation.datasets.clip import Clip, clip_duration, load_audio, load_faces
from mer_sdk.manifest import FaceContract, Manifest
from mer_sdk.runtimes import Graph

MODALITIES = ("audio", "face")


@dataclass(frozen=True)
class ClipFeatures:
    """The raw features (before the baseline) of one clip of n steps.

    Attributes:
        clip: where they come from.
        features: modality -> float32 [n, D]; rows of missing steps are 0.
        present: modality -> bool [n].
    """

    clip: Clip
    features: dict[str, np.ndarray]
    present: dict[str, np.ndarray]

    @property
    def steps(self) -> int:
        return len(self.present["audio"])


def encode_clip(clip: Clip, graphs: Mapping[str, Graph], manifest: Manifest, track_scale: float = 1.0) -> ClipFeatures:
    """Cut a clip into steps and run both encoders over them.

    A clip has ceil(duration / step) steps; the last chunk is filled with zeros. The face of a step is the last image of
    the track whose time lies in the step; a step without one is missing.

    Args:
        track_scale: side of the region of a track's image that is used, relative to the image (the images are cut out
            around the face already, so the contract's margin is not applied to them).

    Raises:
        DataError: a file of the clip is missing, empty, truncated or not what its name says.
    """
    chunks = audio_chunks(clip, manifest) if clip.audio is not None else None
    seconds = manifest.clock.step_ms / 1000
    steps = len(chunks) if chunks is not None else int(np.ceil(clip_duration(clip) / seconds - 1e-9))
    crops = face_crops(clip, manifest, steps, track_scale)
    audio_present = np.full(steps, chunks is not None)
    face_present = np.array([crop is not None for crop in crops])
    audio = np.zeros((steps, _width(manifest, "audio")), np.float32)
    face = np.zeros((steps, _width(manifest, "face")), np.float32)
    for step in range(steps):
        if chunks is not None:
            audio[step] = graphs["audio"].run({"pcm": chunks[step][None]})["audio_features"][0]
        crop = crops[step]
        if crop is not None:
            face[step] = graphs["face"].run({"crop": crop[None]})["face_features"][0]
    return ClipFeatures(clip, {"audio": audio, "face": face}, {"audio": audio_present, "face": face_present})


def audio_chunks(clip: Clip, manifest: Manifest) -> np.ndarray:
    """The chunks of a clip, float32 [steps, chunk_samples] at the contract's rate; zeros before and after the clip.

    Raises:
        DataError: the clip's sound cannot be read.
    """
    from mer_sdk.frontends.audio import resample

    samples, rate = load_audio(clip)
    contract = manifest.audio
    if rate != contract.sample_rate:
        samples = resample(samples, rate, contract.sample_rate)
    step = contract.sample_rate * manifest.clock.step_ms // 1000
    steps = -(-len(samples) // step)
    padded = np.zeros(contract.chunk_samples + steps * step, np.float32)
    padded[contract.chunk_samples : contract.chunk_samples + len(samples)] = samples
    windows = np.lib.stride_tricks.sliding_window_view(padded, contract.chunk_samples)
    return windows[step::step].copy()


def face_crops(clip: Clip, manifest: Manifest, steps: int, track_scale: float = 1.0) -> list[np.ndarray | None]:
    """The crop of each step, float32 [S, S, 3] RGB 0-255, or None where there is no face.

    Raises:
        DataError: an image cannot be read.
    """
    from mer_sdk.frontends.face import crop_face

    crops: list[np.ndarray | None] = [None] * steps
    seconds = manifest.clock.step_ms / 1000
    latest: dict[int, np.ndarray] = {}
    for time, image in load_faces(clip, manifest.face.black_level):
        latest[int(time / seconds)] = image
    for step, image in latest.items():
        if step < steps:
            crops[step] = crop_face(image, track_box(image, manifest.face, track_scale), manifest.face)
    return crops


def track_box(image: np.ndarray, contract: FaceContract, scale: float) -> tuple[float, float, float, float]:
    """The box (x, y, width, height) whose region, once the contract's margin is added, is `scale` times the image."""
    height, width = image.shape[:2]
    share = scale / (1 + 2 * contract.margin)
    return (width * (1 - share) / 2, height * (1 - share) / 2, width * share, height * share)


def _width(manifest: Manifest, modality: str) -> int:
    if modality not in manifest.graphs:
        raise DataError(f"the bundle {manifest.name} has no {modality} graph; evaluation needs an audio-visual bundle")
    return manifest.graphs[modality].outputs[0].shape[-1]
