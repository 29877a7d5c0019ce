"""Checkpoints: weights as safetensors and, under the same name, a JSON card that says what they are.

The card carries what travels to the bundle (labels, clock, front-end contract, personal baseline, decision), what fixes
the network's shapes, and where the weights come from (data with licences, options, seeds, machine, results).
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from mer_fusion.network import EmotionNetwork, NetworkConfig
from mer_sdk.contract.bundle_files import file_sha256
from mer_sdk.contract.codec import from_json, to_json
from mer_sdk.contract.manifest import (
    AudioContract,
    BaselineContract,
    Clock,
    DataSource,
    Decision,
    DialogueContract,
    FaceContract,
    TextContract,
)
from mer_sdk.contract.output_files import atomic_output
from mer_sdk.errors import CheckpointError, OptionError, did_you_mean

SHIPPED = Path(__file__).parent / "checkpoints"


@dataclass(frozen=True)
class PartSource:
    """Another checkpoint in the same folder that holds a part: its file name and the sha256 of that file."""

    file: str
    sha256: str


@dataclass(frozen=True)
class Distillation:
    """How far a student is from its full-precision model, measured once, on real clips that neither learned from.

    Attributes:
        mean_abs_log_probability: mean over answers and labels of the difference of log-probabilities, at least 0.
        max_abs_log_probability: the largest of those differences.
        agreement: share of answers on which both name the same label, 0-1.
        answers: how many: one a clip and protocol.
        data: which clips and protocols.
        full_sha256: hash of the full-precision model's weights.
    """

    mean_abs_log_probability: float
    max_abs_log_probability: float
    agreement: float
    answers: int
    data: str
    full_sha256: str


@dataclass(frozen=True)
class Card:
    """The card of a checkpoint.

    Attributes:
        name: what the checkpoint is called, such as "grjca-student".
        role: "full" (full precision, the reference) or "student".
        network: shapes of the network.
        labels: class names in the order of the logits.
        weights_sha256: hash of the safetensors file.
        training: options, seeds, seconds and machine of the training.
        results: figures measured by `mer evaluate`, keyed by protocol.
        notes: what a user must know before relying on it.
        text: how words become the ids of the text encoder, None without one.
        dialogue: the window of a dialogue model, None for window models.
        sentences: the published sentence encoder whose vectors the fusion network reads as text features, where there
            is no text encoder.
        parts_from: part -> the checkpoint that holds its weights; this one's file then holds the other parts alone.
        distillation: of a student, how far it is from its full-precision model; None where nobody measured it.
    """

    name: str
    role: str
    network: NetworkConfig
    labels: tuple[str, ...]
    baseline: BaselineContract
    data: tuple[DataSource, ...]
    parameters: dict[str, int]
    weights_sha256: str = ""
    clock: Clock = field(default_factory=Clock)
    audio: AudioContract = field(default_factory=AudioContract)
    face: FaceContract = field(default_factory=FaceContract)
    decision: Decision = field(default_factory=Decision)
    training: dict[str, Any] = field(default_factory=dict)
    results: dict[str, Any] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    text: TextContract | None = None
    dialogue: DialogueContract | None = None
    sentences: str | None = None
    parts_from: dict[str, PartSource] = field(default_factory=dict)
    distillation: Distillation | None = None


@dataclass(frozen=True)
class Checkpoint:
    """A network in evaluation mode with its card. `sha256` is the hash of the weights file."""

    network: EmotionNetwork
    card: Card
    path: Path

    @property
    def sha256(self) -> str:
        return self.card.weights_sha256


def shipped_checkpoint(model: str, role: str = "student") -> Path:
    """The path of a checkpoint that comes with the project.

    Raises:
        OptionError: no such model or role is shipped; the message lists what is.
    """
    path = SHIPPED / f"{model}-{role}.safetensors"
    if not path.exists():
        known = sorted(item.stem for item in SHIPPED.glob("*-*.safetensors"))
        near = did_you_mean(f"{model}-{role}", known)
        raise OptionError(f"no checkpoint {model}-{role} is shipped{near}; there are: {', '.join(known) or 'none'}")
    return path


def find_checkpoint(name: str) -> Path:
    """The checkpoint at a path, or the one that comes with the project and is called so, such as "grjca-student".

    Raises:
        OptionError: a bare name that no shipped checkpoint has.
    """
    path = Path(name).expanduser()
    if path.suffix or path.exists() or len(path.parts) > 1:
        return path
    model, _, role = name.rpartition("-")
    return shipped_checkpoint(model or name, role if model else "student")


def part_sources(path: Path, parts: tuple[str, ...]) -> dict[str, PartSource]:
    """`Card.parts_from` for parts that the checkpoint at `path` holds.

    Raises:
        CheckpointError: it is missing, or lacks one of them.
    """
    held = _parts_of(_read_weights(path))
    missing = [part for part in parts if part not in held]
    if missing:
        raise CheckpointError(
            f"{path} holds {', '.join(sorted(held))}, not {', '.join(missing)}; name another checkpoint"
        )
    return dict.fromkeys(parts, PartSource(path.name, file_sha256(path)))


def save_checkpoint(network: EmotionNetwork, card: Card, path: Path) -> Card:
    """Write `path` (.safetensors) and its card; returns the card with the hash filled in.

    Parts that `card.parts_from` names are not written: they must equal those of the checkpoints named, which lie in the
    folder of `path`.

    Raises:
        CheckpointError: a part differs from the one that stands for it, or its checkpoint is missing or another one.
    """
    from safetensors.torch import save_file

    weights = {name: value.detach().contiguous() for name, value in network.state_dict().items()}
    for name, value in _borrowed(card, path.parent).items():
        own = weights.pop(name, None)
        if own is None or not torch.equal(own, value):
            part, source = name.split(".")[0], card.parts_from[name.split(".")[0]].file
            raise CheckpointError(
                f"{name} is not the same as in {source}: a card may name another checkpoint for a part only where both "
                f"have the same weights; save this network with its own {part}"
            )
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic_output(path) as aside:
        save_file(weights, str(aside))
        aside.chmod(0o644)  # safetensors writes for the owner alone, which would travel into the wheel
        card = replace(card, weights_sha256=file_sha256(aside))
    write_card(card, path)
    return card


def write_card(card: Card, path: Path) -> None:
    """Write the card of the checkpoint at `path`, leaving the weights as they are."""
    path.with_suffix(".json").write_text(json.dumps(to_json(card), indent=2) + "\n")


def load_checkpoint(path: str | Path) -> Checkpoint:
    """Read weights and card, check that they belong together, and build the network in evaluation mode.

    Raises:
        CheckpointError: a file is missing, the weights are not those of the card, or they do not fit the network; the
            same of a checkpoint that the card names for a part.
    """
    path = Path(path)
    if (path / "manifest.json").is_file():
        raise CheckpointError(
            f"{path} is a bundle, and a checkpoint is wanted, as bundles do not learn: NAME.safetensors with NAME.json "
            "beside it, or the name of one that is shipped, such as grjca-student"
        )
    card_path = path.with_suffix(".json")
    for wanted in (path, card_path):
        if not wanted.is_file():
            raise CheckpointError(f"{wanted} is missing; a checkpoint is NAME.safetensors and NAME.json side by side")
    try:
        card = from_json(Card, json.loads(card_path.read_text()))
    except (ValueError, RecursionError) as error:
        why = "it is nested too deep" if isinstance(error, RecursionError) else error
        raise CheckpointError(f"{card_path} is not a checkpoint card: {why}") from error
    found = file_sha256(path)
    if card.weights_sha256 != found:
        raise CheckpointError(
            f"{path} has sha256 {found[:12]}..., its card says {card.weights_sha256[:12]}...: "
            "the weights were changed after the card was written; train again or restore both files"
        )
    try:
        network = EmotionNetwork(card.network)
        network.load_state_dict(_read_weights(path) | _borrowed(card, path.parent))
    except (RuntimeError, OptionError) as error:
        raise CheckpointError(f"{path} does not fit the network of its card: {error}") from error
    return Checkpoint(network.eval(), card, path)


def _borrowed(card: Card, folder: Path) -> dict[str, Tensor]:
    """The weights of the parts that other checkpoints hold, by their names in the network."""
    weights: dict[str, Tensor] = {}
    for part, source in card.parts_from.items():
        path = folder / source.file
        if Path(source.file).name != source.file:
            raise CheckpointError(
                f"{card.name}: {part} is to come from {source.file!r}; only a file name is allowed there"
            )
        if not path.is_file():
            raise CheckpointError(
                f"{card.name} takes its {part} from {source.file}, which is missing: put it into {folder}"
            )
        if file_sha256(path) != source.sha256:
            raise CheckpointError(
                f"{card.name} takes its {part} from {source.file} with sha256 {source.sha256[:12]}..., the file there "
                "is another: restore the one it was trained with"
            )
        held = {name: value for name, value in _read_weights(path).items() if name.startswith(f"{part}.")}
        if not held:
            raise CheckpointError(f"{card.name} takes its {part} from {source.file}, which holds none; train it again")
        weights |= held
    return weights


def _read_weights(path: Path) -> dict[str, Tensor]:
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        weights: dict[str, Tensor] = load_file(str(path))
    except (SafetensorError, OSError) as error:
        raise CheckpointError(f"{path} cannot be read as safetensors: {error}") from error
    return weights


def _parts_of(weights: dict[str, Tensor]) -> set[str]:
    return {name.split(".")[0] for name in weights}
