"""The header of a wav file that comes through a pipe: what its samples are."""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from mer_sdk.errors import MediaError
from mer_sdk.media.names import shown

# Bytes at the beginning by which files are told apart.
BEGINNING = 12
# Other files that may be piped by mistake, by how they begin.
OTHERS = {
    b"fLaC": "flac",
    b"OggS": "ogg",
    b"ID3": "mp3",
    b"\x1aE\xdf\xa3": "matroska or webm",
    b"FORM": "aiff",
    b"caff": "caf",
    b".snd": "au",
    b"#!AMR": "amr",
    b"\x30\x26\xb2\x75\x8e\x66\xcf\x11": "wma or wmv",
    b"\x00\x00\x01\xba": "mpeg",
}
# Of mp4, m4a, mov and 3gp: the names of parts that may come first, after the part's length.
MP4_PARTS = (b"ftyp", b"moov", b"mdat", b"wide", b"free", b"skip")
# (format, bits) -> the type of the samples in the pipe.
TYPES = {
    (1, 8): "u1",
    (1, 16): "<i2",
    (1, 24): "3 bytes",
    (1, 32): "<i4",
    (3, 32): "<f4",
    (3, 64): "<f8",
}
EXTENSIBLE = 0xFFFE
# What programs write as the length that they do not know, and everything near it.
UNKNOWN_FROM = 0x7FFF0000
# A chunk before the sound that is longer than this is no wav.
LONGEST_CHUNK = 1 << 20


@dataclass(frozen=True)
class PcmFormat:
    """Samples in a pipe.

    Attributes:
        rate: Hz.
        channels: interleaved.
        kind: see `TYPES`.
        length: bytes, None where it goes on to the end.
    """

    rate: int
    channels: int
    kind: str = "<i2"
    length: int | None = None

    @property
    def size(self) -> int:
        """Bytes of a sample of all channels."""
        return self.channels * (3 if self.kind == "3 bytes" else np.dtype(self.kind).itemsize)

    def samples(self, content: bytes) -> np.ndarray:
        """[n, channels] of whole samples; uint8, int16, int32 or float32."""
        if self.kind == "3 bytes":
            wide = np.zeros((len(content) // 3, 4), np.uint8)
            wide[:, 1:] = np.frombuffer(content, np.uint8).reshape(-1, 3)
            return wide.view("<i4").astype(np.int32).reshape(-1, self.channels)
        given = np.frombuffer(content, self.kind).reshape(-1, self.channels)
        types = {"i2": np.int16, "i4": np.int32, "f4": np.float32, "f8": np.float32, "u1": np.uint8}
        with np.errstate(over="ignore"):  # what float32 cannot hold is refused as what is not finite
            return given.astype(types[self.kind[-2:]])


def is_wav(beginning: bytes) -> bool:
    """Whether the first `BEGINNING` bytes are those of a wav file.

    Raises:
        MediaError: they are those of a file of another kind, which is no raw sound.
    """
    found = next((name for magic, name in OTHERS.items() if beginning.startswith(magic)), None)
    if beginning[4:8] in MP4_PARTS:
        found = "mp4"
    riff = beginning[:4] in (b"RIFF", b"RF64")
    if riff and beginning[8:12] == b"AVI ":
        found = "avi"
    if found is not None:
        raise MediaError(
            f"standard input is a {found} file, and takes 16-bit samples or wav: give the file by its name, or pipe it "
            "through ffmpeg -i - -f wav -"
        )
    if riff and beginning[8:12] != b"WAVE":
        raise MediaError("standard input begins like a wav file and is none; pipe 16-bit samples, or wav")
    return riff


def read_header(read: Callable[[int], bytes]) -> PcmFormat:
    """What follows is.

    Args:
        read: gives exactly so many bytes, fewer at the end; the first `BEGINNING` were read.

    Raises:
        MediaError: no wav, one that ends in its header, or samples of another kind.
    """
    found: PcmFormat | None = None
    while True:
        head = read(8)
        if len(head) < 8:
            raise MediaError("standard input ends within the header of a wav file; record it again")
        name, length = head[:4], struct.unpack("<I", head[4:])[0]
        if name == b"data":
            break
        if length > LONGEST_CHUNK:
            raise MediaError(
                f"standard input is a damaged wav file: its part {_name(name)} is said to be {length} bytes"
            )
        body = read(length + length % 2)
        if name == b"fmt ":
            found = _format(body)
    if found is None:
        raise MediaError("standard input is a wav file that does not say what its samples are; record it again")
    known = None if length == 0 or length >= UNKNOWN_FROM else length
    return PcmFormat(found.rate, found.channels, found.kind, known)


def _format(body: bytes) -> PcmFormat:
    if len(body) < 16:
        raise MediaError("standard input is a wav file with a damaged header; record it again")
    tag, channels, rate, _, _, bits = struct.unpack("<HHIIHH", body[:16])
    if tag == EXTENSIBLE and len(body) >= 26:
        tag = struct.unpack("<H", body[24:26])[0]
    if (tag, bits) not in TYPES:
        raise MediaError(
            f"standard input is a wav file of format {tag} with {bits} bits; taken are 8, 16, 24 and 32 bits, and "
            "floats: convert it by ffmpeg -i - -c:a pcm_s16le -f wav -"
        )
    return PcmFormat(rate, channels, TYPES[tag, bits])


def _name(name: bytes) -> str:
    return shown(name.decode("latin-1"))
