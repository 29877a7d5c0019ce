"""What a dialogue model says of labelled dialogues, for the temperature and threshold of `mer_fusion.calibration`."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from mer_fusion.checkpoint import Card
from mer_fusion.torch_bundle import open_checkpoint
from mer_sdk.dialogue.dialogue_file import Dialogue
from mer_sdk.errors import OptionError, counted
from mer_sdk.evaluation.calibration import StateAnswers
from mer_sdk.evaluation.datasets import Meld, OwnClips, open_dataset
from mer_sdk.evaluation.dialogues import LIVE, DialogueOptions, labels_of, predict_dialogues

TEXT = "text"
MELD_SPLIT = "dev"
# What a card's notes say of a temperature until one is fitted.
NOT_FITTED = "; the temperature is not fitted"


@dataclass(frozen=True)
class Asked:
    """Dialogues that nothing has learned from, and what they are in words."""

    dialogues: tuple[Dialogue, ...]
    data: str

    @property
    def utterances(self) -> int:
        """How many."""
        return sum(len(talk.utterances) for talk in self.dialogues)


def dialogues_to_ask(data: str, card: Card, names: Mapping[str, str] | None = None, split: str = "") -> Asked:
    """The dialogues to fit on: MELD dev, or own clips with texts, all but the split "test".

    Raises:
        OptionError: another data set, or a split that is learned from or that scores.
        DataError: no dialogue is left.
    """
    dataset = open_dataset(data, dict(names or {}))
    if isinstance(dataset, Meld):
        if (split or MELD_SPLIT) != MELD_SPLIT:
            raise OptionError(
                f"--split {split}: models have learned from MELD train, and MELD test scores them; leave --split out, "
                f"which takes {MELD_SPLIT}"
            )
        talks = dataset.dialogues(MELD_SPLIT)
        return Asked(talks, f"{len(talks)} dialogues of MELD {MELD_SPLIT}")
    if not isinstance(dataset, OwnClips):
        raise OptionError(f"--data {data} has no dialogues; {card.name} takes meld:PATH, and clips:PATH with texts")
    talks = dataset.dialogues_to_learn_from(card.labels) if not split else dataset.dialogues(card.labels, split)[0]
    return Asked(talks, f"{counted(len(talks), 'dialogue')} of {dataset.path.name}")


def dialogue_answers(
    path: Path, dialogues: Sequence[Dialogue], progress: Callable[[int, int], None] = lambda done, total: None
) -> dict[str, StateAnswers]:
    """What a checkpoint says of each utterance when it is said, the dialogue in place of the person.

    Raises:
        CheckpointError: it cannot be read.
        DataError: a label that the checkpoint does not have.
    """
    bundle = open_checkpoint(path)
    known = bundle.manifest.labels
    merged = labels_of(dialogues, known)
    scores, _ = predict_dialogues(bundle, dialogues, DialogueOptions(), progress)
    truth = np.array([known.index(merged[line.label or ""]) for talk in dialogues for line in talk.utterances])
    owners = np.repeat(np.arange(len(dialogues)), [len(talk.utterances) for talk in dialogues])
    # Log-probabilities are the divided logits, but for a number that all of a row share and no temperature sees.
    logits = scores[LIVE] * bundle.manifest.decision.of(TEXT).temperature
    return {TEXT: StateAnswers(truth, logits, np.ones(len(truth)), owners)}
