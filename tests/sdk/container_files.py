"""Media files with what real recorders leave in them, made by PyAV from numbers."""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterable
from fractions import Fraction
from pathlib import Path

import av
import numpy as np

RATE = 16000


def voice(seconds: float, rate: int = RATE, hertz: float = 220.0) -> np.ndarray:
    """A tone that swells three times a second, float32 in -0.3 to 0.3."""
    time = np.arange(round(seconds * rate)) / rate
    return (0.3 * np.sin(2 * np.pi * hertz * time) * (1 + np.sin(2 * np.pi * 3 * time)) / 2).astype(np.float32)


def picture(index: int = 0, size: tuple[int, int] = (96, 64)) -> np.ndarray:
    """A bright square that moves on grey, uint8 [height, width, 3]."""
    image = np.full((size[1], size[0], 3), 90, np.uint8)
    image[16:40, 8 + index % 40 : 32 + index % 40] = 210
    return image


def write(
    path: Path,
    sounds: Iterable[np.ndarray] = (),
    frames: Iterable[tuple[float, np.ndarray]] = (),
    rate: int = RATE,
    audio: str = "aac",
    video: str = "mpeg4",
    layout: str = "mono",
    options: dict[str, str] | None = None,
    gop: int = 12,
    tracks: Callable[[list], object] = lambda streams: None,
) -> Path:
    """A file of sound tracks, each float32 [n] or [n, channels], and of pictures with their times.

    Args:
        tracks: may change the streams before anything is written: pictures first, then each sound track.
    """
    sounds, frames = list(sounds), list(frames)
    with av.open(str(path), "w", options=options or {}) as container:
        streams = []
        if frames:
            stream = container.add_stream(video, rate=25)
            stream.height, stream.width = frames[0][1].shape[:2]
            stream.pix_fmt, stream.gop_size = "yuv420p", gop
            # MPEG-2 knows no other times than those of its frame rate.
            ticks = 25 if video == "mpeg2video" else 1000
            stream.time_base = stream.codec_context.time_base = Fraction(1, ticks)
            streams.append(stream)
        streams += [container.add_stream(audio, rate=rate, layout=layout) for _ in sounds]
        tracks(streams)
        packets = []
        if frames:
            for time, image in frames:
                frame = av.VideoFrame.from_ndarray(image, format="rgb24")
                frame.pts, frame.time_base = round(time * ticks), Fraction(1, ticks)
                packets += streams[0].encode(frame)
            packets += streams[0].encode(None)
        for stream, samples in zip(streams[bool(frames) :], sounds, strict=True):
            table = samples.reshape(len(samples), -1)
            pcm = (table * 32767).astype(np.int16)
            size = stream.codec_context.frame_size or 1024
            for start in range(0, len(pcm), size):
                part = np.ascontiguousarray(pcm[start : start + size]).reshape(1, -1)
                frame = av.AudioFrame.from_ndarray(part, format="s16", layout=layout)
                frame.sample_rate, frame.pts, frame.time_base = rate, start, Fraction(1, rate)
                packets += stream.encode(frame)
            packets += stream.encode(None)
        for packet in sorted(packets, key=lambda one: float((one.dts if one.dts is not None else 0) * one.time_base)):
            container.mux(packet)
    return path


def shown(seconds: float, rate: float = 25, size: tuple[int, int] = (96, 64)) -> list[tuple[float, np.ndarray]]:
    """(time, picture) of a video of so many seconds."""
    return [(index / rate, picture(index, size)) for index in range(round(seconds * rate))]


def transport_stream(path: Path, parts: Iterable[tuple[np.ndarray, float]], rate: int = 48000) -> Path:
    """Recordings joined byte by byte: each is (samples, the time at which its stamps begin, seconds)."""
    content = b""
    for samples, begin in parts:
        one = write(path.with_name("part.ts"), [samples], rate=rate, audio="mp2")

        def later(packets: list, begin: float = begin) -> list:
            for packet in packets:
                packet.pts += round(begin / packet.time_base)
                packet.dts = packet.pts
            return packets

        content += remux(one, path.with_name("later.ts"), later).read_bytes()
    path.write_bytes(content)
    return path


def remux(source: Path, out: Path, change: Callable[[list], list], options: dict[str, str] | None = None) -> Path:
    """Copy a file after `change` of its packets: drop, repeat, or stamp them anew."""
    with av.open(str(source)) as given, av.open(str(out), "w", options=options or {}) as container:
        streams = {stream.index: container.add_stream_from_template(stream) for stream in given.streams}
        for packet in change([packet for packet in given.demux() if packet.size]):
            packet.stream = streams[packet.stream_index]
            container.mux_one(packet)
    return out


def wav_header(rate: int, channels: int, bits: int, length: int, tag: int = 1, riff: int | None = None) -> bytes:
    """The 44 bytes before the samples of a wav file."""
    size = bits // 8 * channels
    return b"".join(
        (
            b"RIFF",
            struct.pack("<I", (length + 36) % 2**32 if riff is None else riff),
            b"WAVEfmt ",
            struct.pack("<IHHIIHH", 16, tag, channels, rate, rate * size, size, bits),
            b"data",
            struct.pack("<I", length % 2**32),
        )
    )
