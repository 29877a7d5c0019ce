"""The speech embedding's layers as an encoder's backbone: bands, shapes, level, and what is folded for export."""

import copy

import numpy as np
import pytest
import torch

from mer_fusion.encoders.audio import AudioEncoder, AudioEncoderConfig, LogMel
from mer_fusion.encoders.speech_embedding import BANDS, pooled_statistics, wide_bands
from mer_sdk.errors import OptionError

CONFIG = AudioEncoderConfig(
    frames=40, level="chunk", backbone="speech_embedding", channels=(4, 6), blocks=(1, 1), features=5
)


def noise(rows: int, samples: int, rate: float = 0.1) -> torch.Tensor:
    return torch.from_numpy(np.random.default_rng(3).standard_normal((rows, samples)).astype(np.float32)) * rate


def encoder() -> AudioEncoder:
    torch.manual_seed(0)
    made = AudioEncoder(CONFIG)
    made.train()
    for _ in range(3):
        made.encode(LogMel(64)(noise(8, CONFIG.chunk_samples)) + torch.randn(8, 40, 64))
    return made.eval()


def test_front_end_gives_the_means_of_the_narrow_bands() -> None:
    made, pcm = encoder(), noise(3, CONFIG.chunk_samples)
    found = made.frontend(pcm)
    assert found.shape == (3, 40, BANDS)
    assert (found - made.bands(LogMel(64)(pcm))).abs().max() < 1e-4
    assert (made(pcm) - made.encode(LogMel(64)(pcm))).abs().max() < 1e-4


def test_front_end_computes_no_bin_that_no_band_reads() -> None:
    weights, _ = wide_bands(64, 50.0, 8000.0)
    assert LogMel(64, weights).columns < LogMel(64).columns
    assert LogMel(64).columns == 16


def test_wide_bands_are_means_and_white_noise_is_flat_in_them() -> None:
    weights, correction = wide_bands(64, 50.0, 8000.0)
    assert torch.allclose(weights.sum(dim=1), torch.ones(BANDS, dtype=torch.float64))
    assert (weights >= 0).all()
    # Bands rise, and none reads above 4 kHz.
    centres = weights @ torch.arange(64, dtype=torch.float64)
    assert (centres.diff() > 0).all()
    made, pcm = encoder(), noise(64, CONFIG.chunk_samples)
    level = torch.log(torch.exp(made.frontend(pcm)).mean(dim=(0, 1))) + correction
    # Above 500 Hz every band holds several bins.
    assert (level[12:] - level[12:].mean()).abs().max() < 0.25


def test_tones_above_four_kilohertz_change_nothing() -> None:
    made, pcm = encoder(), noise(1, CONFIG.chunk_samples)
    time = torch.arange(CONFIG.chunk_samples) / 16000
    tone = 0.05 * torch.sin(2 * torch.pi * 6000 * time)[None]
    assert (made(pcm + tone) - made(pcm)).abs().max() < 0.02 * made(pcm).abs().max()


@pytest.mark.parametrize("decibels", [-30, 20])
def test_the_same_sound_at_another_level_gives_the_same_features(decibels: int) -> None:
    made, pcm = encoder(), noise(2, CONFIG.chunk_samples, 0.02)
    changed = made(pcm * 10 ** (decibels / 20))
    assert (changed - made(pcm)).abs().max() < 1e-3 * made(pcm).abs().max()


def test_what_standardises_is_folded_for_export() -> None:
    made, pcm = encoder(), noise(4, CONFIG.chunk_samples)
    ready = copy.deepcopy(made).prepare_for_export()
    assert not any(isinstance(layer, torch.nn.BatchNorm1d) for layer in ready.modules())
    assert (ready(pcm) - made(pcm)).abs().max() < 1e-5
    again = copy.deepcopy(ready).prepare_for_export()
    assert torch.equal(again(pcm), ready(pcm))


def test_what_standardises_does_nothing_once_it_is_folded_and_keeps_its_name() -> None:
    made, pcm = encoder(), noise(4, CONFIG.chunk_samples)
    folded = copy.deepcopy(made)
    folded.fold_standardisation()
    assert (folded(pcm) - made(pcm)).abs().max() < 1e-5
    assert folded.state_dict().keys() == made.state_dict().keys()
    pooled = torch.randn(3, 24)
    assert (folded.standardise(pooled) - pooled).abs().max() < 1e-6


def test_statistics_of_known_maps() -> None:
    maps = torch.zeros(1, 1, 2, 2)
    maps[0, 0] = torch.tensor([[1.0, 3.0], [5.0, 7.0]])
    # Mean 4, maximum 7; the course in time is 2, 6 and the profile over bands 3, 5.
    assert torch.allclose(pooled_statistics(maps)[0], torch.tensor([4.0, 7.0, 2.0, 1.0]), atol=1e-4)


def test_unknown_backbones_are_refused() -> None:
    with pytest.raises(OptionError, match="residual, speech_embedding"):
        AudioEncoderConfig(backbone="resnet")
