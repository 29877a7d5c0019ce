"""The demos run as they stand, on files in place of devices."""

import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest

DEMOS = Path(__file__).parents[2] / "demos"
LONG = 240


def demo(name, *arguments, **given):
    command = [sys.executable, str(DEMOS / name), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=LONG, check=False, **given)


@pytest.fixture
def clip(write_media, tmp_path):
    pytest.importorskip("av")
    pytest.importorskip("cv2")
    return write_media(tmp_path / "clips" / "clip.mp4", 1.5)


@pytest.fixture(autouse=True)
def _folder(tmp_path):
    (tmp_path / "clips").mkdir()


def test_the_overlay_is_drawn(tiny_onnx, clip, tmp_path):
    import cv2

    out = tmp_path / "out"
    result = demo("live_camera_overlay.py", tiny_onnx, "--source", f"play:{clip}", "--out", out)
    assert result.returncode == 0, result.stderr
    pictures = [cv2.imread(str(path)) for path in sorted(out.iterdir())]
    assert len(pictures) >= 8
    assert pictures[0].shape == (120, 160, 3)
    # The clip is grey; what is drawn is green.
    assert (pictures[-1][..., 1].astype(int) - pictures[-1][..., 2] > 60).any()


def test_what_cannot_be_done_is_a_sentence(tiny_onnx, clip, tmp_path):
    import cv2

    asked = [
        ("conversation.py", (tiny_onnx,), "is a window model"),
        ("live_camera_overlay.py", (tiny_onnx, "--source", "play:absent.mp4", "--out", tmp_path), "does not exist"),
    ]
    if any(line.split() == ["GUI:", "NONE"] for line in cv2.getBuildInformation().splitlines()):
        said = "this OpenCV shows no windows: give --out FOLDER"
        asked.append(("live_camera_overlay.py", (tiny_onnx, "--source", f"play:{clip}"), said))
    for name, arguments, said in asked:
        result = demo(name, *arguments, input="")
        assert result.returncode == 1
        assert said in result.stderr
        assert "Traceback" not in result.stderr


def test_the_service_prints_json_and_keeps_the_profile(tiny_onnx, clip, tmp_path):
    profile = tmp_path / "person.json"
    result = demo("service.py", tiny_onnx, "--source", f"play:{clip}", "--profile", profile)
    assert result.returncode == 0, result.stderr
    rows = [json.loads(line) for line in result.stdout.splitlines()]
    assert [row["time"] for row in rows[:5]] == [0.25, 0.5, 0.75, 1.0, 1.25]
    steps = json.loads(profile.read_text())
    assert steps
    again = demo("service.py", tiny_onnx, "--source", f"play:{clip}", "--profile", profile)
    assert again.returncode == 0, again.stderr
    assert json.loads(profile.read_text()) != steps
    bad = demo("service.py", tiny_onnx, "--source", "play:absent.mp4")
    assert (bad.returncode, bad.stdout) == (1, "")
    assert "absent.mp4 does not exist" in bad.stderr


def test_the_service_ends_well_when_it_is_stopped(tiny_onnx):
    command = [sys.executable, str(DEMOS / "service.py"), str(tiny_onnx), "--source", "-"]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with subprocess.Popen(command, **pipes) as process:
        # Digital silence would be no sound.
        process.stdin.write(bytes(range(256)) * 125)
        process.stdin.flush()
        assert json.loads(process.stdout.readline())["state"] == "audio"
        process.send_signal(signal.SIGTERM)
        rest, errors = process.communicate(timeout=LONG)
    assert (process.returncode, errors) == (0, b"")
    assert all(json.loads(line) for line in rest.splitlines())


def test_a_conversation_of_two(tiny_talk):
    result = demo("conversation.py", tiny_talk, input="anna: You are late.\nben: I am sorry.\n\nanna: Never mind.\n")
    assert result.returncode == 0, result.stderr
    lines = result.stdout.splitlines()
    assert [line.split(":")[0].strip() for line in lines[:3]] == ["anna", "ben", "anna"]
    assert lines[1].endswith("I am sorry.")
    assert [line.split()[0] for line in lines[3:]] == ["anna", "ben"]


def test_demos_are_short():
    files = sorted(DEMOS.glob("*.py"))
    assert len(files) == 3
    assert all(len(path.read_text().splitlines()) < 80 for path in files)
