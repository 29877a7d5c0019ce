"""A wav file through a pipe: its header says what the samples are."""

import subprocess
import sys

import container_files as files
import numpy as np
import pytest

from mer_sdk.errors import MediaError
from mer_sdk.live.sources.pcm import PcmPipe

SOUND = files.voice(1.0, 8000)


def coded(kind):
    """(format tag, bits, bytes) of the sound."""
    if kind == "8":
        return 1, 8, np.round(SOUND * 127 + 128).astype(np.uint8).tobytes()
    if kind == "24":
        wide = np.round(SOUND * 8388607).astype("<i4").view(np.uint8).reshape(-1, 4)[:, :3]
        return 1, 24, wide.tobytes()
    if kind == "float":
        return 3, 32, SOUND.astype("<f4").tobytes()
    if kind == "double":
        return 3, 64, SOUND.astype("<f8").tobytes()
    bits = int(kind)
    return 1, bits, np.round(SOUND * (2 ** (bits - 1) - 1)).astype(f"<i{bits // 8}").tobytes()


def pieces_of(content, size=1000, **options):
    """All pieces of a pipe that gives so many bytes at a time."""
    left = [content]

    def read(count):
        given, left[0] = left[0][: min(count, size)], left[0][min(count, size) :]
        return given

    pipe = PcmPipe(read=read, now=lambda: 0.0, **options)
    pipe.open()
    pieces = []
    while (piece := pipe.read()) is not None:
        pieces.append(piece)
    return pieces


def as_float(pieces):
    from mer_sdk.media.samples import to_float

    return np.concatenate([to_float(piece.pcm) for piece in pieces])


@pytest.mark.parametrize("kind", ["8", "16", "24", "32", "float", "double"])
@pytest.mark.parametrize("size", [1, 7, 1000, 100000])
def test_samples_of_all_kinds(kind, size):
    tag, bits, content = coded(kind)
    pieces = pieces_of(files.wav_header(8000, 1, bits, len(content), tag) + content, size)
    assert {piece.sample_rate for piece in pieces} == {8000}
    np.testing.assert_allclose(as_float(pieces)[:, 0], SOUND, atol=0.01 if kind == "8" else 1e-4)


@pytest.mark.parametrize("length", [0, 0x7FFFFFFF, 0xFFFFFFFF, None])
def test_a_length_that_is_not_known_goes_on_to_the_end_and_a_known_one_ends_there(length):
    _, bits, content = coded("16")
    header = files.wav_header(8000, 1, bits, len(content) if length is None else length)
    trailer = b"LIST\x04\0\0\0abcd"
    pieces = pieces_of(header + content + trailer)
    count = len(as_float(pieces))
    assert count == 8000 + (0 if length is None else len(trailer) // 2)


def test_channels_and_rate_go_before_the_options():
    _, bits, content = coded("16")
    stereo = np.repeat(np.frombuffer(content, "<i2"), 2).tobytes()
    pieces = pieces_of(files.wav_header(22050, 2, bits, len(stereo)) + stereo, rate=16000, channels=1)
    assert {(piece.sample_rate, piece.pcm.shape[1]) for piece in pieces} == {(22050, 2)}


def test_further_parts_before_the_sound_are_passed_over():
    _, bits, content = coded("16")
    header = files.wav_header(8000, 1, bits, len(content))
    between = b"LIST\x05\0\0\0abcde\0" + b"fact\x04\0\0\0\0\0\0\0"
    pieces = pieces_of(header[:36] + between + header[36:] + content)
    np.testing.assert_allclose(as_float(pieces)[:, 0], SOUND, atol=1e-4)


def test_raw_samples_are_read_as_ever():
    _, _, content = coded("16")
    pieces = pieces_of(content, rate=8000)
    np.testing.assert_allclose(as_float(pieces)[:, 0], SOUND, atol=1e-4)
    assert len(pieces_of(b"\1\0")) == 1


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"fLaC" + b"\0" * 99, "standard input is a flac file"),
        (b"OggS" + b"\0" * 99, "standard input is a ogg file"),
        (b"ID3\4" + b"\0" * 99, "standard input is a mp3 file"),
        (b"RIFF\0\0\0\0AVI LIST" + b"\0" * 99, "standard input is a avi file"),
        (b"RIFF\0\0\0\0RMIDdata" + b"\0" * 99, "begins like a wav file and is none"),
        (b"\0\0\0\x20ftypisom" + b"\0" * 99, "standard input is a mp4 file"),
        (b"\0\0\x1a\x2bmoov\0\0" + b"\0" * 99, "standard input is a mp4 file"),
        (b"#!AMR\n" + b"\0" * 99, "standard input is a amr file"),
        (files.wav_header(8000, 1, 16, 100)[:40], "ends within the header"),
        (files.wav_header(8000, 1, 12, 100) + b"\0" * 100, "format 1 with 12 bits"),
        (files.wav_header(8000, 1, 4, 100, tag=17) + b"\0" * 100, "format 17 with 4 bits"),
        (files.wav_header(10, 1, 16, 100) + b"\0" * 100, "of 10 Hz and 1 channels"),
        (files.wav_header(8000, 65, 16, 100) + b"\0" * 100, "and 65 channels"),
        (b"RIFF\0\0\0\0WAVEabcd\xff\xff\xff\x7f", "damaged wav file"),
        (b"RIFF\0\0\0\0WAVEdata\4\0\0\0abcd", "does not say what its samples are"),
    ],
)
def test_what_cannot_be_read_is_one_sentence(content, message):
    with pytest.raises(MediaError, match=message):
        pieces_of(content)


def test_the_command_says_what_the_file_says(tiny_onnx, tmp_path):
    import json

    path = files.write(tmp_path / "sound.wav", [files.voice(2.0, 44100)], rate=44100, audio="pcm_s16le")
    command = [sys.executable, "-m", "mer_sdk.cli", "run", str(tiny_onnx), "--json", "--no-voice"]
    piped = subprocess.run([*command, "-"], input=path.read_bytes(), capture_output=True, check=True)
    direct = subprocess.run([*command, str(path)], capture_output=True, check=True)
    found = [[json.loads(line)["probabilities"] for line in done.stdout.splitlines()] for done in (piped, direct)]
    assert len(found[0]) == len(found[1]) == 8
    for one, other in zip(*found, strict=True):
        assert one == pytest.approx(other, abs=1e-5)
