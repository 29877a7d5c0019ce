"""The papers' configurations by name: `mer train MODEL --config NAME --data SPEC`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch

from mer_fusion.training.cards import checkpoint_path, open_only, save_trained
from mer_fusion.training.published.dialogues import IEMOCAP_DIALOGUES, MELD_DIALOGUES, PublishedDialogues
from mer_fusion.training.published.frames import AFFWILD2_FRAMES, PublishedFrames
from mer_fusion.training.published.windows import ATSUKO_WINDOWS, IEMOCAP_WINDOWS, PublishedWindows
from mer_fusion.training.run import RunOptions
from mer_sdk.errors import OptionError

PublishedConfig = PublishedDialogues | PublishedWindows | PublishedFrames

PUBLISHED: dict[tuple[str, str], PublishedConfig] = {
    ("amb_dsgdn", "iemocap"): IEMOCAP_DIALOGUES,
    ("amb_dsgdn", "meld"): MELD_DIALOGUES,
    ("fdrl", "iemocap"): IEMOCAP_WINDOWS,
    **{("atsuko", name): config for name, config in ATSUKO_WINDOWS.items()},
    ("grjca", "affwild2"): AFFWILD2_FRAMES,
}


def published_config(model: str, name: str) -> PublishedConfig:
    """A configuration by its model and name.

    Raises:
        OptionError: there is none; the message lists what the model has, or which models have any.
    """
    if (model, name) in PUBLISHED:
        return PUBLISHED[model, name]
    of_model = [known for owner, known in PUBLISHED if owner == model]
    if of_model:
        raise OptionError(f"{model} has no configuration {name!r}; allowed: {', '.join(of_model)}")
    models = ", ".join(sorted({owner for owner, _ in PUBLISHED}))
    raise OptionError(f"{model!r} has no configurations; models that have some: {models}")


def train_published(config: PublishedConfig, data: Sequence[str], out: Path, run: RunOptions, seed: int) -> Path:
    """Train a configuration on the features of its data set, save checkpoint and card, print the figures.

    The checkpoint holds the fusion network alone, and its card has the role "full".

    Args:
        data: one specification NAME:PATH, of the configuration's data set.

    Raises:
        OptionError: another data set, options that it does not have, or a file name that is no checkpoint's.
        DataError: the data cannot be read, or has not the published layout.
        CheckpointError: the run's folder holds a run with other options.
    """
    checkpoint_path(out)
    if run.part != "all":
        raise OptionError(f"--part {run.part}: a paper's configuration trains the fusion network alone; leave it out")
    if run.encoders and not isinstance(config, PublishedFrames):
        raise OptionError("--encoders: this configuration reads features that are there already; leave it out")
    if run.threads:
        torch.set_num_threads(run.threads)
    dataset = open_only(data, config.dataset, "this configuration")
    return save_trained(config.train(dataset, run, seed), out)
