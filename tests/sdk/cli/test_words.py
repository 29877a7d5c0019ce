"""Words for people: exit codes, nearest names, no representation of Python, nothing late that could be at once."""

import subprocess
import sys

import container_files as files
import pytest

import mer_sdk
from mer_sdk import errors
from mer_sdk.cli import main
from mer_sdk.cli.program import run_program
from mer_sdk.errors import did_you_mean
from mer_sdk.evaluation.datasets.ravdess import Selection


def mer(*arguments):
    with pytest.raises(SystemExit) as caught:
        main([str(argument) for argument in arguments])
    return caught.value.code or 0


def ended(work):
    with pytest.raises(SystemExit) as caught:
        run_program("mer", work)
    return caught.value.code


def raises(error):
    def work():
        raise error

    return work


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (errors.OptionError("bad"), 2),
        (errors.MediaError("bad"), 2),
        (errors.BundleError("bad"), 2),
        (errors.DataError("bad"), 2),
        (errors.SignalError("bad"), 2),
        (errors.CheckpointError("bad"), 2),
        (errors.MissingExtra("this", "av", "media"), 2),
        (errors.RuntimeUnavailable("bad"), 2),
        (errors.StreamError("bad"), 1),
        (errors.ConversionError("bad"), 1),
        (OSError(28, "No space left on device", "x"), 1),
        (MemoryError(), 1),
        (KeyboardInterrupt(), 130),
        (BrokenPipeError(), 141),
    ],
)
def test_asked_wrongly_is_2_and_went_wrong_is_1(capfd, monkeypatch, error, code):
    monkeypatch.setattr("mer_sdk.cli.program.leave_output", lambda: None)
    monkeypatch.setattr("mer_sdk.cli.program._ignore_signals", lambda: None)
    assert ended(raises(error)) == code
    said = capfd.readouterr().err
    assert said.count("\n") == (code != 141)
    assert "Traceback" not in said


def test_a_message_of_several_lines_is_one_sentence(capsys):
    ended(raises(errors.OptionError("first\nsecond\n   third")))
    assert capsys.readouterr().err == "mer: first second third\n"


@pytest.mark.parametrize(
    ("given", "names", "said"),
    [
        ("tflit", ["tflite", "onnx"], "; did you mean tflite?"),
        ("GRJCA", ["grjca"], "; did you mean grjca?"),
        ("grjca", ["grjca"], ""),
        ("xyz", ["tflite", "onnx"], ""),
        ("", ["tflite"], ""),
    ],
)
def test_the_nearest_name(given, names, said):
    assert did_you_mean(given, names) == said


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (OSError(28, "No space left on device", "/a/b"), "No space left on device"),
        (UnicodeDecodeError("utf-8", b"\xff", 0, 1, "invalid start byte"), "it is not UTF-8 text"),
        (ValueError("bad magic"), "bad magic"),
    ],
)
def test_the_reason_of_a_system_error_has_no_number_and_no_file(error, said):
    assert errors.reason_of(error) == said


def test_what_cannot_be_written_or_read_says_why_in_words(tiny_onnx, tmp_path, capsys):
    (tmp_path / "clip.mp4").write_bytes(b"\xff\xfe")
    assert mer("report", tiny_onnx, "--evaluation", tmp_path / "clip.mp4", "--out", tmp_path / "x.html") == 2
    assert "is no saved evaluation (it is not UTF-8 text)" in capsys.readouterr().err


def test_nearest_names_of_commands_runtimes_bundles_and_data(tiny_onnx, tmp_path, capsys, monkeypatch):
    clip = files.write(tmp_path / "clip.wav", [files.voice(0.5)], audio="pcm_s16le")
    monkeypatch.chdir(tiny_onnx.parent)
    for arguments, near in (
        (("rnu", tiny_onnx, clip), "run"),
        (("run", tiny_onnx, clip, "--runtime", "onyx"), "onnx"),
        (("run", "tiny-onx.mer", clip), "tiny-onnx.mer"),
        (("evaluate", tiny_onnx, "--data", "ravdes:."), "ravdess"),
    ):
        assert mer(*arguments) == 2
        said = capsys.readouterr().err
        assert f"did you mean {near}?" in said, said
        assert said.count("\n") == 1


@pytest.mark.parametrize("program", ["mer_sdk.cli", "mer_converters.cli"])
def test_both_programs_tell_their_version(program):
    done = subprocess.run([sys.executable, "-m", program, "--version"], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == mer_sdk.__version__


def test_a_selection_is_told_in_words():
    assert Selection().words() == "of any kind"
    chosen = Selection(actors=(5, 12), exclude_folds=(3,), paired_only=True)
    assert chosen.words() == "of actors 5, 12, not of folds 3, with both sound and face"


def test_a_network_address_is_refused_before_the_bundle_is_opened(capsys):
    assert mer("run", "absent.mer", "https://example.org/clip.mp4") == 2
    assert "nothing is read from a network: download it" in capsys.readouterr().err


@pytest.mark.parametrize("what", ["damaged", "cut", "no media", "silent"])
def test_a_run_ends_with_one_sentence_and_its_notes_before(tiny_onnx, tmp_path, capsys, what):
    path = files.write(tmp_path / "clip.mp3", [files.voice(3.0, 44100)], rate=44100, audio="libmp3lame")
    content = bytearray(path.read_bytes())
    if what == "damaged":
        content[len(content) // 2 : len(content) // 2 + 500] = bytes(500)
    if what == "no media":
        content = bytearray(b"words " * 500)
    path.write_bytes(content)
    if what == "cut":
        path = files.write(
            tmp_path / "clip.mp4", [files.voice(6.0)], files.shown(6.0), options={"movflags": "faststart"}
        )
        path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    if what == "silent":
        path = files.write(tmp_path / "clip.wav", [0 * files.voice(3.0)], audio="pcm_s16le")
    code = mer("run", tiny_onnx, path, "--json", "--detector", "haar")
    out, said = capsys.readouterr()
    last = said.splitlines()[-1]
    expected = {
        "damaged": (0, "damaged packet"),
        "cut": (2, "breaks off after"),
        "no media": (2, "it is no media file, is truncated, or"),
        "silent": (0, "the sound is silent for 3 s"),
    }[what]
    assert (code, expected[1] in last) == (expected[0], True), said
    assert all(line.startswith("mer: ") for line in said.splitlines())
    assert (out.count("\n") > 4) == (what != "no media")


def test_one_is_not_many():
    assert [errors.counted(number, "clip") for number in (0, 1, 2)] == ["0 clips", "1 clip", "2 clips"]
    assert [errors.counted(number, "person", "people") for number in (1, 2)] == ["1 person", "2 people"]
