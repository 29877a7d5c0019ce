"""Runs a recipe: encoders, features, fusion. Full-precision training and distillation are the same run."""

from __future__ import annotations

import platform
from collections.abc import Mapping
from dataclasses import asdict, replace
from pathlib import Path

import torch

from mer_fusion.checkpoint import Card, Checkpoint
from mer_fusion.encoders.audio import AudioEncoder
from mer_fusion.encoders.face import FaceEncoder
from mer_fusion.models.registry import fusion_model
from mer_fusion.training.fusion.baseline import baseline_contract
from mer_fusion.training.fusion.data import LABELS, Sources
from mer_fusion.training.fusion.encoders import Encoders, taken_encoders, trained_encoders
from mer_fusion.training.fusion.feature_cache import CacheOptions, feature_cache
from mer_fusion.training.fusion.recipe import Recipe
from mer_fusion.training.fusion.task import FusionTask, FusionTeacher
from mer_fusion.training.fusion.windows import FeatureCache, WindowSampler
from mer_fusion.training.loop import fit
from mer_fusion.training.run import Trained
from mer_sdk.contract.manifest import AudioContract, FaceContract
from mer_sdk.evaluation.datasets.ravdess import SPEAKER_FOLDS, TEST_FOLD


def train_network(
    recipe: Recipe,
    sources: Sources,
    run_dir: Path,
    teacher: Checkpoint | None = None,
    encoders: Checkpoint | None = None,
    stills: Checkpoint | None = None,
    quiet: bool = False,
) -> Trained:
    """Train encoders and fusion. A part that is finished in `run_dir` is read from there, one begun is continued.

    Args:
        teacher: the full-precision checkpoint whose audio features and logits a student learns.
        encoders: a checkpoint whose encoders are taken as they are; None trains them.
        stills: see `train_face`.

    Raises:
        CheckpointError: `run_dir` holds a run with other options.
    """
    if encoders is None:
        ready = trained_encoders(recipe, sources, run_dir, teacher, stills, quiet)
    else:
        ready = taken_encoders(recipe, encoders)
    return train_fusion(recipe, ready, sources, run_dir, teacher, quiet)


def train_fusion(
    recipe: Recipe,
    ready: Encoders,
    sources: Sources,
    run_dir: Path,
    teacher: Checkpoint | None = None,
    quiet: bool = False,
) -> Trained:
    """Train the fusion of a network whose encoders are ready; see `train_network`."""
    network = ready.network
    cache = feature_cache_of(network.audio, network.face, sources, recipe.cache, run_dir, ready.population)
    baseline = baseline_contract(cache, recipe)
    sampler = WindowSampler(cache, recipe.fusion.windows)
    objective = fusion_model(recipe.network.model).objective(network.fusion, recipe.objective)
    task = FusionTask(
        objective,
        cache,
        sampler,
        recipe.fusion,
        fusion_teacher(recipe, teacher, sources, run_dir),
        name=f"fusion-{recipe.name}",
    )
    history = fit(task, recipe.fusion_loop, run_dir, quiet, validate_every=10)
    network = network.cpu().eval()
    speakers = sources.speech.speakers
    card = Card(
        name=f"{recipe.name}-{recipe.role}",
        role=recipe.role,
        network=recipe.network,
        labels=LABELS,
        baseline=baseline,
        data=sources.data,
        parameters=network.parameters_by_part(),
        audio=AudioContract(chunk_samples=network.audio.config.chunk_samples),
        face=FaceContract(crop_size=network.face.config.size),
        training={
            "options": {key: value for key, value in asdict(recipe).items() if key not in ("network", "role", "name")},
            "speakers": sorted(set(speakers[~sources.heldout].tolist())),
            "held_out_speakers": sorted(set(speakers[sources.heldout].tolist())),
            "face_speakers": sorted(set(sources.talking.speakers.tolist())),
            "test_speakers": list(SPEAKER_FOLDS[TEST_FOLD]),
            "teacher_sha256": teacher.sha256 if teacher else "",
            "machine": f"{platform.machine()}, torch {torch.__version__}",
        }
        | ready.training
        | {"seconds": ready.training["seconds"] | {"fusion": round(history.seconds)}},
        results=ready.results,
        notes=(
            "Labels are RAVDESS's with calm merged into neutral, because FER+ has no calm.",
            f"RAVDESS actors {', '.join(map(str, SPEAKER_FOLDS[TEST_FOLD]))} are in no training or tuning set.",
            "The fusion network learned on real takes, sound and face of the same moment, and on speech without faces.",
            "Acted, posed expressions in a studio, and web photos: no measure of what people feel.",
            *_RECONSTRUCTIONS.get(recipe.network.model, ()),
            *ready.notes,
        ),
    )
    return Trained(network, card)


def fusion_teacher(recipe: Recipe, teacher: Checkpoint | None, sources: Sources, run_dir: Path) -> FusionTeacher | None:
    """What a student's fusion matches; None where it has no teacher, or learns from labels alone."""
    if teacher is None or not recipe.fusion.teacher_weight:
        return None
    large, means = teacher.network, teacher.card.baseline.population_mean
    cache = feature_cache_of(large.audio, large.face, sources, recipe.cache, run_dir, means)
    return FusionTeacher(large.fusion, cache)


def feature_cache_of(
    audio: AudioEncoder,
    face: FaceEncoder,
    sources: Sources,
    options: CacheOptions,
    run_dir: Path,
    known: Mapping[str, tuple[float, ...]] | None = None,
) -> FeatureCache:
    """Features of all takes through two encoders, kept in `run_dir`.

    Args:
        known: means of the features that a fusion was trained with, None for the cache's own.
    """
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    cache = feature_cache(audio, face, sources, options, device, run_dir)
    means = {f"{name}_population": torch.tensor(mean) for name, mean in (known or {}).items()}
    return replace(cache, **means)


_RECONSTRUCTIONS = {
    "atsuko": ("Atsuko is reconstructed from its abstract and overview figure; the paper's scores are not its own.",),
    "fdrl": ("FDRL is reconstructed from its abstract; the paper's scores are not its own.",),
}
