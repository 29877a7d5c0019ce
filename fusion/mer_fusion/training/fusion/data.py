"""Data sets as tensors: speech with teacher scores from RAVDESS, still faces from FER+."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from mer_fusion.training.faces.encoder import FaceSet
from mer_fusion.training.speech.spectra import SpeechSet, make_speech_set
from mer_sdk.contract.manifest import DataSource
from mer_sdk.errors import DataError, OptionError
from mer_sdk.evaluation.datasets import FerPlus, Ravdess, Selection, load_audio, open_dataset
from mer_sdk.evaluation.datasets.ravdess import fold_of, merge_labels
from mer_sdk.evaluation.datasets.teacher_scores import distillation_targets
from mer_sdk.frontends.audio import Resampler

LABELS = ("neutral", "happy", "sad", "angry", "fearful", "disgust", "surprised")
SAMPLE_RATE = 16000
TEST_ACTOR = 5

SOURCES = (
    DataSource(
        "RAVDESS speech (Livingstone and Russo 2018, zenodo 1188976)",
        "CC BY-NC-SA 4.0",
        "audio encoder and fusion; research and evaluation only",
    ),
    DataSource(
        "FER+ (Barsoum et al. 2016) on FER2013 faces",
        "labels MIT; pixels collected from the web, research only",
        "face encoder and fusion",
    ),
    DataSource(
        "wav2vec2 scores on RAVDESS (cristinalunaj/MMEmotionRecognition at aeb7844)",
        "MIT",
        "soft targets of the audio encoder",
    ),
)


@dataclass(frozen=True)
class Sources:
    """What a window model is trained on.

    Attributes:
        speech: clips of every speaker but the test actor.
        heldout: (N,) bool, speakers that the audio encoder does not learn from: the rest of the test actor's fold.
            They show the errors on unseen people from which the fusion learns what to trust.
        faces, tuning_faces: FER+ train and valid.
    """

    speech: SpeechSet
    heldout: torch.Tensor
    faces: FaceSet
    tuning_faces: FaceSet


def open_sources(specs: Sequence[str]) -> Sources:
    """Read "ravdess:PATH" and "ferplus:PATH".

    Teacher scores are looked for below the RAVDESS path; without them the audio encoder learns from labels alone.

    Raises:
        OptionError: one of the two is not given, or another data set is.
        DataError: a file is missing, empty, truncated or unlabelled.
    """
    opened = {type(item): item for item in (open_dataset(spec) for spec in specs)}
    ravdess, ferplus = opened.pop(Ravdess, None), opened.pop(FerPlus, None)
    if ravdess is None or ferplus is None or opened:
        raise OptionError(
            f"--data {' '.join(specs)}: training needs --data ravdess:PATH and --data ferplus:PATH (speech and faces)"
        )
    speech = read_speech(ravdess)
    heldout = torch.tensor([fold_of(speaker) == fold_of(TEST_ACTOR) for speaker in speech.speakers.tolist()])
    return Sources(speech, heldout, read_faces(ferplus, "train"), read_faces(ferplus, "valid"))


def read_speech(ravdess: Ravdess) -> SpeechSet:
    """Every clip of RAVDESS speech but the test actor's, at 16 kHz, with the scores of the teacher of their fold."""
    clips = ravdess.clips(Selection(exclude_actors=(TEST_ACTOR,)))
    mapping = merge_labels(LABELS)
    waves, known = [], {}
    try:
        scores = distillation_targets(ravdess.folder, fold_of(TEST_ACTOR), (TEST_ACTOR,))
    except DataError as error:
        print(f"no published teacher, labels alone: {error}", flush=True)
        scores = {}
    for clip in clips:
        wave, rate = load_audio(clip)
        waves.append(wave if rate == SAMPLE_RATE else Resampler(rate, SAMPLE_RATE).whole(wave))
        if clip.id in scores:
            known[clip.id] = _merged(scores[clip.id], ravdess.labels, mapping)
    labels = [LABELS.index(mapping[clip.label]) for clip in clips]
    names = [clip.id for clip in clips]
    return make_speech_set(waves, labels, [clip.speaker for clip in clips], names, known, len(LABELS))


def read_faces(ferplus: FerPlus, split: str) -> FaceSet:
    """One split of FER+ as grey values in 0-1 with vote distributions over `LABELS`."""
    images = ferplus.split(split, LABELS)
    return FaceSet(torch.from_numpy(images.images).float() / 255.0, torch.from_numpy(images.targets))


def _merged(scores: np.ndarray, labels: Sequence[str], mapping: dict[str, str]) -> np.ndarray:
    """Log probabilities over a data set's labels -> over `LABELS`, probabilities of merged labels added."""
    merged = np.full(len(LABELS), -np.inf, np.float32)
    for value, label in zip(scores, labels, strict=True):
        place = LABELS.index(mapping[label])
        merged[place] = np.logaddexp(merged[place], value)
    return merged
