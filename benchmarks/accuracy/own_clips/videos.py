"""Clips of RAVDESS's test fold as videos of one's own: files and a table, as a user of `mer adapt` has them.

The data set at hand has cut out faces, ten a take, and no videos. Each is shown on grey until the next one comes,
beside the sound of the take, so that sound and face go through what videos go through: decoding, finding the face,
cutting it out. 640 x 480, 30 pictures a second, H.264 and AAC in mp4.
"""

from __future__ import annotations

import csv
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np

from mer_sdk.evaluation.datasets import Clip
from mer_sdk.evaluation.datasets.clip_files import load_audio, load_faces

WIDTH, HEIGHT, FACE, RATE, GREY = 640, 480, 240, 30, 120
TEST_SENTENCE = 2


def write_videos(clips: Sequence[Clip], folder: Path) -> list[Path]:
    """A video of each clip, which has sound and a face track."""
    folder.mkdir(parents=True, exist_ok=True)
    return [write_video(clip, folder / f"{clip.id}.mp4") for clip in clips]


def write_video(clip: Clip, path: Path) -> Path:
    """One video; its faces are those of the track, each at its time."""
    samples, rate = load_audio(clip)
    faces = load_faces(clip)
    times = np.array([time for time, _ in faces])
    with av.open(str(path), "w") as container:
        picture = container.add_stream("libx264", rate=RATE, options={"preset": "veryfast", "crf": "20"})
        picture.width, picture.height, picture.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        sound = container.add_stream("aac", rate=rate, layout="mono")
        sound.bit_rate = 128_000
        canvases = [_canvas(image) for _, image in faces]
        for number in range(round(len(samples) / rate * RATE)):
            shown = max(0, int(np.searchsorted(times, number / RATE, side="right")) - 1)
            frame = av.VideoFrame.from_ndarray(canvases[shown], format="rgb24")
            frame.pts, frame.time_base = number, Fraction(1, RATE)
            container.mux(picture.encode(frame))
        container.mux(picture.encode(None))
        pcm = np.ascontiguousarray(samples, np.float32).reshape(1, -1)
        for start in range(0, pcm.shape[1], 1024):
            part = av.AudioFrame.from_ndarray(np.ascontiguousarray(pcm[:, start : start + 1024]), "fltp", "mono")
            part.sample_rate, part.pts, part.time_base = rate, start, Fraction(1, rate)
            container.mux(sound.encode(part))
        container.mux(sound.encode(None))
    return path


def _canvas(image: np.ndarray) -> np.ndarray:
    canvas = np.full((HEIGHT, WIDTH, 3), GREY, np.uint8)
    top, left = (HEIGHT - FACE) // 2, (WIDTH - FACE) // 2
    canvas[top : top + FACE, left : left + FACE] = cv2.resize(image, (FACE, FACE), interpolation=cv2.INTER_CUBIC)
    return canvas


def write_table(clips: Sequence[Clip], files: Sequence[Path], path: Path, by_sentence: bool = False) -> str:
    """The table that a user writes, as --data names it; with `by_sentence` the second sentence is the split test."""
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["file", "label", "speaker", "split"])
        for clip, media in zip(clips, files, strict=True):
            split = "test" if by_sentence and clip.statement == TEST_SENTENCE else ""
            writer.writerow([media, clip.label, f"actor {clip.speaker}", split])
    return f"clips:{path}"
