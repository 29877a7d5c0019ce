"""How any training is run, and what it gives."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from mer_fusion.checkpoint import Card
from mer_fusion.network import EmotionNetwork
from mer_sdk.errors import OptionError

PARTS = ("all", "audio", "face")


@dataclass(frozen=True)
class RunOptions:
    """How a recipe is run, whichever it is.

    Attributes:
        run_dir: where state is kept.
        part: "all", or one encoder alone, so that both can be trained at once.
        threads: CPU threads, 0 for torch's default.
        epochs_share: share of the recipe's epochs.
        quiet: no line per epoch.
        encoders: path of a checkpoint whose audio and face encoders are taken, "train" to train them, or "" for the
            model's usual way: GRJCA trains its own, the others take those of the GRJCA checkpoint that is shipped.
        stills: path of a checkpoint whose face encoder knows still faces, from which training on people who talk goes
            on; "" trains one on stills first.
        labels: of one's own clips: label of the table -> label of the model.
        unseen: path of a checkpoint whose encoders have not met the held-out speakers, to which the decision is fitted;
            "" for that beside the checkpoint whose encoders are taken, or trains such encoders.

    Raises:
        OptionError: an unknown part.
    """

    run_dir: Path
    part: str = "all"
    threads: int = 0
    epochs_share: float = 1.0
    quiet: bool = False
    encoders: str = ""
    stills: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)
    unseen: str = ""

    def __post_init__(self) -> None:
        if self.part not in PARTS:
            raise OptionError(f"part {self.part!r} is unknown; allowed: {', '.join(PARTS)}")


@dataclass(frozen=True)
class Trained:
    """A trained network with its card; the card's hash is filled in when it is saved."""

    network: EmotionNetwork
    card: Card
