"""Published features: arrays of what others extracted from sound, picture and text, with labels."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from mer_sdk.errors import DataError


@dataclass(frozen=True, eq=False)
class FeatureSplit:
    """One split of independent clips.

    Attributes:
        features: modality -> float32 [N, T, D]; T may differ between modalities; NaN and infinity are 0.
        masks: modality -> bool [N, T], steps that hold anything.
        labels: int [N] class numbers, or float32 [N] where the data set has a value to regress.
        ids: N names of the clips.
        texts: N transcripts, empty where the data set has none.
    """

    features: Mapping[str, np.ndarray]
    masks: Mapping[str, np.ndarray]
    labels: np.ndarray
    ids: tuple[str, ...]
    texts: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def widths(self) -> dict[str, int]:
        """Modality -> number of features D."""
        return {name: values.shape[2] for name, values in self.features.items()}


@dataclass(frozen=True, eq=False)
class FeatureDialogue:
    """One dialogue of utterances in order.

    Attributes:
        id: the dialogue's name.
        features: modality -> float32 [N, D].
        speakers: int [N], numbered from 0 as the data set numbers them.
        labels: int [N].
        texts: N transcripts, empty where the data set has none.
    """

    id: str
    features: Mapping[str, np.ndarray]
    speakers: np.ndarray
    labels: np.ndarray
    texts: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.labels)


def as_features(values: object, what: str, path: Path, dimensions: int) -> np.ndarray:
    """An array of numbers as float32 without NaN and infinity, which some published files hold.

    Raises:
        DataError: no numbers, another number of dimensions, or rows of different width.
    """
    try:
        array = np.asarray(values, np.float32)
    except (TypeError, ValueError) as error:
        raise DataError(f"{path}: {what} is no array of numbers ({error}); fetch the file again") from error
    if array.ndim != dimensions or 0 in array.shape:
        raise DataError(f"{path}: {what} has shape {array.shape}; it must have {dimensions} dimensions, none empty")
    return np.nan_to_num(array, nan=0.0, posinf=0.0, neginf=0.0)


def check_width(array: np.ndarray, width: int, what: str, path: Path) -> None:
    """Hold the last dimension of features against the published width.

    Raises:
        DataError: another width.
    """
    if array.shape[-1] != width:
        raise DataError(
            f"{path}: {what} has {array.shape[-1]} features, published are {width}; "
            "give the published file, or train with your own widths in a configuration"
        )
