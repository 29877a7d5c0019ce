"""The three graphs of a window-model bundle: modules that take and give plain tensors in the contract's order."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from mer_sdk.manifest import AudioContract, Clock, FaceContract, GraphSpec, TensorSpec

GRAPH_NAMES = ("audio", "face", "fusion")


@dataclass(frozen=True)
class Graph:
    """One graph to export.

    Attributes:
        name: "audio", "face" or "fusion".
        module: an eval module whose positional inputs and outputs are those of `inputs` and `outputs`.
        example: one tensor per input, of the contract's shape, within its range.
        inputs, outputs: the contract.
    """

    name: str
    module: nn.Module
    example: tuple[Tensor, ...]
    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]

    def spec(self, file: str, scheme: str) -> GraphSpec:
        """The manifest entry of this graph in `file`."""
        return GraphSpec(file=file, scheme=scheme, inputs=self.inputs, outputs=self.outputs)


class PlainFusion(nn.Module):
    """A fusion network that gives the tuple (logits, reliance) and not a named tuple, which not every tool keeps."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, audio: Tensor, face: Tensor, audio_mask: Tensor, face_mask: Tensor) -> tuple[Tensor, Tensor]:
        result = self.network(audio, face, audio_mask, face_mask)
        return result.logits, result.reliance


def network_graphs(network: nn.Module, clock: Clock, audio: AudioContract, face: FaceContract) -> tuple[Graph, ...]:
    """The graphs of a network in export form: submodules `audio`, `face` and `fusion`, in eval mode.

    Args:
        network: what `Checkpoint.network.prepare_for_export()` gives.
        clock, audio, face: the contract of the checkpoint's card.

    Returns:
        The audio, face and fusion graphs, in that order. Feature sizes and the number of labels are read off the
        network by running it once.
    """
    generator = torch.Generator().manual_seed(0)
    pcm = torch.rand(1, audio.chunk_samples, generator=generator) * 0.2 - 0.1
    crop = torch.rand(1, face.crop_size, face.crop_size, 3, generator=generator) * 255.0
    fusion = PlainFusion(_submodule(network, "fusion")).eval()
    with torch.no_grad():
        audio_features = _submodule(network, "audio")(pcm)
        face_features = _submodule(network, "face")(crop)
        window = (
            audio_features.unsqueeze(1).repeat(1, clock.window_steps, 1),
            face_features.unsqueeze(1).repeat(1, clock.window_steps, 1),
            torch.ones(1, clock.window_steps),
            torch.ones(1, clock.window_steps),
        )
        logits, reliance = fusion(*window)
    mask = (1, clock.window_steps)
    return (
        Graph(
            "audio",
            _submodule(network, "audio"),
            (pcm,),
            (TensorSpec("pcm", tuple(pcm.shape), range=(-1.0, 1.0)),),
            (TensorSpec("audio_features", tuple(audio_features.shape)),),
        ),
        Graph(
            "face",
            _submodule(network, "face"),
            (crop,),
            (TensorSpec("crop", tuple(crop.shape), range=(0.0, 255.0)),),
            (TensorSpec("face_features", tuple(face_features.shape)),),
        ),
        Graph(
            "fusion",
            fusion,
            window,
            (
                TensorSpec("audio", tuple(window[0].shape)),
                TensorSpec("face", tuple(window[1].shape)),
                TensorSpec("audio_mask", mask, range=(0.0, 1.0)),
                TensorSpec("face_mask", mask, range=(0.0, 1.0)),
            ),
            (
                TensorSpec("logits", tuple(logits.shape)),
                TensorSpec("reliance", tuple(reliance.shape), range=(0.0, 1.0)),
            ),
        ),
    )


def _submodule(network: nn.Module, name: str) -> nn.Module:
    module = getattr(network, name)
    assert isinstance(module, nn.Module)
    return module.eval()
