"""Distillation: a student of the same class as its full-precision model, from features, logits and published scores.

What the student learns from, part by part: labels; the full-precision encoders' features (a linear layer, thrown away
afterwards, predicts them from the student's own); for audio, the published wav2vec2 scores; and for fusion, but for
FDRL, the full-precision logits on the same scenes. A dialogue model's student first gets a small text encoder, which
learns the published sentence encoder's vectors. See Hinton et al. 2015 for the soft targets, Romero et al. 2015 for the
hints.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import torch

from mer_fusion.checkpoint import Checkpoint, load_checkpoint
from mer_fusion.encoders.text import TextEncoder, TextEncoderConfig
from mer_fusion.training.cards import checkpoint_path, save_trained, shortened_loop
from mer_fusion.training.dialogue.launch import SENTENCE_CACHE, calibrated, open_meld, run_of, with_dev_figures
from mer_fusion.training.dialogue.recipe import (
    sentence_features,
    small_encoder_features,
    student_dialogue_recipe,
    train_dialogue_network,
    tuning_split,
)
from mer_fusion.training.fusion.data import LABELS
from mer_fusion.training.fusion.launch import run_recipe
from mer_fusion.training.fusion.recipe import student_recipe
from mer_fusion.training.run import RunOptions
from mer_fusion.training.text.corpus import CorpusOptions, teacher_corpus
from mer_fusion.training.text.encoder import Teachers, TextOptions, teaching_set, train_text_encoder
from mer_quantization.student_distance import measure_distillation
from mer_sdk.dialogue.dialogue_file import Dialogue
from mer_sdk.errors import OptionError
from mer_sdk.evaluation.datasets.meld import LABELS as MELD_LABELS


def distill_student(
    model: str, teacher: Path, data: Sequence[str], out: Path, run: RunOptions, seed: int
) -> Path | None:
    """Train the student of a full-precision checkpoint and save it with its card, its distance from it measured.

    Args:
        model: the student's fusion model, as `mer distill` names it.
        teacher: checkpoint of role "full", of any window model with the same labels.
        data: "ravdess:PATH", "ravdess_pairs:PATH" and "ferplus:PATH", and more speech.
        out: the student's checkpoint.

    Returns:
        `out`, or None where only one part was trained.

    Raises:
        OptionError: the teacher is a student itself, or no window model.
        CheckpointError, DataError: as for training.
    """
    checkpoint = full_checkpoint(teacher)
    parts = checkpoint.card.network
    if parts.audio is None or parts.face is None or checkpoint.card.labels != LABELS:
        raise OptionError(f"{teacher} is no window model with the labels {', '.join(LABELS)}; give one with --teacher")
    written = run_recipe(student_recipe(seed, model), data, out, run, checkpoint)
    if written is not None:
        measure_distillation(written, teacher, data)
    return written


def distill_dialogue_student(teacher: Path, data: Sequence[str], out: Path, run: RunOptions, seed: int) -> Path:
    """Train the student of a full-precision AMB-DSGDN, text encoder and fusion, and save it with its card.

    Args:
        teacher: checkpoint of role "full" that `mer train amb_dsgdn` wrote.
        data: "meld:PATH".
        out: the student's checkpoint.

    Raises:
        OptionError: the teacher is a student itself or reads no sentence vectors, or other data.
        MissingExtra: the sentence encoder's package is not installed.
        CheckpointError, DataError: as for training.
    """
    checkpoint_path(out)
    checkpoint = full_checkpoint(teacher)
    if checkpoint.card.dialogue is None or checkpoint.card.sentences is None:
        raise OptionError(f"{teacher} is no dialogue model on sentence vectors; give one of mer train amb_dsgdn")
    meld = open_meld(data, run)
    if run.threads:
        torch.set_num_threads(run.threads)
    dialogues = meld.dialogues("train")
    encoder = distilled_text_encoder(dialogues, run, seed)
    encode = small_encoder_features(encoder)
    recipe = run_of(student_dialogue_recipe(seed, encoder.config), run, seed)
    vectors = sentence_features(run.run_dir / SENTENCE_CACHE)
    trained = train_dialogue_network(
        recipe, dialogues, encode, run.run_dir, encoder, (checkpoint, vectors), quiet=run.quiet
    )
    return calibrated(save_trained(with_dev_figures(trained, recipe, meld, encode), out), meld)


def distilled_text_encoder(dialogues: Sequence[Dialogue], run: RunOptions, seed: int) -> TextEncoder:
    """The small text encoder of a student, taught by the sentence encoder on texts made of MELD's dialogues.

    The dialogues that are held out for the temperature of the fusion network are held out here too, so that they show
    how sure the student is of texts which its encoder did not learn from.

    Raises:
        MissingExtra: the sentence encoder's package is not installed.
        CheckpointError: the run's folder holds a run with other options.
    """
    learned, _ = tuning_split(dialogues)
    lines = [line for talk in learned for line in talk.utterances]
    labels = torch.tensor([MELD_LABELS.index(line.label or "") for line in lines])
    texts = teacher_corpus([[line.text for line in talk.utterances] for talk in learned], CorpusOptions())
    config, options = TextEncoderConfig(), TextOptions()
    teachers = Teachers(len(MELD_LABELS), cache=run.run_dir / SENTENCE_CACHE)
    taught = teaching_set(texts, [line.text for line in lines], labels, config, teachers)
    options = replace(options, loop=shortened_loop(options.loop, run, seed))
    learner, _ = train_text_encoder(config, taught, None, options, run.run_dir, run.quiet)
    return learner.encoder.cpu().eval()


def full_checkpoint(path: Path) -> Checkpoint:
    """A checkpoint to distill from.

    Raises:
        OptionError: it is a student.
        CheckpointError: it cannot be read.
    """
    checkpoint = load_checkpoint(path)
    if checkpoint.card.role != "full":
        raise OptionError(
            f"{path} has the role {checkpoint.card.role!r}; a student is distilled from a full-precision model: "
            "give --teacher a checkpoint that mer train wrote"
        )
    return checkpoint
