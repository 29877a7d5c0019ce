"""Checkpoints: weights as safetensors and, under the same name, a JSON card that says what they are.

The card carries what travels to the bundle (labels, clock, front-end contract, personal baseline, decision), what fixes
the network's shapes, and where the weights come from (data with licences, options, seeds, machine, results).
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from mer_fusion.network import EmotionNetwork, NetworkConfig
from mer_sdk.codec import from_json, to_json
from mer_sdk.errors import CheckpointError, OptionError
from mer_sdk.manifest import AudioContract, BaselineContract, Clock, DataSource, Decision, FaceContract

SHIPPED = Path(__file__).parent / "checkpoints"


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
        known = sorted(item.stem for item in SHIPPED.glob("*.safetensors"))
        raise OptionError(f"no checkpoint {model}-{role} is shipped; there are: {', '.join(known) or 'none'}")
    return path


def save_checkpoint(network: EmotionNetwork, card: Card, path: Path) -> Card:
    """Write `path` (.safetensors) and its card; returns the card with the hash filled in."""
    from safetensors.torch import save_file

    path.parent.mkdir(parents=True, exist_ok=True)
    aside = path.with_suffix(".part")
    save_file({name: value.detach().contiguous() for name, value in network.state_dict().items()}, str(aside))
    aside.chmod(0o644)  # safetensors writes for the owner alone, which would travel into the wheel
    card = replace(card, weights_sha256=hashlib.sha256(aside.read_bytes()).hexdigest())
    aside.replace(path)
    write_card(card, path)
    return card


def write_card(card: Card, path: Path) -> None:
    """Write the card of the checkpoint at `path`, leaving the weights as they are."""
    path.with_suffix(".json").write_text(json.dumps(to_json(card), indent=2) + "\n")


def load_checkpoint(path: str | Path) -> Checkpoint:
    """Read weights and card, check that they belong together, and build the network in evaluation mode.

    Raises:
        CheckpointError: a file is missing, the weights are not those of the card, or they do not fit the network.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    path = Path(path)
    card_path = path.with_suffix(".json")
    for wanted in (path, card_path):
        if not wanted.is_file():
            raise CheckpointError(f"{wanted} is missing; a checkpoint is NAME.safetensors and NAME.json side by side")
    try:
        card = from_json(Card, json.loads(card_path.read_text()))
    except ValueError as error:
        raise CheckpointError(f"{card_path} is not a checkpoint card: {error}") from error
    found = hashlib.sha256(path.read_bytes()).hexdigest()
    if card.weights_sha256 != found:
        raise CheckpointError(
            f"{path} has sha256 {found[:12]}..., its card says {card.weights_sha256[:12]}...: "
            "the weights were changed after the card was written; train again or restore both files"
        )
    try:
        network = EmotionNetwork(card.network)
        network.load_state_dict(load_file(str(path)))
    except (SafetensorError, RuntimeError, OptionError) as error:
        raise CheckpointError(f"{path} does not fit the network of its card: {error}") from error
    return Checkpoint(network.eval(), card, path)
