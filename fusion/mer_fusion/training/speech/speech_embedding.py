"""The published weights that an audio encoder with the speech embedding's layers begins with.

They are read from the ONNX file that comes with openWakeWord on PyPI (`embedding_model.onnx`, Google's
speech_embedding/1 of TensorFlow Hub; Lin and others 2020, arXiv 2002.01322).
"""

from __future__ import annotations

import math
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from mer_fusion.encoders.audio import LEVEL_SCALE, AudioEncoder
from mer_fusion.training.published_weights import read_named
from mer_fusion.training.speech.spectra import SpeechSet, device_chunks
from mer_sdk.contract.manifest import DataSource
from mer_sdk.errors import DataError, reason_of

NAME = "speech_embedding"
FILE = "embedding_model.onnx"
_LAYERS = 19
SOURCE = DataSource(
    "Google speech embedding (Lin et al. 2020, arXiv 2002.01322), weights as in openWakeWord 0.5.1",
    "Apache-2.0 by Google; openWakeWord's README puts the models that it comes with under CC BY-NC-SA 4.0",
    "first layers of the audio encoder, before training; research and evaluation only",
)
# Of the published activation max(leaky(x), floor).
_SLOPE, _FLOOR = 0.2, -0.4
# The published input is log10 of the power of 16-bit samples, plus 2: speech of usual level has about this mean.
_PUBLISHED_LEVEL = 9.0
_CHUNKS = 512


@dataclass(frozen=True)
class PublishedLayers:
    """Kernels and biases of the published convolutions, the lowest first."""

    kernels: tuple[Tensor, ...]
    biases: tuple[Tensor, ...]


def published_layers(specs: Sequence[str]) -> tuple[PublishedLayers | None, list[str]]:
    """What "speech_embedding:PATH" of `--data` names, None where nothing does, and the other data sets.

    Raises:
        OptionError: it is given twice.
        DataError: see `read_published`.
    """
    return read_named(specs, NAME, read_published)


def read_published(path: str | Path) -> PublishedLayers:
    """The convolutions of the published network that have a bias.

    Args:
        path: its ONNX file, a folder that holds it, or the wheel of openWakeWord.

    Raises:
        DataError: no such file, or it is not that network.
    """
    import onnx
    from onnx import numpy_helper

    file = Path(path).expanduser()
    try:
        graph = onnx.load_from_string(_content(file)).graph
    except DataError:
        raise
    except Exception as error:  # protobuf has errors of its own, of several modules
        raise DataError(f"{file} cannot be read as ONNX: {reason_of(error)}") from error
    held = {item.name: numpy_helper.to_array(item) for item in graph.initializer}
    layers = [node.input for node in graph.node if node.op_type == "Conv" and len(node.input) == 3]
    if len(layers) != _LAYERS or any(name not in held for layer in layers for name in layer[1:]):
        raise DataError(f"{file} is not the published speech embedding, which has {_LAYERS} convolutions with a bias")
    kernels, biases = ([torch.from_numpy(held[layer[place]].copy()) for layer in layers] for place in (1, 2))
    return PublishedLayers(tuple(kernels), tuple(biases))


def _content(path: Path) -> bytes:
    """The bytes of the network's file."""
    file = path / FILE if path.is_dir() else path
    wanted = f"{FILE} is in the wheel of openwakeword 0.5.1: pip download --no-deps openwakeword==0.5.1, and give it"
    try:
        if zipfile.is_zipfile(file):
            with zipfile.ZipFile(file) as wheel:
                inside = next((name for name in wheel.namelist() if name.endswith(f"/{FILE}")), None)
                if inside is None:
                    raise DataError(f"{file} holds no {FILE}; {wanted}")
                return wheel.read(inside)
        return file.read_bytes()
    except FileNotFoundError as error:
        raise DataError(f"{file} is missing; {wanted}") from error
    except (OSError, zipfile.BadZipFile) as error:
        raise DataError(f"{file} cannot be read: {reason_of(error)}") from error


def begin(encoder: AudioEncoder, published: PublishedLayers | None, speech: SpeechSet) -> None:
    """Give an encoder that has these layers the published weights, in place; without them it says so once.

    Args:
        speech: what it will learn from, of which some sound is taken.
    """
    if encoder.config.backbone != NAME:
        return
    if published is None:
        print(f"no published speech embedding (--data {NAME}:PATH): the encoder begins at random", flush=True)
        return
    begin_from_published(encoder, published, sample_chunks(speech, encoder.config.frames))


def sample_chunks(speech: SpeechSet, frames: int) -> Tensor:
    """Chunks (N, frames, mels) from clips that lie evenly in a set, one from the middle of each."""
    index = torch.linspace(0, len(speech) - 1, min(_CHUNKS, len(speech))).long().unique()
    chunks = []
    for row in index.tolist():
        found = device_chunks(speech, row, frames)
        chunks.append(found[len(found) // 2])
    return torch.stack(chunks)


@torch.no_grad()
def begin_from_published(encoder: AudioEncoder, published: PublishedLayers, log_mel: Tensor) -> None:
    """Give an encoder the published kernels, in place, its batch norms fitted to real sound.

    Of every convolution each channel has the mean and the deviation that it has in the published network on the same
    sound, so that neither the other activation nor the other level of the input shifts what the next one reads. What
    standardises pooled values begins with their means and variances.

    Args:
        encoder: with the backbone "speech_embedding".
        log_mel: (N, frames, mels) chunks of real sound, as `sample_chunks` gives them.

    Raises:
        DataError: its convolutions have other shapes.
    """
    encoder.eval()
    mine = encoder.spectrum(encoder.bands(log_mel)).unsqueeze(1)
    scale = 1 / (math.log(10) * LEVEL_SCALE)
    theirs = (mine - mine.mean()) * scale + _PUBLISHED_LEVEL
    layers = list(encoder.backbone)
    places = [place for place, layer in enumerate(layers) if isinstance(layer, nn.Conv2d)]
    for number, layer in enumerate(layers):
        if isinstance(layer, nn.Conv2d):
            turn = places.index(number)
            kernel, bias = published.kernels[turn], published.biases[turn]
            if kernel.shape != layer.weight.shape:
                raise DataError(
                    f"convolution {turn + 1} of the published network has the shape {tuple(kernel.shape)}, "
                    f"of the encoder {tuple(layer.weight.shape)}"
                )
            layer.weight.copy_(kernel)
            mine = layer(mine)
            theirs = F.conv2d(theirs, kernel, bias, padding=layer.padding)
        elif isinstance(layer, nn.BatchNorm2d):
            assert layer.running_mean is not None
            assert layer.running_var is not None
            layer.running_mean.copy_(mine.mean(dim=(0, 2, 3)))
            layer.running_var.copy_(mine.var(dim=(0, 2, 3)))
            layer.weight.copy_(theirs.std(dim=(0, 2, 3)))
            layer.bias.copy_(theirs.mean(dim=(0, 2, 3)))
            mine = layer(mine)
        elif isinstance(layer, nn.ReLU):
            mine = layer(mine)
            theirs = F.leaky_relu(theirs, _SLOPE).clamp(min=_FLOOR)
        else:
            mine, theirs = layer(mine), layer(theirs)
    norm = encoder.standardise
    assert isinstance(norm, nn.BatchNorm1d)
    assert norm.running_mean is not None
    assert norm.running_var is not None
    pooled = encoder.pooled_values(mine)
    norm.running_mean.copy_(pooled.mean(dim=0))
    norm.running_var.copy_(pooled.var(dim=0))
