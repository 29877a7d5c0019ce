"""How far a student is from its full-precision model on real clips: measured once, then it stands on the card."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from mer_fusion.checkpoint import Distillation, load_checkpoint, write_card
from mer_fusion.torch_bundle import open_checkpoint
from mer_sdk.contract.bundle import Bundle
from mer_sdk.errors import OptionError
from mer_sdk.evaluation.datasets import TEST_FOLD, Clip, RavdessPairs, Selection, open_dataset
from mer_sdk.evaluation.evaluate import EvaluationOptions, predict_clips

STATE, PROTOCOLS = "audio+face", ("cold", "warm")


def measure_distillation(student: Path, full: Path, data: Sequence[str]) -> Distillation | None:
    """Compare both on the test fold of "ravdess_pairs:PATH" and write the distance onto the student's card.

    Each answers the same clips with its own baseline, cold and in one seeded order warm. Nothing is fitted to them.

    Args:
        data: data sets as NAME:PATH; without ravdess_pairs nothing is measured.

    Raises:
        OptionError: the two have other labels.
        CheckpointError, DataError: as for reading them.
    """
    pairs = next((spec for spec in data if spec.partition(":")[0] == RavdessPairs.name), None)
    if pairs is None:
        return None
    clips = open_dataset(pairs).clips(Selection(folds=(TEST_FOLD,)))
    small, large = load_checkpoint(student), load_checkpoint(full)
    found = distance_on(open_checkpoint(student), open_checkpoint(full), clips)
    measured = replace(
        found,
        data=f"{len(clips)} audio-visual clips of RAVDESS fold {TEST_FOLD}, cold and warm",
        full_sha256=large.sha256,
    )
    write_card(replace(small.card, distillation=measured), student)
    return measured


def distance_on(student: Bundle, full: Bundle, clips: Sequence[Clip]) -> Distillation:
    """The distance of two window models on clips; `data` and `full_sha256` are left empty.

    Raises:
        OptionError: the two have other labels.
        DataError: there are no clips, or one cannot be read.
    """
    mine, theirs = student.manifest.labels, full.manifest.labels
    if sorted(mine) != sorted(theirs):
        raise OptionError(
            f"{student.name} says {', '.join(mine)} and {full.name} {', '.join(theirs)}: their answers cannot be "
            "compared; give the full-precision model that it was distilled from"
        )
    options = EvaluationOptions(states=(STATE,), protocols=PROTOCOLS, orders=1)
    rows = []
    for bundle in (student, full):
        order = [bundle.manifest.labels.index(label) for label in mine]
        predictions, _ = predict_clips(bundle, clips, options)
        rows.append(np.concatenate([item.log_probabilities[0][:, order] for item in predictions]))
    differences = np.abs(rows[0] - rows[1])
    same = float(np.mean(rows[0].argmax(axis=1) == rows[1].argmax(axis=1)))
    return Distillation(
        round(float(differences.mean()), 4), round(float(differences.max()), 4), round(same, 4), len(rows[0]), "", ""
    )
