"""Protocol P1's data: RAVDESS takes with sound and facial action units, published scores of each fold, raw speech.

Folds are speaker-disjoint. `scores_without(K)` gives, for every clip, the scores of the published models that never
saw fold K's actors: on the clips of fold K they are out of sample, on all others in sample and overconfident. Nothing
else may be used to train what is tested on fold K.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch

from mer_fusion.encoders.audio import AudioEncoderConfig
from mer_fusion.training.fusion.data import SAMPLE_RATE
from mer_fusion.training.loop import History, LoopOptions, fit
from mer_fusion.training.speech.encoder import AudioLearner, AudioOptions, AudioTask
from mer_fusion.training.speech.spectra import SpeechSet, make_speech_set
from mer_sdk.errors import DataError, OptionError
from mer_sdk.evaluation.datasets import Ravdess, load_audio_at
from mer_sdk.evaluation.datasets.action_units import read_action_units
from mer_sdk.evaluation.datasets.ravdess import LABELS
from mer_sdk.evaluation.datasets.teacher_scores import distillation_targets, read_teacher_scores

FOLDS = (0, 1, 2, 3)


@dataclass(frozen=True)
class PublishedScores:
    """Log probabilities of the published models that never saw one fold, for every clip, in the order of `LABELS`.

    Attributes:
        fold: the fold whose actors the models never saw.
        voice: float32 [N, 8], of the wav2vec2 model on the sound.
        face: float32 [N, 8], of the network on action units.
    """

    fold: int
    voice: np.ndarray
    face: np.ndarray


@dataclass(frozen=True)
class PairedClips:
    """Takes with sound and action units, ordered by actor and then by name.

    Attributes:
        codes: N take codes without the modality.
        labels: int64 [N], index into RAVDESS's eight labels.
        speakers, folds: int64 [N].
        action_units: float32 [N, 35], raw.
        scores: what the published models of each fold say.
    """

    codes: tuple[str, ...]
    labels: np.ndarray
    speakers: np.ndarray
    folds: np.ndarray
    action_units: np.ndarray
    scores: dict[int, PublishedScores]

    def __len__(self) -> int:
        return len(self.codes)

    def scores_without(self, fold: int) -> PublishedScores:
        """The scores of the models that never saw `fold`.

        Raises:
            OptionError: no such fold was read.
        """
        if fold not in self.scores:
            raise OptionError(f"fold {fold} is unknown; allowed are {', '.join(map(str, self.scores))}")
        return self.scores[fold]


def read_paired(ravdess: Ravdess) -> PairedClips:
    """Every spoken take of folds 0-3 that has action units, with the published scores below the RAVDESS folder.

    Raises:
        DataError: no action units, no scores, or a take that has the one and not the other.
    """
    clips = [clip for clip in ravdess.clips() if clip.fold in FOLDS]
    units = read_action_units(ravdess.folder)
    missing = [clip.id for clip in clips if clip.id not in units]
    if not clips or missing:
        raise DataError(f"{len(missing)} of {len(clips)} takes have no action units, such as {missing[:3]}")
    codes = tuple(clip.id for clip in clips)
    scores = {}
    for fold in FOLDS:
        tables = []
        for kind in ("wav2vec", "auMLP"):
            known = distillation_targets(ravdess.folder, fold, kind=kind)
            known |= read_teacher_scores(ravdess.folder, kind, fold, "test")
            absent = [code for code in codes if code not in known]
            if absent:
                raise DataError(f"{len(absent)} takes have no {kind} scores of fold {fold}, such as {absent[:3]}")
            tables.append(np.stack([known[code] for code in codes]))
        scores[fold] = PublishedScores(fold, tables[0], tables[1])
    return PairedClips(
        codes,
        np.array([LABELS.index(clip.label) for clip in clips]),
        np.array([clip.speaker for clip in clips]),
        np.array([clip.fold for clip in clips]),
        np.stack([units[code] for code in codes]),
        scores,
    )


def read_paired_speech(ravdess: Ravdess, paired: PairedClips) -> SpeechSet:
    """Log-mel spectra of the same takes in the same order, without teacher scores.

    Raises:
        DataError: a take has no sound, or its file is damaged.
    """
    found = {clip.id: clip for clip in ravdess.clips()}
    waves = [load_audio_at(found[code], SAMPLE_RATE) for code in paired.codes]
    return make_speech_set(waves, paired.labels.tolist(), paired.speakers.tolist(), paired.codes, {}, len(LABELS))


def train_fold_encoder(
    config: AudioEncoderConfig,
    speech: SpeechSet,
    paired: PairedClips,
    fold: int,
    options: AudioOptions,
    loop: LoopOptions,
    run_dir: Path,
) -> tuple[AudioLearner, History]:
    """A student audio encoder that never heard fold `fold`: 8 classes, distilled from that fold's wav2vec2 scores.

    No clip of the fold is looked at while training, not even for the log. A run begun in `run_dir` is continued.

    Raises:
        CheckpointError: `run_dir` holds a run with other options.
    """
    torch.manual_seed(loop.seed)
    teacher = torch.from_numpy(paired.scores_without(fold).voice)
    learning = replace(speech, teacher=teacher).subset(torch.from_numpy(paired.folds != fold))
    learner = AudioLearner(config, len(LABELS))
    task = AudioTask(learner.to(memory_format=torch.channels_last), learning, None, options, name=f"audio-fold{fold}")
    return learner, fit(task, loop, run_dir)
