"""The published network of faces: read from its package, and the start of an encoder."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from published_faces_files import CHANNELS, write_package, write_published_faces
from speech_like import face_set, sources
from torch.nn import functional as F

from mer_fusion.encoders.face import FaceEncoder, FaceEncoderConfig
from mer_fusion.training.faces.face_expression import (
    MANIFEST,
    WEIGHTS,
    begin_from_published,
    published_faces,
    read_published_faces,
    sample_faces,
)
from mer_fusion.training.fusion.data import without_held_out
from mer_fusion.training.fusion.face_encoder import train_face
from mer_fusion.training.fusion.recipe import Recipe, full_precision_recipe, shortened, student_recipe
from mer_sdk.errors import DataError, OptionError

CONFIG = FaceEncoderConfig(channels=CHANNELS, blocks=(1, 1), features=5, size=32, backbone="face_expression")


def test_tensors_are_read_from_the_folder_and_from_the_package(tmp_path: Path) -> None:
    folder = write_published_faces(tmp_path / "model")
    found, packed = read_published_faces(folder), read_published_faces(write_package(folder))
    raw = np.frombuffer((folder / WEIGHTS).read_bytes(), np.uint8)
    first = found.tensors["dense0/conv0/filters"]
    assert first.shape == (3, 3, 3, 4)
    assert first.flatten()[5] == pytest.approx(raw[5] * 0.004 - 0.5, abs=1e-6)
    assert found.tensors["fc/bias"].shape == (7,)
    assert all(torch.equal(value, packed.tensors[name]) for name, value in found.tensors.items())


def test_it_is_one_of_the_data_sets(tmp_path: Path) -> None:
    folder = write_published_faces(tmp_path / "model")
    found, others = published_faces([f"face_expression:{folder}", "nemo:x"])
    assert found is not None
    assert others == ["nemo:x"]
    assert published_faces(["nemo:x"]) == (None, ["nemo:x"])
    with pytest.raises(OptionError, match="give face_expression once"):
        published_faces([f"face_expression:{folder}"] * 2)


def test_other_files_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"npm pack @vladmandic/face-api"):
        read_published_faces(tmp_path / "nothing.tgz")
    folder = write_published_faces(tmp_path / "model")
    with pytest.raises(DataError, match="holds no"):
        read_published_faces(write_package(folder, (MANIFEST,)))
    (tmp_path / "text.tgz").write_text("no package")
    with pytest.raises(DataError, match="cannot be read"):
        read_published_faces(tmp_path / "text.tgz")
    (folder / WEIGHTS).write_bytes((folder / WEIGHTS).read_bytes() + b"more")
    with pytest.raises(DataError, match="is not face-api's expression network"):
        read_published_faces(folder)
    (folder / MANIFEST).write_text(json.dumps({"weights": []}))
    with pytest.raises(DataError, match="is not face-api's expression network"):
        read_published_faces(folder)


def test_an_encoder_begins_as_the_published_network_on_grey_faces(tmp_path: Path) -> None:
    """Written out here with a grey image in three colours and separable convolutions as plain ones."""
    published = read_published_faces(write_published_faces(tmp_path / "model"))
    torch.manual_seed(0)
    encoder = FaceEncoder(CONFIG).eval()
    faces = face_set(8).images[:, 8:40, 8:40]
    begin_from_published(encoder, published, faces)

    def layer(x: torch.Tensor, name: str, stride: int) -> torch.Tensor:
        held = published.tensors
        if f"{name}/filters" in held:
            kernel = held[f"{name}/filters"].permute(3, 2, 0, 1)
        else:
            deep, point = held[f"{name}/depthwise_filter"], held[f"{name}/pointwise_filter"][0, 0]
            kernel = torch.einsum("hwi,io->oihw", deep[..., 0], point)
        return F.conv2d(x, kernel, held[f"{name}/bias"], stride, 1)

    x = (0.22 * encoder.normalise(faces))[:, None].repeat(1, 3, 1, 1)
    for number in (0, 1):
        first = F.relu(layer(x, f"dense{number}/conv0", 2))
        x = F.relu(first + layer(first, f"dense{number}/conv1", 1))
    with torch.no_grad():
        found = encoder.backbone(encoder.normalise(faces)[:, None])
    torch.testing.assert_close(found, x, rtol=1e-4, atol=1e-5)


def test_features_begin_centred_and_of_one_size(tmp_path: Path) -> None:
    published = read_published_faces(write_published_faces(tmp_path / "model"))
    encoder = FaceEncoder(CONFIG).eval()
    found = sources()
    faces = sample_faces(found.faces, found.talking, CONFIG.size)
    assert faces.shape[1:] == (32, 32)
    assert 0 <= float(faces.min()) <= float(faces.max()) <= 1
    begin_from_published(encoder, published, faces)
    with torch.no_grad():
        features = encoder.encode(faces)
    assert features.mean(dim=0).abs().max() < 1e-3
    assert features.std(dim=0).square().mean() == pytest.approx(1.0, abs=1e-3)


def test_another_shape_is_refused(tmp_path: Path) -> None:
    published = read_published_faces(write_published_faces(tmp_path / "model"))
    encoder = FaceEncoder(FaceEncoderConfig(channels=(4, 8), blocks=(1, 1), size=32, backbone="face_expression"))
    with pytest.raises(DataError, match="has the shape"):
        begin_from_published(encoder, published, face_set(4).images)
    deeper = FaceEncoder(FaceEncoderConfig(channels=CHANNELS, blocks=(1, 2), size=32, backbone="face_expression"))
    with pytest.raises(DataError, match="has no dense1/conv2"):
        begin_from_published(deeper, published, face_set(4).images)
    with pytest.raises(OptionError, match="backbone"):
        FaceEncoderConfig(backbone="published")


def small(recipe: Recipe, face: FaceEncoderConfig) -> Recipe:
    """A recipe of one pass a part, few images in a batch."""
    talking = replace(recipe.talking, people=2, takes=4, images=2)
    network, loss = replace(recipe.network, face=face), replace(recipe.talking_loss, stills=8)
    stills, matching = replace(recipe.face, batch=16), replace(recipe.matching, batch=16)
    small = replace(recipe, network=network, talking=talking, talking_loss=loss, face=stills, matching=matching)
    return shortened(replace(small, kept_blocks=1), 0.01)


def test_the_large_encoder_keeps_its_lower_blocks_and_a_student_learns_from_it(tmp_path: Path) -> None:
    published = read_published_faces(write_published_faces(tmp_path / "model"))
    given = replace(sources(classes=7), expression=published)
    large = small(full_precision_recipe(0), CONFIG)
    learner, _ = train_face(large, given, tmp_path / "full", quiet=True)
    fresh = FaceEncoder(CONFIG)
    begin_from_published(fresh, published, sample_faces(given.faces, without_held_out(given).talking, CONFIG.size))
    kept, learned = (
        [torch.equal(mine, theirs) for mine, theirs in zip(block.parameters(), other.parameters(), strict=True)]
        for block, other in zip(learner.encoder.backbone, fresh.backbone, strict=True)
    )
    assert all(kept)
    assert not any(learned)
    assert all(value.requires_grad for value in learner.parameters())

    shape = FaceEncoderConfig(stem=8, channels=(8, 12), blocks=(1, 1), separable=False, features=8, size=32)
    student = replace(small(student_recipe(0), shape), adviser=large)
    advised, seconds = train_face(student, given, tmp_path / "student", quiet=True)
    assert set(seconds) == {"stills", "matching", "large face", "face"}
    assert advised.hint is not None
    alone, seconds = train_face(student, replace(given, expression=None), tmp_path / "alone", quiet=True)
    assert set(seconds) == {"stills", "face"}
    assert alone.hint is None
