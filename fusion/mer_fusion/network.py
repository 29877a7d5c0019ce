"""The whole network of a window model: two encoders and a fusion model, as they are trained, saved and exported."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from mer_fusion.encoders.audio import AudioEncoder, AudioEncoderConfig
from mer_fusion.encoders.face import FaceEncoder, FaceEncoderConfig
from mer_fusion.models.grjca import Grjca, GrjcaConfig, parameter_count
from mer_sdk.errors import OptionError

# Model name -> how its fusion network is built from the plain dict in a checkpoint's card.
FUSION_MODELS: dict[str, Callable[[dict[str, Any]], nn.Module]] = {
    "grjca": lambda values: Grjca(GrjcaConfig.from_dict(values)),
}


@dataclass(frozen=True)
class NetworkConfig:
    """Everything that fixes the shapes of a network. `fusion` holds the options of the model's own config class."""

    model: str
    audio: AudioEncoderConfig
    face: FaceEncoderConfig
    fusion: dict[str, Any]


class EmotionNetwork(nn.Module):
    """Encoders and fusion of one model. The three parts are exported as three graphs.

    Attributes:
        audio: PCM (B, chunk_samples) -> features (B, Da).
        face: crops (B, size, size, 3) -> features (B, Df).
        fusion: features minus baseline (B, T, Da), (B, T, Df) and masks (B, T), (B, T) -> `FusionOutput`.

    Raises:
        OptionError: a model that the project does not have.
    """

    def __init__(self, config: NetworkConfig) -> None:
        super().__init__()
        if config.model not in FUSION_MODELS:
            raise OptionError(f"model {config.model!r} is unknown; available: {', '.join(sorted(FUSION_MODELS))}")
        self.config = config
        self.audio = AudioEncoder(config.audio)
        self.face = FaceEncoder(config.face)
        self.fusion = FUSION_MODELS[config.model](config.fusion)

    def prepare_for_export(self) -> EmotionNetwork:
        """A copy in evaluation mode with weight norm folded; gives the same numbers and takes no gradient."""
        ready = copy.deepcopy(self).eval().requires_grad_(False)
        if isinstance(ready.fusion, Grjca):
            ready.fusion = ready.fusion.prepare_for_export()
        return ready

    def parameters_by_part(self) -> dict[str, int]:
        """Parameters of each graph, weight norm folded, as they are exported."""
        ready = self.prepare_for_export()
        parts = {name: parameter_count(getattr(ready, name)) for name in ("audio", "face", "fusion")}
        return parts | {"total": sum(parts.values())}


class TorchGraph:
    """One part of a network behind the interface of a runtime's graph: named arrays in, named arrays out.

    Args:
        module: called with the inputs in order; returns a tensor or a tuple of them.
        inputs, outputs: names in order.
    """

    def __init__(self, module: Callable[..., Any], inputs: tuple[str, ...], outputs: tuple[str, ...]) -> None:
        self._module, self._inputs, self._outputs = module, inputs, outputs

    def run(self, inputs: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Run the part on float32 arrays."""
        with torch.inference_mode():
            result = self._module(*(torch.from_numpy(np.ascontiguousarray(inputs[name])) for name in self._inputs))
        values = (result,) if isinstance(result, Tensor) else result
        return {name: value.numpy().copy() for name, value in zip(self._outputs, values, strict=True)}
