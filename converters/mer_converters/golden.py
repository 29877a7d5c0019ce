"""Golden cases: raw inputs and the student's own answers, from which any port can prove itself.

The inputs are synthetic (nobody's voice or face may travel inside a bundle): voiced sound with formants and pauses, and
drawn faces that turn and change their mouth. They come from continuous streams, so that a model with longer chunks or
larger crops sees the same scene.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from mer_sdk.baseline import PersonalBaseline
from mer_sdk.golden import GoldenCase
from mer_sdk.manifest import AudioContract, BaselineContract, Clock, FaceContract

Array = NDArray[np.float32]
CASE_NAMES = ("audio+face", "audio", "face", "half full")


@dataclass(frozen=True)
class Scene:
    """One synthetic window before any model's contract: the last `steps` steps of a stream that began with them.

    Attributes:
        name: which modalities it holds, one of `CASE_NAMES`.
        seed: of voice and face.
        audio_mask, face_mask: float32 (window_steps,), 1.0 where the step is present.
    """

    name: str
    seed: int
    audio_mask: Array
    face_mask: Array


@contextmanager
def one_thread() -> Iterator[None]:
    """Torch on one thread: sums split over threads round differently, and the converters need the other cores."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def scenes(steps: int, seed: int = 7) -> tuple[Scene, ...]:
    """One scene per entry of `CASE_NAMES`, `steps` steps long."""
    on, off = np.ones(steps, np.float32), np.zeros(steps, np.float32)
    half = (np.arange(steps) >= steps // 2).astype(np.float32)
    masks = {"audio+face": (on, on), "audio": (on, off), "face": (off, on), "half full": (half, half)}
    return tuple(Scene(name, seed + index, *masks[name]) for index, name in enumerate(CASE_NAMES))


def scene_inputs(scene: Scene, clock: Clock, audio: AudioContract, face: FaceContract) -> tuple[Array, Array]:
    """The scene as a contract wants it: pcm (T, chunk_samples) in [-1, 1] and crops (T, S, S, 3) in 0-255.

    Before the stream began, and where a modality is missing, both are zero.
    """
    step_samples = audio.sample_rate * clock.step_ms // 1000
    stream = _voice(clock.window_steps * step_samples, audio.sample_rate, scene.seed)
    stream *= np.repeat(scene.audio_mask, step_samples)
    padded = np.concatenate([np.zeros(audio.chunk_samples, np.float32), stream])
    ends = audio.chunk_samples + step_samples * np.arange(1, clock.window_steps + 1)
    pcm = np.stack([padded[end - audio.chunk_samples : end] for end in ends])
    pcm *= scene.audio_mask[:, None]
    crop = np.stack([_face(face.crop_size, step, scene.seed) for step in range(clock.window_steps)])
    return pcm, crop * scene.face_mask[:, None, None, None]


def run_scene(
    network: nn.Module,
    scene: Scene,
    clock: Clock,
    audio: AudioContract,
    face: FaceContract,
    baseline: BaselineContract,
) -> GoldenCase:
    """What a network (submodules audio, face, fusion; eval mode) gives for a scene with a cold baseline."""
    pcm, crop = scene_inputs(scene, clock, audio, face)
    cold = PersonalBaseline(baseline)
    modules = {name: module for name, module in network.named_children() if name in ("audio", "face", "fusion")}
    with torch.no_grad():
        audio_features = modules["audio"](torch.from_numpy(pcm)).numpy()
        face_features = modules["face"](torch.from_numpy(crop)).numpy()
        rows = window_rows(audio_features, face_features, scene.audio_mask, scene.face_mask, cold)
        result = modules["fusion"](*(torch.from_numpy(row) for row in rows))
    return GoldenCase(
        pcm,
        crop,
        scene.audio_mask,
        scene.face_mask,
        audio_features,
        face_features,
        result.logits[0].numpy(),
        result.reliance[0].numpy(),
    )


def window_rows(
    audio: Array, face: Array, audio_mask: Array, face_mask: Array, baseline: PersonalBaseline
) -> tuple[Array, Array, Array, Array]:
    """The fusion graph's inputs, batch 1: features minus the baseline, 0 where missing, and the masks."""
    return (
        ((audio - baseline.mean("audio")) * audio_mask[:, None])[None],
        ((face - baseline.mean("face")) * face_mask[:, None])[None],
        audio_mask[None],
        face_mask[None],
    )


def golden_cases(
    network: nn.Module, clock: Clock, audio: AudioContract, face: FaceContract, baseline: BaselineContract
) -> tuple[GoldenCase, ...]:
    """The cases that go into golden.npz, in the order of `CASE_NAMES`."""
    with one_thread():
        return tuple(run_scene(network, scene, clock, audio, face, baseline) for scene in scenes(clock.window_steps))


def save_golden(path: Path, cases: tuple[GoldenCase, ...]) -> None:
    """Write golden.npz: `case{i}_{field}`, float32, compressed; the same cases give the same bytes."""
    arrays = {
        f"case{index}_{field.name}": np.asarray(getattr(case, field.name), np.float32)
        for index, case in enumerate(cases)
        for field in fields(GoldenCase)
    }
    with path.open("wb") as file:
        np.savez_compressed(file, **arrays)  # type: ignore[arg-type]


def load_golden(path: Path) -> tuple[GoldenCase, ...]:
    """Read what `save_golden` wrote."""
    with np.load(path, allow_pickle=False) as stored:
        count = len({key.split("_")[0] for key in stored.files})
        return tuple(
            GoldenCase(*(stored[f"case{index}_{field.name}"] for field in fields(GoldenCase))) for index in range(count)
        )


def _voice(samples: int, rate: int, seed: int) -> Array:
    """Harmonics of a moving pitch under moving formants, syllables of about 4 Hz, breath noise; 16-bit values."""
    draw = np.random.default_rng(seed)
    t = np.arange(samples) / rate
    pitch = draw.uniform(95, 230) * (1 + 0.15 * np.sin(2 * np.pi * draw.uniform(0.3, 0.8) * t + draw.uniform(0, 6)))
    phase = 2 * np.pi * np.cumsum(pitch) / rate
    formants = [
        centre * (1 + depth * np.sin(2 * np.pi * draw.uniform(1.0, 3.0) * t + draw.uniform(0, 6)))
        for centre, depth in ((550, 0.4), (1500, 0.3), (2600, 0.1))
    ]
    voiced = np.zeros(samples)
    for harmonic in range(1, 30):
        frequency = harmonic * pitch
        gain = sum(np.exp(-(((frequency - formant) / 160.0) ** 2)) for formant in formants) + 0.02
        voiced += np.where(frequency < rate / 2, gain / harmonic**0.5, 0.0) * np.sin(harmonic * phase)
    syllables = np.clip(np.sin(2 * np.pi * draw.uniform(3.0, 5.0) * t + draw.uniform(0, 6)) + 0.4, 0, None)
    phrase = 0.25 + 0.75 * np.sin(np.pi * np.clip(t / t[-1], 0, 1)) ** 2
    sound = voiced * syllables * phrase + 0.01 * draw.standard_normal(samples)
    level = draw.uniform(0.1, 0.6)
    return (np.round(sound / np.abs(sound).max() * level * 32767) / 32768).astype(np.float32)


def _face(size: int, step: int, seed: int) -> Array:
    """A drawn face (size, size, 3), whole values 0-255: skin, hair, brows, eyes, nose and a mouth, under side light."""
    draw = np.random.default_rng(1000 + seed)
    skin, hair = draw.uniform(120, 220), draw.uniform(20, 90)
    light, speed, mood = draw.uniform(-0.3, 0.3), draw.uniform(0.2, 0.6), draw.uniform(-1, 1)
    axis = (np.arange(size) + 0.5) / size * 2 - 1
    y, x = np.meshgrid(axis, axis, indexing="ij")
    x = x - 0.08 * np.sin(speed * step)
    smile, opening = mood + 0.5 * np.sin(speed * step + 1), 0.05 + 0.05 * (1 + np.sin(1.7 * step))

    def spot(cx: float, cy: float, rx: float, ry: float) -> NDArray[np.float64]:
        return 1 / (1 + np.exp(np.clip(12 * (((x - cx) / rx) ** 2 + ((y - cy) / ry) ** 2 - 1), -40, 40)))

    grey = np.full((size, size), 60.0)
    for shape, value in (
        (spot(0, -0.15, 0.85, 0.95), hair),
        (spot(0, 0.1, 0.68, 0.85), skin),
        (spot(-0.3, -0.3 - 0.05 * smile, 0.2, 0.05), hair),
        (spot(0.3, -0.3 - 0.05 * smile, 0.2, 0.05), hair),
        (spot(-0.3, -0.12, 0.15, 0.07), 235.0),
        (spot(0.3, -0.12, 0.15, 0.07), 235.0),
        (spot(-0.3, -0.12, 0.06, 0.06), 25.0),
        (spot(0.3, -0.12, 0.06, 0.06), 25.0),
        (spot(0.03, 0.18, 0.07, 0.16), skin * 0.85),
    ):
        grey = grey * (1 - shape) + value * shape
    curve = 0.52 - 0.25 * smile * (x**2 - 0.06)
    mouth = np.exp(-(((y - curve) / opening) ** 2)) * (np.abs(x) < 0.36)
    grey = (grey * (1 - mouth) + 70.0 * mouth) * (1 + light * x)
    tint = np.array([1.08, 1.0, 0.88])
    return np.clip(np.round(grey[..., None] * tint), 0, 255).astype(np.float32)
