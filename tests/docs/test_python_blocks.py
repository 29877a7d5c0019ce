"""Every Python block of the README and the docs runs as it stands, on tiny bundles and a clip drawn here."""

import re
import shlex
import shutil
import tempfile
import types
from pathlib import Path

import numpy as np
import pytest
from pages import Block, blocks

from mer_sdk.contract.bundle import Bundle
from mer_sdk.contract.signing import new_key, read_private_key, sign_bundle

RATE = 16000


def sound(seconds):
    return (0.1 * np.random.default_rng(0).standard_normal(int(seconds * RATE))).astype(np.float32)


class Until:
    """`print` of a block that reads a live stream: it ends the stream after a few estimates."""

    def __init__(self, names, count=3):
        self.names, self.left, self.lines = names, count, []

    def __call__(self, *values):
        self.lines.append(" ".join(map(str, values)))
        self.left -= 1
        if self.left == 0:
            self.names["live"].finish()


def microphone(name=None):
    """Three seconds of noise, in pieces of a tenth of a second."""
    pcm = sound(3.0)
    for start in range(0, len(pcm), RATE // 10):
        yield pcm[start : start + RATE // 10], RATE, start / RATE


def camera():
    """Three seconds of pictures without a face."""
    for index in range(30):
        yield np.full((60, 80, 3), 90, np.uint8), index / 10


def live_names():
    names = {"microphone": microphone, "camera": camera}
    names["print"] = Until(names)
    return names


def devices(monkeypatch, write_clip):
    """In place of a camera and a microphone: files that play."""
    from mer_sdk.live import sources
    from mer_sdk.live.sources import Playback

    pictures, tone = write_clip(Path("pictures.mp4"), audio=False), write_clip(Path("tone.wav"), video=False)
    monkeypatch.setattr(sources, "Camera", lambda number: Playback(pictures))
    monkeypatch.setattr(sources, "Microphone", lambda: Playback(tone))


class Loudness:
    """In place of Silero's network: any sound is speech."""

    def __call__(self, piece):
        return 1.0

    def reset(self):
        pass


def plain(block: Block, names: dict) -> None:
    exec(compile(block.text, str(block), "exec"), names)


@pytest.fixture
def folder(small_bundles, write_clip, tmp_path, monkeypatch):
    """The working folder of a reader: bundles/, signed by release.key, and a clip."""
    shutil.copytree(small_bundles, tmp_path / "bundles")
    new_key(tmp_path / "release.key")
    for bundle in (tmp_path / "bundles").iterdir():
        sign_bundle(Bundle.open(bundle), read_private_key(tmp_path / "release.key"))
    write_clip(tmp_path / "clip.mp4")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def write_clip():
    from media_files import write_media

    return write_media


SENSOR = [block for block in blocks("python") if "sensor.stream(" in block.text]
LIVE = [block for block in blocks("python") if "LiveSensor.open(" in block.text]
TALK = [block for block in blocks("python") if "Conversation.open(" in block.text]
FACES = [block for block in blocks("python") if "FaceOptions(" in block.text or "open_finder(" in block.text]
TABLES = [block for block in blocks("python") if "estimates.parquet" in block.text]
OWN = [block for block in blocks("python") if "OwnClips(" in block.text]
FINDER = [
    block for block in blocks("python") if "open_packaged_finder(" in block.text or "square_of_landmarks(" in block.text
]
COREML = [block for block in blocks("python") if block.page == "docs/models/coreml.md"]


def test_no_block_is_left_out():
    known = {str(block) for block in (*SENSOR, *LIVE, *TALK, *FACES, *OWN, *COREML, *TABLES, *FINDER)}
    left = [str(block) for block in blocks("python") if str(block) not in known]
    assert not left, f"no test runs these blocks: {left}"


@pytest.mark.parametrize("block", SENSOR, ids=str)
def test_blocks_on_a_file(block, folder, capsys):
    names: dict = {}
    plain(block, names)
    lines = capsys.readouterr().out.splitlines()
    if "estimates = list(" in block.text:  # it prints notes alone, and a file that is well has none
        assert len(names["estimates"]) >= 7
        return
    assert len(lines) >= 7
    assert all(re.match(r" *\d+\.\d\d s  \w+  [01]\.\d\d  (audio|audio\+face|face)$", line) for line in lines)
    assert ("baseline.save(" in block.text) == (folder / "me.baseline.json").exists()


@pytest.mark.parametrize("block", TABLES, ids=str)
def test_blocks_on_tables(block, folder, capsys):
    from mer_sdk.cli import main

    (folder / "broken.wav").write_text("no sound")
    command = "run bundles/grjca-tflite-fp32.mer clip.mp4 broken.wav --out estimates.parquet --jobs 1 --no-voice"
    with pytest.raises(SystemExit) as ended:
        main(shlex.split(command))
    assert not ended.value.code
    capsys.readouterr()
    plain(block, {})
    lines = capsys.readouterr().out.splitlines()
    assert re.match(r"clip.mp4: \w+, \d+% happy, valence [+-]\d.\d\d$", lines[0])
    assert lines[1].startswith("broken.wav: broken.wav cannot be read")
    assert re.match(r"\d+ steps are surely happy$", lines[2])


@pytest.mark.parametrize("block", OWN, ids=str)
def test_blocks_on_own_clips(block, folder, write_clip, capsys):
    write_clip(folder / "low.wav", video=False)
    rows = ["file,label,speaker", "clip.mp4,delighted,ann", "low.wav,sad,ann", "gone.wav,sad,ann"]
    (folder / "labels.csv").write_text("\n".join(rows))
    plain(block, {})
    assert re.match(r"\d(\.\d+)? \['gone.wav \(line 4\)'\]$", capsys.readouterr().out.strip())


@pytest.mark.parametrize("block", LIVE, ids=str)
def test_blocks_with_a_live_sensor(block, folder, write_clip, monkeypatch):
    devices(monkeypatch, write_clip)
    names = live_names()
    plain(block, names)
    if "for estimate in live" in block.text:
        assert len(names["print"].lines) >= 3
    if "baseline.save(" in block.text:
        assert list(folder.glob("*.json"))


@pytest.mark.parametrize("block", TALK, ids=str)
def test_blocks_on_dialogues(block, folder, monkeypatch, capsys):
    monkeypatch.setattr("mer_sdk.live.conversation.SileroModel", Loudness)
    names = {"microphone": microphone, "model": types.SimpleNamespace(transcribe=lambda sound, rate: "Hello there.")}

    def recogniser():
        yield "How are you?", 0.2, 1.4, "anna"

    if "for estimate in live" in block.text:
        names["print"] = Until(names, count=1)
        names["microphone"] = lambda name: ended(names, microphone(name))
    names["recogniser"] = recogniser
    plain(block, names)
    said = capsys.readouterr().out or "\n".join(names["print"].lines) or str(names["timeline"])
    assert said


def ended(names, pieces):
    """The pieces of one of two streams; the second one to end finishes the conversation."""
    yield from pieces
    names["over"] = names.get("over", 0) + 1
    if names["over"] == 2:
        names["live"].finish()


@pytest.mark.parametrize("block", FACES, ids=str)
def test_blocks_about_faces(block, folder):
    names: dict = {}
    plain(block, names)
    if "faces_of" in names:
        assert names["faces_of"](np.full((120, 160, 3), 90, np.uint8)) == []
    else:
        assert names["options"].faces == 2


@pytest.mark.slow
def test_blocks_about_core_ml(tmp_path, monkeypatch):
    """In the order of their making: the package first, then what reads it."""
    pytest.importorskip("coremltools")
    import torch

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))  # coremltools leaves its packages there
    network = torch.nn.Sequential(torch.nn.Linear(4, 3), torch.nn.ReLU()).eval()

    class Module(torch.nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return network(x)

    module, x = Module().eval(), torch.zeros(1, 4)
    names = {"module": module, "example": (x,), "x": x, "numpy": np}
    convert, savez, read = sorted(
        COREML, key=lambda block: ("record_sources(" not in block.text, "savez(" not in block.text)
    )
    plain(convert, names)
    assert (tmp_path / "Model.mlpackage").is_dir()
    names["model"] = module
    plain(savez, names)
    names["x"] = x.numpy()
    plain(read, names)
    (value,) = names["outputs"].values()
    np.testing.assert_allclose(value, np.load("out.npz")["y"], atol=5e-3)


@pytest.mark.parametrize("block", FINDER, ids=str)
def test_blocks_on_boxes(block):
    names: dict = {}
    plain(block, names)
    if "faces_of" in names:
        assert names["faces_of"](np.zeros((240, 320, 3), np.uint8)) == []
    else:
        x, y, width, height = names["box"]
        assert width == height == pytest.approx(2.33 * 64)
        assert (x + width / 2, y + height / 2) == pytest.approx((330, 200 + 0.235 * 64))
