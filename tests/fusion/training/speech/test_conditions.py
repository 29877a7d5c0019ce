"""Conditions of training windows: each changes what it says, and nothing else."""

from dataclasses import replace

import numpy as np
import torch

from mer_fusion.encoders.audio import LogMel
from mer_fusion.training.speech.conditions import UNCHANGED, SoundConditions, changed_windows
from mer_fusion.training.speech.spectra import log_mel

INSIDE = torch.ones(1, 79, dtype=torch.bool)


def window() -> torch.Tensor:
    """One second of noise that begins in the middle, after silence."""
    wave = np.random.default_rng(0).standard_normal(16000).astype(np.float32) * 0.1
    wave[:8000] = 0
    return log_mel(wave)[None]


def changed(conditions: SoundConditions, seed: int = 0) -> torch.Tensor:
    return changed_windows(window(), INSIDE, conditions, torch.Generator().manual_seed(seed))[0]


def test_unchanged_is_the_window() -> None:
    found, speaks = changed_windows(window(), INSIDE, UNCHANGED, torch.Generator().manual_seed(0))
    assert torch.equal(found, window())
    assert speaks.all()


def test_noise_fills_the_silence_at_its_level() -> None:
    found = changed(replace(UNCHANGED, noise=1.0, noise_db=(20.0, 20.0)))
    quiet = torch.logsumexp(found[:, :30].flatten(), 0) - np.log(30 * 64)
    level = torch.logsumexp(window().flatten(), 0) - np.log(79 * 64)
    assert abs(float(level - quiet) * 10 / np.log(10) - 20) < 1.0
    assert (found[:, 45:] - window()[:, 45:]).abs().mean() < 0.2


def test_noise_fluctuates_as_noise_of_sound_does() -> None:
    sound = window()[0, 42:]
    made = changed(replace(UNCHANGED, noise=1.0, noise_db=(-60.0, -60.0)))[0, 42:]
    # Narrow low bands fluctuate most.
    for bands in (slice(0, 20), slice(40, 64)):
        assert 0.7 < float((made.std(dim=0) / sound.std(dim=0))[bands].mean()) < 1.4
    assert made.std(dim=0)[:20].mean() > 1.5 * made.std(dim=0)[-20:].mean()


def test_a_room_holds_on_after_the_sound() -> None:
    wave = np.random.default_rng(0).standard_normal(16000).astype(np.float32) * 0.1
    wave[8000:] = 0
    dry = log_mel(wave)[None]
    wet, _ = changed_windows(dry, INSIDE, replace(UNCHANGED, room=1.0, room_seconds=(0.6, 0.6)), torch.Generator())
    tail = wet[0, 45:75].mean(dim=1)
    slope = float(tail[-1] - tail[0]) / 29 / 0.0125 * 10 / np.log(10)
    assert abs(slope + 100) < 5  # 60 dB in 0.6 s
    assert (wet[0, :35] - dry[0, :35]).abs().mean() < 0.5


def test_a_telephone_has_no_high_bands() -> None:
    found = changed(replace(UNCHANGED, telephone=1.0))[0, 45:]
    kept = (found - window()[0, 45:]).mean(dim=0)
    assert kept[-10:].max() < -10
    assert kept[20:35].abs().max() < 1e-5


def test_without_speech_only_noise_is_left() -> None:
    conditions = replace(UNCHANGED, no_speech=1.0)
    found, speaks = changed_windows(window(), INSIDE, conditions, torch.Generator().manual_seed(1))
    assert not speaks.any()
    # As loud before the sound began as after it.
    assert abs(float(found[0, :38].mean() - found[0, 42:].mean())) < 0.2


def test_one_seed_gives_one_result_and_all_is_finite() -> None:
    one, again, other = changed(SoundConditions(), 3), changed(SoundConditions(), 3), changed(SoundConditions(), 4)
    assert torch.equal(one, again)
    assert not torch.equal(one, other)
    assert torch.isfinite(one).all()
    assert one.min() >= LogMel.silence - 1e-3
