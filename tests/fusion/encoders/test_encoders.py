"""Encoders: the log-mel front end against a plain STFT, shapes, and independence of chunks."""

import numpy as np
import pytest
import torch

from mer_fusion.encoders.audio import (
    AudioEncoder,
    AudioEncoderConfig,
    LogMel,
    band_groups,
    mel_filterbank,
    relative_level,
)
from mer_fusion.encoders.face import FaceEncoder, FaceEncoderConfig
from mer_sdk.errors import OptionError


def test_log_mel_equals_stft() -> None:
    pcm = torch.from_numpy(np.random.default_rng(0).standard_normal((3, 16200)).astype(np.float32)) * 0.1
    window = torch.hann_window(400)
    power = torch.stft(pcm, 400, 200, window=window, center=False, return_complex=True).abs() ** 2
    mel = (mel_filterbank(64).float() / (window**2).sum()) @ power
    got = LogMel(64)(pcm)
    assert got.shape == (3, 80, 64)
    floor = LogMel.floor / LogMel.energy * pcm.unfold(1, 400, 200).abs().amax(dim=2, keepdim=True) ** 2
    assert (got - torch.log(mel.transpose(1, 2) + floor)).abs().max() < 1e-4


def test_filterbank_covers_the_band_and_every_band_has_bins() -> None:
    bank = mel_filterbank(64)
    assert bank.shape == (64, 201)
    assert (bank.sum(dim=1) > 0).all()
    assert bank[:, 0].sum() == 0  # 0 Hz lies below the lowest band


@pytest.mark.parametrize(("mels", "groups"), [(64, 5), (20, 3), (4, 5), (150, 5)])
def test_groups_of_bands_hold_all_of_the_filterbank_in_fewer_values(mels: int, groups: int) -> None:
    bank = mel_filterbank(mels)  # of 150 bands the lowest ones have no bin
    found = band_groups(bank, groups)
    assert len(found) == min(mels, groups)
    assert [bands.start for bands, _ in found] == [0, *(bands.stop for bands, _ in found[:-1])]
    assert found[-1][0].stop == mels
    rebuilt = torch.zeros_like(bank)
    for bands, bins in found:
        rebuilt[bands, bins] = bank[bands, bins]
    assert torch.equal(rebuilt, bank)
    assert sum(bank[group].numel() for group in found) < bank.numel() / 2


def test_groups_of_bands_are_the_cheapest() -> None:
    filters = torch.tensor([[1, 0, 0, 0, 0], [1, 0, 0, 0, 0], [0, 1, 1, 0, 0], [0, 0, 0, 1, 1]])
    assert band_groups(filters, 2) == [(slice(0, 2), slice(0, 1)), (slice(2, 4), slice(1, 5))]
    assert [bins for _, bins in band_groups(filters, 3)] == [slice(0, 1), slice(1, 3), slice(3, 5)]


def test_silence_is_finite_and_the_lowest_value() -> None:
    front = LogMel(64)
    silence = front(torch.zeros(1, 4200))
    noise = front(torch.full((1, 4200), 0.5) * torch.randn(1, 4200, generator=torch.Generator().manual_seed(0)))
    assert torch.isfinite(silence).all()
    assert silence.max() < noise.min()
    assert torch.allclose(silence, torch.tensor(LogMel.silence))
    assert relative_level(silence).max() < relative_level(noise).mean() - 1.5


def voice(seconds: float, peak: float) -> torch.Tensor:
    """A synthetic voice (1, samples): syllables of a buzz at 140 Hz with two formants, and breath between them."""
    time = np.arange(int(16000 * seconds)) / 16000
    syllables = np.clip(np.sin(2 * np.pi * 2.5 * time), 0, 1) ** 0.5
    pitch = 2 * np.pi * np.cumsum(140 + 25 * np.sin(2 * np.pi * 1.1 * time)) / 16000
    formants = [
        np.exp(-(((140 * k - 600) / 250) ** 2)) + 0.4 * np.exp(-(((140 * k - 1700) / 400) ** 2)) for k in range(1, 40)
    ]
    buzz = sum(weight * np.sin(k * pitch) for k, weight in enumerate(formants, start=1))
    breath = np.random.default_rng(0).standard_normal(len(time)) * 0.02
    wave = syllables * buzz + breath
    return torch.from_numpy((wave * peak / np.abs(wave).max()).astype(np.float32))[None]


@pytest.mark.parametrize("decibels", [-30, -20, 20])
def test_the_same_voice_at_another_level_gives_the_same_features(decibels: int) -> None:
    torch.manual_seed(0)
    config = AudioEncoderConfig(frames=80, channels=(8, 12), blocks=(1, 1), features=10, level="chunk")
    encoder = AudioEncoder(config).eval()
    wave = voice(2.0, 0.05)[:, : config.chunk_samples]
    changed = encoder(wave * 10 ** (decibels / 20))
    assert (changed - encoder(wave)).abs().max() < 1e-4 * encoder(wave).abs().max()


def test_level_matters_where_it_is_absolute() -> None:
    torch.manual_seed(0)
    config = AudioEncoderConfig(frames=80, channels=(8, 12), blocks=(1, 1), features=10, level="absolute")
    encoder = AudioEncoder(config).eval()
    wave = voice(2.0, 0.05)[:, : config.chunk_samples]
    assert (encoder(wave * 0.1) - encoder(wave)).abs().max() > 1e-3 * encoder(wave).abs().max()


@pytest.mark.parametrize("peak", [1.0, 0.05, 0.002])
def test_front_end_holds_in_half_precision(peak: float) -> None:
    wave = voice(1.0, peak)[:, :16000]
    whole, half = LogMel(64)(wave), LogMel(64).half()(wave.half())
    assert torch.isfinite(half).all()
    assert (relative_level(whole) - relative_level(half).float()).abs().max() < 0.05


def test_a_frame_depends_on_its_own_samples_alone() -> None:
    wave = voice(1.0, 0.3)
    loud = wave.clone()
    loud[:, 8000:] *= 3
    assert torch.equal(LogMel(64)(wave)[:, :38], LogMel(64)(loud)[:, :38])


@pytest.mark.parametrize("separable", [True, False])
def test_audio_encoder_gives_features_of_each_chunk_alone(separable: bool) -> None:
    torch.manual_seed(0)
    config = AudioEncoderConfig(frames=40, channels=(8, 12), blocks=(1, 1), separable=separable, features=10)
    encoder = AudioEncoder(config).eval()
    pcm = torch.randn(4, config.chunk_samples) * 0.1
    together = encoder(pcm)
    assert together.shape == (4, 10)
    alone = torch.cat([encoder(row[None]) for row in pcm])
    assert (together - alone).abs().max() < 1e-5
    assert (encoder.encode(encoder.frontend(pcm)) - together).abs().max() < 1e-6


def test_face_encoder_ignores_exposure_and_contrast() -> None:
    torch.manual_seed(0)
    encoder = FaceEncoder(FaceEncoderConfig(channels=(8, 12), blocks=(1, 1), features=10)).eval()
    crop = torch.rand(2, 48, 48, 3) * 200
    assert encoder(crop).shape == (2, 10)
    brighter = encoder(crop * 0.8 + 20)
    assert (encoder(crop) - brighter).abs().max() < 0.1 * encoder(crop).abs().max()
    other = encoder(torch.rand(2, 48, 48, 3) * 200)
    assert (encoder(crop) - other).abs().max() > 3 * (encoder(crop) - brighter).abs().max()


def test_configs_refuse_what_cannot_be_built() -> None:
    with pytest.raises(OptionError, match="stage widths"):
        AudioEncoderConfig(channels=(8, 12), blocks=(1,))
    with pytest.raises(OptionError, match="20"):
        AudioEncoderConfig(frames=10)
    with pytest.raises(OptionError, match="absolute, chunk"):
        AudioEncoderConfig(level="loud")
