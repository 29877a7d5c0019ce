"""P1's students: raw sound through a small encoder and action units, fused by small networks, distilled per fold.

Called by paired.py and schemes.py beside it. The encoder of fold K learns from the other folds' speakers with the
wav2vec2 scores that never saw fold K, and is then frozen; the fusion networks learn with the full-precision fusion of
the same fold and name as their teacher.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks.accuracy.action_units.fusion import Candidate, FusionSettings, TunedFusion
from mer_fusion.checkpoint import save_checkpoint
from mer_fusion.encoders.audio import AudioEncoder, AudioEncoderConfig
from mer_fusion.training.loop import LoopOptions
from mer_fusion.training.speech.encoder import AudioOptions, held_out_figures
from mer_fusion.training.utterances.paired_clips import FOLDS, PairedClips, read_paired_speech, train_fold_encoder
from mer_fusion.training.utterances.runs import Answers, Case
from mer_fusion.training.utterances.students import student_card, student_network, student_table
from mer_fusion.training.utterances.table import UtteranceTable
from mer_fusion.training.utterances.task import UtteranceOptions
from mer_sdk.evaluation.datasets import Ravdess

# The shipped student's encoder.
ENCODER = AudioEncoderConfig(frames=120, stem=16, channels=(32, 56, 88), blocks=(1, 1, 1), separable=False, features=64)
ENCODER_LEARNING = AudioOptions()
ENCODER_LOOP = LoopOptions(epochs=80, threads=1)
STUDENT_SETTINGS = FusionSettings(
    UtteranceOptions(
        drop=(0.2, 0.1),
        swap=(0.0, 0.0),
        mixing=(0.0, 0.0),
        noise=(0.2, 0.2),
        batch=225,
        teacher_weight=0.5,
        teacher_temperature=2.0,
    ),
    LoopOptions(epochs=40, learning_rate=5e-3, weight_decay=0.05, average=0.97, precision="no", threads=1),
    (Candidate(0.3, 0.0, 0.0), Candidate(0.1, 0.0, 0.0), Candidate(0.3, 0.1, 0.0), Candidate(0.3, 0.1, 0.7)),
    tuning_question=Case("warm", 0, (True, True)),
)


@dataclass(frozen=True)
class StudentFold:
    """One fold's table of student features and what its encoder does alone.

    Attributes:
        encoder: never heard the fold; in evaluation mode.
        table: windows of all takes; head: UAR of the encoder under its own training head on the fold's speakers, cold
            and warm, in percent; seconds: the encoder's training took; parameters: of the encoder.
    """

    encoder: AudioEncoder
    table: UtteranceTable
    head: dict[str, float]
    seconds: float
    parameters: int


def student_folds(ravdess: Ravdess, paired: PairedClips, run_dir: Path) -> dict[int, StudentFold]:
    """Train (or read) the encoder of every fold and encode all takes with it."""
    speech = read_paired_speech(ravdess, paired)
    folds = {}
    for fold in FOLDS:
        learner, history = train_fold_encoder(ENCODER, speech, paired, fold, ENCODER_LEARNING, ENCODER_LOOP, run_dir)
        alone = held_out_figures(learner, speech.subset(torch.from_numpy(paired.folds == fold)))
        head = {"cold": round(100 * alone.cold, 2), "warm": round(100 * alone.warm, 2)}
        print(f"encoder of fold {fold}, its own head, UAR: {head}", flush=True)
        table = student_table(learner.encoder, speech, paired, run_dir / "sound")
        parameters = sum(parameter.numel() for parameter in learner.encoder.parameters())
        folds[fold] = StudentFold(learner.encoder.eval(), table, head, history.seconds, parameters)
    return folds


def save_students(
    paired: PairedClips,
    folds: Mapping[int, StudentFold],
    fusion: TunedFusion,
    models: Sequence[str],
    folder: Path,
) -> dict[tuple[str, int], Answers]:
    """Train (or read) seed 0 of every model and fold and write it to `folder/MODEL-foldK.safetensors`.

    Args:
        fusion: of the students, with the fold's candidate in its `tuning`.

    Returns:
        (model, fold) -> what the network in torch says of the fold's clips, as `TunedFusion.answers`.
    """
    from safetensors.torch import load_file

    said = {}
    for fold, student in folds.items():
        learning = torch.from_numpy(np.flatnonzero(paired.folds != fold))
        for model in models:
            said[model, fold] = answers = fusion.answers(model, fold, 0)
            chosen = STUDENT_SETTINGS.candidates[fusion.tuning[fold]["chosen"]]
            weights, width = load_file(str(answers.weights)), STUDENT_SETTINGS.width
            network = student_network(model, student.encoder, student.table, width, chosen.dropout, weights)
            training = {"protocol": "P1", "fold_left_out": fold, "seed": 0, "chosen": asdict(chosen)}
            training |= STUDENT_SETTINGS.shown() | encoder_settings()
            name = f"{model}-fold{fold}"
            card = student_card(network, student.table, learning, name, training)
            save_checkpoint(network, card, folder / f"{name}.safetensors")
            print(f"{name}: trained in {answers.seconds:.0f} s, saved", flush=True)
    return said


def encoder_settings() -> dict[str, Any]:
    """What the encoders were made with."""
    return {
        "encoder": asdict(ENCODER),
        "encoder_learning": asdict(ENCODER_LEARNING),
        "encoder_loop": asdict(ENCODER_LOOP),
    }


def encoder_figures(folds: dict[int, StudentFold]) -> dict[str, Any]:
    """The encoders alone: UAR per fold and their mean."""
    heads = {str(fold): student.head for fold, student in folds.items()}
    mean = {name: round(float(np.mean([head[name] for head in heads.values()])), 2) for name in ("cold", "warm")}
    return {
        "uar_of_own_head": heads,
        "mean": mean,
        "parameters": next(iter(folds.values())).parameters,
        "seconds": round(sum(student.seconds for student in folds.values())),
    }
