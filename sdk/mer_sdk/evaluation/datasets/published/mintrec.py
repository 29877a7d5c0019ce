"""MIntRec (thuiar/MIntRec, ACM MM 2022): twenty intents from text, video and audio of a television series.

Layout: `train.tsv`, `dev.tsv`, `test.tsv` with the columns season, episode, clip, text, label;
`video_data/video_feats.pkl` and `audio_data/audio_feats.pkl`, dictionaries from "SEASON_EPISODE_CLIP" to [T, 256]
(Faster R-CNN, in files also [T, 1, 256]) and [T, 768] (wav2vec 2.0). Texts are raw, without features.
"""

from __future__ import annotations

import csv
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from mer_sdk.errors import DataError, OptionError
from mer_sdk.evaluation.datasets.published.features import FeatureSplit, as_features, check_width
from mer_sdk.evaluation.datasets.published.pickles import load_feature_pickle
from mer_sdk.evaluation.datasets.registry import register
from mer_sdk.evaluation.datasets.tables import opened_table

SPLITS = ("train", "dev", "test")
LABELS = (
    *("Complain", "Praise", "Apologise", "Thank", "Criticize", "Agree", "Taunt", "Flaunt", "Joke", "Oppose"),
    *("Comfort", "Care", "Inform", "Advise", "Arrange", "Introduce", "Leave", "Prevent", "Greet", "Ask for help"),
)
WIDTHS = {"video": 256, "audio": 768}
LONGEST = {"video": 230, "audio": 480}
_COLUMNS = 5


@register("mintrec")
class MIntRec:
    """The data set's folder.

    Raises:
        DataError: a file of the layout is missing or damaged.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        for name in (*(f"{split}.tsv" for split in SPLITS), *(_feature_file(modality) for modality in WIDTHS)):
            if not (folder / name).is_file():
                raise DataError(
                    f"{folder / name} is missing; give the folder MIntRec that holds {', '.join(SPLITS)}.tsv"
                )

    def split(self, name: str) -> FeatureSplit:
        """One split with modalities video and audio, cut or padded to their longest lengths, and raw texts.

        Raises:
            OptionError: an unknown split.
            DataError: a row without five columns, an unknown label, or a clip without features of the right width.
        """
        if name not in SPLITS:
            raise OptionError.unknown("split", name, SPLITS)
        ids, texts, labels = self._rows(self.folder / f"{name}.tsv")
        features, masks = {}, {}
        for modality in WIDTHS:
            path = self.folder / _feature_file(modality)
            features[modality], masks[modality] = _padded(load_feature_pickle(path), ids, modality, path)
        return FeatureSplit(features, masks, np.array(labels), tuple(ids), tuple(texts))

    def _rows(self, path: Path) -> tuple[list[str], list[str], list[int]]:
        ids, texts, labels = [], [], []
        with opened_table(path) as file:
            reader = csv.reader(file, delimiter="\t", quoting=csv.QUOTE_NONE)
            next(reader, None)
            for row in reader:
                if len(row) < _COLUMNS:
                    raise DataError(f"{path}:{reader.line_num} has {len(row)} columns, needed are {_COLUMNS}")
                if row[4] not in LABELS:
                    raise DataError(f"{path}:{reader.line_num} has the label {row[4]!r}; known are {', '.join(LABELS)}")
                ids.append("_".join(row[:3]))
                texts.append(row[3])
                labels.append(LABELS.index(row[4]))
        if not ids:
            raise DataError(f"{path} has no rows; fetch it again")
        return ids, texts, labels


def _feature_file(modality: str) -> str:
    return f"{modality}_data/{modality}_feats.pkl"


def _padded(content: Any, ids: list[str], modality: str, path: Path) -> tuple[np.ndarray, np.ndarray]:
    if not isinstance(content, Mapping):
        raise DataError(f"{path} must be a dictionary from clip to features; fetch it again")
    width, longest = WIDTHS[modality], LONGEST[modality]
    padded = np.zeros((len(ids), longest, width), np.float32)
    mask = np.zeros((len(ids), longest), bool)
    for row, clip in enumerate(ids):
        if clip not in content:
            raise DataError(f"{path} has no clip {clip}, which the tsv files list; fetch both again")
        values = as_features(np.squeeze(np.asarray(content[clip])), f"{clip}", path, 2)
        check_width(values, width, clip, path)
        padded[row, : len(values)] = values[:longest]
        mask[row, : len(values)] = True
    return padded, mask
