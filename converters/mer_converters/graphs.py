"""The three graphs of a window-model bundle: modules that take and give plain tensors in the contract's order."""

from __future__ import annotations

import copy
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

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
    parts = {name: fold_batch_norms(getattr(network, name)) for name in GRAPH_NAMES}
    fusion = PlainFusion(parts["fusion"]).eval()
    with torch.no_grad():
        audio_features = parts["audio"](pcm)
        face_features = parts["face"](crop)
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
            parts["audio"],
            (pcm,),
            (TensorSpec("pcm", tuple(pcm.shape), range=(-1.0, 1.0)),),
            (TensorSpec("audio_features", tuple(audio_features.shape)),),
        ),
        Graph(
            "face",
            parts["face"],
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


def fold_batch_norms(module: nn.Module) -> nn.Module:
    """A copy of an eval module with every batch norm that follows a convolution in a sequence folded into it.

    Every target's tool folds them too, late and one by one; a third of the nodes less makes each of them faster.
    """
    folded = copy.deepcopy(module).eval()
    for sequence in [part for part in folded.modules() if isinstance(part, nn.Sequential)]:
        for index in range(len(sequence) - 1):
            convolution, norm = sequence[index], sequence[index + 1]
            if isinstance(convolution, nn.Conv2d) and isinstance(norm, nn.BatchNorm2d):
                sequence[index] = fuse_conv_bn_eval(convolution, norm)
                sequence[index + 1] = nn.Identity()
    return folded
