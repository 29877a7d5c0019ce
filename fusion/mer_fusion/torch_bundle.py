"""Checkpoints opened as bundles, so that `mer evaluate` and `mer compare` measure torch models by the same code."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch

from mer_fusion.checkpoint import Card, Checkpoint, load_checkpoint
from mer_fusion.network import EmotionNetwork, TorchGraph
from mer_sdk.contract.bundle import Bundle, TextEncoder
from mer_sdk.contract.manifest import Manifest
from mer_sdk.errors import CheckpointError
from mer_sdk.runtimes import Graph
from mer_sdk.runtimes.graph import GraphSpec, TensorSpec

if TYPE_CHECKING:
    from mer_fusion.encoders.sentence import SentenceEncoder

_UNIT = (0.0, 1.0)


def open_checkpoint(path: Path) -> Bundle:
    """The checkpoint at `path` as a bundle that runs in torch, float32.

    Raises:
        CheckpointError: not a checkpoint, or weights and card do not belong together.
    """
    return torch_bundle(load_checkpoint(path))


def torch_bundle(checkpoint: Checkpoint) -> Bundle:
    """A checkpoint that is read already as a bundle that runs in torch, float32."""

    def load(threads: int) -> dict[str, Graph]:
        torch.set_num_threads(threads)
        return torch_graphs(checkpoint.network, graph_specs(checkpoint.card))

    return Bundle(manifest_of(checkpoint), checkpoint.path, loader=load, encode_text=sentence_encoder(checkpoint.card))


def graph_specs(card: Card, scheme: str = "", file: Callable[[str], str] = str) -> dict[str, GraphSpec]:
    """The graphs that a network has with their inputs and outputs, in the order in which they are exported.

    Args:
        file: graph name ("text", "audio", "face" or "fusion") -> file name inside the bundle.
    """
    config, specs = card.network, {}

    def encoder(name: str, tensor: TensorSpec) -> None:
        features = TensorSpec(f"{name}_features", (1, config.modalities[name]))
        specs[name] = GraphSpec(file(name), scheme, (tensor,), (features,))

    if config.text is not None:
        shape = (1, config.text.words, config.text.slots)
        encoder("text", TensorSpec("ids", shape, "int32", (0.0, config.text.buckets - 1.0)))
    if config.audio is not None:
        encoder("audio", TensorSpec("pcm", (1, card.audio.chunk_samples), range=(-1.0, 1.0)))
    if config.face is not None:
        encoder("face", TensorSpec("crop", (1, card.face.crop_size, card.face.crop_size, 3), range=(0.0, 255.0)))
    rows = card.clock.window_steps if card.dialogue is None else card.dialogue.utterances
    answers = () if card.dialogue is None else (rows,)
    inputs = [TensorSpec(name, (1, rows, features)) for name, features in config.modalities.items()]
    inputs += [TensorSpec(f"{name}_mask", (1, rows), range=_UNIT) for name in config.modalities]
    if card.dialogue is not None:
        inputs.append(TensorSpec("speakers", (1, rows), range=(0.0, card.dialogue.speakers - 1.0)))
    outputs = (
        TensorSpec("logits", (1, *answers, len(card.labels))),
        TensorSpec("reliance", (1, *answers, len(config.modalities)), range=_UNIT),
    )
    specs["fusion"] = GraphSpec(file("fusion"), scheme, tuple(inputs), outputs)
    return specs


def torch_graphs(network: EmotionNetwork, specs: Mapping[str, GraphSpec]) -> dict[str, Graph]:
    """The parts of a network behind the interface of a runtime."""
    return {
        name: TorchGraph(
            network.parts[name],
            tuple(tensor.name for tensor in spec.inputs),
            tuple(tensor.name for tensor in spec.outputs),
        )
        for name, spec in specs.items()
    }


def sentence_encoder(card: Card) -> TextEncoder | None:
    """What gives a checkpoint its text features where they come from a published sentence encoder; loaded at first use.

    Raises:
        CheckpointError: the card names an encoder that the project does not have.
    """
    if card.sentences is None:
        return None
    from mer_fusion.encoders.sentence import MODEL

    if card.sentences != MODEL:
        raise CheckpointError(f"{card.name} reads features of {card.sentences!r}; the sentence encoder here is {MODEL}")

    def encode(text: str) -> np.ndarray:
        features: np.ndarray = _published_sentences().embeddings([text])[0]
        return features

    return encode


@functools.cache
def _published_sentences() -> SentenceEncoder:
    """The published encoder, read once a process: it takes seconds."""
    from mer_fusion.encoders.sentence import SentenceEncoder

    return SentenceEncoder()


def manifest_of(checkpoint: Checkpoint) -> Manifest:
    """The manifest that the checkpoint has as a bundle of target "torch"."""
    card = checkpoint.card
    return Manifest(
        name=card.name,
        model=card.network.model,
        labels=card.labels,
        target="torch",
        scheme="fp32",
        graphs=graph_specs(card, "fp32", lambda name: checkpoint.path.name),
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
        text=card.text,
        dialogue=card.dialogue,
        decision=card.decision,
    )
