"""What `mer doctor` says of cameras and microphones, without opening one."""

from types import SimpleNamespace

import pytest

from mer_sdk.cli.tables.devices import device_rows
from mer_sdk.live.sources import camera


def devices(*inputs):
    return SimpleNamespace(
        query_devices=lambda: [{"name": name, "max_input_channels": count} for name, count in inputs]
    )


def rows(monkeypatch, tmp_path, import_=lambda name: devices(), cards=None, linux=True):
    monkeypatch.setattr(camera, "CAMERAS", tmp_path / "video4linux")
    monkeypatch.setattr(camera, "LINUX", linux)
    return device_rows(import_, cards or tmp_path / "pcm")


def test_cameras_are_listed_with_their_numbers_and_without_their_other_nodes(monkeypatch, tmp_path):
    for number, index, name in ((0, 0, "Front Camera"), (1, 1, "Front Camera"), (10, 0, "USB Camera")):
        folder = tmp_path / "video4linux" / f"video{number}"
        folder.mkdir(parents=True)
        (folder / "index").write_text(f"{index}\n")
        (folder / "name").write_text(f"{name}\n")
    found = rows(monkeypatch, tmp_path)[0]
    assert found[2:] == (True, "0 (Front Camera), 10 (USB Camera)", "")


def test_no_camera_is_said_plainly(monkeypatch, tmp_path):
    assert rows(monkeypatch, tmp_path)[0][2:] == (False, "none is connected", "connect one")
    usable, detail, todo = rows(monkeypatch, tmp_path, linux=False)[0][2:]
    assert (usable, detail) == (False, "cannot be known without opening them")
    assert "camera:0" in todo


def test_microphones_are_those_that_record(monkeypatch, tmp_path):
    found = rows(monkeypatch, tmp_path, lambda name: devices(("Speaker", 0), ("USB Audio", 2)))[1]
    assert found[2:4] == (True, "1 (USB Audio)")
    assert rows(monkeypatch, tmp_path)[1][2:4] == (False, "none is connected")


@pytest.mark.parametrize(
    ("error", "todo"),
    [(ImportError("sounddevice"), "mer-edge[live]"), (OSError("PortAudio library not found"), "libportaudio2")],
)
def test_without_portaudio_the_system_is_asked(monkeypatch, tmp_path, error, todo):
    def missing(name):
        raise error

    found = rows(monkeypatch, tmp_path, missing)[1]
    assert (found[2], todo in found[4]) == (False, True)
    assert "cannot be known without PortAudio" in found[3]
    (tmp_path / "pcm").write_text(
        "00-00: ALC : ALC Analog : playback 1 : capture 1\n01-00: HDMI : HDMI 0 : playback 1\n"
    )
    assert "the system lists ALC" in rows(monkeypatch, tmp_path, missing)[1][3]
    assert "HDMI" not in rows(monkeypatch, tmp_path, missing)[1][3]
