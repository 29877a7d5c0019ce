"""Checkpoints opened as bundles, so that `mer evaluate` and `mer compare` measure torch models by the same code."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor

from mer_fusion.checkpoint import Card, Checkpoint, load_checkpoint
from mer_fusion.network import EmotionNetwork, TorchGraph
from mer_sdk.bundle import Bundle
from mer_sdk.manifest import GraphSpec, Manifest, TensorSpec
from mer_sdk.runtimes import Graph

GRAPH_NAMES = ("audio", "face", "fusion")


def open_checkpoint(path: Path) -> Bundle:
    """The checkpoint at `path` as a bundle that runs in torch, float32.

    Raises:
        CheckpointError: not a checkpoint, or weights and card do not belong together.
    """
    checkpoint = load_checkpoint(path)
    return Bundle(manifest_of(checkpoint), path, loader=lambda threads: _graphs(checkpoint.network, threads))


def graph_specs(card: Card, scheme: str, files: dict[str, str]) -> dict[str, GraphSpec]:
    """The graphs of a window model with their inputs and outputs, in the order in which they are exported.

    Args:
        files: graph name ("audio", "face", "fusion") -> file name inside the bundle.
    """
    window = card.clock.window_steps
    audio, face = card.network.audio.features, card.network.face.features
    size = card.face.crop_size
    unit = (0.0, 1.0)
    return {
        "audio": GraphSpec(
            files["audio"],
            scheme,
            (TensorSpec("pcm", (1, card.audio.chunk_samples), range=(-1.0, 1.0)),),
            (TensorSpec("audio_features", (1, audio)),),
        ),
        "face": GraphSpec(
            files["face"],
            scheme,
            (TensorSpec("crop", (1, size, size, 3), range=(0.0, 255.0)),),
            (TensorSpec("face_features", (1, face)),),
        ),
        "fusion": GraphSpec(
            files["fusion"],
            scheme,
            (
                TensorSpec("audio", (1, window, audio)),
                TensorSpec("face", (1, window, face)),
                TensorSpec("audio_mask", (1, window), range=unit),
                TensorSpec("face_mask", (1, window), range=unit),
            ),
            (TensorSpec("logits", (1, len(card.labels))), TensorSpec("reliance", (1, 2), range=unit)),
        ),
    }


def manifest_of(checkpoint: Checkpoint) -> Manifest:
    """The manifest that the checkpoint has as a bundle of target "torch"."""
    card = checkpoint.card
    return Manifest(
        name=card.name,
        model=card.network.model,
        labels=card.labels,
        target="torch",
        scheme="fp32",
        graphs=graph_specs(card, "fp32", dict.fromkeys(GRAPH_NAMES, checkpoint.path.name)),
        baseline=card.baseline,
        files=(),
        checkpoint_sha256=checkpoint.sha256,
        parameters=card.parameters,
        data=card.data,
        tools={"torch": torch.__version__},
        gate="reference",
        clock=card.clock,
        audio=card.audio,
        face=card.face,
        decision=card.decision,
    )


def _graphs(network: EmotionNetwork, threads: int) -> dict[str, Graph]:
    torch.set_num_threads(threads)

    def fuse(audio: Tensor, face: Tensor, audio_mask: Tensor, face_mask: Tensor) -> tuple[Tensor, Tensor]:
        output = network.fusion(audio, face, audio_mask, face_mask)
        return output.logits, output.reliance

    return {
        "audio": TorchGraph(network.audio, ("pcm",), ("audio_features",)),
        "face": TorchGraph(network.face, ("crop",), ("face_features",)),
        "fusion": TorchGraph(fuse, ("audio", "face", "audio_mask", "face_mask"), ("logits", "reliance")),
    }
