"""Sound: several channels to one, any rate to the contract's, and silence that counts as no sound."""

from __future__ import annotations

import numpy as np

from mer_converters.emit.source_bundle import SourceBundle
from mer_sdk.frontends.audio import AudioFrontend
from mer_sdk.frontends.resampling import Resampler
from mer_sdk.media.layout import MonoMix

# (sample rate, channels, seconds, what the second channel holds).
CASES = (
    (8000, 1, 0.4, ""),
    (44100, 1, 0.2, ""),
    (48000, 1, 0.2, ""),
    (192000, 1, 0.15, ""),
    (8000, 2, 1.2, "falls silent"),
    (44100, 2, 0.3, "other sound"),
    (48000, 2, 0.3, "silence"),
    (192000, 2, 0.15, "the opposite"),
    (16000, 2, 0.5, "other sound"),
    (11025, 1, 0.3, ""),
)
SILENCE_RATE = 8000


def stages(source: SourceBundle) -> dict[str, np.ndarray]:
    """`stage_resample*`: PCM [n, channels] in pieces to mono at the contract's rate; `stage_silence_*`: PCM to which of
    its steps have sound."""
    random = np.random.default_rng(18)
    arrays = {"stage_resample_cases": np.array([case[:2] for case in CASES])}
    for index, (rate, channels, seconds, second) in enumerate(CASES):
        pcm = _pcm(random, rate, round(rate * seconds), second)[:, :channels]
        pieces = _pieces(random, len(pcm))
        mix, resampler = MonoMix(rate), Resampler(rate, source.manifest.audio.sample_rate)
        made, place = [], 0
        for piece in pieces:
            made.append(resampler.push(mix.push(pcm[place : place + piece])))
            place += piece
        made += [resampler.push(mix.flush()), resampler.flush()]
        prefix = f"stage_resample{index}_"
        arrays |= {f"{prefix}pcm": pcm, f"{prefix}pieces": np.array(pieces), f"{prefix}out": np.concatenate(made)}
    return arrays | _silence(source, random)


def _pcm(random: np.random.Generator, rate: int, length: int, second: str) -> np.ndarray:
    """Float32 [n, 2]: noise with a tone, and another channel."""
    time = np.arange(length) / rate
    first = 0.4 * np.sin(2 * np.pi * 440 * time) + random.uniform(-0.3, 0.3, length)
    other = 0.3 * np.sin(2 * np.pi * 997 * time) + random.uniform(-0.3, 0.3, length)
    if second == "silence":
        other[:] = 0.0
    elif second == "falls silent":
        other[length // 3 :] = 0.0
    elif second == "the opposite":
        other = -0.98 * first
    return np.stack([first, other], axis=1).astype(np.float32)


def _pieces(random: np.random.Generator, length: int) -> list[int]:
    """Uneven pieces, one of them empty, that are all of a recording."""
    edges = np.sort(random.integers(0, length + 1, 5)).tolist()
    return np.diff([0, *edges[:3], edges[2], *edges[3:], length]).tolist()


def _silence(source: SourceBundle, random: np.random.Generator) -> dict[str, np.ndarray]:
    """Nothing at first, sound, a pause shorter than what counts as silence, sound, a long one with an offset, sound."""
    parts = [
        (0.6, 0.0, 0.0),
        (0.9, 0.5, 0.0),
        (0.7, 0.0, 0.0),
        (0.5, 0.2, 0.0),
        (2.1, 1.0 / 32768.0, 0.1),
        (0.8, 0.3, 0.0),
    ]
    sound = [
        offset + random.uniform(-loud, loud, round(seconds * SILENCE_RATE))
        if loud
        else np.full(round(seconds * SILENCE_RATE), offset)
        for seconds, loud, offset in parts
    ]
    pcm = np.concatenate(sound).astype(np.float32)
    pieces = _pieces(random, len(pcm))
    frontend, covered, place = AudioFrontend(source.manifest.audio, source.manifest.clock), [], 0
    for piece in pieces:
        covered += [fine for _, fine in frontend.push(pcm[place : place + piece], SILENCE_RATE)]
        place += piece
    covered += [fine for _, fine in frontend.flush()]
    return {
        "stage_silence_rate": np.array([SILENCE_RATE]),
        "stage_silence_pcm": pcm,
        "stage_silence_pieces": np.array(pieces),
        "stage_silence_covered": np.array(covered),
    }
