"""The sensor of `mer run`, for a file as for live sources."""

from __future__ import annotations

import sys

from mer_sdk.cli.progress import told_when_slow
from mer_sdk.cli.run.timeline import RunOptions
from mer_sdk.contract.bundle import Bundle
from mer_sdk.errors import MissingExtra
from mer_sdk.frontends.voice_activity import VOICE_RATE, SileroModel, VoiceOptions
from mer_sdk.window.sensor import EmotionSensor


def open_sensor(bundle: Bundle, options: RunOptions, sound: bool = True) -> EmotionSensor:
    """A sensor as the options say; sound counts only where somebody speaks, unless they say otherwise.

    Args:
        bundle: of a window model.
        options: see `RunOptions`.
        sound: whether there may be any.

    Raises:
        MissingExtra: voice activity is asked for, and its package is not installed.
        OptionError, RuntimeUnavailable, BundleError: see `EmotionSensor.open`.
    """
    heard = options.voice or (options.voice is None and sound and may_hear(bundle))
    with told_when_slow(f"loading {bundle.chosen_runtime(options.runtime)}"):
        return EmotionSensor.open(
            bundle,
            options.runtime,
            options.threads,
            detector=options.detector,
            baseline=options.baseline,
            smoothing=options.smoothing,
            faces=options.faces,
            voice=VoiceOptions() if heard else None,
            trust=options.trust or None,
        )


def may_hear(bundle: Bundle) -> bool:
    """Whether voice activity can run, which was not asked for; a note says where it cannot."""
    if "audio" not in bundle.manifest.modalities:
        return False
    why = f"{bundle.name} reads another sample rate than {VOICE_RATE} Hz"
    try:
        if bundle.manifest.audio.sample_rate == VOICE_RATE:
            SileroModel()
            return True
    except MissingExtra as error:
        why = str(error)
    print(f"mer: all sound counts, also where nobody speaks: {why}", file=sys.stderr)
    return False
