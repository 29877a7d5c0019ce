"""AMB-DSGDN: differential graph attention over the utterances of a dialogue (arXiv 2603.10043, v1).

Published and kept: input layers, one Transformer layer for audio and face with positions and speakers, per modality a
graph over other speakers' and one over the own utterances, gates, one head per modality, summed logits. Ours: any
subset of the modalities, a mask per modality (logits of what is missing are left out of the sum, and its utterance is
not attended to), the causal variant, `reliance`.
"""

import copy
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from mer_fusion.models.checks import check, check_shape, config_from_dict, is_share, is_whole, plain_dict
from mer_fusion.models.dialogue_graph import OTHER_SPEAKER, SAME_SPEAKER, DialogueGraphNetwork, band, same_speaker
from mer_fusion.models.heads import masked_softmax
from mer_fusion.models.temporal import remove_dropout
from mer_sdk.errors import SignalError

MODALITIES = ("text", "audio", "face")
_LEAST = {
    "utterances": 1,
    "classes": 2,
    "speakers": 1,
    "hidden": 2,
    "attention_heads": 1,
    "graph_heads": 1,
    "past": 0,
    "future": 0,
}
# Keeps the shares of reliance defined where no modality says anything; fp16 can hold it.
_INDIFFERENT = 1e-3


@dataclass(frozen=True)
class AmbDsgdnConfig:
    """Sizes and options of a network; the defaults are the published ones for IEMOCAP.

    Attributes:
        names: the modalities, a subset of text, audio, face in this order.
        dims: features per utterance of each.
        utterances: rows N of a dialogue's window; no weight depends on it.
        classes: outputs K, at least 2.
        speakers: different speakers S that the speaker embedding knows; numbers run from 0 to S - 1.
        hidden: width of everything inside; even, and a multiple of `attention_heads`.
        attention_heads: of the Transformer layer of audio and face.
        graph_heads: of each graph network.
        past, future: how many utterances back and ahead a graph's edges reach.
        causal: an utterance's answer depends on it and earlier ones alone; `future` then has no effect.
        dropout: of Transformer layer and heads; graph_dropout: of the graph networks.
        differential: False leaves out the second attention map, for comparison (not published).

    Raises:
        OptionError: a value outside its range; the message says which.
    """

    names: tuple[str, ...] = MODALITIES
    dims: tuple[int, ...] = (1024, 1582, 342)
    utterances: int = 110
    classes: int = 6
    speakers: int = 2
    hidden: int = 512
    attention_heads: int = 8
    graph_heads: int = 2
    past: int = 20
    future: int = 20
    causal: bool = False
    dropout: float = 0.5
    graph_dropout: float = 0.2
    differential: bool = True

    def __post_init__(self) -> None:
        fine = bool(self.names) and self.names == tuple(name for name in MODALITIES if name in self.names)
        check("names", self.names, fine, f"one or more of {', '.join(MODALITIES)}, each once and in this order")
        fine = len(self.dims) == len(self.names) and all(is_whole(d, 1) for d in self.dims)
        check("dims", self.dims, fine, f"{len(self.names)} whole numbers of at least 1, one a modality")
        for name, least in _LEAST.items():
            value = getattr(self, name)
            check(name, value, is_whole(value, least), f"a whole number of at least {least}")
        for name in ("dropout", "graph_dropout"):
            check(name, getattr(self, name), is_share(getattr(self, name)), "at least 0 and below 1")
        fine = self.hidden % 2 == 0 and self.hidden % self.attention_heads == 0
        check("hidden", self.hidden, fine, f"even and a multiple of attention_heads ({self.attention_heads})")

    @classmethod
    def iemocap(cls) -> "AmbDsgdnConfig":
        """As published for IEMOCAP (13,133,234 parameters); 110 utterances is the longest dialogue usually quoted."""
        return cls()

    @classmethod
    def meld(cls) -> "AmbDsgdnConfig":
        """As published for MELD (12,481,973 parameters); 33 utterances is the longest dialogue usually quoted."""
        return cls(dims=(1024, 300, 342), utterances=33, classes=7, speakers=9, past=6, future=6, dropout=0.11)

    def to_dict(self) -> dict[str, Any]:
        """A plain dict that JSON can hold."""
        return plain_dict(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> "AmbDsgdnConfig":
        """The configuration that ``to_dict`` gave.

        Raises:
            OptionError: a name that is no option, or a value outside its range.
        """
        return config_from_dict(cls, "AMB-DSGDN", values)


class DialogueOutput(NamedTuple):
    """What the network says of every utterance of a window.

    ``logits`` [B, N, K]; ``reliance`` [B, N, M] in the configuration's order, at least 0, sums to 1, or is 0 where
    nothing is present; ``unimodal``: each modality's own logits [B, N, K], also where it is missing.
    """

    logits: Tensor
    reliance: Tensor
    unimodal: tuple[Tensor, ...]


class DialogueTransformer(nn.Module):
    """The published Transformer layer of audio and face: positions and speakers added, self-attention, feed-forward."""

    position: Tensor
    reachable: Tensor

    def __init__(self, config: AmbDsgdnConfig) -> None:
        super().__init__()
        width, rows = config.hidden, config.utterances
        self.heads = config.attention_heads
        self.query, self.key, self.value, self.out = (nn.Linear(width, width) for _ in range(4))
        # Counted in the published size, but the authors' first layer, which is the only one, does not read it.
        self.attention_norm: nn.Module = nn.LayerNorm(width).requires_grad_(False)
        self.norm = nn.LayerNorm(width, eps=1e-6)
        self.expand, self.contract = nn.Linear(width, width), nn.Linear(width, width)
        self.dropout = nn.Dropout(config.dropout)
        self.register_buffer("position", sinusoids(rows, width), persistent=False)
        # Of rank 3, like what it is multiplied with: ExecuTorch's kernel loses the rank of [1, 1, N] times [N, N].
        reachable = torch.ones(1, rows, rows)
        self.register_buffer("reachable", reachable.tril() if config.causal else reachable, persistent=False)

    def forward(self, x: Tensor, speaker: Tensor, mask: Tensor) -> Tensor:
        """x and speaker embedding [B, N, width], mask [B, N] -> [B, N, width]."""
        batch, rows, width = x.shape
        x = self.dropout(x + self.position + speaker)

        def split(y: Tensor) -> Tensor:
            return y.reshape(batch, rows, self.heads, width // self.heads).transpose(1, 2)

        query = split(self.query(x)) * (self.heads / width) ** 0.5
        scores = torch.matmul(query, split(self.key(x)).transpose(2, 3))
        attention = self.dropout(masked_softmax(scores, (mask.unsqueeze(1) * self.reachable).unsqueeze(1)))
        seen = torch.matmul(attention, split(self.value(x))).transpose(1, 2).reshape(batch, rows, width)
        x = x + self.dropout(self.out(seen))
        inner = self.dropout(F.gelu(self.expand(self.norm(x)), approximate="tanh"))
        return x + self.dropout(self.contract(inner))


class ModalityPath(nn.Module):
    """One modality from its features to what its head reads: input layer, Transformer layer, two graphs, gate.

    Text has neither Transformer layer nor gate.
    """

    def __init__(self, dim: int, config: AmbDsgdnConfig, sequential: bool) -> None:
        super().__init__()
        near = band(config.utterances, config.past, 0 if config.causal else config.future)

        def graph(relations: tuple[int, int, int]) -> DialogueGraphNetwork:
            rest = (near, config.graph_dropout, config.differential)
            return DialogueGraphNetwork(config.hidden, config.graph_heads, relations, *rest)

        self.inputs = nn.Linear(dim, config.hidden)
        self.transformer = DialogueTransformer(config) if sequential else None
        self.cross, self.own = graph(OTHER_SPEAKER), graph(SAME_SPEAKER)
        self.gate = nn.Linear(config.hidden, config.hidden) if sequential else None

    def forward(self, x: Tensor, mask: Tensor, speaker: Tensor | None, cross: Tensor, own: Tensor) -> Tensor:
        """x [B, N, dim], mask [B, N], edges [B, N, N] of both graphs before masking -> [B, N, hidden]."""
        x = self.inputs(x)
        if self.transformer is not None and speaker is not None:
            x = self.transformer(x, speaker, mask)
        present = mask.unsqueeze(1)
        x = self.own(self.cross(x, cross * present), own * present)
        return x if self.gate is None else x * torch.sigmoid(self.gate(x))


class AmbDsgdn(nn.Module):
    """Features of a dialogue's utterances -> class logits and reliance for every one of them.

    Args:
        config: sizes and options; weights are drawn from torch's global generator (seed it for repeatable networks).
    """

    itself: Tensor
    near: Tensor
    numbers: Tensor

    def __init__(self, config: AmbDsgdnConfig) -> None:
        super().__init__()
        self.config = config
        sequential = [name != "text" for name in config.names]
        self.paths = nn.ModuleList(
            ModalityPath(dim, config, ordered) for dim, ordered in zip(config.dims, sequential, strict=True)
        )
        self.heads = nn.ModuleList(
            nn.Sequential(nn.ReLU(), nn.Dropout(config.dropout), nn.Linear(config.hidden, config.classes))
            for _ in config.names
        )
        # The last row is of utterances that are not there, as published; it stays 0.
        speakers = config.speakers
        self.speaker_table = nn.Embedding(speakers + 1, config.hidden, speakers) if any(sequential) else None
        itself, earlier, later = band(config.utterances, config.past, 0 if config.causal else config.future)
        self.register_buffer("itself", itself, persistent=False)
        self.register_buffer("near", earlier + later, persistent=False)
        self.register_buffer("numbers", torch.arange(speakers + 1).float(), persistent=False)

    def forward(self, *inputs: Tensor) -> DialogueOutput:
        """Read one dialogue per row of the batch, oldest utterance first.

        Args:
            inputs: for M modalities 2 M + 1 tensors: the finite features [B, N, D_m] of each, then a mask [B, N] of
                each (1.0 present, 0.0 missing), then the speakers [B, N]: whole numbers 0 to S - 1 as float32. An
                utterance that is not there has mask 0 in every modality; its speaker does not matter.

        Raises:
            SignalError: another number of tensors, or shapes that the configuration does not have.
        """
        features, masks, speakers = self.split(inputs)
        return self.classified(self.represented(features, masks, speakers), masks)

    def represented(self, features: tuple[Tensor, ...], masks: tuple[Tensor, ...], speakers: Tensor) -> list[Tensor]:
        """What each modality's head reads, [B, N, hidden] each; arguments as for `forward`."""
        same = same_speaker(speakers)
        own = self.itself + same * self.near
        cross = self.itself + (1.0 - same) * self.near
        embedding = None
        if self.speaker_table is not None:
            chosen = torch.relu(1.0 - torch.abs(speakers.unsqueeze(2) - self.numbers))
            embedding = F.linear(chosen, self.speaker_table.weight.t())
        return [path(x, m, embedding, cross, own) for path, x, m in zip(self.paths, features, masks, strict=True)]

    def classified(self, hidden: list[Tensor], masks: tuple[Tensor, ...]) -> DialogueOutput:
        """The heads' answer for what `represented` gave."""
        unimodal = tuple(head(x) for head, x in zip(self.heads, hidden, strict=True))
        heard = [logits * mask.unsqueeze(2) for logits, mask in zip(unimodal, masks, strict=True)]
        fused = heard[0]
        for logits in heard[1:]:
            fused = fused + logits
        return DialogueOutput(fused, reliance_shares(fused, heard, masks), unimodal)

    def prepare_for_export(self) -> "AmbDsgdn":
        """A copy in evaluation mode with the same output: lambda, relation scores and scales folded, dropout gone."""
        model = copy.deepcopy(self).eval()
        remove_dropout(model)
        for part in model.modules():
            if isinstance(part, DialogueGraphNetwork):
                part.fold()
            elif isinstance(part, DialogueTransformer):
                part.attention_norm = nn.Identity()
        return model.requires_grad_(False)

    def split(self, inputs: tuple[Tensor, ...]) -> tuple[tuple[Tensor, ...], tuple[Tensor, ...], Tensor]:
        """The inputs of `forward` as features, masks and speakers, checked; raises what `forward` raises."""
        count = len(self.config.names)
        if len(inputs) != 2 * count + 1:
            names = ", ".join(self.config.names)
            raise SignalError(
                f"{len(inputs)} tensors were given; {2 * count + 1} are needed: features of {names}, masks of {names}, "
                "speakers"
            )
        features, masks, speakers = inputs[:count], inputs[count:-1], inputs[-1]
        batch, rows = speakers.shape[0], self.config.utterances
        for name, x, mask, dim in zip(self.config.names, features, masks, self.config.dims, strict=True):
            check_shape(name, x, (batch, rows, dim))
            check_shape(f"{name}_mask", mask, (batch, rows))
        check_shape("speakers", speakers, (batch, rows))
        return features, masks, speakers


def reliance_shares(fused: Tensor, heard: list[Tensor], masks: tuple[Tensor, ...]) -> Tensor:
    """How much of the answer is each modality's: [B, N, M] from summed logits [B, N, K] and the summands. Ours.

    A modality's part is what its logits, centred over the classes, add to the expected logit under the fused
    distribution; parts below 0 (it argued for another answer) count as 0, and the rest is scaled to sum to 1. The
    parts of all modalities together are never below 0, and where all are 0 those present share equally.
    """
    posterior = torch.softmax(fused, dim=-1)
    lean = posterior - 1.0 / fused.shape[-1]  # centring the posterior centres the logits
    parts = [torch.relu((logits * lean).sum(dim=-1, keepdim=True)) for logits in heard]
    present = torch.stack(masks, dim=2)
    raw = (torch.cat(parts, dim=-1) + _INDIFFERENT) * present
    return raw / (raw.sum(dim=-1, keepdim=True) + (1.0 - present.amax(dim=-1, keepdim=True)))


def sinusoids(rows: int, width: int) -> Tensor:
    """The usual table of positions, [rows, width]: sines in the even columns, cosines in the odd."""
    angles = torch.arange(rows)[:, None] * torch.exp(torch.arange(0, width, 2) * (-math.log(10000.0) / width))
    return torch.stack((torch.sin(angles), torch.cos(angles)), dim=2).reshape(rows, width)
