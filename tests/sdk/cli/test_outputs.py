"""Where commands write: never over what is read, never half, and known to be possible before the work begins."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import container_files as files
import pytest

from mer_sdk.cli import main
from mer_sdk.contract.output_files import atomic_output, check_outputs, is_inside, is_same
from mer_sdk.errors import OptionError


def mer(*arguments):
    with pytest.raises(SystemExit) as caught:
        main([str(argument) for argument in arguments])
    return caught.value.code or 0


@pytest.fixture
def place(tmp_path, tiny_onnx, monkeypatch):
    """A folder with a copy of a bundle and a sound file, which is the current one."""
    monkeypatch.chdir(tmp_path)
    shutil.copytree(tiny_onnx, tmp_path / "tiny.mer")
    files.write(tmp_path / "mine.wav", [files.voice(1.0)], audio="pcm_s16le")
    return tmp_path


def snapshot(folder: Path) -> dict:
    return {str(path): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


OPTIONS = ("--record", "--save-baseline", "--plot")


@pytest.mark.parametrize("option", OPTIONS)
@pytest.mark.parametrize("spelling", ["plain", "dots", "absolute", "symbolic link", "hard link", "link to the folder"])
def test_an_output_onto_the_input_is_refused_however_it_is_spelt(place, capsys, option, spelling):
    suffix = ".png" if option == "--plot" else ".wav"
    source = place / f"in{suffix}"
    shutil.copy(place / "mine.wav", source)
    name = {"plain": source.name, "dots": f"../{place.name}/./{source.name}", "absolute": str(source)}.get(spelling)
    if spelling == "symbolic link":
        name = f"link{suffix}"
        (place / name).symlink_to(source)
    elif spelling == "hard link":
        name = f"hard{suffix}"
        os.link(source, place / name)
    elif spelling == "link to the folder":
        (place / "elsewhere").symlink_to(place)
        name = f"elsewhere/{source.name}"
    before = snapshot(place)
    assert mer("run", "tiny.mer", source.name, option, name) == 2
    error = capsys.readouterr().err
    assert "is the input, which writing there would destroy; give another place" in error
    assert error.count("\n") == 1
    assert snapshot(place) == before


@pytest.mark.parametrize(
    ("option", "file"),
    [
        *((option, file) for option in OPTIONS for file in ("new.png", "deep/new.png")),
        *((option, file) for option in OPTIONS[:2] for file in ("manifest.json", "audio.onnx")),
    ],
)
def test_nothing_is_written_into_a_bundle(place, capsys, option, file):
    (place / "tiny.mer" / "deep").mkdir()
    before = snapshot(place)
    assert mer("run", "tiny.mer", "mine.wav", option, f"tiny.mer/{file}") == 2
    assert "lies in the bundle tiny.mer, which writing there would destroy" in capsys.readouterr().err
    assert snapshot(place) == before


def test_two_outputs_are_two_files(place, capsys):
    assert mer("run", "tiny.mer", "mine.wav", "--record", "out.png", "--plot", "./out.png") == 2
    assert "--plot and --record name the same file" in capsys.readouterr().err
    assert mer("run", "tiny.mer", "mine.wav", "--record", "/dev/null", "--save-baseline", "/dev/null") == 0


def test_a_report_and_a_page_have_their_endings(place, capsys):
    assert mer("evaluate", "tiny.mer", "--data", "ravdess:.", "--out", "new.csv") == 2
    assert "--out new.csv must end in .json" in capsys.readouterr().err
    assert mer("report", "tiny.mer", "--out", "new.txt") == 2
    assert "--out new.txt must end in .html or .htm" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (("--rate", 8000), "--rate is of sound on standard input, and mine.wav is none: leave it out"),
        (("--channels", 2), "--channels is of sound on standard input"),
        (("--seconds", 0), "--seconds 0 leaves nothing to run"),
    ],
)
def test_what_would_do_nothing_is_refused(place, capsys, given, said):
    assert mer("run", "tiny.mer", "mine.wav", *given) == 2
    assert said in capsys.readouterr().err


def test_what_a_saved_profile_holds_is_told(place, capsys):
    assert mer("run", "tiny.mer", "mine.wav", "--no-voice", "--save-baseline", "me.json") == 0
    assert "mer: me.json holds 4 steps of sound, 0 steps of a face\n" in capsys.readouterr().err
    files.write(place / "mute.wav", [0 * files.voice(1.0)], audio="pcm_s16le")
    assert mer("run", "tiny.mer", "mute.wav", "--no-voice", "--save-baseline", "nobody.json") == 0
    assert "nobody.json is an empty profile, as neither sound nor a face counted" in capsys.readouterr().err


def test_a_profile_may_go_on_where_it_was_but_is_not_recorded_over(place, capsys):
    assert mer("run", "tiny.mer", "mine.wav", "--no-voice", "--save-baseline", "me.json") == 0
    first = json.loads((place / "me.json").read_text())
    assert mer("run", "tiny.mer", "mine.wav", "--no-voice", "--baseline", "me.json", "--save-baseline", "me.json") == 0
    second = json.loads((place / "me.json").read_text())
    assert first["modalities"]["audio"]["steps"] == 4
    assert second["modalities"]["audio"]["steps"] == 2 * first["modalities"]["audio"]["steps"]
    capsys.readouterr()
    assert mer("run", "tiny.mer", "mine.wav", "--baseline", "me.json", "--record", "me.json") == 2
    assert "is the profile of --baseline" in capsys.readouterr().err
    assert json.loads((place / "me.json").read_text()) == second


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--plot", "x.pdff"), "--plot x.pdff must end in .png"),
        (("--plot", "x"), "--plot x must end in .png"),
        (("--plot", "absent/x.png"), "the folder absent does not exist"),
        (("--record", "."), "--record . is a folder"),
        (("--save-baseline", "tiny.mer"), "--save-baseline tiny.mer is a folder"),
        (("--record", "y" * 300), "--record cannot be written (File name too long)"),
    ],
)
def test_every_path_is_checked_before_the_input_is_opened(place, capsys, options, message):
    # The input is not there: what is said is about the output.
    assert mer("run", "tiny.mer", "absent.wav", *options) == 2
    assert message in capsys.readouterr().err


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs a device that is always full")
@pytest.mark.parametrize("input_name", ["mine.wav", "-"])
def test_a_full_disk_is_one_sentence(place, input_name):
    sound = (files.voice(1.0) * 32767).astype("<i2").tobytes()
    command = [sys.executable, "-m", "mer_sdk.cli", "run", "tiny.mer", input_name, "--no-voice"]
    for options in (("--record", "/dev/full"), ("--save-baseline", "/dev/full")):
        done = subprocess.run([*command, *options], input=sound, capture_output=True, cwd=place, check=False)
        assert done.returncode == 2, options
        said = done.stderr.decode()
        assert "Traceback" not in said
        assert "/dev/full cannot be written (No space left on device)" in said.splitlines()[-1]
    with open("/dev/full", "w") as full:
        done = subprocess.run(command, input=sound, stdout=full, stderr=subprocess.PIPE, cwd=place, check=False)
    assert done.returncode == 1
    assert done.stderr.decode().splitlines()[-1] == "mer: No space left on device"
    assert "Traceback" not in done.stderr.decode()


def test_what_fails_leaves_the_file_that_was_there(tmp_path):
    path = tmp_path / "report.html"
    path.write_text("before")

    def fails():
        with atomic_output(path) as aside:
            aside.write_text("half")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fails()
    assert path.read_text() == "before"
    with atomic_output(path) as aside:
        aside.write_text("after")
        assert path.read_text() == "before"
    assert path.read_text() == "after"
    assert [one.name for one in tmp_path.iterdir()] == ["report.html"]
    link = tmp_path / "link.html"
    link.symlink_to(path)
    with atomic_output(link) as aside:
        aside.write_text("through the link")
    assert link.is_symlink()
    assert path.read_text() == "through the link"


@pytest.mark.parametrize("stem", ["a" * 240, "\N{MUSICAL SYMBOL G CLEF}" * 60], ids=["ASCII", "four bytes each"])
def test_long_names_that_begin_alike_have_a_place_of_their_own_each(stem, tmp_path):
    with atomic_output(tmp_path / f"{stem}-1.csv") as one, atomic_output(tmp_path / f"{stem}-2.csv") as other:
        one.write_text("first")
        other.write_text("second")
    assert (tmp_path / f"{stem}-1.csv").read_text() == "first"
    assert (tmp_path / f"{stem}-2.csv").read_text() == "second"
    assert len(list(tmp_path.iterdir())) == 2


def test_of_two_that_write_a_file_at_the_same_time_the_last_is_there(tmp_path):
    path = tmp_path / "profile.json"
    with atomic_output(path) as one:
        one.write_text("ends last")
        with atomic_output(path) as other:
            other.write_text("ends first")
        assert path.read_text() == "ends first"
    assert path.read_text() == "ends last"
    assert [file.name for file in tmp_path.iterdir()] == ["profile.json"]


def test_the_same_file_and_inside(tmp_path):
    (tmp_path / "folder").mkdir()
    file = tmp_path / "folder" / "a"
    file.write_text("")
    assert is_same(file, tmp_path / "folder" / ".." / "folder" / "a")
    assert is_same(tmp_path / "new", tmp_path / "folder" / ".." / "new")
    assert not is_same(file, tmp_path / "b")
    assert not is_same("/dev/null", "/dev/null")
    assert is_inside(file, tmp_path)
    assert not is_inside(tmp_path, tmp_path)
    assert not is_inside(tmp_path / "folderish", tmp_path / "folder")


def test_a_data_set_is_not_written_over_but_may_have_new_files(tmp_path):
    (tmp_path / "old.json").write_text("")
    check_outputs({"--out": tmp_path / "new.json"}, {"the data set": tmp_path})
    with pytest.raises(OptionError, match=r"old\.json lies in the data set"):
        check_outputs({"--out": tmp_path / "old.json"}, {"the data set": tmp_path})


def test_report_and_evaluate_do_not_write_over_what_they_read(place, capsys):
    (place / "saved.json").write_text("{}")
    before = snapshot(place)
    assert mer("report", "tiny.mer", "--evaluation", "saved.json", "--out", "saved.json") == 2
    assert "--out saved.json is the evaluation saved.json" in capsys.readouterr().err
    assert mer("report", "tiny.mer", "--out", "tiny.mer/CARD.md") == 2
    assert mer("evaluate", "tiny.mer", "--data", "ravdess:.", "--out", "mine.wav") == 2
    assert "mine.wav lies in the data set" in capsys.readouterr().err
    assert snapshot(place) == before
