"""Small media files that the tests write."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import numpy as np

RATE = 48000


def speech_like(seconds: float, rate: int = RATE) -> np.ndarray:
    time = np.arange(int(seconds * rate)) / rate
    return (0.3 * np.sin(2 * np.pi * 220 * time) * (1 + np.sin(2 * np.pi * 3 * time)) / 2).astype(np.float32)


def write_media(
    path: Path, seconds: float = 2.0, video: bool = True, audio: bool = True, faststart: bool = False
) -> Path:
    """An mp4 (or wav by suffix) with a moving grey square and a tone; 25 frames a second."""
    options = {"movflags": "faststart"} if faststart else {}
    with av.open(str(path), "w", options=options) as container:
        pictures = sound = None
        if video:
            pictures = container.add_stream("mpeg4", rate=25)
            pictures.width, pictures.height, pictures.pix_fmt = 160, 120, "yuv420p"
        if audio:
            sound = container.add_stream("pcm_s16le" if path.suffix == ".wav" else "aac", rate=RATE, layout="mono")
        samples = (speech_like(seconds) * 32767).astype(np.int16)
        for index in range(int(seconds * 25)):
            if pictures is not None:
                image = np.full((120, 160, 3), 90, np.uint8)
                image[40:80, 20 + index : 60 + index] = 200
                frame = av.VideoFrame.from_ndarray(image, format="rgb24")
                frame.pts, frame.time_base = index, Fraction(1, 25)
                container.mux(pictures.encode(frame))
            if sound is not None:
                piece = samples[index * RATE // 25 : (index + 1) * RATE // 25]
                frame = av.AudioFrame.from_ndarray(piece[None], format="s16", layout="mono")
                frame.sample_rate, frame.pts, frame.time_base = RATE, index * RATE // 25, Fraction(1, RATE)
                container.mux(sound.encode(frame))
        for stream in (pictures, sound):
            if stream is not None:
                container.mux(stream.encode(None))
    return path
