"""FDRL and Atsuko on the data sets of their papers, from features that others extracted.

Both are reconstructions (see the models): the papers' own sizes, schedules and features are not public, so these
configurations name the data sets and protocols of the papers and our choices for the rest.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from mer_fusion.encoders.sentence import SentenceEncoder
from mer_fusion.models.atsuko import AtsukoConfig
from mer_fusion.models.fdrl import FdrlConfig
from mer_fusion.models.registry import fusion_model
from mer_fusion.network import EmotionNetwork, NetworkConfig
from mer_fusion.training.cards import features_card, shortened_loop
from mer_fusion.training.dialogue.launch import SENTENCE_CACHE
from mer_fusion.training.loop import LoopOptions, fit
from mer_fusion.training.published.feature_windows import (
    WindowSet,
    WindowTask,
    class_figures,
    sentiment_figures,
    sims_figures,
    window_answers,
    window_set,
)
from mer_fusion.training.run import RunOptions, Trained
from mer_sdk.contract.manifest import DataSource
from mer_sdk.errors import DataError
from mer_sdk.evaluation.datasets import DialogueFeatures, MIntRec, Mmsa
from mer_sdk.evaluation.datasets.published.dialogue_features import IEMOCAP
from mer_sdk.evaluation.datasets.published.mintrec import LABELS as INTENTS

FOUR_EMOTIONS = ("angry", "happy", "neutral", "sad")
_MERGED = {"angry": "angry", "happy": "happy", "excited": "happy", "neutral": "neutral", "sad": "sad"}


@dataclass(frozen=True)
class Splits:
    """Windows to learn from, to show in the log (None where the data set has no such split), and to measure on."""

    learning: WindowSet
    tuning: WindowSet | None
    test: WindowSet


# A data set, the steps of a window and a folder for cached sentence vectors -> its windows.
Reader = Callable[[Any, int, Path], Splits]


@dataclass(frozen=True)
class PublishedWindows:
    """A data set of a paper, and a network with our sizes.

    The last epoch is taken; the validation split is only shown in the log, the test split is looked at once.

    Attributes:
        model: "fdrl" or "atsuko".
        name: of the configuration.
        dataset: name of the data set that --data takes.
        fusion: sizes; names and widths of the modalities are taken from the data.
        read: gives the windows of the splits.
        figures: labels and answers -> figures.
        labels: class names, empty for regression.
        batch: clips.
    """

    model: str
    name: str
    dataset: str
    fusion: AtsukoConfig | FdrlConfig
    read: Reader
    figures: Callable[[np.ndarray, np.ndarray], dict[str, float]]
    labels: tuple[str, ...]
    loop: LoopOptions
    batch: int
    source: DataSource

    def train(self, data: Any, run: RunOptions, seed: int) -> Trained:
        """Train on the training split, measure on the test split.

        Raises:
            DataError: the data does not have the published layout.
            MissingExtra: texts are to be read and the sentence encoder's package is not installed.
            CheckpointError: the run's folder holds a run with other options.
        """
        splits = self.read(data, self.fusion.steps, run.run_dir / SENTENCE_CACHE)
        loop = shortened_loop(self.loop, run, seed)
        torch.manual_seed(seed)
        fusion = replace(self.fusion, names=splits.learning.names, dims=splits.learning.dims)
        network = EmotionNetwork(NetworkConfig(self.model, audio=None, face=None, fusion=fusion.to_dict()))
        objective = fusion_model(self.model).objective(network.fusion, {})
        name = f"{self.name}-{self.model}"
        history = fit(
            WindowTask(objective, splits.learning, splits.tuning, self.batch, name), loop, run.run_dir, run.quiet
        )
        network.fusion = network.fusion.cpu().eval()
        answers = window_answers(network.fusion, splits.test)
        training = {
            "options": {"loop": asdict(loop), "batch": self.batch},
            "clips": len(splits.learning),
            "seconds": round(history.seconds),
        }
        notes = (
            "Reconstruction on features that others extracted: sizes, schedule and features are our choices.",
            "Trained by whoever holds the data, never run by us; not comparable with the paper's figures.",
        )
        results = {f"{self.name} test": self.figures(splits.test.labels.numpy(), answers)}
        return Trained(network.eval(), features_card(network, self.labels, self.source, training, results, notes))


def read_iemocap(data: DialogueFeatures, steps: int, cache: Path) -> Splits:
    """Four classes (excited counts as happy, frustrated is left out) of single utterances, text and sound.

    The split of the feature file, not the leave-one-session-out that is common for four classes: the file names no
    sessions beyond it.

    Raises:
        DataError: features of another width, or a split without one of the four classes' utterances.
    """

    def part(split: str) -> WindowSet:
        talks = data.dialogues(split)
        names = [IEMOCAP.labels[label] for talk in talks for label in talk.labels]
        kept = np.array([name in _MERGED for name in names], bool)
        labels = np.array([FOUR_EMOTIONS.index(_MERGED[name]) for name in names if name in _MERGED], np.int64)
        if not kept.any():
            raise DataError(f"{data.path}: {split} has no utterance of {', '.join(FOUR_EMOTIONS)}; fetch it again")
        features = {
            name: np.concatenate([talk.features[name] for talk in talks])[kept][:, None] for name in ("text", "audio")
        }
        return window_set(features, {name: (x != 0).any(axis=2) for name, x in features.items()}, labels, steps)

    return Splits(part("train"), None, part("test"))


def mmsa_reader(dataset: str | None) -> Reader:
    """Reads text, audio and vision (here "face") of an MMSA file, with widths held against those of `dataset`."""

    def read(data: Mmsa, steps: int, cache: Path) -> Splits:
        def part(name: str) -> WindowSet:
            split = data.split(name, dataset)
            names = {"text": "text", "audio": "audio", "face": "vision"}
            return window_set(
                {own: split.features[theirs] for own, theirs in names.items()},
                {own: split.masks[theirs] for own, theirs in names.items()},
                split.labels,
                steps,
            )

        return Splits(part("train"), part("valid"), part("test"))

    return read


def read_mintrec(data: MIntRec, steps: int, cache: Path) -> Splits:
    """Video (here "face"), audio, and text as one vector of the published sentence encoder, the same in every step."""
    encoder = SentenceEncoder()

    def part(name: str) -> WindowSet:
        split = data.split(name)
        text = encoder.embeddings(split.texts, cache)[:, None]
        return window_set(
            {"text": text, "audio": split.features["audio"], "face": split.features["video"]},
            {"text": (text != 0).any(axis=2), "audio": split.masks["audio"], "face": split.masks["video"]},
            split.labels,
            steps,
        )

    return Splits(part("train"), part("dev"), part("test"))


def _atsuko(name: str, dataset: str, read: Reader, figures: Any, source: str, licence: str) -> PublishedWindows:
    # Sizes and rate of EMOE (CVPR 2025), from which the paper's figure most likely comes; 48 steps are ours.
    classes = len(INTENTS) if name == "mintrec" else 0
    fusion = AtsukoConfig(
        names=("text", "audio", "face"),
        dims=(1, 1, 1),
        steps=48,
        classes=classes,
        regression_outputs=0 if classes else 1,
        width=256,
        layers=4,
        heads=8,
        feed_forward=512,
    )
    loop = LoopOptions(epochs=40, learning_rate=1e-4, weight_decay=1e-2, precision="no")
    labels = INTENTS if classes else ()
    return PublishedWindows(
        "atsuko", name, dataset, fusion, read, figures, labels, loop, 16, DataSource(source, licence, "fusion")
    )


_RESEARCH = "research; see the data set's own terms"
IEMOCAP_WINDOWS = PublishedWindows(
    "fdrl",
    "iemocap",
    "iemocap-features",
    FdrlConfig(names=("text", "audio"), dims=(1, 1), steps=1, classes=4, kernel=1),
    read_iemocap,
    class_figures,
    FOUR_EMOTIONS,
    LoopOptions(epochs=40, learning_rate=5e-4, weight_decay=0.05, precision="no"),
    64,
    DataSource("IEMOCAP (Busso et al. 2008), features of wys-ljq/AMB-DSGDN", "on request, research", "fusion"),
)
ATSUKO_WINDOWS = {
    "mosi": _atsuko("mosi", "mmsa", mmsa_reader("mosi"), sentiment_figures, "CMU-MOSI, features of MMSA", _RESEARCH),
    "mosei": _atsuko(
        "mosei", "mmsa", mmsa_reader("mosei"), sentiment_figures, "CMU-MOSEI, features of MMSA", _RESEARCH
    ),
    "sims": _atsuko("sims", "mmsa", mmsa_reader("sims"), sims_figures, "CH-SIMS, features of MMSA", _RESEARCH),
    "simsv2": _atsuko("simsv2", "mmsa", mmsa_reader(None), sims_figures, "CH-SIMS v2, features of MMSA", _RESEARCH),
    "mintrec": _atsuko("mintrec", "mintrec", read_mintrec, class_figures, "MIntRec, its own features", _RESEARCH),
}
