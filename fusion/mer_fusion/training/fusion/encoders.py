"""The encoders that a fusion is trained over: trained by a recipe, or taken from a checkpoint."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from mer_fusion.checkpoint import Checkpoint
from mer_fusion.encoders.audio import AudioEncoder
from mer_fusion.network import EmotionNetwork
from mer_fusion.training.faces.encoder import still_figures
from mer_fusion.training.fusion.data import LABELS, Sources, without_held_out
from mer_fusion.training.fusion.face_encoder import large_face, still_encoder, train_face, train_talking
from mer_fusion.training.fusion.recipe import Recipe
from mer_fusion.training.held_out import HeldOut
from mer_fusion.training.loop import History, fit
from mer_fusion.training.speech.encoder import AudioLearner, AudioTask, held_out_figures
from mer_fusion.training.speech.spectra import joined
from mer_fusion.training.speech.speech_embedding import begin


@dataclass(frozen=True)
class Encoders:
    """A network whose encoders are ready, and what is known of them.

    Attributes:
        network: with a fusion that is not trained yet.
        results, training, notes: what the card says of the encoders.
        population: means of the features per modality, None where the cache's are taken.
    """

    network: EmotionNetwork
    results: dict[str, Any]
    training: dict[str, Any]
    notes: tuple[str, ...] = ()
    population: dict[str, tuple[float, ...]] | None = None


def train_audio(
    recipe: Recipe, sources: Sources, run_dir: Path, quiet: bool = False
) -> tuple[AudioLearner, HeldOut, int]:
    """Train the audio encoder alone; also its errors on held-out speakers, and the seconds that it took.

    First it learns from every speaker that is neither held out nor of the test fold, and the errors are measured. Then
    it goes on with the held-out speakers, too, and with RAVDESS for a larger share (`Recipe.audio_last`).
    """
    learner, history = train_first_audio(recipe, sources, run_dir, quiet)
    heard = held_out_figures(copy.deepcopy(learner), sources.speech.subset(sources.heldout))
    further = train_last_audio(recipe, learner, sources, run_dir, quiet)
    return learner, heard, round(history.seconds + further.seconds)


def train_last_audio(
    recipe: Recipe,
    learner: AudioLearner,
    sources: Sources,
    run_dir: Path,
    quiet: bool = False,
) -> History:
    """The second part of `train_audio`: the learner goes on with every speaker of the sources."""
    everyone = joined([sources.speech, *sources.corpora]) if sources.corpora else sources.speech
    task = AudioTask(learner, everyone, None, recipe.audio_last, name="audio-last")
    return fit(task, recipe.audio_last_loop, run_dir, quiet)


def train_first_audio(
    recipe: Recipe, sources: Sources, run_dir: Path, quiet: bool = False
) -> tuple[AudioLearner, History]:
    """The first part of `train_audio`: an encoder that has not learned from the held-out speakers."""
    torch.manual_seed(recipe.audio_loop.seed)
    shape = recipe.network.audio
    assert shape is not None, "recipes of window models have both encoders"
    learner = AudioLearner(shape, len(LABELS))
    learning, unseen = sources.speech.subset(~sources.heldout), sources.speech.subset(sources.heldout)
    if sources.corpora:
        learning = joined([learning, *sources.corpora])
    begin(learner.encoder, sources.embedding, learning)
    task = AudioTask(learner.to(memory_format=torch.channels_last), learning, unseen, recipe.audio)
    return learner, fit(task, recipe.audio_loop, run_dir, quiet)


def trained_encoders(
    recipe: Recipe,
    sources: Sources,
    run_dir: Path,
    teacher: Checkpoint | None = None,
    stills: Checkpoint | None = None,
    quiet: bool = False,
) -> Encoders:
    """Both encoders trained by the recipe, in a network that the recipe's fusion seed has drawn.

    Args:
        stills: see `train_face`.
    """
    audio_encoder, found, seconds = _audio_encoder(recipe, sources, run_dir, teacher, quiet)
    face_learner, face_seconds = train_face(recipe, sources, run_dir, teacher, stills, quiet)
    face_learner = face_learner.cpu().eval()
    seen = still_figures(face_learner.on_stills(), sources.tuning_faces)
    network = _drawn(recipe)
    network.audio, network.face = audio_encoder, face_learner.encoder
    results = found | {"FER+ valid, 7 classes": {name: round(value, 4) for name, value in seen.items()}}
    training: dict[str, Any] = {"seconds": seconds | face_seconds}
    if stills is not None:
        training["stills"] = {"face encoder began as that of": stills.card.name, "sha256": stills.sha256}
    return Encoders(network, results, training)


def unseen_encoders(
    recipe: Recipe,
    sources: Sources,
    run_dir: Path,
    teacher: Checkpoint | None = None,
    stills: Checkpoint | None = None,
    audio: AudioEncoder | None = None,
    quiet: bool = False,
) -> Encoders:
    """Both encoders as `trained_encoders` gives them, but for the held-out speakers, from whom they have not learned.

    Args:
        sources: all of them.
        stills: see `train_face`.
        audio: an audio encoder that has not learned from them; None goes on from the first part of the recipe's, as
            long as the other does: one that learned less is less sure of itself.
    """
    network, fewer, folder = _drawn(recipe), without_held_out(sources), run_dir / "unseen"
    if audio is None:
        learner, _ = train_first_audio(recipe, sources, run_dir, quiet)
        train_last_audio(recipe, learner, fewer, folder, quiet)
        audio = learner.encoder
    network.audio = audio
    encoder, _ = still_encoder(recipe, sources, run_dir, teacher, stills, quiet)
    large, _ = large_face(recipe, sources, fewer.talking, folder, quiet)
    talking, history = train_talking(recipe, encoder, sources.faces, fewer.talking, None, folder, quiet, large)
    network.face = talking.cpu().eval().encoder
    return Encoders(network, {}, {"seconds": {"face": round(history.seconds)}})


def _audio_encoder(
    recipe: Recipe, sources: Sources, run_dir: Path, teacher: Checkpoint | None, quiet: bool
) -> tuple[AudioEncoder, dict[str, Any], dict[str, int]]:
    """The audio encoder, what the card says of its errors on held-out speakers, and seconds.

    A student whose audio encoder has the shape of its teacher's takes that one as it is.
    """
    if teacher is None or teacher.network.audio.config != recipe.network.audio:
        learner, heard, seconds = train_audio(recipe, sources, run_dir, quiet)
        where = "held-out speakers, speech alone, encoder with its training head before it learned from them, too"
        return learner.encoder, {f"{where} (7 classes, UAR)": _figures(heard, sources)}, {"audio": seconds}
    card = teacher.card
    results = {key: value for key, value in card.results.items() if key.startswith("held-out speakers")}
    return teacher.network.audio, results | {"audio encoder": f"that of {card.name}, {teacher.sha256[:12]}"}, {}


def taken_encoders(recipe: Recipe, checkpoint: Checkpoint) -> Encoders:
    """The encoders and the population's means of a checkpoint, for which only a fusion is trained.

    Args:
        checkpoint: its encoders have the shapes of the recipe (`recipe.with_encoders`).
    """
    card, whole = checkpoint.card, checkpoint.network.eval()
    population = card.baseline.population_mean
    network = _drawn(recipe)
    network.audio, network.face = whole.audio, whole.face
    results = {f"encoders, as the card of {card.name} says": card.results}
    training = {"encoders": card.name, "encoders_sha256": checkpoint.sha256, "seconds": {}}
    note = f"Audio and face encoders and the population's means are those of {card.name}; only the fusion was trained."
    return Encoders(network, results, training, (note,), population)


def _drawn(recipe: Recipe) -> EmotionNetwork:
    """A network drawn with the recipe's seed; with trained encoders its fusion is the same as with taken ones."""
    torch.manual_seed(recipe.fusion_loop.seed + 2)
    return EmotionNetwork(recipe.network)


def _figures(heard: HeldOut, sources: Sources) -> dict[str, Any]:
    speakers = sorted(set(sources.speech.speakers[sources.heldout].tolist()))
    return {"speakers": speakers, "cold": round(heard.cold, 4), "warm": round(heard.warm, 4)}
