"""The words of a generated app that depend on what its bundle reads."""

from __future__ import annotations


def consent_words(modalities: tuple[str, ...]) -> dict[str, str]:
    """The words of the consent that depend on what is read; docs/privacy.md has the whole text."""
    hears, sees = "audio" in modalities, "face" in modalities
    both = hears and sees
    return {
        "senses": "voice and face" if both else "voice" if hears else "face",
        "devices": "The camera and the microphone are" if both else f"The {'microphone' if hears else 'camera'} is",
        "what": "Sound and pictures are" if both else "Sound is" if hears else "Pictures are",
        "stays": "do not" if both or sees else "does not",
        "looks": "a voice and a face look and sound" if both else "a voice sounds" if hears else "a face looks",
        "screen": f"bars, {'the box of the face, ' if sees else ''}and what is said of the last seconds",
    }
