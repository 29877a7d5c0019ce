"""From data to a network: encoders, features, fusion. Full-precision training and distillation are the same recipe."""

from __future__ import annotations

import platform
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from mer_fusion.checkpoint import Card, Checkpoint
from mer_fusion.encoders.audio import AudioEncoderConfig
from mer_fusion.encoders.face import FaceEncoderConfig
from mer_fusion.models.grjca import GrjcaConfig
from mer_fusion.network import EmotionNetwork, NetworkConfig
from mer_fusion.training.audio import AudioLearner, AudioOptions, AudioTask, held_out_figures
from mer_fusion.training.banks import make_bank
from mer_fusion.training.episodes import PRIOR_STEPS
from mer_fusion.training.face import FaceLearner, FaceOptions, FaceTask, still_figures
from mer_fusion.training.fusion import FeatureBank, FusionOptions, FusionTask, Scenes
from mer_fusion.training.loop import History, LoopOptions, fit
from mer_fusion.training.sources import LABELS, SOURCES, TEST_ACTOR, Sources
from mer_sdk.manifest import AudioContract, BaselineContract, Decision, FaceContract

# What both networks share: the window, normalisation that fp16 can hold, classes and no regression head, because
# neither data set has valence or arousal.
_WINDOW_FUSION = GrjcaConfig(steps=16, stable=True, norm_eps=1e-6, classes=len(LABELS), regression_outputs=0)


@dataclass(frozen=True)
class Recipe:
    """Shapes and options of one network, full precision or student."""

    role: str
    network: NetworkConfig
    audio_loop: LoopOptions
    face_loop: LoopOptions
    fusion_loop: LoopOptions
    audio: AudioOptions = field(default_factory=AudioOptions)
    face: FaceOptions = field(default_factory=FaceOptions)
    fusion: FusionOptions = field(default_factory=FusionOptions)


def full_precision_recipe(seed: int, gating: str = "grjca") -> Recipe:
    """The reference: 3 x 3 convolutions throughout, 128 features a modality."""
    audio = AudioEncoderConfig(
        frames=120, stem=32, channels=(48, 96, 160), blocks=(1, 1, 1), separable=False, features=128
    )
    face = FaceEncoderConfig(stem=32, channels=(64, 128, 192), blocks=(2, 2, 2), separable=False, features=128)
    fusion = replace(
        _WINDOW_FUSION,
        audio_dim=128,
        face_dim=128,
        audio_channels=(96, 96),
        face_channels=(96, 96),
        attention_dropout=0.3,
        tcn_dropout=0.2,
        head_width=96,
        head_dropout=0.3,
        gating=gating,
    )
    return Recipe(
        "full",
        NetworkConfig("grjca", audio, face, fusion.to_dict()),
        LoopOptions(epochs=80, seed=seed),
        LoopOptions(epochs=24, seed=seed),
        LoopOptions(epochs=60, learning_rate=1e-3, weight_decay=0.05, precision="no", seed=seed),
    )


def student_recipe(seed: int, gating: str = "grjca") -> Recipe:
    """The student: the same classes with about a tenth of the parameters, 64 features a modality."""
    audio = AudioEncoderConfig(
        frames=120, stem=16, channels=(32, 56, 88), blocks=(1, 1, 1), separable=False, features=64
    )
    face = FaceEncoderConfig(stem=16, channels=(24, 48, 80), blocks=(1, 1, 1), separable=False, features=64)
    fusion = replace(
        _WINDOW_FUSION,
        audio_dim=64,
        face_dim=64,
        audio_channels=(48, 48),
        face_channels=(48, 48),
        kernel=3,
        attention_dropout=0.2,
        tcn_dropout=0.1,
        head_width=64,
        head_dropout=0.2,
        gating=gating,
    )
    return Recipe(
        "student",
        NetworkConfig("grjca", audio, face, fusion.to_dict()),
        LoopOptions(epochs=160, seed=seed),
        LoopOptions(epochs=24, seed=seed),
        LoopOptions(epochs=60, learning_rate=2e-3, weight_decay=0.02, precision="no", seed=seed),
    )


@dataclass(frozen=True)
class Trained:
    """A trained network with its card; the card's hash is filled in when it is saved."""

    network: EmotionNetwork
    card: Card


def train_audio(
    recipe: Recipe, sources: Sources, run_dir: Path, teacher: Checkpoint | None = None, quiet: bool = False
) -> tuple[AudioLearner, History]:
    """Train the audio encoder alone, on every speaker that is neither held out nor the test actor."""
    torch.manual_seed(recipe.audio_loop.seed)
    large = teacher.network.audio if teacher else None
    learner = AudioLearner(recipe.network.audio, len(LABELS), large.config.features if large else 0)
    learning, unseen = sources.speech.subset(~sources.heldout), sources.speech.subset(sources.heldout)
    task = AudioTask(learner.to(memory_format=torch.channels_last), learning, unseen, recipe.audio, large)
    return learner, fit(task, recipe.audio_loop, run_dir, quiet)


def train_face(
    recipe: Recipe, sources: Sources, run_dir: Path, teacher: Checkpoint | None = None, quiet: bool = False
) -> tuple[FaceLearner, History]:
    """Train the face encoder alone; FER+ valid is looked at for the log."""
    torch.manual_seed(recipe.face_loop.seed + 1)
    large = teacher.network.face if teacher else None
    learner = FaceLearner(recipe.network.face, len(LABELS), large.config.features if large else 0)
    task = FaceTask(
        learner.to(memory_format=torch.channels_last), sources.faces, sources.tuning_faces, recipe.face, large
    )
    return learner, fit(task, recipe.face_loop, run_dir, quiet)


def train_network(
    recipe: Recipe, sources: Sources, run_dir: Path, teacher: Checkpoint | None = None, quiet: bool = False
) -> Trained:
    """Train encoders and fusion. A part that is finished in `run_dir` is read from there, one begun is continued.

    Args:
        teacher: the full-precision checkpoint whose features and logits a student learns.

    Raises:
        CheckpointError: `run_dir` holds a run with other options.
    """
    large = teacher.network if teacher else None
    voice, voice_history = train_audio(recipe, sources, run_dir, teacher, quiet)
    looks, looks_history = train_face(recipe, sources, run_dir, teacher, quiet)
    heard = held_out_figures(voice, sources.speech.subset(sources.heldout))
    seen = still_figures(looks.cpu().eval(), sources.tuning_faces)
    torch.manual_seed(recipe.fusion_loop.seed + 2)
    network = EmotionNetwork(recipe.network)
    network.audio, network.face = voice.encoder, looks.encoder
    frames = max(recipe.network.audio.frames, large.audio.config.frames if large else 0)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    neutral, seed = LABELS.index("neutral"), recipe.fusion_loop.seed
    bank = make_bank(network.audio, network.face, sources, frames, neutral, seed, device)
    large_bank = make_bank(large.audio, large.face, sources, frames, neutral, seed, device) if large else None
    scenes = Scenes(bank, heard.confusion, neutral, recipe.fusion)
    fusion_task = FusionTask(
        network.fusion, bank, scenes, recipe.fusion, large.fusion if large else None, large_bank, name="fusion"
    )
    history = fit(fusion_task, recipe.fusion_loop, run_dir, quiet, validate_every=10)
    seconds = {"audio": voice_history.seconds, "face": looks_history.seconds, "fusion": history.seconds}
    network = network.cpu().eval()
    speakers = sources.speech.speakers
    learned = sorted(set(speakers[~sources.heldout].tolist()))
    held_out = sorted(set(speakers[sources.heldout].tolist()))
    results: dict[str, Any] = {
        "held-out speakers, speech alone, encoder with its training head (7 classes, UAR)": {
            "speakers": held_out,
            "cold": round(heard.cold, 4),
            "warm": round(heard.warm, 4),
        },
        "FER+ valid, 7 classes": {name: round(value, 4) for name, value in seen.items()},
    }
    card = Card(
        name=f"{recipe.network.model}-{recipe.role}",
        role=recipe.role,
        network=recipe.network,
        labels=LABELS,
        baseline=baseline_contract(bank),
        data=SOURCES,
        parameters=network.parameters_by_part(),
        audio=AudioContract(chunk_samples=recipe.network.audio.chunk_samples),
        face=FaceContract(crop_size=recipe.network.face.size),
        decision=Decision(temperature=fitted_temperature(network, bank, scenes)),
        training={
            "options": {key: value for key, value in asdict(recipe).items() if key not in ("network", "role")},
            "speakers": learned,
            "held_out_speakers": held_out,
            "test_speaker": TEST_ACTOR,
            "teacher_sha256": teacher.sha256 if teacher else "",
            "seconds": {part: round(value) for part, value in seconds.items()},
            "machine": f"{device.type}, {platform.machine()}, torch {torch.__version__}",
        },
        results=results,
        notes=(
            "Labels are RAVDESS's with calm merged into neutral, because FER+ has no calm.",
            f"RAVDESS actor {TEST_ACTOR:02d} is in no training or tuning set.",
            "The fusion network learned on speech and still faces paired by label, with mismatches: no real pairs.",
            "Acted, posed expressions of 19 North American speakers and web photos: no measure of what people feel.",
        ),
    )
    return Trained(network, card)


def baseline_contract(bank: FeatureBank) -> BaselineContract:
    """Population means of a bank, rounded to six digits so that the manifest stays readable."""
    means = {"audio": bank.audio_population, "face": bank.face_population}
    return BaselineContract(
        PRIOR_STEPS, {name: tuple(round(v, 6) for v in mean.tolist()) for name, mean in means.items()}
    )


@torch.no_grad()
def fitted_temperature(network: EmotionNetwork, bank: FeatureBank, scenes: Scenes) -> float:
    """The temperature with the least negative log-likelihood on fresh scenes of held-out speakers, 0.5-3 in 0.05."""
    generator = torch.Generator().manual_seed(7)
    logits, labels = [], []
    for rows in scenes.batches(generator):
        batch = scenes.build(scenes.draw(rows, generator), bank)
        keep = bank.heldout[rows]
        if keep.any():
            out = network.fusion(batch["audio"], batch["face"], batch["audio_mask"], batch["face_mask"]).logits
            logits.append(out[keep])
            labels.append(batch["labels"][keep])
    if not logits:
        return 1.0
    scores, wanted = torch.cat(logits), torch.cat(labels)
    grid = [0.5 + 0.05 * i for i in range(51)]
    losses: list[Tensor] = [F.cross_entropy(scores / heat, wanted) for heat in grid]
    return round(grid[int(torch.stack(losses).argmin())], 2)


def shortened(recipe: Recipe, share: float) -> Recipe:
    """The same recipe with a share of its epochs, at least one each: to try the line out, not to use the result."""

    def cut(loop: LoopOptions) -> LoopOptions:
        return replace(loop, epochs=max(1, round(loop.epochs * share)))

    return replace(
        recipe,
        audio_loop=cut(recipe.audio_loop),
        face_loop=cut(recipe.face_loop),
        fusion_loop=cut(recipe.fusion_loop),
    )
