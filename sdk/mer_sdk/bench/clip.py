"""The clip that is decoded and searched for faces: the user's own, or one that is made from a seed."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np

from mer_sdk.bench.steps import BOX, RATE
from mer_sdk.errors import MediaError, MissingExtra
from mer_sdk.frontends.face_crop import Detection
from mer_sdk.frontends.face_detection import FaceDetector, open_detector
from mer_sdk.media.decode import AudioPiece, MediaFile

SECONDS, FRAMES, WIDTH, HEIGHT = 6, 25, 1280, 720
CODECS = ("libx264", "mpeg4")


def make_clip(path: Path, seed: int = 0) -> str:
    """Write a clip of 6 s, 1280 x 720, 25 frames a second, stereo at 48 kHz; what it is, in words.

    A soft, grained picture that drifts, and noise that swells: work for decoder and detector, and no face.

    Raises:
        MissingExtra: PyAV is not installed.
    """
    try:
        import av
    except ImportError as error:
        raise MissingExtra("decoding", "av", "media") from error
    rng = np.random.default_rng(seed)
    codec = next(name for name in CODECS if name in av.codecs_available)
    picture = _picture(rng)
    swell = (1 + np.sin(2 * np.pi * 3 * np.arange(SECONDS * RATE) / RATE)) / 2
    sound = (0.2 * swell * rng.uniform(-1, 1, (2, SECONDS * RATE))).astype(np.float32)
    with av.open(str(path), "w") as container:
        pictures: Any = container.add_stream(codec, rate=FRAMES)
        pictures.width, pictures.height, pictures.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        if codec == "libx264":
            pictures.options = {"preset": "ultrafast"}
        heard: Any = container.add_stream("aac", rate=RATE, layout="stereo")
        part = RATE // FRAMES
        for index in range(SECONDS * FRAMES):
            frame = av.VideoFrame.from_ndarray(np.roll(picture, 2 * index, axis=1), format="rgb24")
            frame.pts, frame.time_base = index, Fraction(1, FRAMES)
            container.mux(pictures.encode(frame))
            piece = np.ascontiguousarray(sound[:, index * part : (index + 1) * part])
            heard_frame = av.AudioFrame.from_ndarray(piece, format="fltp", layout="stereo")
            heard_frame.sample_rate, heard_frame.pts = RATE, index * part
            heard_frame.time_base = Fraction(1, RATE)
            container.mux(heard.encode(heard_frame))
        container.mux(pictures.encode(None))
        container.mux(heard.encode(None))
    kind = {"libx264": "H.264", "mpeg4": "MPEG-4"}[codec]
    return f"{SECONDS} s made from seed {seed}, {WIDTH}x{HEIGHT} {kind}, {FRAMES} frames/s, stereo {RATE // 1000} kHz"


class ClipStep:
    """Call it to decode one step of a clip, and to search its last frame for faces: stage -> milliseconds.

    "decode" is the step's sound and all its frames, one of them as RGB; "detect" one search, where there is a picture.
    The clip begins again at its end.

    Args:
        path: the media file.
        step: seconds.
        detector: see `open_detector`.

    Raises:
        MediaError: it cannot be read, or is shorter than a step.
        MissingExtra, OptionError: as `MediaFile` and `open_detector`.
    """

    def __init__(self, path: Path, step: float, detector: str | None = None) -> None:
        self._path, self._step = path, step
        with MediaFile(path) as media:
            self._detector = open_detector(detector) if media.info.video else None
        self._decoded = self._passes()
        next(self._decoded)

    def __call__(self) -> dict[str, float]:
        spent, rgb = next(self._decoded)
        if self._detector is None or rgb is None:
            return {"decode": spent}
        begun = perf_counter()
        self._detector.detect(rgb)
        return {"decode": spent, "detect": (perf_counter() - begun) * 1000}

    def _passes(self) -> Iterator[tuple[float, np.ndarray | None]]:
        while True:
            steps = 0
            for found in self._once():
                steps += 1
                yield found
            if not steps:
                raise MediaError(f"{self._path} is shorter than a step ({self._step} s); give a longer clip")

    def _once(self) -> Iterator[tuple[float, np.ndarray | None]]:
        """The complete steps of one pass: milliseconds, and the last frame."""
        end, frame = self._step, None
        with MediaFile(self._path) as media:
            begun = perf_counter()
            for item in media.read():
                if not isinstance(item, AudioPiece):
                    frame = item
                elif media.info.video:
                    continue
                if item.time < end:
                    continue
                rgb = frame.rgb() if frame is not None else None
                yield (perf_counter() - begun) * 1000, rgb
                end += self._step
                begun = perf_counter()


class FixedFace:
    """Searches as the real detector does, and then says that there is a face in the middle: the clip made has none."""

    def __init__(self, detector: FaceDetector) -> None:
        self._detector = detector

    def detect(self, rgb: np.ndarray) -> list[Detection]:
        """See `FaceDetector.detect`."""
        self._detector.detect(rgb)
        return [(*BOX, 1.0)]


def _picture(rng: np.random.Generator) -> np.ndarray:
    """uint8 [HEIGHT, WIDTH, 3]: waves of seeded lengths and directions, a little grain."""
    rows, columns = np.arange(HEIGHT)[:, None] / HEIGHT, np.arange(WIDTH)[None, :] / WIDTH
    waves = np.zeros((HEIGHT, WIDTH))
    for down, across in rng.integers(1, 8, (6, 2)):
        waves += np.sin(2 * np.pi * (down * rows + across * columns))
    grain = rng.normal(0, 6, (HEIGHT, WIDTH, 3))
    return np.clip(128 + 18 * waves[..., None] + grain, 0, 255).astype(np.uint8)
