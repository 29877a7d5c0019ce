"""Twelve small media files of the usual kinds, and seeded damage to them."""

from __future__ import annotations

import random
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
import numpy as np

SECONDS, RATE, FRAMES = 2.0, 48000, 10
SIZE = (96, 72)


@dataclass(frozen=True)
class Kind:
    """A file that is made: encoders of its pictures and of its sound, "" for none, and options of its container."""

    name: str
    video: str = ""
    audio: str = ""
    options: tuple[tuple[str, str], ...] = ()


KINDS = (
    Kind("phone.mp4", "libx264", "aac", (("movflags", "faststart"),)),
    Kind("fragmented.mp4", "libx264", "aac", (("movflags", "frag_keyframe+empty_moov+default_base_moof"),)),
    Kind("camera.mov", "mjpeg", "pcm_s16le"),
    Kind("screen.mkv", "libx264", "libopus"),
    Kind("browser.webm", "libvpx", "libopus"),
    Kind("broadcast.ts", "mpeg2video", "mp2"),
    Kind("old.avi", "mpeg4", "libmp3lame"),
    Kind("sound.wav", "", "pcm_s16le"),
    Kind("sound.flac", "", "flac"),
    Kind("sound.mp3", "", "libmp3lame"),
    Kind("sound.aac", "", "aac"),
    Kind("raw.h264", "libx264", ""),
)


def make(kind: Kind, folder: Path) -> Path:
    """Write one file of two seconds: a square that moves, and a tone that swells."""
    path = folder / kind.name
    count = int(SECONDS * FRAMES)
    time = np.arange(int(SECONDS * RATE)) / RATE
    tone = (9000 * np.sin(2 * np.pi * 220 * time) * (1 + np.sin(2 * np.pi * 3 * time)) / 2).astype(np.int16)
    with av.open(str(path), "w", options=dict(kind.options)) as container:
        pictures = sound = None
        if kind.video:
            pictures = container.add_stream(kind.video, rate=FRAMES, options={"threads": "1"})
            pictures.width, pictures.height = SIZE
            pictures.pix_fmt = "yuvj420p" if kind.video == "mjpeg" else "yuv420p"
            pictures.gop_size = 5
        if kind.audio:
            sound = container.add_stream(kind.audio, rate=RATE, layout="mono")
        for index in range(count):
            if pictures is not None:
                image = np.full((SIZE[1], SIZE[0], 3), 90, np.uint8)
                image[20:50, index : index + 30] = 200
                frame = av.VideoFrame.from_ndarray(image, format="rgb24").reformat(format=pictures.pix_fmt)
                frame.pts, frame.time_base = index, Fraction(1, FRAMES)
                container.mux(pictures.encode(frame))
            if sound is not None:
                piece = tone[index * RATE // FRAMES : (index + 1) * RATE // FRAMES]
                part = av.AudioFrame.from_ndarray(piece[None], format="s16", layout="mono")
                part.sample_rate, part.pts, part.time_base = RATE, index * RATE // FRAMES, Fraction(1, RATE)
                container.mux(sound.encode(part))
        for stream in (pictures, sound):
            if stream is not None:
                container.mux(stream.encode(None))
    return path


def damage(source: Path, out: Path, seed: int) -> str:
    """Write a damaged copy of a file; the same seed gives the same bytes. Returns what was done."""
    rng = random.Random(seed)
    name = rng.choice(list(DAMAGES))
    DAMAGES[name](source, out, rng)
    return name


def _on_bytes(change: Callable[[bytearray, random.Random], bytes]) -> Callable[[Path, Path, random.Random], None]:
    def apply(source: Path, out: Path, rng: random.Random) -> None:
        out.write_bytes(change(bytearray(source.read_bytes()), rng))

    return apply


def _cut_end(content: bytearray, rng: random.Random) -> bytes:
    return bytes(content[: rng.randrange(1, len(content))])


def _cut_begin(content: bytearray, rng: random.Random) -> bytes:
    return bytes(content[rng.randrange(1, len(content)) :])


def _cut_out(content: bytearray, rng: random.Random) -> bytes:
    begin = rng.randrange(len(content))
    del content[begin : begin + rng.randrange(1, max(2, len(content) // 4))]
    return bytes(content)


def _flip(content: bytearray, rng: random.Random) -> bytes:
    for _ in range(rng.choice([1, 3, 10, 100, 1000])):
        content[rng.randrange(len(content))] ^= 1 << rng.randrange(8)
    return bytes(content)


def _blank(content: bytearray, rng: random.Random) -> bytes:
    begin = rng.randrange(len(content))
    end = min(len(content), begin + rng.choice([16, 256, 4096]))
    content[begin:end] = bytes(end - begin)
    return bytes(content)


def _header(content: bytearray, rng: random.Random) -> bytes:
    """Numbers of the header become the extreme ones that programs write."""
    for _ in range(rng.choice([1, 2, 5])):
        place = rng.randrange(min(len(content), 1500))
        value = rng.choice([b"\0\0\0\0", b"\xff\xff\xff\xff", b"\x7f\xff\xff\xff", b"\0\0\0\1", rng.randbytes(4)])
        content[place : place + 4] = value
    return bytes(content)


def _twice(content: bytearray, rng: random.Random) -> bytes:
    return bytes(content) + bytes(content[rng.choice([0, rng.randrange(len(content))]) :])


def _on_packets(change: Callable[[list[av.Packet], random.Random], list[av.Packet]]) -> Callable[..., None]:
    """Damage that a program writing packets would do; where the container refuses them the file ends there."""

    def apply(source: Path, out: Path, rng: random.Random) -> None:
        # What is refused is refused at the latest when the file is closed, and stays as far as it was written.
        with suppress(av.FFmpegError, ValueError), av.open(str(source)) as given, av.open(str(out), "w") as written:
            streams = {stream.index: written.add_stream_from_template(stream) for stream in given.streams}
            packets = [packet for packet in given.demux() if packet.size]
            for packet in change(packets, rng):
                packet.stream = streams[packet.stream_index]
                written.mux_one(packet)
        if not out.exists():
            out.write_bytes(_flip(bytearray(source.read_bytes()), rng))

    return apply


def _drop(packets: list[av.Packet], rng: random.Random) -> list[av.Packet]:
    share = rng.choice([0.02, 0.1, 0.5])
    return [packet for packet in packets if rng.random() > share]


def _swap(packets: list[av.Packet], rng: random.Random) -> list[av.Packet]:
    for _ in range(rng.choice([1, 5, 20])):
        a, b = rng.randrange(len(packets)), rng.randrange(len(packets))
        packets[a], packets[b] = packets[b], packets[a]
    return packets


def _stamps(packets: list[av.Packet], rng: random.Random) -> list[av.Packet]:
    jump = rng.choice([-100000, -1000, -1, 1, 1000, 100000, 10**8, 10**12])
    chosen = range(rng.randrange(len(packets)), len(packets)) if rng.random() < 0.5 else [rng.randrange(len(packets))]
    for place in chosen:
        packet = packets[place]
        packet.pts = None if packet.pts is None else packet.pts + jump
        packet.dts = None if packet.dts is None else packet.dts + jump
    return packets


DAMAGES: dict[str, Callable[[Path, Path, random.Random], None]] = {
    "end cut off": _on_bytes(_cut_end),
    "beginning cut off": _on_bytes(_cut_begin),
    "middle cut out": _on_bytes(_cut_out),
    "bits flipped": _on_bytes(_flip),
    "bytes zeroed": _on_bytes(_blank),
    "header patched": _on_bytes(_header),
    "doubled": _on_bytes(_twice),
    "packets dropped": _on_packets(_drop),
    "packets swapped": _on_packets(_swap),
    "stamps moved": _on_packets(_stamps),
}
