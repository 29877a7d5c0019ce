"""Changes of a recording: each does what its name says, and keeps length and time."""

from __future__ import annotations

import numpy as np
import pytest

from mer_sdk.evaluation.sound_changes import CHANGES, level, narrow_band, noise, opus, room

RATE = 16000


def sweep(seconds: float = 1.0, peak: float = 0.1) -> np.ndarray:
    """A tone that rises from 200 Hz to 7 kHz."""
    time = np.arange(int(RATE * seconds)) / RATE
    return (peak * np.sin(2 * np.pi * (200 * time + 3400 * time**2 / seconds))).astype(np.float32)


def decibels(wave: np.ndarray) -> float:
    return float(10 * np.log10(np.mean(np.square(wave, dtype=np.float64))))


@pytest.mark.parametrize("name", list(CHANGES))
def test_every_change_keeps_length_and_range_and_repeats_itself(name: str) -> None:
    if name.startswith("Opus"):
        pytest.importorskip("av")
    wave = sweep(0.7)[:-3]
    changed = CHANGES[name](wave)
    assert changed.shape == wave.shape
    assert changed.dtype == np.float32
    assert np.abs(changed).max() <= 1
    np.testing.assert_array_equal(changed, CHANGES[name](wave))


def test_level_is_in_decibels_and_clips() -> None:
    assert decibels(level(-20)(sweep())) == pytest.approx(decibels(sweep()) - 20, abs=1e-3)
    assert np.abs(level(30)(sweep())).max() == 1.0


def test_narrow_band_keeps_the_low_half_in_its_place() -> None:
    wave = sweep()
    changed = narrow_band(wave)
    # The tone reaches 3.6 kHz in the middle and 4.4 kHz at 0.62 s.
    np.testing.assert_allclose(changed[800:7000], wave[800:7000], atol=0.005)
    assert decibels(changed[10200:]) < decibels(wave[10200:]) - 40


def test_noise_has_its_ratio() -> None:
    wave = sweep()
    assert decibels(noise(10)(wave) - wave) == pytest.approx(decibels(wave) - 10, abs=0.1)


def test_a_room_rings_on_at_its_pace() -> None:
    click = np.zeros(RATE, np.float32)
    click[100] = 1.0
    rung = room(0.5, 0.5)(click)
    assert rung[100] == pytest.approx(np.sqrt(0.5), abs=1e-4)
    early, late = decibels(rung[1000:2000]), decibels(rung[3000:4000])
    assert early - late == pytest.approx(60 * (2000 / RATE) / 0.5, abs=2)


def test_opus_keeps_the_time() -> None:
    pytest.importorskip("av")
    rng = np.random.default_rng(0)
    wave = sweep() * np.repeat(rng.uniform(0.1, 1, 20), 800).astype(np.float32)
    coded = opus(16000)(wave)
    best = max(range(-50, 51), key=lambda lag: float(np.dot(wave[100:-100], np.roll(coded, lag)[100:-100])))
    assert abs(best) <= 1
    assert not np.array_equal(coded, wave)
