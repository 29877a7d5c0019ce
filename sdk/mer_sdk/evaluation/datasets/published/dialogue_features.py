"""IEMOCAP and MELD as the feature pickles that AMB-DSGDN and its relatives are trained on (wys-ljq/AMB-DSGDN).

`iemocap_multimodal_features.pkl` is a sequence of 12: ids, speakers ("M"/"F"), labels, text (RoBERTa, 1024), three more
RoBERTa variants, audio (openSMILE, 1582), visual (DenseFace, 342), sentences, names of the training and of the test
dialogues; the fields before the last two are dictionaries by dialogue. `meld_multimodal_features.pkl` has 13: audio is
300 wide, speakers are one-hot rows of nine, and a last field that nobody reads.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from mer_sdk.errors import DataError, OptionError
from mer_sdk.evaluation.datasets.published.features import FeatureDialogue, as_features, check_width
from mer_sdk.evaluation.datasets.published.pickles import load_feature_pickle
from mer_sdk.evaluation.datasets.registry import register

SPLITS = ("train", "test")
_FIELDS = (
    "ids",
    "speakers",
    "labels",
    "text",
    "text2",
    "text3",
    "text4",
    "audio",
    "visual",
    "sentences",
    "train",
    "test",
)


@dataclass(frozen=True)
class DialogueLayout:
    """What one of the files holds: published widths, labels in the order of their numbers, and number of speakers."""

    file: str
    labels: tuple[str, ...]
    widths: dict[str, int]
    speakers: int


IEMOCAP = DialogueLayout(
    "iemocap_multimodal_features.pkl",
    ("happy", "sad", "neutral", "angry", "excited", "frustrated"),
    {"text": 1024, "audio": 1582, "visual": 342},
    2,
)
MELD = DialogueLayout(
    "meld_multimodal_features.pkl",
    ("neutral", "surprised", "fearful", "sad", "happy", "disgust", "angry"),
    {"text": 1024, "audio": 300, "visual": 342},
    9,
)


class DialogueFeatures:
    """One of the two files.

    Args:
        path: the pickle, or a folder that holds it under its published name.
        layout: `IEMOCAP` or `MELD`.

    Raises:
        DataError: no such file, another number of fields, or a pickle that holds more than arrays and containers.
    """

    def __init__(self, path: Path, layout: DialogueLayout) -> None:
        self.path = path if path.is_file() else path / layout.file
        self.layout = layout
        content = load_feature_pickle(self.path)
        if not isinstance(content, (tuple, list)) or len(content) not in (len(_FIELDS), len(_FIELDS) + 1):
            raise DataError(
                f"{self.path} must be a sequence of {len(_FIELDS)} or {len(_FIELDS) + 1} fields; fetch it again"
            )
        self._fields: dict[str, Any] = dict(zip(_FIELDS, content, strict=False))

    def dialogues(self, split: str) -> tuple[FeatureDialogue, ...]:
        """All dialogues of a split, with modalities text, audio and visual.

        Raises:
            OptionError: a split that is neither "train" nor "test".
            DataError: a dialogue without features, features of another width, a label or a speaker out of range.
        """
        if split not in SPLITS:
            raise OptionError.unknown("split", split, SPLITS)
        return tuple(self._dialogue(name) for name in self._fields[split])

    def _dialogue(self, name: Any) -> FeatureDialogue:
        lacking = [field for field in ("speakers", "labels", *self.layout.widths) if name not in self._fields[field]]
        if lacking:
            raise DataError(f"{self.path}: dialogue {name} has no {', '.join(lacking)}; fetch the file again")
        features = {}
        for modality, width in self.layout.widths.items():
            features[modality] = as_features(self._fields[modality][name], f"{name}/{modality}", self.path, 2)
            check_width(features[modality], width, f"{name}/{modality}", self.path)
        labels = np.asarray(self._fields["labels"][name], np.int64)
        speakers = self._speakers(name)
        counts = {len(values) for values in (*features.values(), labels, speakers)}
        if len(counts) != 1:
            raise DataError(f"{self.path}: dialogue {name} has fields of {sorted(counts)} utterances; fetch it again")
        if labels.min() < 0 or labels.max() >= len(self.layout.labels):
            raise DataError(f"{self.path}: dialogue {name} has labels outside 0 to {len(self.layout.labels) - 1}")
        texts = self._fields["sentences"].get(name, ()) if isinstance(self._fields["sentences"], dict) else ()
        return FeatureDialogue(str(name), features, speakers, labels, tuple(str(text) for text in texts))

    def _speakers(self, name: Any) -> np.ndarray:
        given = self._fields["speakers"][name]
        if len(given) and isinstance(given[0], str):
            unknown = sorted(set(given) - {"M", "F"})
            if unknown:
                raise DataError(f"{self.path}: dialogue {name} has the speakers {unknown}; known are M and F")
            return np.array([("M", "F").index(speaker) for speaker in given])
        rows = np.asarray(given)
        if rows.ndim != 2 or rows.shape[1] != self.layout.speakers or not (rows.sum(axis=1) == 1).all():
            raise DataError(f"{self.path}: dialogue {name} needs speakers as one-hot rows of {self.layout.speakers}")
        return rows.argmax(axis=1)


@register("iemocap-features")
def open_iemocap_features(path: Path) -> DialogueFeatures:
    """IEMOCAP's pickle; see `DialogueFeatures`."""
    return DialogueFeatures(path, IEMOCAP)


@register("meld-features")
def open_meld_features(path: Path) -> DialogueFeatures:
    """MELD's pickle; see `DialogueFeatures`."""
    return DialogueFeatures(path, MELD)
