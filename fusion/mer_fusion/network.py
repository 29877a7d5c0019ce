"""The whole network of a model: encoders and a fusion network, as they are trained, saved and exported."""

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
from mer_fusion.encoders.text import TextEncoder, TextEncoderConfig
from mer_fusion.models.registry import fusion_model
from mer_fusion.models.temporal import parameter_count
from mer_sdk.errors import OptionError

# The parts that a network may have, in the order in which they are exported.
PARTS = ("text", "audio", "face", "fusion")


@dataclass(frozen=True)
class NetworkConfig:
    """Everything that fixes the shapes of a network.

    Attributes:
        model: name of the fusion model.
        audio, face, text: shapes of the encoders, None where there is none: then the fusion network reads features that
            come from elsewhere, or does not read that modality.
        fusion: the options of the model's own config class.
    """

    model: str
    audio: AudioEncoderConfig | None
    face: FaceEncoderConfig | None
    fusion: dict[str, Any]
    text: TextEncoderConfig | None = None

    @property
    def modalities(self) -> dict[str, int]:
        """What the fusion network reads: modality -> features per row, in the order of its inputs."""
        if "names" in self.fusion:
            return dict(zip(self.fusion["names"], self.fusion["dims"], strict=True))
        return {name: self.fusion[f"{name}_dim"] for name in ("audio", "face")}  # GRJCA


class EmotionNetwork(nn.Module):
    """Encoders and fusion of one model. Each part is exported as a graph. The encoders are there where configured.

    Attributes:
        text: word ids (B, words, slots) -> features (B, Dt).
        audio: PCM (B, chunk_samples) -> features (B, Da).
        face: crops (B, size, size, 3) -> features (B, Df).
        fusion: features minus baseline (B, T, D) of each modality and masks (B, T) of each, in a dialogue model the
            speakers (B, T) -> an output with `logits` and `reliance`.

    Raises:
        OptionError: a model that the project does not have, or an encoder whose features the fusion does not read.
    """

    text: TextEncoder
    audio: AudioEncoder
    face: FaceEncoder
    fusion: nn.Module

    def __init__(self, config: NetworkConfig) -> None:
        super().__init__()
        build = fusion_model(config.model).network
        self.config = config
        if config.audio is not None:
            self.audio = AudioEncoder(config.audio)
        if config.face is not None:
            self.face = FaceEncoder(config.face)
        if config.text is not None:
            self.text = TextEncoder(config.text)
        self.fusion = build(config.fusion)
        for name, encoder in (("text", config.text), ("audio", config.audio), ("face", config.face)):
            if encoder is not None and config.modalities.get(name) != encoder.features:
                raise OptionError(
                    f"the {name} encoder gives {encoder.features} features and the fusion network reads "
                    f"{config.modalities.get(name, 'none')}; give both the same number"
                )

    @property
    def parts(self) -> dict[str, nn.Module]:
        """The parts that there are, by name, in the order of `PARTS`."""
        return {name: getattr(self, name) for name in PARTS if hasattr(self, name)}

    def prepare_for_export(self) -> EmotionNetwork:
        """A copy in evaluation mode, fusion and audio encoder folded for export; it gives the same numbers and takes no
        gradient."""
        ready = copy.deepcopy(self).eval().requires_grad_(False)
        ready.fusion = ready.fusion.prepare_for_export()
        if self.config.audio is not None:
            ready.audio = ready.audio.prepare_for_export()
        return ready

    def parameters_by_part(self) -> dict[str, int]:
        """Parameters of each graph, in export form."""
        parts = {name: parameter_count(part) for name, part in self.prepare_for_export().parts.items()}
        return parts | {"total": sum(parts.values())}


class TorchGraph:
    """One part of a network behind the interface of a runtime's graph: named arrays in, named arrays out.

    Args:
        module: called with the inputs in order; returns a tensor, a tuple of them, or an output with `logits` and
            `reliance`.
        inputs, outputs: names in order.
    """

    def __init__(self, module: Callable[..., Any], inputs: tuple[str, ...], outputs: tuple[str, ...]) -> None:
        self._module, self._inputs, self._outputs = module, inputs, outputs

    def run(self, inputs: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Run the part on arrays of whole numbers (as int32) and of others (as float32)."""
        with torch.inference_mode():
            result = self._module(*(_tensor(inputs[name]) for name in self._inputs))
        values = (result,) if isinstance(result, Tensor) else plain_outputs(result)
        return {name: value.numpy().copy() for name, value in zip(self._outputs, values, strict=True)}


def plain_outputs(result: Any) -> tuple[Tensor, Tensor]:
    """(logits, reliance) of a fusion network's output, whatever else it says."""
    return result.logits, result.reliance


def _tensor(array: np.ndarray) -> Tensor:
    kind = np.int32 if np.asarray(array).dtype.kind in "iu" else np.float32
    return torch.from_numpy(np.ascontiguousarray(array, kind))
