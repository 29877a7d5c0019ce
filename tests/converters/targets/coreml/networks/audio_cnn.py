"""Log-mel spectrogram and MobileNetV1 (Howard et al. 2017), as YAMNet has them, for about a second of 16 kHz speech."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from networks.layers import conv_norm

RATE, WINDOW, HOP, SIZE, BANDS, SAMPLES = 16_000, 400, 160, 512, 64, 15_600
# Channels and stride of the separable convolutions.
STAGES = ((64, 1), (128, 2), (128, 1), (256, 2), (256, 1), (512, 2), *((512, 1),) * 5, (1024, 2), (1024, 1))


def mel_filters() -> Tensor:
    """Triangles [257, 64] between 125 and 7500 Hz, on O'Shaughnessy's scale."""

    def mel(hertz: Tensor) -> Tensor:
        return 1127.0 * torch.log1p(hertz / 700.0)

    low, high = mel(torch.tensor([125.0, 7500.0]))
    edges = torch.linspace(float(low), float(high), BANDS + 2)
    bins = mel(torch.linspace(0.0, RATE / 2, SIZE // 2 + 1))[:, None]
    rising = (bins - edges[:-2]) / (edges[1:-1] - edges[:-2])
    falling = (edges[2:] - bins) / (edges[2:] - edges[1:-1])
    return torch.minimum(rising, falling).clamp(min=0.0)


class AudioNetwork(nn.Module):
    """Samples [B, 15600] in [-1, 1] to scores [B, 521]."""

    def __init__(self) -> None:
        super().__init__()
        # The transform as a convolution: cosines and sines under the window.
        time, frequency = torch.arange(SIZE), torch.arange(SIZE // 2 + 1)[:, None]
        window = nn.functional.pad(torch.hann_window(WINDOW), (0, SIZE - WINDOW))
        turns = 2 * torch.pi * ((time * frequency) % SIZE) / SIZE
        waves = torch.cat([torch.cos(turns), torch.sin(turns)]) * window
        self.register_buffer("waves", waves[:, None])
        self.register_buffer("filters", mel_filters())
        layers: list[nn.Module] = [conv_norm(1, 32, 3, 2, activation=nn.ReLU)]
        channels = 32
        for outputs, stride in STAGES:
            layers += [
                conv_norm(channels, channels, 3, stride, groups=channels, activation=nn.ReLU),
                conv_norm(channels, outputs, 1, activation=nn.ReLU),
            ]
            channels = outputs
        self.layers = nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(channels, 521))

    def forward(self, samples: Tensor) -> Tensor:
        spectrum = nn.functional.conv1d(samples[:, None], self.waves, stride=HOP)
        real, imaginary = spectrum.chunk(2, dim=1)
        magnitude = torch.sqrt(real**2 + imaginary**2)
        mel = torch.log(nn.functional.linear(magnitude.transpose(1, 2), self.filters.T) + 0.001)
        return self.layers(mel[:, None])


def network() -> nn.Module:
    return AudioNetwork()


def inputs(batch: int, generator: torch.Generator) -> tuple[Tensor, ...]:
    """Tones with harmonics that fall off, and some noise."""
    time = torch.arange(SAMPLES) / RATE
    pitch = 100.0 + 150.0 * torch.rand(batch, 1, generator=generator)
    tone = sum(torch.sin(2 * torch.pi * k * pitch * time) / k for k in range(1, 9))
    return (0.1 * tone + 0.01 * torch.randn(batch, SAMPLES, generator=generator),)
