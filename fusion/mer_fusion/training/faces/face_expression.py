"""face-api's expression network: the full-precision face encoder begins with its weights, the student learns from it.

They are read from the npm package @vladmandic/face-api (V. Mühler's face-api.js, MIT): a manifest that names each
tensor, and one file of 8-bit values with a scale and an offset for each.
"""

from __future__ import annotations

import json
import tarfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from mer_fusion.encoders.face import FaceEncoder, FaceEncoderConfig
from mer_fusion.encoders.face_expression import SummingBlock
from mer_fusion.training.faces.encoder import FaceSet, at_size
from mer_fusion.training.faces.talking_sets import TalkingFaces
from mer_fusion.training.published_weights import read_named
from mer_sdk.contract.manifest import DataSource
from mer_sdk.errors import DataError, reason_of

NAME = "face_expression"
WEIGHTS, MANIFEST = "face_expression_model.bin", "face_expression_model-weights_manifest.json"
CHANNELS, BLOCKS = (32, 64, 128, 256), (3, 3, 3, 3)
# Side of the crops that are read. It was made for 112, where it takes a third longer and sees little more.
SIZE = 96
SOURCE = DataSource(
    "face-api's expression network (V. Mühler, face-api.js; weights as in @vladmandic/face-api 1.7.15)",
    "MIT; its authors name its training images only as public data sets and images from the web",
    "start of the full-precision face encoder, before training, and features that the student learns to give",
)
# It reads colours in 0-1 less their means; a face has about this deviation there, and 1 in a `FaceEncoder`.
_DEVIATION = 0.22
_SAMPLE, _BATCH = 1000, 64


@dataclass(frozen=True)
class PublishedFaces:
    """The tensors of the published network by name, as TensorFlow shapes them."""

    tensors: Mapping[str, Tensor]

    def tensor(self, name: str) -> Tensor:
        """One of them.

        Raises:
            DataError: there is none of that name: a network of other layers.
        """
        if name not in self.tensors:
            raise DataError(f"the published network of faces has no {name}; give @vladmandic/face-api 1.7.15")
        return self.tensors[name]


def published_faces(specs: Sequence[str]) -> tuple[PublishedFaces | None, list[str]]:
    """What "face_expression:PATH" of `--data` names, None where nothing does, and the other data sets.

    Raises:
        OptionError: it is given twice.
        DataError: see `read_published_faces`.
    """
    return read_named(specs, NAME, read_published_faces)


def read_published_faces(path: str | Path) -> PublishedFaces:
    """The published network.

    Args:
        path: the npm package (.tgz), or a folder that holds its two files.

    Raises:
        DataError: a file is missing, or not that network.
    """
    file = Path(path).expanduser()
    manifest, values = _contents(file)
    try:
        return PublishedFaces(_tensors(json.loads(manifest), values))
    except (ValueError, KeyError, IndexError, TypeError) as error:
        raise DataError(f"{file} is not face-api's expression network: {reason_of(error)}") from error


def _contents(path: Path) -> tuple[bytes, bytes]:
    """The bytes of the manifest and of the weights."""
    wanted = f"{WEIGHTS} and {MANIFEST} are in the npm package: npm pack @vladmandic/face-api@1.7.15, and give the file"
    try:
        if path.is_dir():
            return (path / MANIFEST).read_bytes(), (path / WEIGHTS).read_bytes()
        with tarfile.open(path) as package:
            held = {Path(item.name).name: item for item in package.getmembers() if item.isfile()}
            if MANIFEST not in held or WEIGHTS not in held:
                raise DataError(f"{path} holds no {WEIGHTS}; {wanted}")
            streams = [package.extractfile(held[name]) for name in (MANIFEST, WEIGHTS)]
            first, second = (stream.read() for stream in streams if stream is not None)
            return first, second
    except FileNotFoundError as error:
        raise DataError(f"{path} is missing or holds no such network; {wanted}") from error
    except (OSError, EOFError, tarfile.TarError) as error:
        raise DataError(f"{path} cannot be read: {reason_of(error)}; {wanted}") from error


def _tensors(manifest: Any, values: bytes) -> dict[str, Tensor]:
    found, offset = {}, 0
    for item in manifest[0]["weights"]:
        count, scheme = int(np.prod(item["shape"])), item.get("quantization")
        if scheme is None:
            array = np.frombuffer(values, np.float32, count, offset)
        elif scheme["dtype"] == "uint8":
            array = np.frombuffer(values, np.uint8, count, offset) * np.float32(scheme["scale"])
            array = array + np.float32(scheme["min"])
        else:
            raise ValueError(f"{item['name']} is kept as {scheme['dtype']}, where 8-bit values are expected")
        found[item["name"]] = torch.from_numpy(array.astype(np.float32).reshape(item["shape"]))
        offset += count * (4 if scheme is None else 1)
    if offset != len(values):
        raise ValueError(f"{len(values)} bytes of weights, and the manifest names {offset}")
    return found


def sample_faces(stills: FaceSet, talking: TalkingFaces, size: int) -> Tensor:
    """Faces (N, size, size), grey, in 0-1, that lie evenly in two sets."""
    found = []
    for images in (stills.images, talking.images):
        rows = torch.linspace(0, len(images) - 1, min(_SAMPLE, len(images))).long().unique()
        chosen = images[rows].float()
        found.append(at_size(chosen if images.is_floating_point() else chosen / 255.0, size))
    return torch.cat(found)


@torch.no_grad()
def begin_from_published(encoder: FaceEncoder, published: PublishedFaces, faces: Tensor) -> None:
    """Give an encoder with the backbone "face_expression" the published weights, in place; crops are grey here.

    The last layer, which is not published, begins with the principal components of the standardised features, so that
    what is learned from begins with features of mean 0 that are of about the same size.

    Args:
        faces: (N, size, size), grey, 0-1, of which the components are those.

    Raises:
        DataError: its layers have other shapes.
    """
    _fill_backbone(encoder, published)
    parts = (encoder.normalise(part).unsqueeze(1) for part in faces.split(_BATCH))
    features = torch.cat([encoder.backbone(part).mean(dim=(2, 3)) for part in parts])
    deviation = features.std(dim=0) + 1e-3
    standard = (features - features.mean(dim=0)) / deviation
    rows = torch.linalg.svd(standard, full_matrices=False).Vh[: encoder.config.features]
    rows = rows / (standard @ rows.T).std(dim=0).square().mean().sqrt()
    weight = encoder.project.weight
    weight.zero_()
    weight[: len(rows)] = rows / deviation
    encoder.project.bias.copy_(-weight @ features.mean(dim=0))


def _fill_backbone(encoder: FaceEncoder, published: PublishedFaces) -> None:
    for number, block in enumerate(encoder.backbone):
        assert isinstance(block, SummingBlock)
        for place, layer in enumerate([block.halve, *block.further]):
            _fill(layer, published, f"dense{number}/conv{place}")


def _fill(layer: nn.Module, published: PublishedFaces, name: str) -> None:
    if isinstance(layer, nn.Conv2d):
        # A grey pixel has the same value in all three colours, so that their kernels add up.
        kernel = published.tensor(f"{name}/filters").sum(dim=2, keepdim=True) * _DEVIATION
        pairs = [(layer.weight, kernel.permute(3, 2, 0, 1))]
        last = layer
    else:
        depthwise, last = layer[0], layer[1]
        pairs = [
            (depthwise.weight, published.tensor(f"{name}/depthwise_filter").permute(2, 3, 0, 1)),
            (last.weight, published.tensor(f"{name}/pointwise_filter").permute(3, 2, 0, 1)),
        ]
    assert last.bias is not None
    for mine, theirs in [*pairs, (last.bias, published.tensor(f"{name}/bias"))]:
        if mine.shape != theirs.shape:
            raise DataError(
                f"{name} of the published network has the shape {tuple(theirs.shape)}, {tuple(mine.shape)} is needed"
            )
        mine.copy_(theirs)


def published_encoder(published: PublishedFaces) -> FaceEncoder:
    """The published network as an encoder that gives its last maps' means, 256 features; not to be trained."""
    biases = sorted(name for name in published.tensors if name.startswith("dense") and name.endswith("/bias"))
    widths = [len(published.tensors[name]) for name in biases if name.endswith("/conv0/bias")]
    further = tuple(sum(name.startswith(f"dense{at}/") for name in biases) - 1 for at in range(len(widths)))
    config = FaceEncoderConfig(channels=tuple(widths), blocks=further, features=widths[-1], size=SIZE, backbone=NAME)
    encoder = FaceEncoder(config)
    with torch.no_grad():
        _fill_backbone(encoder, published)
    encoder.project = nn.Identity()
    return encoder.eval().requires_grad_(False)
