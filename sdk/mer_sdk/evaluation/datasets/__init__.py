"""Labelled data, read from its published layouts; one file a data set, numpy alone until media is read."""

from mer_sdk.evaluation.datasets.clip import ArchivedImage, Clip, LeftOut
from mer_sdk.evaluation.datasets.clip_files import (
    clip_duration,
    load_audio,
    load_audio_at,
    load_faces,
    load_frames,
    load_image,
)
from mer_sdk.evaluation.datasets.cremad_logmel import CremadLogMel, CremadVotes, SpectrumClip
from mer_sdk.evaluation.datasets.ferplus import FerPlus, LabelledImages
from mer_sdk.evaluation.datasets.meld import Meld
from mer_sdk.evaluation.datasets.own.clips import OwnClips, SelectedClips
from mer_sdk.evaluation.datasets.published.affwild2 import AffWild2, AnnotatedVideo
from mer_sdk.evaluation.datasets.published.dialogue_features import DialogueFeatures
from mer_sdk.evaluation.datasets.published.features import FeatureDialogue, FeatureSplit
from mer_sdk.evaluation.datasets.published.mintrec import MIntRec
from mer_sdk.evaluation.datasets.published.mmsa import Mmsa
from mer_sdk.evaluation.datasets.published.mosi import Mosi, Utterances
from mer_sdk.evaluation.datasets.ravdess import TEST_FOLD, Ravdess, Selection
from mer_sdk.evaluation.datasets.ravdess_pairs import RavdessPairs
from mer_sdk.evaluation.datasets.registry import dataset_names, open_dataset, open_datasets, register
from mer_sdk.evaluation.datasets.speech_corpora import CORPORA, SpeechCorpus, refuse_test_corpora

__all__ = [
    "CORPORA",
    "TEST_FOLD",
    "AffWild2",
    "AnnotatedVideo",
    "ArchivedImage",
    "Clip",
    "CremadLogMel",
    "CremadVotes",
    "DialogueFeatures",
    "FeatureDialogue",
    "FeatureSplit",
    "FerPlus",
    "LabelledImages",
    "LeftOut",
    "MIntRec",
    "Meld",
    "Mmsa",
    "Mosi",
    "OwnClips",
    "Ravdess",
    "RavdessPairs",
    "SelectedClips",
    "Selection",
    "SpectrumClip",
    "SpeechCorpus",
    "Utterances",
    "clip_duration",
    "dataset_names",
    "load_audio",
    "load_audio_at",
    "load_faces",
    "load_frames",
    "load_image",
    "open_dataset",
    "open_datasets",
    "refuse_test_corpora",
    "register",
]
