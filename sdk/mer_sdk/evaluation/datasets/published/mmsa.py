"""MOSI, MOSEI, CH-SIMS and CH-SIMS v2 in the pickles of the MMSA framework (thuiar/MMSA).

A file such as `unaligned_50.pkl` holds a dictionary for each of train, valid and test: `text` (BERT) [N, T, 768],
`audio` and `vision` [N, T, D], the sentiment `regression_labels` [N] (-3 to 3 for MOSI, MOSEI, -1 to 1 for CH-SIMS),
`id`, `raw_text`, and in unaligned files `audio_lengths` and `vision_lengths`. `text_bert` is not read.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from mer_sdk.errors import DataError, OptionError
from mer_sdk.evaluation.datasets.published.features import FeatureSplit, as_features, check_width
from mer_sdk.evaluation.datasets.published.pickles import load_feature_pickle
from mer_sdk.evaluation.datasets.registry import register

SPLITS = ("train", "valid", "test")
MODALITIES = ("text", "audio", "vision")
# Published widths (thuiar/MMSA, config_regression.json); v2 repeats those of CH-SIMS there, so it is not checked.
WIDTHS = {
    "mosi": {"text": 768, "audio": 5, "vision": 20},
    "mosei": {"text": 768, "audio": 74, "vision": 35},
    "sims": {"text": 768, "audio": 33, "vision": 709},
}


@register("mmsa")
class Mmsa:
    """One pickle of the MMSA layout.

    Args:
        path: the .pkl file, or a folder that holds exactly one.

    Raises:
        DataError: no such file, not this layout, or a pickle that holds more than arrays and containers.
    """

    def __init__(self, path: Path) -> None:
        self.path = _single_pickle(path)
        content = load_feature_pickle(self.path)
        if not isinstance(content, dict) or not set(SPLITS) <= set(content):
            raise DataError(f"{self.path} is not of the MMSA layout: it must be a dictionary of {', '.join(SPLITS)}")
        self._content: dict[str, Any] = content

    def split(self, name: str, dataset: str | None = None) -> FeatureSplit:
        """One split with modalities text, audio and vision.

        Args:
            name: "train", "valid" or "test".
            dataset: "mosi", "mosei" or "sims" to hold the widths against the published ones; None takes any.

        Raises:
            OptionError: an unknown split or data set.
            DataError: a missing key, features of another width, or counts that do not fit together.
        """
        if name not in SPLITS:
            raise OptionError.unknown("split", name, SPLITS)
        if dataset is not None and dataset not in WIDTHS:
            raise OptionError.unknown("data set", dataset, WIDTHS)
        part = self._content[name]
        missing = [key for key in (*MODALITIES, "regression_labels") if key not in part]
        if missing:
            raise DataError(f"{self.path}: {name} lacks {', '.join(missing)}; fetch the processed features again")
        features = {key: as_features(part[key], f"{name}/{key}", self.path, 3) for key in MODALITIES}
        for key, width in (WIDTHS[dataset] if dataset else {}).items():
            check_width(features[key], width, f"{name}/{key}", self.path)
        labels = as_features(np.reshape(part["regression_labels"], -1), f"{name}/regression_labels", self.path, 1)
        counts = {key: len(values) for key, values in features.items()} | {"labels": len(labels)}
        if len(set(counts.values())) != 1:
            raise DataError(f"{self.path}: {name} has unequal counts {counts}; fetch the file again")
        masks = {key: _held(part.get(f"{key}_lengths"), values) for key, values in features.items()}
        ids = tuple(str(item) for item in part.get("id", range(len(labels))))
        return FeatureSplit(features, masks, labels, ids, tuple(str(text) for text in part.get("raw_text", ())))


def _single_pickle(path: Path) -> Path:
    if path.is_file():
        return path
    found = sorted(path.rglob("*.pkl"))
    if len(found) != 1:
        names = ", ".join(item.name for item in found) or "none"
        raise DataError(f"{path} must hold one .pkl file; there are: {names}. Give the file itself")
    return found[0]


def _held(lengths: Any, values: np.ndarray) -> np.ndarray:
    """Which steps hold anything: the first ones where lengths are stated, else those that are not all zero."""
    if lengths is None:
        held: np.ndarray = np.any(values != 0, axis=2)
        return held
    return np.arange(values.shape[1])[None, :] < np.asarray(lengths, np.int64).reshape(-1, 1)
