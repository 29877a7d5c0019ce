"""Real clips as a camera and a microphone give them: one y4m and one wav for the browser, one mp4 for `mer run`."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import soundfile

WIDTH, HEIGHT, RATE = 640, 360, 48000
FPS = 30
LEAD_SECONDS = 1


def write_streams(folder: Path, clips: Sequence[Path]) -> tuple[Path, Path, Path]:
    """Put clips one after the other, behind a second of black and silence; gives the paths (y4m, wav, mp4).

    A frame is shown for a thirtieth of a second, as the clips of RAVDESS have it within a thousandth.
    """
    black = av.VideoFrame.from_ndarray(np.zeros((HEIGHT, WIDTH, 3), np.uint8), "rgb24")
    pictures = [black.reformat(WIDTH, HEIGHT, "yuv420p")] * (LEAD_SECONDS * FPS)
    pieces = [np.zeros(LEAD_SECONDS * RATE, np.float32)]
    for path in clips:
        shown, sound = _pictures(path), _sound(path)
        length = len(shown) * RATE // FPS
        pictures += shown
        pieces.append(np.pad(sound[:length], (0, max(0, length - len(sound)))))
    pcm = np.concatenate(pieces)
    y4m, wav, mp4 = (folder / f"clip.{kind}" for kind in ("y4m", "wav", "mp4"))
    with y4m.open("wb") as file:
        file.write(f"YUV4MPEG2 W{WIDTH} H{HEIGHT} F{FPS}:1 Ip A1:1 C420jpeg\n".encode())
        for frame in pictures:
            file.write(b"FRAME\n" + _planes(frame))
    soundfile.write(wav, pcm, RATE, subtype="PCM_16")
    _write_mp4(mp4, pictures, pcm)
    return y4m, wav, mp4


def _pictures(path: Path) -> list[av.VideoFrame]:
    with av.open(str(path)) as container:
        return [frame.reformat(WIDTH, HEIGHT, "yuv420p") for frame in container.decode(video=0)]


def _sound(path: Path) -> np.ndarray:
    resampler, pieces = av.AudioResampler("flt", "mono", RATE), []
    with av.open(str(path)) as container:
        for frame in (*container.decode(audio=0), None):
            pieces += [piece.to_ndarray()[0] for piece in resampler.resample(frame)]
    return np.concatenate(pieces)


def _planes(frame: av.VideoFrame) -> bytes:
    sizes = ((HEIGHT, WIDTH), (HEIGHT // 2, WIDTH // 2), (HEIGHT // 2, WIDTH // 2))
    found = b""
    for plane, (height, width) in zip(frame.planes, sizes, strict=True):
        rows = np.frombuffer(bytes(plane), np.uint8).reshape(-1, plane.line_size)
        found += rows[:height, :width].tobytes()
    return found


def _write_mp4(path: Path, pictures: Sequence[av.VideoFrame], pcm: np.ndarray) -> None:
    with av.open(str(path), "w") as container:
        video = container.add_stream("libx264", rate=FPS)
        video.width, video.height, video.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        video.options = {"crf": "8", "preset": "veryfast"}
        audio = container.add_stream("aac", rate=RATE, layout="mono")
        audio.bit_rate = 192000
        for index, picture in enumerate(pictures):
            frame = picture.reformat(WIDTH, HEIGHT, "yuv420p")
            frame.pts, frame.time_base = index, Fraction(1, FPS)
            container.mux(video.encode(frame))
        for start in range(0, len(pcm), 1024):
            sound = av.AudioFrame.from_ndarray(pcm[None, start : start + 1024], "fltp", "mono")
            sound.sample_rate, sound.pts, sound.time_base = RATE, start, Fraction(1, RATE)
            container.mux(audio.encode(sound))
        for stream in (video, audio):
            container.mux(stream.encode(None))
