"""Labelled data, read from its published layouts; one file a data set, numpy alone until media is read."""

from mer_sdk.evaluation.datasets.clip import Clip, clip_duration, load_audio, load_faces, load_frames, load_image
from mer_sdk.evaluation.datasets.ferplus import FerPlus, LabelledImages
from mer_sdk.evaluation.datasets.ravdess import Ravdess, Selection
from mer_sdk.evaluation.datasets.registry import dataset_names, open_dataset, register

__all__ = [
    "Clip",
    "FerPlus",
    "LabelledImages",
    "Ravdess",
    "Selection",
    "clip_duration",
    "dataset_names",
    "load_audio",
    "load_faces",
    "load_frames",
    "load_image",
    "open_dataset",
    "register",
]
