"""Names that real files have, and names that are none of a file."""

import os
import shutil
import sys

import container_files as files
import pytest

from mer_sdk import EmotionSensor
from mer_sdk.errors import MediaError
from mer_sdk.media.decode import MediaFile
from mer_sdk.media.names import SHOWN, check_file, is_address, shown


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    return files.write(tmp_path_factory.mktemp("clip") / "clip.mp3", [files.voice(1.0)], audio="libmp3lame")


@pytest.mark.parametrize(
    "name",
    [
        "12:30 call.mp3",
        "2026-11-28T12:30:00.mp3",
        "file:clip.mp3",
        "http:clip.mp3",
        "concat:a|b.mp3",
        "a%03d.mp3",
        "Zoë ☕ 会議.mp3",
        "-clip.mp3",
        "two\nlines.mp3",
        "q?x=1#y.mp3",
        "x" * 240 + ".mp3",
    ],
)
def test_a_name_is_that_of_a_file_whatever_is_in_it(tiny_onnx, tmp_path, clip, name, monkeypatch):
    shutil.copy(clip, tmp_path / name)
    monkeypatch.chdir(tmp_path)
    with EmotionSensor.open(tiny_onnx) as sensor:
        for path in (tmp_path / name, name):
            assert [one.state for one in sensor.stream(path)] == ["audio"] * 4


@pytest.mark.skipif(sys.platform == "win32", reason="names are text there")
def test_a_name_that_is_not_utf_8(tiny_onnx, tmp_path, clip):
    path = os.fsdecode(os.fsencode(tmp_path) + b"/M\xfcller.mp3")
    try:
        shutil.copy(clip, path)
    except OSError:
        pytest.skip("this file system takes no such names")
    with EmotionSensor.open(tiny_onnx) as sensor:
        assert len(list(sensor.stream(path))) == 4
    with open(path, "wb") as file:
        file.write(b"no sound" * 100)
    with pytest.raises(MediaError) as caught:
        MediaFile(path)
    str(caught.value).encode()
    assert r"M\udcfcller.mp3 cannot be read as audio or video" in str(caught.value)


@pytest.mark.parametrize(
    "name", ["https://example.org/a.mp4", "http://a/b", "rtsp://camera/1", "RTMP://x", "s3://bucket/a.wav", "ftp://h/x"]
)
def test_an_address_is_refused_with_what_to_do(name):
    assert is_address(name)
    with pytest.raises(MediaError, match="nothing is read from a network: download it"):
        MediaFile(name)


def test_a_playlist_that_names_an_address_opens_no_network(tmp_path, monkeypatch):
    import socket

    def refuse(*_, **__):
        raise AssertionError("a socket was opened")

    monkeypatch.setattr(socket, "socket", refuse)
    path = tmp_path / "list.m3u8"
    path.write_text("#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\nhttp://127.0.0.1:9/a.ts\n#EXT-X-ENDLIST\n")
    with pytest.raises(MediaError, match=r"list\.m3u8"), MediaFile(path) as media:
        list(media.read())


@pytest.mark.parametrize("name", ["y" * 300 + ".mp4", "/".join(["deep"] * 2000), "a\0b.mp4"])
def test_impossible_names_are_one_sentence(name):
    with pytest.raises(MediaError, match="cannot be opened") as caught:
        check_file(name)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < SHOWN + 200


def test_what_is_no_file(tmp_path):
    with pytest.raises(MediaError, match="is a folder"):
        check_file(tmp_path)
    if hasattr(os, "mkfifo"):
        os.mkfifo(tmp_path / "pipe.mp4")
        with pytest.raises(MediaError, match=r"pipe\.mp4 is (a device|no file)"):
            check_file(tmp_path / "pipe.mp4")


def test_names_in_messages_are_one_printable_line():
    assert shown("a\x1b[31m\nb\udcfc") == r"a\x1b[31m\nb\udcfc"
    assert len(shown("z" * 1000)) == SHOWN + 3
