"""`mer data check`: what is counted, what is a leak, and what is warned of."""

from __future__ import annotations

import json

import numpy as np
import pytest
import typer
from typer.testing import CliRunner

from mer_sdk.cli.data.check import data
from mer_sdk.contract.codec import from_json
from mer_sdk.errors import DataError, OptionError
from mer_sdk.evaluation.clip_facts import sound_level
from mer_sdk.evaluation.data_check import DataCheck


@pytest.fixture
def check(monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")
    app = typer.Typer()
    app.command()(data)
    return lambda *arguments: CliRunner().invoke(app, [str(argument) for argument in arguments])


def tone(amplitude: float, seconds: float = 1.0) -> np.ndarray:
    return amplitude * np.sin(2 * np.pi * 220 * np.arange(int(16000 * seconds)) / 16000)


@pytest.fixture
def folder(tmp_path, media):
    """Ann in train and test, ben in train; one content in both splits; a soft, a clipped, a short and a dark clip."""
    sounds = {
        "a": tone(0.1),
        "b": tone(0.2, 2),
        "soft": tone(1e-4),
        "loud": np.clip(tone(3.0), -1, 1),
        "short": tone(0.1, 0.5),
    }
    for name, samples in sounds.items():
        media["wav"](tmp_path / f"{name}.wav", samples)
    (tmp_path / "copy.wav").write_bytes((tmp_path / "a.wav").read_bytes())
    media["mp4"](tmp_path / "grey.mp4", 1.2)
    media["jpg"](tmp_path / "dark.jpg", np.full((40, 40, 3), 9, np.uint8))
    (tmp_path / "broken.mp4").write_bytes(b"no video")
    rows = [
        "a.wav,joy,ann,train", "copy.wav,joy,ann,test", "b.wav,joy,ben,train", "soft.wav,sad,ben,train",
        "loud.wav,joy,ben,train", "short.wav,joy,ben,train", "grey.mp4,joy,ben,train", "dark.jpg,joy,,train",
        "broken.mp4,sad,ben,train", "gone.wav,sad,ben,train", "b.wav,bored,ben,test",
    ]  # fmt: skip
    (tmp_path / "clips.csv").write_text("\n".join(["file,label,speaker,split", *rows]))
    return tmp_path


def test_what_is_there_and_what_is_wrong_with_it(check, folder):
    result = check("check", f"clips:{folder}", "--json")
    assert result.exit_code == 1  # it leaks
    found = from_json(DataCheck, json.loads(result.stdout))
    assert found.labels == {"test": {"happy": 1}, "train": {"happy": 6, "sad": 1}}
    assert found.people == {"test": {"ann": 1}, "train": {"": 1, "ann": 1, "ben": 5}}
    assert found.twins == (("a.wav", "copy.wav"),)
    assert found.leaks == (
        "a.wav, copy.wav hold the same and are in test and train: keep one",
        "ann is in test and train: a score on train says nothing of people who are new",
    )
    assert [item.clip for item in found.left_out] == ["gone.wav (line 11)", "b.wav (line 12)", "broken.mp4"]
    facts = {clip.clip: clip for clip in found.clips}
    assert facts["b.wav"].seconds == 2.0
    assert facts["b.wav"].level == pytest.approx(20 * np.log10(0.2) - 3.01, abs=0.1)
    assert facts["grey.mp4"].looks == 2
    assert (facts["grey.mp4"].faces, facts["grey.mp4"].width) == (0, 64)
    assert facts["dark.jpg"].light == pytest.approx(9, abs=1)
    assert (facts["dark.jpg"].level, facts["dark.jpg"].seconds) == (None, 0.0)
    for said in (
        "few clips: sad (1)", "happy has 7 clips and sad 1", "1 too quiet", "1 clipped", "1 dark", "2 without a face",
        "1 shorter than a second", "1 clips do not say who speaks",
    ):  # fmt: skip
        assert any(said in warning for warning in found.warnings), said


def test_tables_and_a_picture(check, folder, tmp_path):
    picture = tmp_path / "check.png"
    result = check("check", f"clips:{folder}", "--labels", "joy=surprised", "--plot", picture)
    assert result.exit_code == 1
    assert picture.read_bytes().startswith(b"\x89PNG")
    for said in ("8 clips of 3 people", "LEAK: a.wav, copy.wav hold the same", "with a face", "level, dB", "not named",
                 "the file is missing"):  # fmt: skip
        assert said in result.output


def test_one_person_in_every_split_is_no_leak(check, folder):
    (folder / "clips.csv").write_text("file,label,speaker,split\na.wav,joy,ann,train\nb.wav,sad,ann,test\n")
    result = check("check", f"clips:{folder}")
    assert result.exit_code == 0, result.output
    assert "LEAK" not in result.output


def test_published_data_are_looked_at_too(check, paired_folder):
    found = from_json(DataCheck, json.loads(check("check", f"ravdess:{paired_folder}", "--json").stdout))
    assert sum(found.labels[""].values()) == len(found.clips) == 8
    # Images of a face track are faces.
    assert all(clip.faces == clip.looks > 0 for clip in found.clips)


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        (("chekc", "clips:x"), OptionError, "action of mer data 'chekc' is unknown; did you mean check"),
        (("check", "clips:/no/where"), DataError, "does not exist"),
        (("check", "x"), OptionError, "write NAME:PATH"),
        (("check", "clips:x", "--plot", "x.txt"), OptionError, "must end in .png"),
    ],
)
def test_bad_options(check, arguments, error, message):
    with pytest.raises(error, match=message):
        raise check(*arguments).exception


def test_the_level_is_that_of_the_loudest_part():
    quiet = np.concatenate([np.zeros(16000 * 9), tone(0.5)])
    assert sound_level(quiet, 16000) == pytest.approx(20 * np.log10(0.5) - 3.01, abs=0.1)
    assert sound_level(np.zeros(16000), 16000) == -120.0
