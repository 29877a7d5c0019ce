"""Output of any kind: code pages without blocks, narrow terminals, nobody who reads, no output at all."""

import io
import os
import subprocess
import sys

import container_files as files
import pytest

from mer_sdk.cli.run import timeline
from mer_sdk.contract.estimate import EmotionEstimate, FaceView

LINE = EmotionEstimate(
    time=12.25,
    emotion="surprised",
    confidence=0.8,
    probabilities={"neutral": 0.2, "surprised": 0.8},
    valence=0.25,
    arousal=-0.5,
    va_source="circumplex",
    state="audio+face",
    reliance={"audio": 0.4, "face": 0.6},
    face=FaceView(0, (1.0, 2.0, 3.0, 4.0)),
)


@pytest.fixture
def clip(tmp_path):
    return files.write(tmp_path / "clip.wav", [files.voice(2.0)], audio="pcm_s16le")


def command(*arguments):
    return [sys.executable, "-m", "mer_sdk.cli", *map(str, arguments)]


@pytest.mark.parametrize("encoding", ["cp1252", "ascii", "latin-1", "cp437", "utf-8"])
def test_a_code_page_without_blocks(tiny_onnx, clip, encoding):
    environment = {**os.environ, "PYTHONIOENCODING": encoding}
    done = subprocess.run(command("run", tiny_onnx, clip), capture_output=True, env=environment, check=False)
    assert done.returncode == 0, done.stderr
    text = done.stdout.decode(encoding)
    assert text.count(" s  ") == 8
    assert ("█" in text) == (encoding == "utf-8")
    assert ("#" in text) == (encoding != "utf-8")


@pytest.mark.parametrize("encoding", ["cp1252", "ascii"])
def test_words_that_a_code_page_lacks(tiny_talk, tmp_path, encoding):
    path = tmp_path / "talk.csv"
    path.write_text("Speaker,Utterance\n李,你好 ☕\n", encoding="utf-8")
    environment = {**os.environ, "PYTHONIOENCODING": encoding}
    done = subprocess.run(command("run", tiny_talk, path), capture_output=True, env=environment, check=False)
    assert done.returncode == 0, done.stderr
    assert b"?" in done.stdout


@pytest.mark.skipif(sys.platform == "win32", reason="pipes end otherwise there")
@pytest.mark.parametrize("options", [(), ("--json",)])
def test_a_reader_who_goes_away(tiny_onnx, clip, tmp_path, options):
    record, profile = tmp_path / "r.jsonl", tmp_path / "p.json"
    with subprocess.Popen(
        command("run", tiny_onnx, clip, "--record", record, "--save-baseline", profile, *options),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as child:
        child.stdout.readline()
        child.stdout.close()
        said = child.stderr.read().decode()
        code = child.wait(60)
    assert code in (0, 141)
    assert "Traceback" not in said
    assert "BrokenPipe" not in said
    # What was asked for beside the lines is there.
    assert profile.is_file()
    assert record.read_text().count("\n") >= 1


@pytest.mark.skipif(sys.platform == "win32", reason="pipes end otherwise there")
@pytest.mark.parametrize("arguments", [("inspect",), ("verify",), ("doctor",)])
def test_a_reader_of_other_commands_who_goes_away(tiny_onnx, arguments):
    given = [*arguments, tiny_onnx] if arguments != ("doctor",) else arguments
    with subprocess.Popen(command(*given), stdout=subprocess.PIPE, stderr=subprocess.PIPE) as child:
        child.stdout.close()
        said = child.stderr.read().decode()
        code = child.wait(60)
    assert code in (0, 141)
    assert "Traceback" not in said
    assert "BrokenPipe" not in said


@pytest.mark.skipif(sys.platform == "win32", reason="a shell's way to close it")
def test_no_output_at_all(tiny_onnx, clip):
    for line in ('"$0" "$@" >&-', '"$0" "$@" >&- 2>&-'):
        done = subprocess.run(["bash", "-c", line, *command("run", tiny_onnx, clip)], capture_output=True, check=False)
        assert done.returncode == 0, done.stderr
        assert b"Traceback" not in done.stderr


def test_no_colour_where_none_is_wanted(tiny_onnx, clip):
    for extra in ({"NO_COLOR": "1"}, {"TERM": "dumb"}):
        environment = {**os.environ, "FORCE_COLOR": "", **extra}
        done = subprocess.run(command("run", tiny_onnx, clip), capture_output=True, env=environment, check=False)
        assert b"\x1b[" not in done.stdout


def test_a_line_fits_sixty_columns():
    from rich.text import Text

    wide, narrow = (Text.from_markup(timeline.step_line(LINE, wide=is_wide)).plain for is_wide in (True, False))
    assert len(narrow) <= 60
    assert len(wide) <= timeline.WIDE
    for word in ("12.25 s", "surprised", "80 %", "V +0.25", "A -0.50", "audio+face"):
        assert word in narrow
        assert word in wide


@pytest.mark.parametrize("columns", [60, 80, 200])
def test_the_width_of_a_terminal_is_asked_for(monkeypatch, columns):
    class Terminal(io.StringIO):
        def isatty(self):
            return True

    monkeypatch.setattr(sys, "stdout", Terminal())
    monkeypatch.setenv("COLUMNS", str(columns))
    assert timeline.is_wide() == (columns >= timeline.WIDE)
    monkeypatch.setattr(sys, "stdout", io.StringIO())
    assert timeline.is_wide()


@pytest.mark.parametrize("columns", [60, 40])
def test_the_live_view_fits_a_narrow_terminal(columns):
    from rich.console import Console

    from mer_sdk.cli.run.live_view import LiveView

    for encoding in ("utf-8", "cp1252"):
        raw = io.BytesIO()
        console = Console(file=io.TextIOWrapper(raw, encoding=encoding), width=columns, force_terminal=False)
        view = LiveView("grjca-tflite-fp32  camera 0 and microphone", ("neutral", "surprised"))
        view.add(LINE)
        console.print(view)
        console.file.flush()
        lines = raw.getvalue().decode(encoding).splitlines()
        assert max(map(len, lines)) <= columns
        assert any("surprised" in line for line in lines)
