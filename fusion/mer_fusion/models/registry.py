"""The fusion models by name: how a network and its training objective are built from the plain dicts of a card."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from mer_fusion.models.amb_dsgdn import AmbDsgdn, AmbDsgdnConfig
from mer_fusion.models.amb_dsgdn_objective import AmbDsgdnObjective, AmbDsgdnOptions
from mer_fusion.models.atsuko import Atsuko, AtsukoConfig, AtsukoObjective, AtsukoOptions
from mer_fusion.models.checks import config_from_dict
from mer_fusion.models.fdrl import Fdrl, FdrlConfig, FdrlObjective, FdrlOptions
from mer_fusion.models.grjca import Grjca, GrjcaConfig
from mer_sdk.errors import OptionError, did_you_mean


class PlainObjective(nn.Module):
    """The objective of a model whose paper adds no loss of its own: the network's output and 0."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, inputs: tuple[Tensor, ...], labels: Tensor) -> tuple[Any, Tensor]:
        """The network's output and a 0-d tensor of 0; the labels are not looked at."""
        return self.network(*inputs), torch.zeros((), device=inputs[0].device)


@dataclass(frozen=True)
class FusionModel:
    """How one model is built.

    Attributes:
        network: the options of the model's configuration class as a plain dict -> the network.
        objective: the network and the options of its objective as a plain dict, empty for the defaults -> a module
            whose call on (inputs, labels) gives the network's output and the paper's extra loss, 0-d. Its submodule
            `network` is the network given.

    Both raise OptionError for an unknown option or a value outside its range.
    """

    network: Callable[[Mapping[str, Any]], nn.Module]
    objective: Callable[[nn.Module, Mapping[str, Any]], nn.Module]


def _plain(network: nn.Module, options: Mapping[str, Any]) -> PlainObjective:
    if options:
        raise OptionError(
            f"this model's objective has no options, {', '.join(sorted(options))} was given; leave it out"
        )
    return PlainObjective(network)


FUSION_MODELS: dict[str, FusionModel] = {
    "amb_dsgdn": FusionModel(
        lambda values: AmbDsgdn(AmbDsgdnConfig.from_dict(values)),
        lambda network, values: AmbDsgdnObjective(network, AmbDsgdnOptions.from_dict(values)),
    ),
    "grjca": FusionModel(lambda values: Grjca(GrjcaConfig.from_dict(values)), _plain),
    "atsuko": FusionModel(
        lambda values: Atsuko(AtsukoConfig.from_dict(values)),
        lambda network, values: AtsukoObjective(network, config_from_dict(AtsukoOptions, "Atsuko's objective", values)),
    ),
    "fdrl": FusionModel(
        lambda values: Fdrl(FdrlConfig.from_dict(values)),
        lambda network, values: FdrlObjective(network, config_from_dict(FdrlOptions, "FDRL's objective", values)),
    ),
}


def fusion_model(name: str) -> FusionModel:
    """The entry of a model.

    Raises:
        OptionError: a model that the project does not have; the message lists what there is.
    """
    if name not in FUSION_MODELS:
        near = did_you_mean(name, FUSION_MODELS)
        raise OptionError(f"model {name!r} is unknown{near}; available: {', '.join(sorted(FUSION_MODELS))}")
    return FUSION_MODELS[name]
