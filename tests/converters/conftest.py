"""A small random network of the real classes, and one conversion of it to every target, shared by the session."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch

from mer_converters.pipeline.convert import ConversionResult, convert_many
from mer_converters.pipeline.plan import ConvertOptions
from mer_converters.pipeline.synthetic_inputs import face_crops, voice_chunks
from mer_converters.targets import target_names
from mer_converters.targets.quick_tools import quick_tools
from mer_fusion.checkpoint import Card, Distillation, save_checkpoint
from mer_fusion.encoders.audio import AudioEncoderConfig
from mer_fusion.encoders.face import FaceEncoderConfig
from mer_fusion.encoders.text import TextEncoderConfig
from mer_fusion.models.amb_dsgdn import AmbDsgdnConfig
from mer_fusion.network import EmotionNetwork, NetworkConfig
from mer_sdk.contract.manifest import (
    AudioContract,
    BaselineContract,
    Clock,
    DataSource,
    DialogueContract,
    FaceContract,
)

# Makes the helper modules of this folder and of the one above importable: pytest's importlib mode leaves them out.
sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).parents[1])]

from shared_fixtures import shared_fixtures  # noqa: E402

# Two processes convert at a time; each test process keeps to one thread, as the workers do.
os.environ.setdefault("OMP_NUM_THREADS", "1")

LABELS = ("neutral", "happy", "sad", "angry")


def small_network(frames: int = 40, seed: int = 0) -> EmotionNetwork:
    """Random weights, statistics of batch norms away from 0 and 1, features 12 (audio) and 10 (face)."""
    torch.manual_seed(seed)
    fusion = {
        "audio_dim": 12,
        "face_dim": 10,
        "audio_channels": [8],
        "face_channels": [8],
        "kernel": 3,
        "steps": 16,
        "head_width": 16,
        "regression_outputs": 0,
        "classes": len(LABELS),
        "stable": True,
        "norm_eps": 1e-6,
    }
    audio = AudioEncoderConfig(
        frames=frames, mels=32, level="chunk", stem=4, channels=(8, 12), blocks=(1, 1), features=12
    )
    face = FaceEncoderConfig(size=32, stem=4, channels=(24, 48), blocks=(1, 1), features=10)
    network = EmotionNetwork(NetworkConfig("grjca", audio, face, fusion))
    for module in network.modules():
        if isinstance(module, torch.nn.BatchNorm1d | torch.nn.BatchNorm2d):
            torch.nn.init.uniform_(module.weight, 0.5, 1.5)
            torch.nn.init.normal_(module.bias, std=0.2)
            torch.nn.init.normal_(module.running_mean, std=0.2)
            torch.nn.init.uniform_(module.running_var, 0.5, 1.5)
    return network.eval()


def write_checkpoint(network: EmotionNetwork, path: Path, role: str = "student") -> Path:
    """Save with a card whose population mean is that of the golden scenes."""
    audio = AudioContract(chunk_samples=network.config.audio.chunk_samples)
    face = FaceContract(crop_size=network.config.face.size)
    present = np.ones(16, np.float32)
    pcm, crop = voice_chunks(Clock(), audio, 7, present), face_crops(face, 7, present)
    with torch.no_grad():
        means = {
            "audio": network.audio(torch.from_numpy(pcm)).mean(0),
            "face": network.face(torch.from_numpy(crop)).mean(0),
        }
    measured = Distillation(0.05, 0.4, 0.875, 16, "clips made by a test", "0" * 64)
    card = Card(
        name=f"small-{role}",
        role=role,
        network=network.config,
        labels=LABELS,
        baseline=BaselineContract(16.0, {name: tuple(mean.tolist()) for name, mean in means.items()}),
        data=(DataSource("no data", "MIT", "random weights"),),
        parameters=network.parameters_by_part(),
        audio=audio,
        face=face,
        notes=("made by a test",),
        distillation=measured if role == "student" else None,
    )
    save_checkpoint(network, card, path)
    return path


def small_dialogue_network(modalities: tuple[str, ...] = ("text",), seed: int = 0) -> EmotionNetwork:
    """AMB-DSGDN with random weights over 5 utterances and 3 speakers, and the encoders of its modalities."""
    torch.manual_seed(seed)
    audio = AudioEncoderConfig(frames=20, mels=32, stem=4, channels=(8, 12), blocks=(1, 1), features=12)
    face = FaceEncoderConfig(size=16, stem=4, channels=(16, 24), blocks=(1, 1), features=10)
    text = TextEncoderConfig(words=8, slots=4, buckets=512, width=12, channels=16, blocks=1, features=14)
    features = {"text": text.features, "audio": audio.features, "face": face.features}
    fusion = AmbDsgdnConfig(
        names=modalities,
        dims=tuple(features[name] for name in modalities),
        utterances=5,
        classes=len(LABELS),
        speakers=3,
        hidden=16,
        attention_heads=2,
        past=3,
        future=3,
        causal=True,
        dropout=0.1,
        graph_dropout=0.1,
    )
    config = NetworkConfig(
        "amb_dsgdn",
        audio if "audio" in modalities else None,
        face if "face" in modalities else None,
        fusion.to_dict(),
        text if "text" in modalities else None,
    )
    return EmotionNetwork(config).eval()


def write_dialogue_checkpoint(network: EmotionNetwork, path: Path, role: str = "student") -> Path:
    """Save with a card; sound and face have a population mean, text has none."""
    config = network.config
    means = {name: (0.05,) * size for name, size in config.modalities.items() if name != "text"}
    card = Card(
        name=f"talk-{role}",
        role=role,
        network=config,
        labels=LABELS,
        baseline=BaselineContract(16.0, means),
        data=(DataSource("no data", "MIT", "random weights"),),
        parameters=network.parameters_by_part(),
        audio=AudioContract(chunk_samples=config.audio.chunk_samples) if config.audio else AudioContract(),
        face=FaceContract(crop_size=config.face.size) if config.face else FaceContract(),
        text=config.text.contract if config.text else None,
        dialogue=DialogueContract(utterances=5, speakers=3, causal=True),
    )
    save_checkpoint(network, card, path)
    return path


@pytest.fixture(scope="session", autouse=True)
def _quick_tools() -> Iterator[None]:
    # As in conversions, also where a test calls an exporter itself.
    with quick_tools():
        yield


@pytest.fixture(scope="session")
def talker(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Checkpoint of a small dialogue model that reads text alone."""
    return write_dialogue_checkpoint(small_dialogue_network(), tmp_path_factory.mktemp("talk") / "talk.safetensors")


@pytest.fixture(scope="session")
def listener(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Checkpoint of a small dialogue model that reads text, sound and faces."""
    network = small_dialogue_network(("text", "audio", "face"), seed=1)
    return write_dialogue_checkpoint(network, tmp_path_factory.mktemp("listen") / "listen.safetensors")


@pytest.fixture(scope="session")
def student(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Checkpoint of a small student."""
    return write_checkpoint(small_network(), tmp_path_factory.mktemp("student") / "small.safetensors")


@pytest.fixture(scope="session")
def converted(student: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[tuple[str, str], ConversionResult]:
    """(target, scheme) -> result, every target in every scheme through its own process; tests leave it as it is."""

    def convert_all(out: Path) -> tuple[ConversionResult, ...]:
        return convert_many(student, target_names(), ("fp32", "fp16"), ConvertOptions(out))

    return {(row.target, row.scheme): row for row in shared_fixtures(tmp_path_factory, "converted", convert_all)}
