"""The parts in which a window model's face encoder is trained."""

from __future__ import annotations

import copy
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor

from mer_fusion.checkpoint import Checkpoint
from mer_fusion.encoders.face import FaceEncoder
from mer_fusion.training.faces import face_expression
from mer_fusion.training.faces.encoder import FaceLearner, FaceSet, FaceTask, at_size
from mer_fusion.training.faces.face_expression import (
    PublishedFaces,
    begin_from_published,
    published_encoder,
    sample_faces,
)
from mer_fusion.training.faces.feature_matching import MatchingTask
from mer_fusion.training.faces.seen_faces import Seen, SeenFaces, seen_faces
from mer_fusion.training.faces.talking import TalkingLearner, TalkingTask
from mer_fusion.training.faces.talking_sets import TalkingFaces
from mer_fusion.training.fusion.data import LABELS, Sources, without_held_out
from mer_fusion.training.fusion.recipe import Recipe
from mer_fusion.training.loop import History, fit


def train_face(
    recipe: Recipe,
    sources: Sources,
    run_dir: Path,
    teacher: Checkpoint | None = None,
    stills: Checkpoint | None = None,
    quiet: bool = False,
) -> tuple[TalkingLearner, dict[str, int]]:
    """Train the face encoder alone, on stills and then on people who talk too; also the seconds that each took.

    Args:
        stills: a checkpoint whose face encoder is the beginning, in place of one trained on stills here.
    """
    encoder, seconds = still_encoder(recipe, sources, run_dir, teacher, stills, quiet)
    large, large_seconds = large_face(recipe, sources, sources.talking, run_dir, quiet)
    learner, history = train_talking(recipe, encoder, sources.faces, sources.talking, None, run_dir, quiet, large)
    return learner, seconds | large_seconds | {"face": round(history.seconds)}


def large_face(
    recipe: Recipe, sources: Sources, talking: TalkingFaces, run_dir: Path, quiet: bool
) -> tuple[TalkingLearner | None, dict[str, int]]:
    """The large face network that advises a student, trained on the same people; None where there is no published one.

    A checkpoint of the full-precision model will not do: it has the encoder without the head of training.
    """
    if recipe.adviser is None or sources.expression is None:
        return None, {}
    folder = run_dir / "large"
    encoder, _ = still_encoder(recipe.adviser, sources, folder, None, None, quiet)
    learner, history = train_talking(recipe.adviser, encoder, sources.faces, talking, None, folder, quiet)
    return learner.eval(), {"large face": round(history.seconds)}


def still_encoder(
    recipe: Recipe,
    sources: Sources,
    run_dir: Path,
    teacher: Checkpoint | None,
    stills: Checkpoint | None,
    quiet: bool,
) -> tuple[FaceEncoder, dict[str, int]]:
    """A face encoder that knows still faces or is the published one, and the seconds that it took."""
    shape, published = recipe.network.face, sources.expression
    seconds: dict[str, int] = {}
    assert shape is not None, "recipes of window models have both encoders"
    if shape.backbone == face_expression.NAME and published is not None and stills is None:
        torch.manual_seed(recipe.face_loop.seed + 1)
        encoder = FaceEncoder(shape)
        talking = without_held_out(sources).talking
        begin_from_published(encoder, published, sample_faces(sources.faces, talking, shape.size))
        return encoder, seconds
    if stills is not None:
        encoder = copy.deepcopy(stills.network.face)
    else:
        learner, history = train_stills(recipe, sources, run_dir, teacher, quiet)
        encoder, seconds = learner.encoder, {"stills": round(history.seconds)}
    if recipe.adviser is not None and published is not None:
        encoder, history = train_matching(recipe, encoder, published, sources, run_dir, quiet)
        seconds = seconds | {"matching": round(history.seconds)}
    return encoder, seconds


def train_stills(
    recipe: Recipe, sources: Sources, run_dir: Path, teacher: Checkpoint | None = None, quiet: bool = False
) -> tuple[FaceLearner, History]:
    """Train a face encoder on still faces; FER+ valid is looked at for the log."""
    torch.manual_seed(recipe.face_loop.seed + 1)
    shape, large = recipe.network.face, teacher.network.face if teacher else None
    assert shape is not None, "recipes of window models have both encoders"
    learner = FaceLearner(shape, len(LABELS), large.config.features if large else 0)
    task = FaceTask(
        learner.to(memory_format=torch.channels_last), sources.faces, sources.tuning_faces, recipe.face, large
    )
    return learner, fit(task, recipe.face_loop, run_dir, quiet)


def train_matching(
    recipe: Recipe,
    encoder: FaceEncoder,
    published: PublishedFaces,
    sources: Sources,
    run_dir: Path,
    quiet: bool = False,
) -> tuple[FaceEncoder, History]:
    """Go on training a face encoder that knows stills, on what a published one sees in them and in talking faces.

    The held-out speakers are not among these.
    """
    torch.manual_seed(recipe.matching_loop.seed + 5)
    large, options = published_encoder(published), recipe.matching
    learner = FaceLearner(encoder.config, len(LABELS), large.config.features)
    learner.encoder = encoder
    more = without_held_out(sources).talking.images

    def faces() -> SeenFaces:
        def see(grey: Tensor) -> Seen:
            return Seen(large.encode(at_size(grey, large.config.size)))

        size = encoder.config.size
        found = seen_faces(sources.faces, more, see, size, options.changes, options.versions)
        return replace(found, features=found.features / (found.features.float().std(dim=0) + 1e-3).half())

    learner.to(memory_format=torch.channels_last)
    task = MatchingTask(learner, faces, len(sources.faces) + len(more), sources.tuning_faces, options)
    return learner.encoder, fit(task, recipe.matching_loop, run_dir, quiet)


def train_talking(
    recipe: Recipe,
    encoder: FaceEncoder,
    stills: FaceSet,
    talking: TalkingFaces,
    tuning: TalkingFaces | None,
    run_dir: Path,
    quiet: bool = False,
    large: TalkingLearner | None = None,
) -> tuple[TalkingLearner, History]:
    """Go on training a face encoder that knows stills, on people who talk; `tuning` is looked at for the log.

    Args:
        large: what it decides about stills and about the talking faces, one image at a time, is learned, too.
    """
    torch.manual_seed(recipe.talking_loop.seed + 4)
    learner = TalkingLearner(encoder, len(LABELS), hint=large.mix.out_features if large else 0)
    if encoder.config.backbone == face_expression.NAME:
        for block in list(encoder.backbone)[: recipe.kept_blocks]:
            block.requires_grad_(False)
    options = recipe.matching

    def advice() -> SeenFaces:
        assert large is not None
        see = large.to(memory_format=torch.channels_last).see
        return seen_faces(stills, talking.images, see, encoder.config.size, options.changes, options.versions)

    task = TalkingTask(
        learner.to(memory_format=torch.channels_last),
        talking,
        tuning,
        stills,
        recipe.talking,
        recipe.talking_loss,
        advice=advice if large else None,
    )
    history = fit(task, recipe.talking_loop, run_dir, quiet)
    learner.requires_grad_(True)
    return learner, history
