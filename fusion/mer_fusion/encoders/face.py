"""Face encoders: an RGB crop in, a feature vector out, grey conversion and contrast normalisation inside the graph."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from mer_fusion.encoders.backbone import EncoderConfig, convolution_backbone
from mer_fusion.encoders.face_expression import expression_backbone
from mer_sdk.errors import OptionError

BACKBONES = ("residual", "face_expression")


@dataclass(frozen=True)
class FaceEncoderConfig(EncoderConfig):
    """Shape of a face encoder.

    Attributes:
        size: width and height of the crop in pixels.
        backbone: one of `BACKBONES`: "residual" is that of `mer_fusion.encoders.backbone`; "face_expression" has the
            layers of `mer_fusion.encoders.face_expression`, and takes no `stem` or `separable`.
    """

    size: int = 48
    backbone: str = "residual"

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.backbone not in BACKBONES:
            raise OptionError.unknown("backbone", self.backbone, BACKBONES)


class FaceEncoder(nn.Module):
    """Crop (B, size, size, 3), RGB, values 0-255 -> features (B, features).

    The crop is made grey with the luma weights of ITU-R BT.601 (FER+, the training set, is grey), then brought to zero
    mean and unit deviation, so that exposure and contrast of the camera do not matter.
    """

    def __init__(self, config: FaceEncoderConfig) -> None:
        super().__init__()
        self.config = config
        self.register_buffer("luma", torch.tensor([[0.299, 0.587, 0.114]]) / 255.0, persistent=False)
        published = config.backbone == "face_expression"
        self.backbone = (
            expression_backbone(config.channels, config.blocks) if published else convolution_backbone(config)
        )
        self.dropout = nn.Dropout(config.dropout)
        self.project = nn.Linear(config.channels[-1], config.features)

    def normalise(self, grey: Tensor) -> Tensor:
        """Grey crops (B, size, size), a range of 1 at any offset, to zero mean and unit deviation per crop."""
        centred = grey - grey.mean(dim=(1, 2), keepdim=True)
        variance = (centred * centred).mean(dim=(1, 2), keepdim=True)
        return centred * torch.rsqrt(variance + 1e-3)

    def encode(self, grey: Tensor) -> Tensor:
        """Features (B, features) of grey crops (B, size, size), a range of 1 at any offset."""
        maps = self.backbone(self.normalise(grey).unsqueeze(1))
        features: Tensor = self.project(self.dropout(maps.mean(dim=(2, 3))))
        return features

    def forward(self, crop: Tensor) -> Tensor:
        # Around 0 fp16 keeps more of the differences between pixels; the offset goes with the mean.
        return self.encode(functional.linear(crop - 128.0, self.luma).squeeze(3))
