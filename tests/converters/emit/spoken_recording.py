"""A recording of somebody who speaks and pauses, and what the sensor of this SDK says of it with voice activity."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from mer_sdk.frontends.voice_activity import VoiceOptions
from mer_sdk.window.sensor import EmotionSensor

PIECE = 1000


class Loudness:
    """Takes loud sound for speech, as SessionVectors.kt and session.cc do."""

    def reset(self) -> None:
        """It has no state."""

    def __call__(self, piece: np.ndarray) -> float:
        return 0.9 if piece.max() > 0.2 else 0.1


def recording(path: Path) -> np.ndarray:
    """Speech, a pause of 1.3 s within the hang-over, speech, a long pause, speech: float32 at 16 kHz, also written."""
    random = np.random.default_rng(7)
    sound = random.uniform(-0.1, 0.1, 12 * 16000).astype(np.float32)
    for begin, end in ((0.8, 2.1), (3.4, 5.0), (9.2, 10.4)):
        spoken = slice(int(begin * 16000), int(end * 16000))
        sound[spoken] = random.uniform(-0.8, 0.8, spoken.stop - spoken.start)
    sound.astype("<f4").tofile(path)
    return sound


def check_said(lines: list[str], bundle: Path, sound: np.ndarray, monkeypatch: pytest.MonkeyPatch) -> None:
    """A line a step (time, speech, probabilities) is what the sensor says; a window that slides says something else."""
    monkeypatch.setattr("mer_sdk.frontends.voice_activity.SileroModel", Loudness)
    cut, sliding = (_heard(bundle, sound, voice) for voice in (VoiceOptions(), VoiceOptions(pause=None)))
    words = [line.split() for line in lines]
    assert [(float(line[0]), line[1]) for line in words] == [(time, str(speech).lower()) for time, speech, _ in cut]
    found = np.array([line[2:] for line in words], np.float32)
    np.testing.assert_allclose(found, np.stack([shares for *_, shares in cut]), atol=1e-4)
    assert np.abs(found - np.stack([shares for *_, shares in sliding])).max() > 1e-2


def _heard(bundle: Path, sound: np.ndarray, voice: VoiceOptions) -> list[tuple[float, bool | None, np.ndarray]]:
    pieces = [sound[place : place + PIECE] for place in range(0, len(sound), PIECE)]
    with EmotionSensor.open(bundle, voice=voice) as sensor:
        said = [estimate for piece in pieces for estimate in sensor.push_audio(piece, 16000)] + sensor.flush()
    return [(one.time, one.speech, np.array([*one.probabilities.values()])) for one in said]
