"""`mer train amb_dsgdn`: MELD's dialogues to a checkpoint; what `mer distill amb_dsgdn` shares with it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from mer_fusion.calibration import calibrate
from mer_fusion.dialogue_answers import MELD_SPLIT
from mer_fusion.models.amb_dsgdn import AmbDsgdn
from mer_fusion.training.cards import checkpoint_path, open_only, save_trained, shortened_loop
from mer_fusion.training.dialogue.recipe import (
    DialogueRecipe,
    Encode,
    full_dialogue_recipe,
    sentence_features,
    train_dialogue_network,
    windows_of,
)
from mer_fusion.training.dialogue.task import DialogueSet, dialogue_predictions
from mer_fusion.training.fusion.recipe import WINDOW_MODELS
from mer_fusion.training.run import RunOptions, Trained
from mer_sdk.errors import OptionError
from mer_sdk.evaluation import metrics
from mer_sdk.evaluation.datasets import Meld

DIALOGUE_MODELS = ("amb_dsgdn",)
TRAINED_MODELS = (*WINDOW_MODELS, *DIALOGUE_MODELS)
SENTENCE_CACHE = "sentences.npz"


def is_dialogue_model(model: str) -> bool:
    """Whether a model that can be trained reads dialogues.

    Raises:
        OptionError: no such model; the message lists what there is.
    """
    if model not in TRAINED_MODELS:
        raise OptionError.unknown("model", model, TRAINED_MODELS)
    return model in DIALOGUE_MODELS


def train_dialogue_model(data: Sequence[str], out: Path, run: RunOptions, seed: int) -> Path:
    """Train the full-precision AMB-DSGDN on MELD train and save it; MELD dev, where it is there, is scored.

    Args:
        data: "meld:PATH".

    Raises:
        OptionError: other data, an option of the audio and face encoders, or a file name that is no checkpoint's.
        DataError: the data cannot be read.
        MissingExtra: the sentence encoder's package is not installed.
        CheckpointError: the run's folder holds a run with other options.
    """
    checkpoint_path(out)
    meld = open_meld(data, run)
    encode = sentence_features(run.run_dir / SENTENCE_CACHE)
    recipe = run_of(full_dialogue_recipe(seed), run, seed)
    trained = train_dialogue_network(recipe, meld.dialogues("train"), encode, run.run_dir, quiet=run.quiet)
    return calibrated(save_trained(with_dev_figures(trained, recipe, meld, encode), out), meld)


def open_meld(data: Sequence[str], run: RunOptions) -> Meld:
    """MELD from the options of a run.

    Raises:
        OptionError: other data, or options that only window models have.
        DataError: MELD's files are not there.
    """
    if run.part != "all" or run.encoders:
        raise OptionError("amb_dsgdn reads text: --part and --encoders are for models with sound and faces; leave out")
    meld: Meld = open_only(data, "meld", "amb_dsgdn")
    return meld


def run_of(recipe: DialogueRecipe, run: RunOptions, seed: int) -> DialogueRecipe:
    """The recipe with the run's share of epochs, its threads and seed."""
    return replace(recipe, loop=shortened_loop(recipe.loop, run, seed))


def with_dev_figures(trained: Trained, recipe: DialogueRecipe, meld: Meld, encode: Encode) -> Trained:
    """The same with figures on MELD dev on its card; unchanged where the folder has no dev."""
    if "dev" not in meld.splits or not isinstance(trained.network.fusion, AmbDsgdn):
        return trained
    figures = dialogue_figures(trained.network.fusion, windows_of(recipe, meld.dialogues("dev"), encode))
    return replace(trained, card=replace(trained.card, results=trained.card.results | {"MELD dev": figures}))


def calibrated(checkpoint: Path, meld: Meld) -> Path:
    """The same, its temperature and threshold fitted to MELD dev, from which nothing learned, where it is there."""
    if MELD_SPLIT in meld.splits:
        for state, found in calibrate(checkpoint, f"{meld.name}:{meld.folder}").after.items():
            print(f"{state}: ECE {100 * found.ece:.1f} % on dialogues not fitted to, names {found.covered:.0%}")
    else:
        print("the threshold is not fitted: there is no MELD dev; fit it later with mer calibrate", flush=True)
    return checkpoint


def dialogue_figures(network: AmbDsgdn, windows: DialogueSet) -> dict[str, float]:
    """Utterances, weighted F1 and accuracy (0-1) of a network in evaluation mode."""
    labels, _ = windows.judged
    chosen = dialogue_predictions(network, windows)
    return {
        "utterances": len(labels),
        "weighted_f1": round(metrics.weighted_f1(labels, chosen), 4),
        "accuracy": round(metrics.war(labels, chosen), 4),
    }
