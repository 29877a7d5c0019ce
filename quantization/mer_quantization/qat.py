"""Quantization-aware distillation: a finished student learns on under fake quantization from its full-precision model.

First the encoders, each to give under fake quantization the features that it gives in float. Their hidden teachers are
these features and not labels and the full-precision features again: the training heads that turn features into either
were thrown away after distillation, and gradients of new heads move features that took 160 epochs. Then the fusion
network, on labels and, where the recipe's student does, the full-precision logits. It reads features of the
fake-quantized encoders, errors of rounding included, because those are what it is given in int8; the population's means
and the temperature are made of them too. The losses that a paper adds to its own model are left out for the same
reason: their branches are in no checkpoint.

The result is an ordinary float checkpoint with other weights: every target and scheme converts it as any other.
"""

from __future__ import annotations

import copy
import platform
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from mer_fusion.checkpoint import Card, Checkpoint, load_checkpoint, part_sources
from mer_fusion.encoders.audio import AudioEncoder
from mer_fusion.encoders.face import FaceEncoder
from mer_fusion.models.registry import PlainObjective
from mer_fusion.network import EmotionNetwork
from mer_fusion.training.cards import checkpoint_path, save_trained, shortened_loop
from mer_fusion.training.dialogue.launch import is_dialogue_model
from mer_fusion.training.fusion.baseline import baseline_contract
from mer_fusion.training.fusion.data import LABELS, Sources, open_sources
from mer_fusion.training.fusion.encoders import Encoders, taken_encoders
from mer_fusion.training.fusion.recipe import ENCODERS_OF, Recipe, student_recipe
from mer_fusion.training.fusion.task import FusionTask
from mer_fusion.training.fusion.train import feature_cache_of, fusion_teacher
from mer_fusion.training.fusion.windows import FeatureCache, WindowSampler, window_inputs
from mer_fusion.training.loop import LoopOptions
from mer_fusion.training.run import RunOptions, Trained
from mer_quantization.fake_quantize import (
    FakeQuantized,
    fold_norms,
    restore,
    restore_encoder,
    trainable,
)
from mer_quantization.qat_tasks import EncoderTask, audio_task, face_task, settle, tune
from mer_sdk.errors import OptionError
from mer_sdk.parity.agreement import distance, flips

QAT_SCHEMES = ("int8",)


def _loop(epochs: int, learning_rate: float, weight_decay: float = 0.0) -> LoopOptions:
    # In float32: torch has no fake quantization of bf16. A tenth of distillation's learning rate keeps what is learned.
    return LoopOptions(epochs, learning_rate, weight_decay, warmup_epochs=0.5, precision="no")


@dataclass(frozen=True)
class QatOptions:
    """How a student is fine-tuned.

    Attributes:
        audio, face, fusion: of the parts.
        stride: every how many steps of a window a chunk is encoded; they overlap.
        settling: batches from which the first ranges of activations are found.
        frozen: share of a part's epochs at the end in which these ranges stay as they are, 0 to 1.

    Raises:
        OptionError: a share outside 0 to 1, or no batch to settle.
    """

    audio: LoopOptions = field(default_factory=lambda: _loop(3, 2e-4))
    face: LoopOptions = field(default_factory=lambda: _loop(1, 2e-4))
    fusion: LoopOptions = field(default_factory=lambda: _loop(8, 2e-4))
    stride: int = 4
    settling: int = 16
    frozen: float = 0.25

    def __post_init__(self) -> None:
        if not 0.0 <= self.frozen <= 1.0:
            raise OptionError(f"the share of epochs with frozen ranges is {self.frozen}; allowed: 0 to 1")
        if self.settling < 1:
            raise OptionError(f"{self.settling} batches to settle were asked for; give 1 or more")


def check_qat(scheme: str, model: str) -> None:
    """Whether a model can be fine-tuned for a scheme.

    Raises:
        OptionError: it cannot; the message says what can.
    """
    if scheme not in QAT_SCHEMES:
        raise OptionError.unknown("--qat", scheme, QAT_SCHEMES)
    if is_dialogue_model(model):
        raise OptionError(
            f"--qat is for window models (grjca, hgrjca, atsuko, fdrl), not for {model}: leave it out and convert with "
            "--scheme int8, which calibrates"
        )


def qat_student(
    model: str,
    scheme: str,
    student: Path,
    teacher: Path,
    data: Sequence[str],
    out: Path,
    run: RunOptions,
    seed: int,
    options: QatOptions | None = None,
) -> Path | None:
    """Fine-tune the student of a full-precision checkpoint under fake quantization and save it with its card.

    Args:
        model, scheme: as `mer distill` names them.
        student: checkpoint of role "student" of that model.
        teacher: checkpoint of role "full", of any window model with the same labels.
        data: "ravdess:PATH" and "ferplus:PATH".
        out: the checkpoint to write.

    Returns:
        `out`, or None where only one part was trained.

    Raises:
        OptionError: what does not fit together; the message says what does.
        MissingExtra: torchao or ExecuTorch's quantizer is not installed.
        CheckpointError, DataError: as for training.
    """
    from mer_quantization.distill import full_checkpoint

    check_qat(scheme, model)
    checkpoint_path(out)
    options = options or QatOptions()
    small, large = load_checkpoint(student), full_checkpoint(teacher)
    recipe = _recipe(model, small, options, run, seed)
    for checkpoint in (small, large):
        parts = checkpoint.card.network
        if parts.audio is None or parts.face is None or checkpoint.card.labels != LABELS:
            raise OptionError(f"{checkpoint.path} is no window model with the labels {', '.join(LABELS)}; give another")
    encoders = _taken(recipe, small, run)
    if encoders is not None and run.part != "all":
        raise OptionError(f"--part {run.part}: encoders come from a checkpoint; add --encoders train to train them")
    if run.threads:
        torch.set_num_threads(run.threads)
    sources = open_sources(data, run.labels)
    tuning = _Tuning(recipe, sources, small, large, options, run, seed)
    if run.part == "audio":
        tuning.audio()
        return None
    if run.part == "face":
        tuning.face()
        return None
    trained = tuning.network(encoders)
    if encoders is not None and encoders.path.resolve().parent == out.resolve().parent:
        # Side by side the weights that both have are kept once.
        borrowed = encoders.card.parts_from or part_sources(encoders.path, ("audio", "face"))
        trained = replace(trained, card=replace(trained.card, parts_from=borrowed))
    return save_trained(trained, out)


def _taken(recipe: Recipe, student: Checkpoint, run: RunOptions) -> Checkpoint | None:
    """The checkpoint whose encoders stay as they are, None where the student's own are fine-tuned."""
    if run.encoders == "train" or (not run.encoders and recipe.name not in ENCODERS_OF):
        return None
    if not run.encoders:
        return student
    given = load_checkpoint(run.encoders)
    if (given.card.network.audio, given.card.network.face) != (recipe.network.audio, recipe.network.face):
        raise OptionError(f"--encoders {run.encoders}: its encoders are not shaped as those of {student.path}")
    return given


def _recipe(model: str, student: Checkpoint, options: QatOptions, run: RunOptions, seed: int) -> Recipe:
    recipe = student_recipe(seed, model)
    card = student.card
    if card.role != "student" or card.network.model != recipe.network.model:
        raise OptionError(
            f"{student.path} is a {card.network.model} of the role {card.role!r}; --student takes a student of "
            f"{model}, such as mer distill writes without --qat"
        )
    loops = (shortened_loop(loop, run, seed) for loop in (options.audio, options.face, options.fusion))
    audio, face, fusion = loops
    return replace(recipe, network=card.network, audio_loop=audio, face_loop=face, fusion_loop=fusion)


@dataclass(frozen=True)
class _Tuning:
    """One fine-tuning: what it is given, and a method for each part."""

    recipe: Recipe
    sources: Sources
    student: Checkpoint
    teacher: Checkpoint
    options: QatOptions
    run: RunOptions
    seed: int
    figures: dict[str, dict[str, float]] = field(default_factory=dict)

    def audio(self, learn: bool = True) -> tuple[AudioEncoder, float]:
        """The audio encoder under fake quantization, and seconds; `learn` False only finds ranges."""
        sources, encoder = self.sources, self.student.network.audio
        learning, unseen = sources.speech.subset(~sources.heldout), sources.speech.subset(sources.heldout)
        task = audio_task(encoder, learning, unseen, self.recipe.audio, self.options.stride, self._name("audio"))
        return self._encoder(task, self.recipe.audio_loop, learn)

    def face(self, learn: bool = True) -> tuple[FaceEncoder, float]:
        """The face encoder under fake quantization, and seconds; `learn` False only finds ranges."""
        sources, encoder = self.sources, self.student.network.face
        task = face_task(encoder, sources.faces, sources.tuning_faces, self.recipe.face, self._name("face"))
        return self._encoder(task, self.recipe.face_loop, learn)

    def _name(self, part: str) -> str:
        return f"qat-{part}-{self.student.sha256[:8]}"

    def _encoder(self, task: EncoderTask, loop: LoopOptions, learn: bool) -> tuple[Any, float]:
        settle(task, self.options.settling, self.seed)
        before = task.validate(task.module)
        run = self.run
        seconds = tune(task, loop, self.options.frozen, run.run_dir, run.quiet) if learn else 0.0
        self.figures[f"{task.name.split('-')[1]} features, unseen input"] = {
            "before": before["sqnr_db"],
            "after": task.validate(task.module)["sqnr_db"],
        }
        return task.module.encoder.cpu().eval(), seconds

    def network(self, encoders: Checkpoint | None) -> Trained:
        """Every part, and the card.

        Args:
            encoders: the checkpoint whose encoders stay as they are; None fine-tunes the student's.
        """
        network = copy.deepcopy(self.student.network)
        if encoders is not None:
            ready = taken_encoders(self.recipe, encoders)
            taken = replace(self, student=encoders)
            audio, face = taken.audio(learn=False)[0], taken.face(learn=False)[0]
            network.audio, network.face = encoders.network.audio, encoders.network.face
            return self._fused(network, audio, face, ready)
        audio, audio_seconds = self.audio()
        face, face_seconds = self.face()
        restore_encoder(network.audio, audio)
        restore_encoder(network.face, face)
        seconds = {"audio": round(audio_seconds), "face": round(face_seconds)}
        return self._fused(network, audio, face, Encoders(network, {}, {"seconds": seconds}))

    def _fused(self, network: EmotionNetwork, audio: AudioEncoder, face: FaceEncoder, ready: Encoders) -> Trained:
        recipe, run_dir = self.recipe, self.run.run_dir
        cache = feature_cache_of(audio, face, self.sources, recipe.cache, run_dir, ready.population)
        teacher = fusion_teacher(recipe, self.teacher, self.sources, run_dir)
        sampler = WindowSampler(cache, recipe.fusion.windows)
        fold_norms(network.fusion)
        quantized = FakeQuantized(trainable(network.fusion), _example(sampler, cache), any_rows=False)
        name = self._name(f"fusion-{recipe.name}")
        task = FusionTask(PlainObjective(quantized), cache, sampler, recipe.fusion, teacher, name)
        settle(task, self.options.settling, self.seed)
        self.figures["logits, fresh windows, before"] = _rounding(network.fusion, quantized, sampler, cache)
        seconds = tune(task, recipe.fusion_loop, self.options.frozen, run_dir, self.run.quiet)
        restore(network.fusion, quantized.weights())
        network = network.cpu().eval()
        self.figures["logits, fresh windows, after"] = _rounding(network.fusion, quantized, sampler, cache)
        return Trained(network, self._card(cache, ready, round(seconds)))

    def _card(self, cache: FeatureCache, ready: Encoders, seconds: int) -> Card:
        options, recipe, old = self.options, self.recipe, self.student.card
        loops = {"audio": recipe.audio_loop, "face": recipe.face_loop, "fusion": recipe.fusion_loop}
        learned = {part: loops[part].epochs for part in (*ready.training["seconds"], "fusion")}
        epochs = ", ".join(f"{part} {count}" for part, count in learned.items())
        kept = ("speakers", "held_out_speakers", "test_speakers")
        results = ready.results | {f"fake quantization against float: {key}": row for key, row in self.figures.items()}
        return replace(
            old,
            baseline=baseline_contract(cache, recipe),
            training={
                "options": {"qat": asdict(options)} | {part: asdict(loops[part]) for part in learned},
                **{key: old.training[key] for key in kept if key in old.training},
                "student": old.name,
                "student_sha256": self.student.sha256,
                "teacher_sha256": self.teacher.sha256,
                "machine": f"{platform.machine()}, torch {torch.__version__}",
            }
            | ready.training
            | {"seconds": ready.training["seconds"] | {"fusion": seconds}},
            results=results,
            notes=(*old.notes, *ready.notes, f"quantization-aware: int8, epochs: {epochs}; student {old.name} before."),
            parts_from={},
        )


def _example(sampler: WindowSampler, cache: FeatureCache) -> tuple[Tensor, ...]:
    """Inputs of the fusion network for one batch; every batch has as many rows."""
    generator = torch.Generator().manual_seed(0)
    rows = sampler.batches(generator)[0]
    return window_inputs(sampler.build(sampler.sample(rows, generator), cache))


@torch.no_grad()
def _rounding(
    network: nn.Module, quantized: nn.Module, sampler: WindowSampler, cache: FeatureCache
) -> dict[str, float]:
    """How far the fake-quantized fusion is from its weights in float: share of equal answers, SQNR of the logits."""
    generator = torch.Generator().manual_seed(5)
    found, wanted = [], []
    network, quantized = network.cpu().eval(), quantized.cpu().eval()
    for rows in sampler.batches(generator):
        inputs = window_inputs(sampler.build(sampler.sample(rows, generator), cache))
        found.append(quantized(*inputs).logits.numpy())
        wanted.append(network(*inputs).logits.numpy())
    logits, reference = np.concatenate(found), np.concatenate(wanted)
    sqnr = distance(logits, reference).sqnr_db
    figures = {"agreement": round(1.0 - flips(logits, reference) / len(logits), 4)}
    return figures if sqnr is None else figures | {"sqnr_db": round(sqnr, 1)}
