"""What a microphone, a line or a room does to a recording, for tests of robustness: level, band, codec, noise, room.

All take and give 16 kHz mono float32 samples in [-1, 1] of the same length, and the same input gives the same output.
"""

from __future__ import annotations

import importlib
import io
from collections.abc import Callable
from typing import Any

import numpy as np

from mer_sdk.errors import MissingExtra
from mer_sdk.frontends.resampling import Resampler

RATE = 16000
SoundChange = Callable[[np.ndarray], np.ndarray]


def level(decibels: float) -> SoundChange:
    """Another gain; what then lies over full scale is clipped, as a recorder clips it."""
    factor = np.float32(10 ** (decibels / 20))
    return lambda wave: np.clip(wave * factor, -1.0, 1.0).astype(np.float32)


def narrow_band(wave: np.ndarray) -> np.ndarray:
    """Through 8 kHz and back: nothing above 4 kHz is left."""
    narrow = Resampler(RATE, RATE // 2).whole(np.asarray(wave, np.float32))
    return _as_long(Resampler(RATE // 2, RATE).whole(narrow), len(wave))


def opus(bits_per_second: int) -> SoundChange:
    """Through the Opus codec (PyAV's libopus) and back.

    Raises:
        MissingExtra: when it is called and PyAV is not installed.
    """

    def coded(wave: np.ndarray) -> np.ndarray:
        try:
            av: Any = importlib.import_module("av")
        except ImportError as error:
            raise MissingExtra("the Opus codec", "av", "media") from error
        file = io.BytesIO()
        with av.open(file, "w", format="ogg") as container:
            stream = container.add_stream("libopus", rate=RATE, layout="mono")
            stream.bit_rate = bits_per_second
            samples = np.round(np.clip(wave, -1, 1) * 32767).astype(np.int16)
            frame = av.AudioFrame.from_ndarray(samples[None], format="s16", layout="mono")
            frame.sample_rate = RATE
            for packet in [*stream.encode(frame), *stream.encode(None)]:
                container.mux(packet)
        file.seek(0)
        with av.open(file) as container:
            decoded = container.streams.audio[0]
            back = av.AudioResampler(format="flt", layout="mono", rate=RATE)
            frames = [piece for frame in container.decode(decoded) for piece in back.resample(frame)]
            frames += back.resample(None)
        return _as_long(np.concatenate([piece.to_ndarray()[0] for piece in frames]), len(wave))

    return coded


def noise(decibels: float, seed: int = 0) -> SoundChange:
    """Pink noise at a signal-to-noise ratio over the whole clip."""

    def noisy(wave: np.ndarray) -> np.ndarray:
        spectrum = np.fft.rfft(np.random.default_rng(seed).standard_normal(len(wave)))
        hertz = np.fft.rfftfreq(len(wave), 1 / RATE)
        pink = np.fft.irfft(spectrum / np.sqrt(np.maximum(hertz, 50.0)), len(wave))
        power = float(np.mean(np.square(wave, dtype=np.float64)))
        scale = np.sqrt(power / np.mean(pink**2) / 10 ** (decibels / 10))
        return np.clip(wave + scale * pink, -1, 1).astype(np.float32)

    return noisy


def room(seconds: float, direct: float, seed: int = 0) -> SoundChange:
    """A synthetic room: noise that decays by 60 dB in `seconds` (Polack 1988) after the direct sound.

    Args:
        direct: share of the energy that comes straight from the mouth, 0-1.
    """
    times = np.arange(int(seconds * RATE)) / RATE
    tail = np.random.default_rng(seed).standard_normal(len(times)) * 10 ** (-3 * times / seconds)
    tail[: int(0.002 * RATE)] = 0
    tail *= np.sqrt((1 - direct) / np.sum(tail**2))
    tail[0] = np.sqrt(direct)

    def heard(wave: np.ndarray) -> np.ndarray:
        size = len(wave) + len(tail) - 1
        whole = np.fft.irfft(np.fft.rfft(wave, size) * np.fft.rfft(tail, size), size)
        return np.clip(whole[: len(wave)], -1, 1).astype(np.float32)

    return heard


# What the robustness table has, by the name it has there.
CHANGES: dict[str, SoundChange] = {
    "as recorded": lambda wave: wave,
    **{f"{decibels:+d} dB": level(decibels) for decibels in (-30, -20, -10, 10, 20)},
    "8 kHz": narrow_band,
    "Opus 16 kbit/s": opus(16000),
    **{f"noise at {decibels} dB": noise(decibels) for decibels in (20, 10, 0)},
    "small room (0.3 s)": room(0.3, 0.5),
    "large room (1.2 s)": room(1.2, 0.3),
}


def _as_long(wave: np.ndarray, length: int) -> np.ndarray:
    return np.pad(wave[:length], (0, max(0, length - len(wave)))).astype(np.float32)
