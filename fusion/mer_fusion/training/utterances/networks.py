"""The fusion models at the sizes that tables of utterances allow, and the baselines that they must beat.

AMB-DSGDN reads an utterance as a dialogue of one: its two graphs then hold one node, and the features of a window are
averaged over the steps, since its unit is the utterance.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from mer_fusion.models.amb_dsgdn import AmbDsgdn, AmbDsgdnConfig
from mer_fusion.models.amb_dsgdn_objective import AmbDsgdnObjective, AmbDsgdnOptions
from mer_fusion.models.registry import PlainObjective, fusion_model
from mer_fusion.models.window import WindowOutput, masked_mean
from mer_fusion.training.utterances.table import UtteranceTable
from mer_sdk.errors import OptionError

MODELS = ("grjca", "atsuko", "fdrl", "amb_dsgdn")


class DialogueOfOne(nn.Module):
    """AMB-DSGDN on single utterances: windows [B, T, D_m] and masks [B, T] in, logits [B, K] out.

    Args:
        network: a dialogue network of one utterance.

    Raises:
        OptionError: the network has more utterances.
    """

    def __init__(self, network: AmbDsgdn) -> None:
        super().__init__()
        if network.config.utterances != 1:
            raise OptionError(f"the network reads {network.config.utterances} utterances; configure utterances=1")
        self.network = network

    def dialogue(self, inputs: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        """The inputs of the dialogue network: features [B, 1, D_m], masks [B, 1], speakers [B, 1]."""
        count = len(self.network.config.names)
        features = [masked_mean(x, mask) for x, mask in zip(inputs[:count], inputs[count:], strict=True)]
        masks = [mask.amax(dim=1, keepdim=True) for mask in inputs[count:]]
        return (*(x.unsqueeze(1) for x in features), *masks, torch.zeros_like(masks[0]))

    def forward(self, *inputs: Tensor) -> WindowOutput:
        """As a window model: features of each modality, then their masks."""
        output = self.network(*self.dialogue(inputs))
        return WindowOutput(output.logits[:, 0], output.reliance[:, 0], None)


class SingleUtteranceObjective(nn.Module):
    """The objective of a dialogue network on single utterances.

    Args:
        objective: of a dialogue network of one utterance.
    """

    def __init__(self, objective: AmbDsgdnObjective) -> None:
        super().__init__()
        self.objective = objective

    @property
    def network(self) -> DialogueOfOne:
        """The network inside, as a window model."""
        return DialogueOfOne(self.objective.network)

    def forward(self, inputs: tuple[Tensor, ...], labels: Tensor) -> tuple[WindowOutput, Tensor]:
        """The network's output and the paper's extra loss, 0-d; labels [B]."""
        output, extra = self.objective(self.network.dialogue(inputs), labels[:, None])
        return WindowOutput(output.logits[:, 0], output.reliance[:, 0], None), extra


class ConcatenationOutput(NamedTuple):
    """``logits`` [B, K]."""

    logits: Tensor


class ConcatenationMlp(nn.Module):
    """The early-fusion baseline: the means over present steps and the presence flags, concatenated, one hidden layer.

    Args:
        dims: features of each modality; one is allowed, which makes it the unimodal baseline.
    """

    def __init__(self, dims: tuple[int, ...], classes: int, width: int, dropout: float) -> None:
        super().__init__()
        self.norm = nn.BatchNorm1d(sum(dims))
        self.hidden = nn.Linear(sum(dims) + len(dims), width)
        self.dropout = nn.Dropout(dropout)
        self.out = nn.Linear(width, classes)

    def forward(self, *inputs: Tensor) -> ConcatenationOutput:
        """As a window model: features [B, T, D_m] of each modality, then their masks [B, T]."""
        count = len(inputs) // 2
        means = [masked_mean(x, mask) for x, mask in zip(inputs[:count], inputs[count:], strict=True)]
        present = [mask.amax(dim=1, keepdim=True) for mask in inputs[count:]]
        x = torch.cat((self.norm(torch.cat(means, dim=1)), *present), dim=1)
        return ConcatenationOutput(self.out(self.dropout(torch.relu(self.hidden(x)))))


def fusion_objective(
    model: str,
    table: UtteranceTable,
    classes: int,
    width: int,
    dropout: float,
    network_options: Mapping[str, Any] | None = None,
    objective_options: Mapping[str, Any] | None = None,
) -> nn.Module:
    """A fusion model for the windows of a table, inside its objective; its network is the submodule `network`.

    Args:
        model: one of `MODELS`, or "concatenation" for the baseline.
        width: features inside; a multiple of 4.
        dropout: probability everywhere in the network where it has dropout.
        network_options: override single options of the network's configuration, objective_options those of the
            paper's objective; for ablations.

    Raises:
        OptionError: an unknown model or option, or a table with modalities that the model cannot read.
    """
    names, dims = table.names, table.dims
    if model == "concatenation":
        return PlainObjective(ConcatenationMlp(dims, classes, width, dropout))
    steps = table.modalities[0].windows.shape[2]
    network = network_configuration(model, names, dims, steps, classes, width, dropout) | dict(network_options or {})
    if model == "amb_dsgdn":
        dialogue = AmbDsgdn(AmbDsgdnConfig.from_dict(network))
        options = AmbDsgdnOptions.from_dict(objective_options or {})
        return SingleUtteranceObjective(AmbDsgdnObjective(dialogue, options))
    entry = fusion_model(model)
    return entry.objective(entry.network(network), dict(objective_options or {}))


def network_configuration(
    model: str, names: tuple[str, ...], dims: tuple[int, ...], steps: int, classes: int, width: int, dropout: float
) -> dict[str, Any]:
    """The configuration of a model as a plain dict, at a size for about a thousand utterances.

    Raises:
        OptionError: an unknown model, or modalities that it cannot read.
    """
    kernel = 3 if steps > 2 else 1
    if model == "grjca":
        if names != ("audio", "face"):
            raise OptionError(f"GRJCA reads audio and face, not {', '.join(names)}; choose another model")
        return {
            "audio_dim": dims[0],
            "face_dim": dims[1],
            "audio_channels": (width,),
            "face_channels": (width,),
            "kernel": kernel,
            "steps": steps,
            "stable": True,
            "norm_eps": 1e-6,
            "classes": classes,
            "regression_outputs": 0,
            "tcn_dropout": dropout,
            "attention_dropout": dropout,
            "head_width": width,
            "head_dropout": dropout,
        }
    if model == "amb_dsgdn":
        return {
            "names": names,
            "dims": dims,
            "utterances": 1,
            "classes": classes,
            "speakers": 1,
            "hidden": width,
            "attention_heads": 4,
            "past": 0,
            "future": 0,
            "dropout": dropout,
            "graph_dropout": dropout,
        }
    if model not in MODELS:
        raise OptionError(f"model {model!r} is unknown; allowed are {', '.join(MODELS)} and concatenation")
    values = {
        "names": names,
        "dims": dims,
        "steps": steps,
        "classes": classes,
        "width": width,
        "kernel": kernel,
        "layers": 1,
        "heads": 4,
        "feed_forward": 2 * width,
        "head_width": width,
        "dropout": dropout,
        "head_dropout": dropout,
    }
    return values | ({"router_width": 32} if model == "atsuko" else {})


def logistic_regression(x: Tensor, labels: Tensor, wanted: Tensor, classes: int, decay: float = 3e-3) -> Tensor:
    """Multinomial logistic regression on standardised features, solved to its optimum: log probabilities (R, K).

    Args:
        x: (N, D) to learn from, labels: (N,) int64; wanted: (R, D) to classify.
        decay: weight of the squared coefficients in the mean loss.
    """
    mean, spread = x.double().mean(dim=0), x.double().std(dim=0).clamp(min=1e-6)
    x, wanted = (x.double() - mean) / spread, (wanted.double() - mean) / spread
    weight = torch.zeros(classes, x.shape[1], dtype=torch.float64, requires_grad=True)
    bias = torch.zeros(classes, dtype=torch.float64, requires_grad=True)
    solver = torch.optim.LBFGS([weight, bias], max_iter=300, line_search_fn="strong_wolfe")

    def loss() -> Tensor:
        solver.zero_grad()
        value = F.cross_entropy(F.linear(x, weight, bias), labels) + decay * (weight**2).sum()
        value.backward()
        return value

    solver.step(loss)
    with torch.no_grad():
        return F.log_softmax(F.linear(wanted, weight, bias), dim=1).float()
