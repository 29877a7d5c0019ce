"""Shapes and options of every window model, full precision and student: one recipe each, alike but for the fusion."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

from mer_fusion.encoders.audio import AudioEncoderConfig
from mer_fusion.encoders.face import FaceEncoderConfig
from mer_fusion.models.atsuko import AtsukoConfig
from mer_fusion.models.fdrl import FdrlConfig
from mer_fusion.models.grjca import GrjcaConfig
from mer_fusion.network import NetworkConfig
from mer_fusion.training.faces import face_expression
from mer_fusion.training.faces.encoder import FaceOptions
from mer_fusion.training.faces.feature_matching import MatchingOptions
from mer_fusion.training.faces.talking import TalkingLoss
from mer_fusion.training.faces.talking_sets import TalkingOptions
from mer_fusion.training.fusion.data import LABELS
from mer_fusion.training.fusion.feature_cache import CacheOptions
from mer_fusion.training.fusion.task import FusionOptions
from mer_fusion.training.fusion.windows import WindowOptions
from mer_fusion.training.loop import LoopOptions
from mer_fusion.training.speech.encoder import AudioOptions
from mer_sdk.errors import OptionError

WINDOW_MODELS = ("grjca", "hgrjca", "atsuko", "fdrl")
# Whose encoders a model takes unless told otherwise: they do not depend on the fusion, so nobody trains them twice.
ENCODERS_OF = {"atsuko": "grjca", "fdrl": "grjca"}


@dataclass(frozen=True)
class Recipe:
    """Shapes and options of one network, full precision or student.

    Attributes:
        name: of the model on the command line, one of `WINDOW_MODELS`.
        role: "full" or "student".
        network: shapes; its `model` is the name of the class ("grjca" for hgrjca too).
        audio_loop, audio_last_loop: the audio encoder's two parts, see `train_audio`.
        audio, audio_last: how the audio encoder learns in each.
        face_loop, matching_loop, talking_loop: the face encoder's parts: stills, what a published network sees in them
            (students alone), and people who talk.
        adviser: of the large face encoder from which a student learns; it learns from none where there are no
            published weights.
        kept_blocks: blocks of a published face backbone, the lowest, that stay as they are published.
        objective: options of the model's objective, empty for its defaults.
        neutral_share: how much of the way from neutral takes to the population's mean the neutral offset is, 0-1; 0
            leaves the neutral prior out, too. Features of people whom the encoders know are further apart than those of
            strangers; so only a share counts.
    """

    name: str
    role: str
    network: NetworkConfig
    audio_loop: LoopOptions
    audio_last_loop: LoopOptions
    face_loop: LoopOptions
    matching_loop: LoopOptions
    talking_loop: LoopOptions
    fusion_loop: LoopOptions
    audio: AudioOptions = field(default_factory=lambda: AudioOptions(stride=6))
    audio_last: AudioOptions = field(default_factory=lambda: AudioOptions(first_share=0.5))
    face: FaceOptions = field(default_factory=FaceOptions)
    matching: MatchingOptions = field(default_factory=MatchingOptions)
    kept_blocks: int = 3
    adviser: Recipe | None = None
    talking: TalkingOptions = field(default_factory=TalkingOptions)
    talking_loss: TalkingLoss = field(default_factory=TalkingLoss)
    fusion: FusionOptions = field(default_factory=FusionOptions)
    cache: CacheOptions = field(default_factory=CacheOptions)
    objective: dict[str, Any] = field(default_factory=dict)
    neutral_share: float = 0.5


def full_precision_recipe(seed: int, model: str = "grjca") -> Recipe:
    """The reference: face-api's expression network for the face, 128 features of it, and the student's audio encoder.

    The network as it is published tells strangers' expressions well: a logistic regression on clip means of its last
    maps, asked about folds 0 to 2 in turn, the other two learned, had 70.7 % cold and 79.3 with each person's mean
    taken off (grey crops of 96 pixels: 66.2 and 77.6; its own answers: 61.0). Trained on talking faces, all blocks,
    crops more varied, 12 passes, it had 71.7 and 78.9 of fold 2, 65.6 and 70.1 of fold 0; with the lower three blocks
    kept and crops as the student's, 20 passes, 64.5 and 72.6 of fold 0.

    Raises:
        OptionError: a model that is none of `WINDOW_MODELS`.
    """
    audio = _audio_shape()
    face = FaceEncoderConfig(
        channels=face_expression.CHANNELS,
        blocks=face_expression.BLOCKS,
        features=128,
        size=face_expression.SIZE,
        backbone=face_expression.NAME,
    )
    return Recipe(
        model,
        "full",
        _network(model, "full", audio, face),
        _first_audio_loop(seed),
        _last_audio_loop(seed),
        LoopOptions(epochs=24, seed=seed),
        _matching_loop(seed),
        LoopOptions(epochs=20, learning_rate=1e-3, precision="no", seed=seed),
        LoopOptions(epochs=14, learning_rate=1e-3, weight_decay=0.1, precision="no", seed=seed),
        fusion=_fusion_options(model),
    )


def student_recipe(seed: int, model: str = "grjca") -> Recipe:
    """The student: the same classes with about a tenth of the parameters, 64 features a modality.

    Its face encoder reads crops of 64 pixels. With 48, asked about folds 0 to 2 in turn, the other two learned, face
    alone under the head of training, three seeds had 58.9 % cold and 75.7 warm on average (63.6, 53.3, 59.9 and 76.2,
    75.3, 75.7), and 64 pixels have, one seed, 62.8 and 77.0 (68.9, 58.1, 61.3 and 75.3, 79.3, 76.4). The mean of the
    weights of those three seeds has 59.9 and 76.6.

    These learned from labels alone. Matching the published network's features alone brought nothing (folds 0 and 1:
    66.6, 59.2 and 74.8, 77.4). With the decisions of the large encoder, which had 71.7 and 78.9 there, fold 2 has 67.3
    and 78.1. A student that begins with the published blocks, fewer convolutions in each, sees less after as many
    passes of matching: 52.3 and 74.4 by a logistic regression, where this shape has 57.5 and 74.8.

    Raises:
        OptionError: a model that is none of `WINDOW_MODELS`.
    """
    audio = _audio_shape()
    face = FaceEncoderConfig(stem=16, channels=(24, 48, 80), blocks=(1, 1, 1), separable=False, features=64, size=64)
    return Recipe(
        model,
        "student",
        _network(model, "student", audio, face),
        _first_audio_loop(seed),
        _last_audio_loop(seed),
        LoopOptions(epochs=24, seed=seed),
        _matching_loop(seed),
        LoopOptions(epochs=24, learning_rate=1e-3, precision="no", seed=seed),
        LoopOptions(epochs=24, learning_rate=2e-3, weight_decay=0.1, precision="no", seed=seed),
        fusion=_fusion_options(model),
        adviser=full_precision_recipe(seed),
    )


def _first_audio_loop(seed: int) -> LoopOptions:
    return LoopOptions(epochs=24, learning_rate=1.5e-3, warmup_epochs=1.0, precision="no", seed=seed)


def _last_audio_loop(seed: int) -> LoopOptions:
    return LoopOptions(epochs=12, learning_rate=7e-4, warmup_epochs=1.0, precision="no", seed=seed)


def _matching_loop(seed: int) -> LoopOptions:
    return LoopOptions(epochs=8, learning_rate=1.5e-3, precision="no", seed=seed)


def _fusion_options(model: str) -> FusionOptions:
    """How a fusion learns; FDRL's in its own way.

    Encoders know the people of training, so that there sound and face are right nearly always, and FDRL's gate trusts
    sound more than strangers' sound deserves. As many training windows are mismatched as modalities are wrong about
    strangers, a third: asked about fold 0, which nothing had met, its students (labels alone, two seeds) had 71.3, 71.4
    cold and 78.4, 78.1 warm with a share of 0.35, 68.9, 68.2 and 72.6, 70.0 with 0.05. A teacher took 2 to 4 points.
    GRJCA's student won 1.3 warm by it and lost 2.0 cold.
    """
    if model == "fdrl":
        return FusionOptions(windows=WindowOptions(mismatch=0.35), teacher_weight=0.0)
    return FusionOptions()


def _audio_shape() -> AudioEncoderConfig:
    """One audio encoder for both, which begins with the lower layers of a published speech embedding.

    Asked about fold 0, from which it had not learned, under the head of training, it had 73.6 % cold and 73.3 warm
    after the 24 passes of the first part; residual blocks over chunks of 1.5 s, from random weights, had 66.3 and 67.0
    after 96. Chunks of 1 s had 60.5 and 63.7 after 5 passes where these, of 0.8 s, had 58.9 and 60.8; but the graph
    then takes a quarter longer, and a step more than before it. With seven convolutions in place of nine, chunks of 1 s
    take as long as these.
    """
    return AudioEncoderConfig(
        frames=64, level="chunk", backbone="speech_embedding", channels=(24, 48, 72), blocks=(1, 2, 1), features=64
    )


def with_encoders(recipe: Recipe, encoders: NetworkConfig) -> Recipe:
    """The same recipe around the encoders of another network.

    Raises:
        OptionError: that network lacks one of the two encoders.
    """
    if encoders.audio is None or encoders.face is None:
        raise OptionError("the checkpoint of --encoders has no audio or no face encoder; give a window model's")
    return replace(recipe, network=_network(recipe.name, recipe.role, encoders.audio, encoders.face))


def _network(model: str, role: str, audio: AudioEncoderConfig, face: FaceEncoderConfig) -> NetworkConfig:
    """What every network shares: the window, normalisation that fp16 can hold, classes and no regression head, because
    neither data set has valence or arousal."""
    full = role == "full"
    dims = (audio.features, face.features)
    if model in ("grjca", "hgrjca"):
        channels = (96, 96) if full else (48, 48)
        grjca = GrjcaConfig(
            steps=16,
            stable=True,
            norm_eps=1e-6,
            classes=len(LABELS),
            regression_outputs=0,
            audio_dim=dims[0],
            face_dim=dims[1],
            audio_channels=channels,
            face_channels=channels,
            kernel=5 if full else 3,
            attention_dropout=0.3 if full else 0.2,
            tcn_dropout=0.2 if full else 0.1,
            head_width=96 if full else 64,
            head_dropout=0.3 if full else 0.2,
            gating=model,
        )
        return NetworkConfig("grjca", audio, face, grjca.to_dict())
    if model == "atsuko":
        atsuko = AtsukoConfig(dims=dims, classes=len(LABELS))
        if not full:
            atsuko = replace(
                atsuko,
                width=64,
                layers=1,
                feed_forward=128,
                router_width=24,
                head_width=64,
                dropout=0.1,
                head_dropout=0.2,
            )
        return NetworkConfig("atsuko", audio, face, atsuko.to_dict())
    if model == "fdrl":
        fdrl = FdrlConfig(dims=dims, classes=len(LABELS))
        if not full:
            fdrl = replace(fdrl, width=64, feed_forward=96, head_width=64, dropout=0.1, head_dropout=0.2)
        return NetworkConfig("fdrl", audio, face, fdrl.to_dict())
    raise OptionError.unknown("model", model, WINDOW_MODELS)


def shortened(recipe: Recipe, share: float) -> Recipe:
    """The same recipe with a share of its epochs, at least one each: to try the line out, not to use the result."""

    def cut(loop: LoopOptions) -> LoopOptions:
        return replace(loop, epochs=max(1, round(loop.epochs * share)))

    return replace(
        recipe,
        audio_loop=cut(recipe.audio_loop),
        audio_last_loop=cut(recipe.audio_last_loop),
        face_loop=cut(recipe.face_loop),
        matching_loop=cut(recipe.matching_loop),
        adviser=None if recipe.adviser is None else shortened(recipe.adviser, share),
        talking_loop=cut(recipe.talking_loop),
        fusion_loop=cut(recipe.fusion_loop),
    )
