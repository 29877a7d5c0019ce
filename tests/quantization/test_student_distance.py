"""The distance of a student from its full-precision model, measured on real pairs and kept on the card."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from pairs_files import write_pairs

from mer_fusion.checkpoint import Card, load_checkpoint, save_checkpoint
from mer_fusion.encoders.audio import AudioEncoderConfig
from mer_fusion.encoders.face import FaceEncoderConfig
from mer_fusion.models.grjca import GrjcaConfig
from mer_fusion.network import EmotionNetwork, NetworkConfig
from mer_fusion.torch_bundle import open_checkpoint
from mer_fusion.training.fusion.data import LABELS
from mer_quantization.student_distance import distance_on, measure_distillation
from mer_sdk.contract.manifest import AudioContract, BaselineContract, FaceContract
from mer_sdk.errors import OptionError
from mer_sdk.evaluation.datasets import RavdessPairs, Selection


def checkpoint(path: Path, role: str, labels: tuple[str, ...] = LABELS, seed: int = 0) -> Path:
    torch.manual_seed(seed)
    audio = AudioEncoderConfig(frames=20, stem=4, channels=(4,), blocks=(1,), features=4)
    face = FaceEncoderConfig(size=16, stem=4, channels=(4,), blocks=(1,), features=4)
    fusion = GrjcaConfig(
        audio_dim=4, face_dim=4, audio_channels=(4,), face_channels=(4,), steps=16, head_width=4, stable=True,
        norm_eps=1e-6, classes=len(labels), regression_outputs=0,
    )  # fmt: skip
    network = EmotionNetwork(NetworkConfig("grjca", audio, face, fusion.to_dict())).eval()
    card = Card(
        path.stem,
        role,
        network.config,
        labels,
        BaselineContract(16.0, {"audio": (0.0,) * 4, "face": (0.0,) * 4}),
        (),
        network.parameters_by_part(),
        audio=AudioContract(chunk_samples=audio.chunk_samples),
        face=FaceContract(crop_size=16),
    )
    save_checkpoint(network, card, path)
    return path


@pytest.fixture
def pairs(tmp_path: Path) -> Path:
    codes = [f"0{emotion}-01-01-0{take}-{actor:02d}" for actor in (3, 8) for emotion in (1, 3) for take in (1, 2)]
    return write_pairs(tmp_path, codes)


def test_distance_stands_on_the_card_and_is_of_the_test_fold(tmp_path: Path, pairs: Path) -> None:
    student, full = (
        checkpoint(tmp_path / "s.safetensors", "student"),
        checkpoint(tmp_path / "f.safetensors", "full", seed=1),
    )
    before = load_checkpoint(student)
    measured = measure_distillation(student, full, ("ferplus:nowhere", f"ravdess_pairs:{pairs}"))
    after = load_checkpoint(student)
    assert measured is not None
    assert after.card == replace(before.card, distillation=measured)
    assert measured.answers == 8  # four clips of actor 8, cold and warm
    assert measured.data == "4 audio-visual clips of RAVDESS fold 3, cold and warm"
    assert measured.full_sha256 == load_checkpoint(full).sha256
    assert measured.max_abs_log_probability >= measured.mean_abs_log_probability > 0
    assert measure_distillation(student, full, ("ferplus:nowhere",)) is None


def test_distance_goes_by_label_and_not_by_position(tmp_path: Path, pairs: Path) -> None:
    clips = RavdessPairs(pairs).clips(Selection(actors=(8,)))
    student = checkpoint(tmp_path / "s.safetensors", "student")
    same = distance_on(open_checkpoint(student), open_checkpoint(student), clips)
    assert (same.max_abs_log_probability, same.agreement) == (0.0, 1.0)
    loaded = load_checkpoint(student)
    out = loaded.network.fusion.classifier.out
    out.weight.data, out.bias.data = out.weight.data.flip(0), out.bias.data.flip(0)
    turned = tmp_path / "turned.safetensors"
    save_checkpoint(loaded.network, replace(loaded.card, labels=LABELS[::-1]), turned)
    assert distance_on(open_checkpoint(student), open_checkpoint(turned), clips).max_abs_log_probability < 1e-4
    others = checkpoint(tmp_path / "o.safetensors", "full", labels=("a", "b"))
    with pytest.raises(OptionError, match="their answers cannot be compared"):
        distance_on(open_checkpoint(student), open_checkpoint(others), clips)
