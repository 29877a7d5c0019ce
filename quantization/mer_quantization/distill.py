"""Distillation: a student of the same class as its full-precision model, from features, logits and published scores.

What the student learns from, part by part: labels; the full-precision encoders' features (a linear layer, thrown away
afterwards, predicts them from the student's own); for audio, the published wav2vec2 scores; and for fusion, the
full-precision logits on the same scenes. See Hinton et al. 2015 for the soft targets, Romero et al. 2015 for the hints.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from mer_fusion.checkpoint import load_checkpoint
from mer_fusion.training.launch import RunOptions, run_recipe
from mer_fusion.training.recipe import student_recipe
from mer_fusion.training.sources import LABELS
from mer_sdk.errors import OptionError


def distill_student(
    model: str, teacher: Path, data: Sequence[str], out: Path, run: RunOptions, seed: int
) -> Path | None:
    """Train the student of a full-precision checkpoint and save it with its card.

    Args:
        model: the student's fusion model, as `mer distill` names it.
        teacher: checkpoint of role "full", of any window model with the same labels.
        data: "ravdess:PATH" and "ferplus:PATH".
        out: the student's checkpoint.

    Returns:
        `out`, or None where only one part was trained.

    Raises:
        OptionError: the teacher is a student itself.
        CheckpointError, DataError: as for training.
    """
    checkpoint = load_checkpoint(teacher)
    if checkpoint.card.role != "full":
        raise OptionError(
            f"{teacher} has the role {checkpoint.card.role!r}; a student is distilled from a full-precision model: "
            "give --teacher a checkpoint that mer train wrote"
        )
    parts = checkpoint.card.network
    if parts.audio is None or parts.face is None or checkpoint.card.labels != LABELS:
        raise OptionError(f"{teacher} is no window model with the labels {', '.join(LABELS)}; give one with --teacher")
    return run_recipe(student_recipe(seed, model), data, out, run, checkpoint)
