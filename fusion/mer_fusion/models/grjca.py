"""GRJCA and HGRJCA: gated recursive joint cross-attention of audio and face (arXiv 2503.12261), and its loss.

Published: temporal networks, joint cross-attention over the window, gates, per-frame regression of valence or arousal,
CCC loss. Ours, present only when configured: learned vectors for missing steps, a classification head that routes
between the modalities, normalisation between the iterations for fp16 and int8 (``stable``).
"""

import copy
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.utils import fuse_linear_bn_eval

from mer_fusion.models.checks import check, check_shape, config_from_dict, is_whole, plain_dict
from mer_fusion.models.heads import ClassificationHead, RegressionHead
from mer_fusion.models.temporal import (
    Affine,
    TemporalNetwork,
    fold_weight_norm,
    parameter_count,
    remove_dropout,
    xavier_,
)
from mer_sdk.errors import OptionError, SignalError

__all__ = ["FusionOutput", "Grjca", "GrjcaConfig", "ccc_loss", "parameter_count"]

GATINGS = ("grjca", "hgrjca", "none")


@dataclass(frozen=True)
class GrjcaConfig:
    """Sizes and options of a network; the defaults are the published GRJCA with one regression output.

    Attributes:
        audio_dim, face_dim: features per step that come in.
        audio_channels, face_channels: widths of the temporal blocks; the last is the modality's width in the fusion.
        kernel: taps of the temporal convolutions.
        tcn_dropout, attention_dropout, head_dropout: probabilities in [0, 1).
        steps: window length T; it fixes the size of the attention's key weights.
        iterations: rounds of joint cross-attention, each with its own weights; "hgrjca" needs at least 2.
        temperature: of the gates' softmax.
        gating: "grjca" (one gate per modality), "hgrjca" (a gate per iteration and a stage gate over them) or "none"
            (the last iteration as it is, to measure what the gates are worth).
        head_width: hidden units of each head.
        regression_outputs: outputs of the per-step regression head; 0 = no such head.
        classes: outputs of the classification head; 0 = no such head.
        weight_norm: weight normalisation of the temporal convolutions.
        mask_embeddings: a learned vector per modality stands for a missing step; None = where there are classes.
        stable: normalise per step after every iteration, so that activations stay in fp16 range.
        norm_eps: added under the root of the per-step L2 norm; 1e-12 vanishes in fp16, where 1e-6 is to be used.

    Raises:
        OptionError: a value outside its range; the message says which.
    """

    audio_dim: int = 128
    face_dim: int = 512
    audio_channels: tuple[int, ...] = (128, 128, 128, 128)
    face_channels: tuple[int, ...] = (512, 512, 256, 256)
    kernel: int = 5
    tcn_dropout: float = 0.1
    steps: int = 300
    attention_dropout: float = 0.6
    iterations: int = 2
    temperature: float = 0.1
    gating: str = "grjca"
    head_width: int = 256
    regression_outputs: int = 1
    classes: int = 0
    weight_norm: bool = True
    head_dropout: float = 0.0
    stable: bool = False
    mask_embeddings: bool | None = None
    norm_eps: float = 1e-12

    def __post_init__(self) -> None:
        if self.mask_embeddings is None:
            object.__setattr__(self, "mask_embeddings", self.classes > 0)
        for name in ("audio_dim", "face_dim", "kernel", "steps", "iterations", "head_width"):
            check(name, getattr(self, name), is_whole(getattr(self, name), 1), "a whole number of at least 1")
        for name in ("regression_outputs", "classes"):
            check(name, getattr(self, name), is_whole(getattr(self, name), 0), "a whole number, 0 for none")
        for name in ("audio_channels", "face_channels"):
            widths = getattr(self, name)
            fine = isinstance(widths, tuple) and bool(widths) and all(is_whole(w, 1) for w in widths)
            check(name, widths, fine, "a tuple of one or more whole numbers of at least 1")
        for name in ("tcn_dropout", "attention_dropout", "head_dropout"):
            value = getattr(self, name)
            check(name, value, isinstance(value, (int, float)) and 0.0 <= value < 1.0, "at least 0 and below 1")
        for name in ("temperature", "norm_eps"):
            value = getattr(self, name)
            check(name, value, isinstance(value, (int, float)) and 0.0 < value < math.inf, "a number above 0")
        check("gating", self.gating, self.gating in GATINGS, f"one of {', '.join(GATINGS)}")
        check("classes", self.classes, self.classes != 1, "0 or at least 2")
        if self.gating == "hgrjca":
            check("iterations", self.iterations, self.iterations >= 2, "at least 2 with gating hgrjca")
        if self.classes == 0 and self.regression_outputs == 0:
            raise OptionError("classes and regression_outputs are both 0: the network needs one head at least; set one")

    @property
    def fused_width(self) -> int:
        """Width D of the fused features: face plus audio."""
        return self.face_channels[-1] + self.audio_channels[-1]

    def to_dict(self) -> dict[str, Any]:
        """A plain dict that JSON can hold."""
        return plain_dict(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> "GrjcaConfig":
        """The configuration that ``to_dict`` gave; lists become tuples.

        Raises:
            OptionError: a name that is no option, or a value outside its range.
        """
        return config_from_dict(cls, "GRJCA", values)


class FusionOutput(NamedTuple):
    """What the network says of a window.

    ``logits`` [B, K] and ``reliance`` [B, 2] (audio, face; at least 0, sums to 1, or is 0 when nothing is present) are
    None without classes; ``regression`` [B, T, R] in (-1, 1) is None without regression outputs; ``fused`` [B, T, D]
    holds the gated face features first, then the audio's.
    """

    logits: Tensor | None
    reliance: Tensor | None
    regression: Tensor | None
    fused: Tensor


class JointCrossAttention(nn.Module):
    """One iteration: each modality is refined by how its features correlate over the window with both together.

    The attention maps are feature by feature (d_m x D) and bounded by tanh, not by a softmax over time.
    """

    def __init__(self, face: int, audio: int, steps: int, dropout: float) -> None:
        super().__init__()
        joint = face + audio
        self.scale = 1.0 / math.sqrt(joint)
        self.joint = nn.Linear(joint, joint)
        self.face_key = nn.Linear(steps, steps)
        self.audio_key = nn.Linear(steps, steps)
        self.face_value = nn.Linear(face, face)
        self.audio_value = nn.Linear(audio, audio)
        self.face_out = nn.Linear(joint, face)
        self.audio_out = nn.Linear(joint, audio)
        self.dropout = nn.Dropout(dropout)
        xavier_(self)

    def forward(self, face: Tensor, audio: Tensor) -> tuple[Tensor, Tensor]:
        """Face [B, T, d_v] and audio [B, T, d_a] -> both refined, same shapes."""
        joint = self.joint(torch.cat((face, audio), dim=-1))
        return (
            self._refine(face, joint, self.face_key, self.face_value, self.face_out),
            self._refine(audio, joint, self.audio_key, self.audio_value, self.audio_out),
        )

    def _refine(self, x: Tensor, joint: Tensor, key: nn.Linear, value: nn.Linear, out: nn.Linear) -> Tensor:
        # The scale goes on the smaller factor, before the sum over T, to keep that sum small in fp16.
        keys = key(x.transpose(1, 2)) * self.scale
        scores = self.dropout(torch.tanh(torch.matmul(keys, joint)))
        attended = torch.relu(torch.tanh(torch.matmul(value(x), scores)))
        return x + self.dropout(torch.relu(out(attended)))


class Gates(nn.Module):
    """The gates of one modality: per step, how much of its input and of each iteration goes on."""

    def __init__(self, width: int, iterations: int, gating: str, temperature: float) -> None:
        super().__init__()
        self.inverse_temperature = 1.0 / temperature
        # GRJCA gates once, after the last iteration; HGRJCA after each, then over those results.
        first = {"grjca": iterations, "hgrjca": 1, "none": iterations + 1}[gating]
        self.levels = nn.ModuleList(nn.Linear(width, t + 1) for t in range(first, iterations + 1))
        self.stage = nn.Linear(width, iterations) if gating == "hgrjca" else None
        xavier_(self)

    def weights(self, layer: nn.Linear, x: Tensor) -> Tensor:
        """Softmax of ``layer`` on [B, T, width] at the gates' temperature -> [B, T, ways], sums to 1."""
        return torch.softmax(layer(x) * self.inverse_temperature, dim=-1)

    def forward(self, states: list[Tensor]) -> Tensor:
        """The input and the result of each iteration, each [B, T, width] -> [B, T, width], at least 0."""
        if not self.levels:
            return torch.relu(states[-1])
        gated = []
        for level in self.levels:
            seen = states[: level.out_features]
            gated.append(self._mix(level, seen[-1], seen))
        return gated[0] if self.stage is None else self._mix(self.stage, states[-1], gated)

    def _mix(self, layer: nn.Linear, by: Tensor, parts: list[Tensor]) -> Tensor:
        weights = self.weights(layer, by)
        mixed = weights[..., 0:1] * parts[0]
        for i in range(1, len(parts)):
            mixed = mixed + weights[..., i : i + 1] * parts[i]
        return torch.relu(mixed)


class Grjca(nn.Module):
    """Audio and face features of a window -> class logits, reliance, per-step regression, as configured.

    Args:
        config: sizes and options; weights are drawn from torch's global generator (seed it for repeatable networks).
    """

    def __init__(self, config: GrjcaConfig) -> None:
        super().__init__()
        self.config = config
        face, audio = config.face_channels[-1], config.audio_channels[-1]
        tcn = (config.kernel, config.tcn_dropout, config.weight_norm)
        self.face_tcn = TemporalNetwork(config.face_dim, config.face_channels, *tcn)
        self.audio_tcn = TemporalNetwork(config.audio_dim, config.audio_channels, *tcn)
        self.face_norm: nn.Module = nn.BatchNorm1d(face)
        self.audio_norm: nn.Module = nn.BatchNorm1d(audio)
        self.iterations = nn.ModuleList(
            JointCrossAttention(face, audio, config.steps, config.attention_dropout) for _ in range(config.iterations)
        )
        gates = (config.iterations, config.gating, config.temperature)
        self.face_gates = Gates(face, *gates)
        self.audio_gates = Gates(audio, *gates)
        self.regressor = (
            RegressionHead(config.fused_width, config.head_width, config.regression_outputs)
            if config.regression_outputs
            else None
        )
        self.classifier = (
            ClassificationHead(face, audio, config.head_width, config.classes, config.head_dropout)
            if config.classes
            else None
        )
        # Not zero: zero is the person's mean once the baseline is taken off, and missing is not the mean.
        self.face_missing = nn.Parameter(torch.randn(config.face_dim) * 0.1) if config.mask_embeddings else None
        self.audio_missing = nn.Parameter(torch.randn(config.audio_dim) * 0.1) if config.mask_embeddings else None

    def forward(self, audio: Tensor, face: Tensor, audio_mask: Tensor, face_mask: Tensor) -> FusionOutput:
        """Read one window per row, newest step last.

        Args:
            audio, face: finite features [B, T, audio_dim] and [B, T, face_dim]; those of missing steps do not matter.
            audio_mask, face_mask: [B, T], 1.0 where the step is present and 0.0 where it is missing.

        Raises:
            SignalError: shapes that the configuration does not have.
        """
        batch, steps = audio.shape[0], self.config.steps
        check_shape("audio", audio, (batch, steps, self.config.audio_dim))
        check_shape("face", face, (batch, steps, self.config.face_dim))
        check_shape("audio_mask", audio_mask, (batch, steps))
        check_shape("face_mask", face_mask, (batch, steps))
        audio = _present(audio, audio_mask, self.audio_missing)
        face = _present(face, face_mask, self.face_missing)
        audio = self.audio_norm(self.audio_tcn(audio.transpose(1, 2))).transpose(1, 2)
        face = self.face_norm(self.face_tcn(face.transpose(1, 2))).transpose(1, 2)
        fused = self.fuse(face, audio)
        logits = reliance = None
        if self.classifier is not None:
            width = self.config.face_channels[-1]
            logits, reliance = self.classifier(fused[..., :width], fused[..., width:], face_mask, audio_mask)
        regression = None if self.regressor is None else self.regressor(fused)
        return FusionOutput(logits, reliance, regression, fused)

    def fuse(self, video: Tensor, audio: Tensor) -> Tensor:
        """The published fusion alone: video [B, T, d_v] and audio [B, T, d_a] -> gated [B, T, d_v + d_a]."""
        eps = self.config.norm_eps
        faces, audios = [l2_normalise(video, eps)], [l2_normalise(audio, eps)]
        for iteration in self.iterations:
            face, voice = iteration(faces[-1], audios[-1])
            if self.config.stable:
                face, voice = l2_normalise(face, eps), l2_normalise(voice, eps)
            faces.append(face)
            audios.append(voice)
        return torch.cat((self.face_gates(faces), self.audio_gates(audios)), dim=-1)

    def prepare_for_export(self) -> "Grjca":
        """A copy in evaluation mode with the same output: weight and batch normalisation folded, dropout gone."""
        model = copy.deepcopy(self).eval()
        fold_weight_norm(model)
        remove_dropout(model)
        model.face_norm, model.audio_norm = Affine(model.face_norm), Affine(model.audio_norm)
        for head in (model.regressor, model.classifier):
            if head is not None:
                head.hidden, head.norm = fuse_linear_bn_eval(head.hidden, head.norm), nn.Identity()
        return model.requires_grad_(False)


def l2_normalise(x: Tensor, eps: float) -> Tensor:
    """Every row of the last dimension to length 1; a row of zeros stays zero."""
    return x * torch.rsqrt((x * x).sum(dim=-1, keepdim=True) + eps)


def ccc_loss(prediction: Tensor, target: Tensor) -> Tensor:
    """1 minus the concordance correlation of each sequence over time, averaged; as the authors train.

    The covariance is divided by T and the variances by T - 1, so a perfect prediction has a loss of 1 / T, not 0. A
    sequence on which both are constant and equal counts as not correlated (loss 1).

    Args:
        prediction, target: [B, T] or [B, T, R], T at least 2.

    Returns:
        A scalar between 0 and 2.

    Raises:
        SignalError: other or unequal shapes.
    """
    if prediction.shape != target.shape or prediction.dim() not in (2, 3) or prediction.shape[1] < 2:
        raise SignalError(
            f"CCC of {tuple(prediction.shape)} against {tuple(target.shape)}: both must be [B, T] or [B, T, R], "
            "equal, with T at least 2; reshape them"
        )
    mean_p, mean_t = prediction.mean(dim=1, keepdim=True), target.mean(dim=1, keepdim=True)
    spread = prediction.var(dim=1, keepdim=True) + target.var(dim=1, keepdim=True) + (mean_p - mean_t) ** 2
    return 1.0 - (2.0 * (prediction - mean_p) * (target - mean_t) / spread.clamp_min(1e-12)).mean()


def _present(x: Tensor, mask: Tensor, missing: Tensor | None) -> Tensor:
    mask = mask.unsqueeze(-1)
    return x * mask if missing is None else x * mask + (1.0 - mask) * missing
