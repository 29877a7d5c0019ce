"""How often an emotion is named where nobody speaks: noise, hum, music, breath and silence, one minute each.

    python -m benchmarks.robustness.no_speech BUNDLE-OR-CHECKPOINT ... [--seconds 60]

Sounds are made here, seeded, and run through the sensor with the defaults of `mer run`, and once more with all sound
counted. Writes docs/results/no_speech.json and the table of docs/models/sound.md.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path

import numpy as np

from benchmarks.results.result_tables import Json, table, write_result
from mer_sdk import EmotionSensor
from mer_sdk.contract.estimate import UNKNOWN
from mer_sdk.frontends.voice_activity import VoiceOptions

ROOT = Path(__file__).resolve().parents[2]
MARKERS = ("<!-- no speech: written by benchmarks/robustness/no_speech.py -->", "<!-- end of no speech -->")
RATE = 16000
_PIECE = 4000


def coloured(samples: int, slope: float, seed: int = 0) -> np.ndarray:
    """Noise whose power falls with frequency to the power `slope` (0 white, 1 pink, 2 brown), rms 1."""
    spectrum = np.fft.rfft(np.random.default_rng(seed).standard_normal(samples))
    hertz = np.maximum(np.fft.rfftfreq(samples, 1 / RATE), 20.0)
    wave = np.fft.irfft(spectrum / hertz ** (slope / 2), samples)
    return np.asarray(wave / wave.std())


def hum(samples: int) -> np.ndarray:
    """50 Hz and its harmonics, as of a badly earthed cable."""
    time = np.arange(samples) / RATE
    return np.asarray(sum(np.sin(2 * np.pi * 50 * k * time + k) / k for k in range(1, 12)))


def music(samples: int) -> np.ndarray:
    """Chords of plucked strings, four a bar, with a drum on every beat."""
    rng, wave = np.random.default_rng(1), np.zeros(samples)
    chords = ((220, 262, 330), (175, 220, 262), (196, 247, 294), (165, 208, 247))
    beat = RATE // 2
    for number, start in enumerate(range(0, samples, beat)):
        time = np.arange(min(2 * beat, samples - start)) / RATE
        for hertz in chords[number // 4 % 4]:
            for k in range(1, 7):
                wave[start : start + len(time)] += np.sin(2 * np.pi * hertz * k * time) * np.exp(-3 * k * time) / k
        drum = rng.standard_normal(len(time)) * np.exp(-40 * time)
        wave[start : start + len(time)] += drum
    return wave


def breath(samples: int) -> np.ndarray:
    """Noise of a mouth's colour that swells and ebbs, sixteen times a minute."""
    time = np.arange(samples) / RATE
    spectrum = np.fft.rfft(np.random.default_rng(2).standard_normal(samples))
    hertz = np.fft.rfftfreq(samples, 1 / RATE)
    shape = sum(np.exp(-(((hertz - centre) / width) ** 2)) for centre, width in ((600, 300), (1700, 500), (3200, 900)))
    return np.asarray(np.fft.irfft(spectrum * shape, samples) * np.clip(np.sin(2 * np.pi * time * 16 / 60), 0, 1) ** 2)


SOUNDS: dict[str, Callable[[int], np.ndarray]] = {
    "silence": np.zeros,
    "white noise": lambda samples: coloured(samples, 0),
    "pink noise": lambda samples: coloured(samples, 1),
    "brown noise": lambda samples: coloured(samples, 2),
    "hum": hum,
    "music": music,
    "breath": breath,
}


def named_share(bundle: str, wave: np.ndarray, voice: VoiceOptions | None) -> tuple[float, str]:
    """The share of steps that name an emotion, in percent, and the one that is named most often ("" where none is)."""
    with EmotionSensor.open(bundle, voice=voice) as sensor:
        pieces = (wave[start : start + _PIECE] for start in range(0, len(wave), _PIECE))
        found = [estimate for piece in pieces for estimate in sensor.push_audio(piece, RATE)] + sensor.flush()
    named = [estimate.emotion for estimate in found if estimate.emotion != UNKNOWN]
    return 100 * len(named) / len(found), max(sorted(set(named)), key=named.count) if named else ""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("bundles", nargs="+")
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--out", type=Path, default=ROOT / "docs" / "results" / "no_speech.json")
    options = parser.parse_args()
    rows: dict[str, dict[str, dict[str, object]]] = {}
    for bundle in options.bundles:
        for name, make in SOUNDS.items():
            wave = make(round(options.seconds * RATE))
            wave = (0.05 * wave / max(float(np.abs(wave).max()), 1e-9)).astype(np.float32)
            share, _ = named_share(bundle, wave, VoiceOptions())
            every, word = named_share(bundle, wave, None)
            stem = Path(bundle).stem
            row = {"named": round(share, 2), "named with all sound": round(every, 2), "as": word}
            rows.setdefault(stem, {})[name] = row
            print(f"{stem}, {name}: {share:.1f} % named ({every:.0f} % with all sound, {word})", flush=True)
    result = {"seconds": options.seconds, "bundles": rows}
    write_result(result, options.out, ROOT / "docs" / "models" / "sound.md", MARKERS, lines_of(result))


def lines_of(result: Json) -> list[str]:
    """The table of docs/models/sound.md."""
    names = list(result["bundles"])
    rows = []
    for sound in SOUNDS:
        cells = []
        for name in names:
            one = result["bundles"][name][sound]
            word = f", {one['as']}" if one["as"] else ""
            cells.append(f"{one['named']:.1f} % ({one['named with all sound']:.0f} %{word})")
        rows.append((sound, *cells))
    head = "Share of steps that name an emotion; in brackets with all sound counted, and what is then said most:"
    return [head, "", *table(("sound", *names), rows)]


if __name__ == "__main__":
    main()
