"""`mer run` on many files: what is refused, what is said, and where it ends."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import wave
from pathlib import Path

import pytest
from mer_command import mer

from mer_sdk.batch import run as batch_run
from mer_sdk.window.sensor import EmotionSensor


@pytest.fixture
def clips(tmp_path, monkeypatch) -> Path:
    """Two short sounds and a broken one, in clips/ of the current folder."""
    folder = tmp_path / "clips"
    folder.mkdir()
    for name, value in (("one.wav", 900), ("two.wav", 4000)):
        with wave.open(str(folder / name), "wb") as file:
            file.setparams((1, 2, 16000, 0, "NONE", ""))
            file.writeframes(
                b"".join((value * (1 - 2 * (i // 40 % 2))).to_bytes(2, "little", signed=True) for i in range(16000))
            )
    (folder / "three.wav").write_text("no sound")
    monkeypatch.chdir(tmp_path)
    return folder


def test_a_folder_becomes_two_tables_and_a_line(clips, tiny_onnx, capsys) -> None:
    code = mer("run", tiny_onnx, "clips", "--out", "t.csv", "--jobs", 1, "--no-voice")
    told = capsys.readouterr()
    assert code == 0, told
    assert "3 files, 8 steps, 0.0 min" in told.out
    assert "1 with an error, such as: clips/three.wav cannot be read" in told.out
    assert {path.name for path in clips.parent.iterdir()} == {"clips", "t.csv", "t-files.csv"}
    assert mer("run", tiny_onnx, "clips", "--out", "t.csv", "--no-voice") == 2
    assert "t.csv is there already" in capsys.readouterr().err
    assert mer("run", tiny_onnx, "clips", "--out", "t.csv", "--jobs", 1, "--no-voice", "--overwrite", "--json") == 0
    assert json.loads(capsys.readouterr().out)["steps"] == 8


def test_nothing_but_errors_is_a_failure(clips, tiny_onnx, capsys) -> None:
    assert mer("run", tiny_onnx, "clips/three.wav", "--out", "t.jsonl", "--jobs", 1) == 1
    assert "1 with an error" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (["clips"], "clips may be many files: say where"),
        (["clips/one.wav", "clips/two.wav"], "2 inputs are given: say where their estimates go"),
        (["clips/one.wav", "--jobs", "2"], "--jobs is for many files"),
        (["clips", "--out", "t.xlsx"], "must end in .parquet, .csv or .jsonl"),
        (["clips", "--out", "t.csv", "--plot", "t.png"], "--plot is for one file or stream"),
        (["clips", "--out", "t.csv", "--rate", "8000"], "--rate is for one file or stream"),
        (["clips", "--out", "t.csv", "--jobs", "2", "--cluster", "tcp://a:1"], "leave one out"),
        (["gone", "--out", "t.csv"], "gone does not exist"),
        (["clips", "--out", f"{'a' * 240}.csv"], "cannot be written (File name too long); give another name"),
        (["list.csv", "--out", "list.csv"], "list.csv is the list"),
    ],
)
def test_what_does_not_fit_is_one_sentence_before_any_work(given, said, clips, tiny_onnx, capsys) -> None:
    Path("list.csv").write_text("file\nclips/one.wav\n")
    assert mer("run", tiny_onnx, *given) == 2
    assert said in capsys.readouterr().err
    assert {path.name for path in clips.parent.iterdir()} == {"clips", "list.csv"}


def test_dialogues_are_one_file(clips, tiny_talk, capsys) -> None:
    assert mer("run", tiny_talk, "clips", "--out", "t.csv") == 2
    assert "is a dialogue bundle" in capsys.readouterr().err


def test_interrupted_it_says_how_to_go_on(clips, tiny_onnx, capsys, monkeypatch) -> None:
    real = batch_run.write_tables

    def interrupted(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(batch_run, "write_tables", interrupted)
    command = ("run", tiny_onnx, "clips", "--out", "t.csv", "--jobs", 1, "--no-voice")
    assert mer(*command) == 130
    assert "interrupted; what is done is kept in t.csv.part, and the same command goes on" in capsys.readouterr().err
    monkeypatch.setattr(batch_run, "write_tables", real)
    assert mer(*command) == 0
    assert "3 files (3 of them before)" in capsys.readouterr().out


def test_it_does_not_go_on_with_another_profile(clips, tiny_onnx, capsys, monkeypatch) -> None:
    real = batch_run.write_tables

    def interrupted(*_):
        raise KeyboardInterrupt

    with EmotionSensor.open(tiny_onnx) as sensor:
        sensor.baseline.save("me.json")
        monkeypatch.setattr(batch_run, "write_tables", interrupted)
        command = ("run", tiny_onnx, "clips", "--out", "t.csv", "--jobs", 1, "--no-voice", "--baseline", "me.json")
        assert mer(*command) == 130
        sensor.baseline.observe_step("audio", sensor.baseline.mean("audio") + 1)
        sensor.baseline.save("me.json")
    monkeypatch.setattr(batch_run, "write_tables", real)
    capsys.readouterr()
    assert mer(*command) == 2
    assert "begun with another bundle, other options, or another version (baseline); give" in capsys.readouterr().err
    assert mer(*command, "--overwrite") == 0
    assert "3 files, " in capsys.readouterr().out


def test_a_full_disk_keeps_what_is_done(clips, tiny_onnx, capsys, monkeypatch) -> None:
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(batch_run, "write_tables", full)
    assert mer("run", tiny_onnx, "clips", "--out", "t.csv", "--jobs", 1, "--no-voice") == 2
    assert "No space left on device); what is done is kept in t.csv.part" in capsys.readouterr().err


def test_one_ctrl_c_ends_all_processes(clips, tiny_onnx) -> None:
    """A real signal to the whole group, as a terminal sends it, once the first process runs."""
    program = "import sys; from mer_sdk.cli import main; main(sys.argv[1:])"
    command = [sys.executable, "-c", program, "run", str(tiny_onnx), "clips", "--out", "t.csv", "--jobs", "2"]
    environment = {**os.environ, "TMPDIR": str(clips.parent)}
    with subprocess.Popen(
        command,
        stderr=subprocess.PIPE,
        text=True,
        env=environment,
        start_new_session=True,
        # A run in the background of a shell has SIGINT ignored, and so would its children.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    ) as running:
        while not list(clips.parent.glob("mer-worker-*")) and running.poll() is None:
            pass
        os.killpg(running.pid, signal.SIGINT)
        _, said = running.communicate()
    assert running.returncode == 130
    assert "goes on from there" in said
    assert not list(clips.parent.glob("mer-worker-*"))
