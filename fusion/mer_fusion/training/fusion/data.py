"""Data sets as tensors: speech with teacher scores and talking faces from RAVDESS, still faces from FER+."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch

from mer_fusion.training.faces import face_expression
from mer_fusion.training.faces.encoder import FaceSet
from mer_fusion.training.faces.face_expression import PublishedFaces, published_faces
from mer_fusion.training.faces.talking_sets import TalkingFaces, read_talking_faces
from mer_fusion.training.speech import speech_embedding
from mer_fusion.training.speech.corpora import Corpus, card_sources, corpora_sets
from mer_fusion.training.speech.spectra import SpeechSet, make_speech_set
from mer_fusion.training.speech.speech_embedding import PublishedLayers, published_layers
from mer_sdk.cli.progress import with_progress
from mer_sdk.contract.manifest import DataSource
from mer_sdk.errors import DataError, OptionError
from mer_sdk.evaluation.datasets import (
    TEST_FOLD,
    CremadLogMel,
    CremadVotes,
    FerPlus,
    OwnClips,
    Ravdess,
    RavdessPairs,
    Selection,
    SpeechCorpus,
    load_audio_at,
    open_datasets,
)
from mer_sdk.evaluation.datasets.ravdess import SPEAKER_FOLDS, fold_of, merge_labels
from mer_sdk.evaluation.datasets.teacher_scores import distillation_targets

LABELS = ("neutral", "happy", "sad", "angry", "fearful", "disgust", "surprised")
SAMPLE_RATE = 16000
# One person of the test fold, whose clips stand for the streams of somebody unknown.
STREAMED_ACTOR = 8
# Its speakers are looked at while settings are chosen; encoders do not learn from them.
TUNING_FOLD = 0

SOURCES = (
    DataSource(
        "RAVDESS speech (Livingstone and Russo 2018, zenodo 1188976)",
        "CC BY-NC-SA 4.0",
        "audio encoder and fusion; research and evaluation only",
    ),
    DataSource(
        "RAVDESS face crops of the same takes (luyunan0404/Multimodal-Emotion-Recognition at 0ffba1e)",
        "CC BY-NC-SA 4.0",
        "face encoder and fusion; research and evaluation only",
    ),
    DataSource(
        "FER+ (Barsoum et al. 2016) on FER2013 faces",
        "labels MIT; pixels collected from the web, research only",
        "face encoder",
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
        speech: clips of every RAVDESS speaker but those of the test fold.
        heldout: (N,) bool, speakers that the audio encoder does not learn from: those of the tuning fold. They show the
            errors on unseen people from which the fusion learns what to trust.
        talking: faces of the same takes, of all speakers but those of the test fold; named as the takes of `speech`.
        faces, tuning_faces: FER+ train and valid.
        corpora: further speech, without faces.
        embedding: the published layers that an audio encoder of that backbone begins with; None begins at random.
        expression: the published face network that the full-precision face encoder begins as and the student learns
            from; None begins at random.
        data: what the card says of all of them.
    """

    speech: SpeechSet
    heldout: torch.Tensor
    talking: TalkingFaces
    faces: FaceSet
    tuning_faces: FaceSet
    corpora: tuple[SpeechSet, ...] = ()
    embedding: PublishedLayers | None = None
    expression: PublishedFaces | None = None
    data: tuple[DataSource, ...] = SOURCES


def open_sources(specs: Sequence[str], renamed: Mapping[str, str] | None = None) -> Sources:
    """Read "ravdess:PATH", "ravdess_pairs:PATH" and "ferplus:PATH", and further speech where it is given.

    "clips:PATH" is further speech, too: the audio encoder learns from its sound; `renamed` renames its labels.

    "speech_embedding:PATH" is the published network with which the audio encoder begins; without it, at random.
    "face_expression:PATH" is the published network of faces, see `Sources`.

    Teacher scores are looked for below the RAVDESS path; without them the audio encoder learns from labels alone.

    Raises:
        OptionError: one of the three is not given, or another data set is, or one for evaluation alone.
        DataError: a file is missing, empty, truncated or unlabelled.
    """
    embedding, others = published_layers(specs)
    expression, others = published_faces(others)
    opened = open_datasets(others, renamed)
    ravdess = next((item for item in opened if isinstance(item, Ravdess)), None)
    ferplus = next((item for item in opened if isinstance(item, FerPlus)), None)
    pairs = next((item for item in opened if isinstance(item, RavdessPairs)), None)
    corpora: list[Corpus] = [
        item for item in opened if isinstance(item, CremadLogMel | CremadVotes | SpeechCorpus | OwnClips)
    ]
    if ravdess is None or ferplus is None or pairs is None or len(opened) != len(corpora) + 3:
        alone = bool(opened) and all(isinstance(item, OwnClips) for item in opened)
        own = (
            f"; from your own clips alone a student learns: mer adapt grjca-student --data {specs[0]}" if alone else ""
        )
        raise OptionError(
            f"--data {' '.join(specs)}: training needs --data ravdess:PATH (speech), --data ravdess_pairs:PATH (faces "
            "of the same takes) and --data ferplus:PATH (still faces), once each; more speech: nemo, indian_emospeech, "
            f"cremad_logmel, cremad_votes and clips (the sound of your own, beside the others){own}"
        )
    waves: list[np.ndarray] = []
    speech = read_speech(ravdess, waves)
    heldout = torch.tensor([fold_of(speaker) == TUNING_FOLD for speaker in speech.speakers.tolist()])
    learned = [wave for wave, unseen in zip(waves, heldout.tolist(), strict=True) if not unseen]
    sets = corpora_sets(corpora, LABELS, learned)
    return Sources(
        speech,
        heldout,
        read_talking(pairs),
        read_faces(ferplus, "train"),
        read_faces(ferplus, "valid"),
        sets,
        embedding,
        expression,
        SOURCES
        + card_sources(corpora)
        + ((speech_embedding.SOURCE,) if embedding else ())
        + ((face_expression.SOURCE,) if expression else ()),
    )


def without_held_out(sources: Sources) -> Sources:
    """The sources without the held-out speakers."""
    away = set(sources.speech.speakers[sources.heldout].tolist())
    seen = torch.tensor([speaker not in away for speaker in sources.talking.speakers.tolist()], dtype=torch.bool)
    speech = sources.speech.subset(~sources.heldout)
    heldout = torch.zeros(len(speech), dtype=torch.bool)
    return replace(sources, speech=speech, heldout=heldout, talking=sources.talking.subset(seen))


def read_speech(ravdess: Ravdess, waves: list[np.ndarray] | None = None) -> SpeechSet:
    """Every clip of RAVDESS speech but the test fold's, at 16 kHz, with the scores of the teacher of that fold.

    Args:
        waves: where given, the sound of the clips is added to it.
    """
    clips = ravdess.clips(Selection(exclude_folds=(TEST_FOLD,)))
    mapping = merge_labels(LABELS)
    sound, known = [] if waves is None else waves, {}
    try:
        scores = distillation_targets(ravdess.folder, TEST_FOLD, SPEAKER_FOLDS[TEST_FOLD])
    except DataError as error:
        print(f"no published teacher, labels alone: {error}", flush=True)
        scores = {}
    for clip in with_progress(clips, "reading RAVDESS"):
        sound.append(load_audio_at(clip, SAMPLE_RATE))
        if clip.id in scores:
            known[clip.id] = _merged(scores[clip.id], ravdess.labels, mapping)
    labels = [LABELS.index(mapping[clip.label]) for clip in clips]
    names = [clip.id for clip in clips]
    return make_speech_set(sound, labels, [clip.speaker for clip in clips], names, known, len(LABELS))


def read_talking(pairs: RavdessPairs) -> TalkingFaces:
    """The faces of every take but the test fold's."""
    folds = sorted({clip.fold for clip in pairs.clips() if clip.fold not in (None, TEST_FOLD)})
    clips = pairs.clips_to_learn_from(folds)
    mapping = merge_labels(LABELS)
    return read_talking_faces(clips, [LABELS.index(mapping[clip.label]) for clip in clips])


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
