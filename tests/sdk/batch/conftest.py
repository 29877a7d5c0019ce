"""Short sounds, and what they give one by one."""

from __future__ import annotations

import sys
import wave
from pathlib import Path

import numpy as np
import pytest

from mer_sdk.batch.estimating import BatchPlan, fingerprint
from mer_sdk.contract.bundle import Bundle

# Makes mer_command.py importable: pytest's importlib mode leaves it out.
sys.path.insert(0, str(Path(__file__).parents[1] / "cli"))


def write_wav(path: Path, seconds: float, seed: int) -> Path:
    """Noise that swells, 16 kHz, 16 bits."""
    count = int(seconds * 16000)
    swell = 1 + np.sin(2 * np.pi * 2 * np.arange(count) / 16000)
    samples = (2000 * swell * np.random.default_rng(seed).uniform(-1, 1, count)).astype("<i2")
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(16000)
        file.writeframes(samples.tobytes())
    return path


@pytest.fixture
def folder(tmp_path, monkeypatch) -> Path:
    """clips/ in the current folder: 8 sounds in two folders, a file that is no media, and one of 0 bytes."""
    monkeypatch.chdir(tmp_path)
    clips = tmp_path / "clips"
    (clips / "b").mkdir(parents=True)
    for number in range(8):
        write_wav(clips / ("b" if number % 2 else ".") / f"{number}.wav", 0.8 + 0.1 * number, number)
    (clips / "bad.wav").write_bytes(b"no sound at all " * 20)
    (clips / "empty.wav").touch()
    (clips / "notes.txt").write_text("not a clip")
    return clips


@pytest.fixture
def bundle(tiny_onnx) -> Bundle:
    return Bundle.open(tiny_onnx)


@pytest.fixture
def plan(bundle) -> BatchPlan:
    return BatchPlan(str(bundle.path), fingerprint(bundle))
