"""Small media files of the published layouts, and a tiny bundle whose graphs are numpy."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import pytest

from mer_sdk.contract.bundle import Bundle
from mer_sdk.contract.manifest import AudioContract, BaselineContract, Clock, Decision, FaceContract, Manifest
from mer_sdk.runtimes.graph import GraphSpec, TensorSpec

# pytest's importlib mode leaves helper modules out; feature_files.py lies beside the folders that use it.
sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

WINDOW = 4
LABELS = ("neutral", "happy", "sad", "angry", "fearful", "disgust", "surprised")


def write_wav(path: Path, samples: np.ndarray, rate: int = 16000) -> Path:
    import soundfile

    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(str(path), samples, rate)
    return path


def write_jpg(path: Path, image: np.ndarray) -> Path:
    import cv2

    path.parent.mkdir(parents=True, exist_ok=True)
    assert cv2.imwrite(str(path), image[:, :, ::-1])
    return path


def write_mp4(path: Path, seconds: float = 1.0, picture: bool = True, sound: bool = True) -> Path:
    """A grey picture that grows lighter, 25 frames a second, with a 440 Hz tone at 48 kHz."""
    import av

    path.parent.mkdir(parents=True, exist_ok=True)
    with av.open(str(path), "w") as container:
        video = container.add_stream("mpeg4", rate=25) if picture else None
        audio = container.add_stream("aac", rate=48000, layout="mono") if sound else None
        if video is not None:
            video.width, video.height, video.pix_fmt = 64, 64, "yuv420p"
            for index in range(round(25 * seconds)):
                image = np.full((64, 64, 3), 40 + 5 * (index % 40), np.uint8)
                container.mux(video.encode(av.VideoFrame.from_ndarray(image, format="rgb24")))
            container.mux(video.encode(None))
        if audio is not None:
            tone = 0.5 * np.sin(2 * np.pi * 440 * np.arange(round(48000 * seconds)) / 48000)
            for begin in range(0, len(tone), 1024):
                piece = tone[begin : begin + 1024].astype(np.float32)[None]
                frame = av.AudioFrame.from_ndarray(piece, format="fltp", layout="mono")
                frame.sample_rate, frame.pts = 48000, begin
                container.mux(audio.encode(frame))
            container.mux(audio.encode(None))
    return path


class NumpyGraph:
    """A graph that is a function of its inputs."""

    def __init__(self, function: Callable[[Mapping[str, np.ndarray]], dict[str, np.ndarray]]) -> None:
        self.function = function
        self.calls = 0

    def run(self, inputs: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        self.calls += 1
        return self.function(inputs)


def audio_features(inputs: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    pcm = inputs["pcm"][0]
    return {"audio_features": np.array([[pcm.mean(), pcm[-4000:].mean()]], np.float32)}


def face_features(inputs: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    return {"face_features": inputs["crop"].mean(axis=(1, 2)) / 255}


def fused(inputs: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Logits from all that a window holds, so that a wrong baseline, mask or row shows."""
    weights = np.linspace(0.5, 1.5, WINDOW)
    audio = (inputs["audio"][0] * (weights * inputs["audio_mask"][0])[:, None]).sum(axis=0)
    face = (inputs["face"][0] * (weights * inputs["face_mask"][0])[:, None]).sum(axis=0)
    logits = np.zeros(len(LABELS))
    logits[:2] = 8 * audio
    logits[2:5] = 8 * face
    logits[5] = inputs["audio_mask"].sum() / WINDOW - 0.5
    return {"logits": logits[None].astype(np.float32), "reliance": np.array([[0.5, 0.5]], np.float32)}


@pytest.fixture
def tiny_bundle() -> Bundle:
    """audio+face bundle: window of 4 steps, 8x8 crops, two audio and three face features, prior of 2 steps."""
    chunk = 4200
    graphs = {
        "audio": GraphSpec("a", "fp32", (TensorSpec("pcm", (1, chunk)),), (TensorSpec("audio_features", (1, 2)),)),
        "face": GraphSpec("f", "fp32", (TensorSpec("crop", (1, 8, 8, 3)),), (TensorSpec("face_features", (1, 3)),)),
        "fusion": GraphSpec(
            "u",
            "fp32",
            (
                TensorSpec("audio", (1, WINDOW, 2)),
                TensorSpec("face", (1, WINDOW, 3)),
                TensorSpec("audio_mask", (1, WINDOW)),
                TensorSpec("face_mask", (1, WINDOW)),
            ),
            (TensorSpec("logits", (1, len(LABELS))), TensorSpec("reliance", (1, 2))),
        ),
    }
    manifest = Manifest(
        name="tiny",
        model="tiny",
        labels=LABELS,
        target="numpy",
        scheme="fp32",
        graphs=graphs,
        baseline=BaselineContract(
            2.0,
            {"audio": (0.1, 0.0), "face": (0.5, 0.4, 0.3)},
            {"audio": (0.2, -0.1), "face": (0.05, -0.1, 0.15)},
        ),
        files=(),
        checkpoint_sha256="",
        parameters={},
        data=(),
        tools={},
        gate="",
        clock=Clock(250, WINDOW),
        audio=AudioContract(chunk_samples=chunk),
        face=FaceContract(crop_size=8, margin=0.1),
        decision=Decision(temperature=2.0),
    )
    return Bundle(
        manifest,
        loader=lambda threads: {
            "audio": NumpyGraph(audio_features),
            "face": NumpyGraph(face_features),
            "fusion": NumpyGraph(fused),
        },
    )


@pytest.fixture
def paired_folder(tmp_path: Path) -> Path:
    """Actor 05: eight takes (four neutral) of 1.6 s sound and six face images each; the third image of one is black."""
    rng = np.random.default_rng(3)
    root = tmp_path / "RAVDESS"
    codes = [f"01-01-01-0{s}-0{r}-05" for s in (1, 2) for r in (1, 2)]
    codes += [f"01-0{e}-01-01-01-05" for e in (2, 3, 5, 8)]
    for number, code in enumerate(codes):
        write_wav(root / "audio" / f"03-{code}.wav", rng.uniform(-0.2, 0.4) + 0.05 * rng.standard_normal(26400))
        for image in range(6):
            face = np.full((20, 20, 3), rng.integers(40, 220, 3), np.uint8)
            black = number == 2 and image == 2
            write_jpg(root / "faces" / f"01-{code}_{image:02d}.jpg", np.zeros_like(face) if black else face)
    return root


@pytest.fixture
def media() -> dict[str, Callable[..., Path]]:
    """Writers of small media files: "wav", "jpg", "mp4"."""
    return {"wav": write_wav, "jpg": write_jpg, "mp4": write_mp4}
