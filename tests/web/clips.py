"""A real clip, or a still picture, as a camera and a microphone give it to Chromium: one y4m and one wav."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import av
import numpy as np
import soundfile

WIDTH, HEIGHT, RATE = 640, 360, 48000


def write_streams(folder: Path, clip: Path) -> tuple[Path, Path]:
    """The paths (y4m, wav). A frame is shown for a thirtieth of a second, as RAVDESS has it within a thousandth."""
    wav = folder / "clip.wav"
    with av.open(str(clip)) as container:
        y4m = _write_frames(folder / "clip.y4m", container.decode(video=0))
    resampler, pieces = av.AudioResampler("flt", "mono", RATE), []
    with av.open(str(clip)) as container:
        for frame in (*container.decode(audio=0), None):
            pieces += [piece.to_ndarray()[0] for piece in resampler.resample(frame)]
    soundfile.write(wav, np.concatenate(pieces), RATE, subtype="PCM_16")
    return y4m, wav


def write_still(folder: Path, rgb: np.ndarray) -> Path:
    """The path of a y4m with one picture, uint8 [height, width, 3], which a camera shows again and again."""
    return _write_frames(folder / "still.y4m", [av.VideoFrame.from_ndarray(rgb, format="rgb24")] * 2)


def _write_frames(path: Path, frames: Iterable[av.VideoFrame]) -> Path:
    with path.open("wb") as file:
        file.write(f"YUV4MPEG2 W{WIDTH} H{HEIGHT} F30:1 Ip A1:1 C420jpeg\n".encode())
        for frame in frames:
            file.write(b"FRAME\n" + _planes(frame.reformat(WIDTH, HEIGHT, "yuv420p")))
    return path


def _planes(frame: av.VideoFrame) -> bytes:
    sizes = ((HEIGHT, WIDTH), (HEIGHT // 2, WIDTH // 2), (HEIGHT // 2, WIDTH // 2))
    found = b""
    for plane, (height, width) in zip(frame.planes, sizes, strict=True):
        rows = np.frombuffer(bytes(plane), np.uint8).reshape(-1, plane.line_size)
        found += rows[:height, :width].tobytes()
    return found
