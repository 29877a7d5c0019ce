"""Where live sound and pictures come from: cameras, microphones, pipes, and files that play in their place."""

from __future__ import annotations

import re
from pathlib import Path

from mer_sdk.errors import OptionError
from mer_sdk.limits import check_kind
from mer_sdk.live.sources.camera import Camera
from mer_sdk.live.sources.capture import BackOff, Capture, SourceState, check_sources
from mer_sdk.live.sources.microphone import Microphone
from mer_sdk.live.sources.pcm import PcmPipe
from mer_sdk.live.sources.playback import Playback
from mer_sdk.live.sources.source import Picture, Source

__all__ = [
    "BackOff",
    "Camera",
    "Capture",
    "Microphone",
    "PcmPipe",
    "Picture",
    "Playback",
    "Source",
    "SourceState",
    "named_sources",
]

# A "+" is part of a name unless a source comes after it.
_BETWEEN = re.compile(r"\+(?=(?:camera|microphone)(?::|\+|$)|-(?:\+|$))")


def named_sources(text: str, rate: int = 16000, channels: int = 1) -> list[Source]:
    """The sources that an input names, not opened yet: `Capture` does that.

    Args:
        text: `camera`, `camera:N` or `camera:PATH`; `microphone` or `microphone:NAME`; `-` for 16-bit samples on
            standard input; or two of them joined by "+". `play:FILE` plays a media file in place of devices.
        rate: sample rate of standard input, Hz.
        channels: of standard input.

    Raises:
        OptionError: none of these, or two that give the same stream.
        MediaError, MissingExtra: the file to play cannot be read.
    """
    check_kind("the input", text, str, "names of sources, such as 'camera+microphone'", optional=False)
    if text.startswith("play:"):
        return [Playback(Path(text.removeprefix("play:")))]
    parts = _BETWEEN.split(text)
    sources = [PcmPipe(rate, channels, fresh=len(parts) > 1) if part == "-" else _device(part) for part in parts]
    check_sources(sources)
    return sources


def _device(text: str) -> Source:
    kind, _, device = text.partition(":")
    if kind == "camera":
        return Camera(device or 0)
    if kind == "microphone":
        return Microphone(device or None)
    raise OptionError(
        f"{text!r} is no source; allowed are camera[:N], microphone[:NAME], - (sound on standard input), two of them "
        "joined by +, and play:FILE"
    )
