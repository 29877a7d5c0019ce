"""`mer evaluate` as a command."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
import typer
from pairs_files import write_pairs
from typer.testing import CliRunner

from mer_sdk.cli.evaluate import evaluate
from mer_sdk.cli.tables.evaluation import show_report
from mer_sdk.contract.codec import from_json
from mer_sdk.errors import DataError, OptionError
from mer_sdk.evaluation.datasets import LeftOut
from mer_sdk.evaluation.dialogues import DialogueReport
from mer_sdk.evaluation.evaluate import EvaluationReport
from mer_sdk.evaluation.metrics import Interval

LABELS = ("neutral", "happy", "sad", "angry", "fearful", "disgust", "surprised")


@pytest.fixture
def run(tiny_bundle, monkeypatch):
    """Runs the command over the tiny bundle, whatever path is given."""
    monkeypatch.setattr("mer_sdk.cli.bundles.open_bundle", lambda given, trust=None: tiny_bundle)
    monkeypatch.setenv("COLUMNS", "200")
    app = typer.Typer()
    app.command()(evaluate)
    return lambda *arguments: CliRunner().invoke(app, [str(argument) for argument in arguments])


def test_tables(run, paired_folder):
    result = run("tiny.mer", "--data", f"ravdess:{paired_folder}", "--orders", 2)
    assert result.exit_code == 0, result.output
    for text in ("tiny", "audio+face", "warm x2", "enrolled", "UAR", "surprised", "calm as neutral"):
        assert text in result.output


def test_people_from_whom_the_models_learned_are_told(run, paired_folder):
    # Actor 5 is of fold 0.
    told = "learned from 1 of these 1 people: of strangers less is right; --folds 3"
    assert told in run("t", "--data", f"ravdess:{paired_folder}").output
    for place in list(paired_folder.rglob("*-05[._]*")):
        place.rename(place.with_name(place.name.replace("-05.", "-08.").replace("-05_", "-08_")))
    strangers = run("t", "--data", f"ravdess:{paired_folder}", "--states", "audio", "--protocol", "cold")
    assert strangers.exit_code == 0, strangers.output
    assert "of strangers" not in strangers.output


def test_json_and_out_hold_the_same_report(run, paired_folder, tmp_path):
    out = tmp_path / "report.json"
    result = run(
        "t", "--data", f"ravdess:{paired_folder}", "--actors", 5, "--states", "audio", "--protocol", "cold, none",
        "--json", "--out", out,
    )  # fmt: skip
    assert result.exit_code == 0, result.output
    report = from_json(EvaluationReport, json.loads(result.stdout))
    assert [(item.state, item.protocol) for item in report.results] == [("audio", "cold"), ("audio", "none")]
    assert json.loads(out.read_text()) == json.loads(result.stdout)
    assert [path.name for path in tmp_path.iterdir() if path.suffix == ".part"] == []


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        (("--actors", "five"), OptionError, "list of numbers"),
        (
            ("--actors", "6"),
            DataError,
            r"of actors 6, with both sound and face; .* with sound and face 5; without faces: --states audio$",
        ),
        (("--states", "smell"), OptionError, "llowed: audio"),
        (("--out", "/nowhere/at/all.json"), OptionError, "does not exist"),
    ],
)
def test_bad_options(run, paired_folder, arguments, error, message):
    result = run("t", "--data", f"ravdess:{paired_folder}", *arguments)
    assert result.exit_code != 0
    with pytest.raises(error, match=message):
        raise result.exception


def test_images_alone_cannot_be_evaluated_as_clips(run, tmp_path):
    (tmp_path / "ferplus_train.npz").write_bytes(b"")
    with pytest.raises(OptionError, match=r"takes clips:PATH, ravdess_pairs:PATH, ravdess:PATH and meld:PATH"):
        raise run("t", "--data", f"ferplus:{tmp_path}").exception


def test_real_pairs_are_scored_by_person_on_the_test_fold(run, tmp_path):
    codes = [
        f"{emotion:02d}-01-01-0{take}-{actor:02d}" for actor in (3, 8, 17) for emotion in (1, 3) for take in (1, 2)
    ]
    folder = write_pairs(tmp_path, codes)
    options = ("t", "--data", f"ravdess_pairs:{folder}", "--states", "audio,face", "--protocol", "cold", "--json")
    report = from_json(EvaluationReport, json.loads(run(*options).stdout))
    assert (report.speakers, report.clips) == ((8, 17), 8)
    for result in report.results:
        assert set(result.uar_by_speaker) == {"8", "17"}
        assert result.uar == pytest.approx(sum(result.uar_by_speaker.values()) / 2)
    learned = from_json(EvaluationReport, json.loads(run(*options, "--folds", "1").stdout))
    assert learned.speakers == (3,)
    assert "UAR per person" in run(*options[:-1]).output
    with pytest.raises(OptionError, match="--folds 'three' is no list of numbers"):
        raise run(*options, "--folds", "three").exception


@pytest.fixture
def own_clips(tmp_path, media):
    """Two people with a video and a sound file each, ben without a neutral clip, and two rows that cannot be scored."""
    rng = np.random.default_rng(1)
    rows = ["file,label,speaker", "gone.wav,joy,ann", "cut.mp4,joy,ann"]
    for number, (label, who) in enumerate((("neutral", "ann"), ("joy", "ann"), ("sad", "ben"), ("joy", "ben"))):
        media["mp4"](tmp_path / f"{number}.mp4", 1.0)
        media["wav"](tmp_path / f"{number}.wav", 0.1 * rng.standard_normal(16000))
        rows += [f"{number}.mp4,{label},{who}", f"{number}.wav,{label},{who}"]
    (tmp_path / "cut.mp4").write_bytes((tmp_path / "0.mp4").read_bytes()[:3000])
    (tmp_path / "clips.csv").write_text("\n".join(rows))
    return tmp_path


def test_own_clips_are_scored_and_what_cannot_be_is_listed(run, own_clips):
    options = ("t", "--data", f"clips:{own_clips}", "--orders", 2)
    report = from_json(EvaluationReport, json.loads(run(*options, "--json").stdout))
    assert report.clips == 8
    assert report.names == {"1": "ann", "2": "ben"}
    assert next((item.clip, item.reason) for item in report.left_out) == ("gone.wav (line 2)", "the file is missing")
    assert report.left_out[1].clip == "cut.mp4"
    # Another machine, such as a worker of a cluster, has the file elsewhere and says the same.
    assert report.left_out[1].reason.startswith("cut.mp4 ")
    assert str(own_clips) not in report.left_out[1].reason
    # The grey pictures hold no face, and ben cannot be enrolled.
    assert report.omitted[:3] == (
        "enrolled leaves out ben: no clip of theirs is labelled neutral",
        "audio+face is left out: no clip holds a face",
        "face is left out: no clip holds a face",
    )
    assert report.omitted[3].startswith(
        "few clips: happy (4), neutral (2), sad (2); with fewer than 5 a label's recall"
    )
    assert report.omitted[4].startswith("few clips: 8 in all; with fewer than 20 a score says little, and its interval")
    assert [(item.state, item.protocol) for item in report.results] == [
        ("audio", "cold"), ("audio", "warm"), ("audio", "enrolled"),
    ]  # fmt: skip
    assert report.result("audio", "enrolled").uar_by_speaker.keys() == {"1"}
    text = run(*options).output
    for said in (
        "joy as happy",
        "speakers ann, ben, 2 left out",
        "the file is missing",
        "ben",
        "With all 7 labels allowed",
    ):
        assert said in text


def test_a_hundred_percent_everywhere_fits_eighty_columns(run, own_clips, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    options = ("t", "--data", f"clips:{own_clips}", "--states", "audio", "--protocol", "warm", "--json")
    capsys.readouterr()
    report = from_json(EvaluationReport, json.loads(run(*options).stdout))
    sure = dict.fromkeys(("war", "uar", "macro_f1"), 1.0) | {
        f"{name}_interval": Interval(1.0, 1.0) for name in ("war", "uar", "macro_f1")
    }
    result = replace(report.results[0], state="audio+face", clips=1200, ece=0.123, **sure)
    show_report(replace(report, results=(result,)))
    out = capsys.readouterr().out
    assert "protocol" in out
    assert "100 [100, 100]" in out
    assert any("audio+face" in line and "warm x5" in line and "12.3" in line for line in out.splitlines())


def test_answers_are_the_likeliest_of_the_labels_that_the_clips_have(run, own_clips, monkeypatch):
    """The tiny bundle says happy of loud and neutral of soft sound; of clips that are sad or happy, happy."""
    options = ("t", "--data", f"clips:{own_clips}", "--states", "audio", "--protocol", "cold", "--json")
    (own_clips / "clips.csv").write_text("file,label\n2.wav,sad\n3.wav,joy\n")
    (found,) = from_json(EvaluationReport, json.loads(run(*options).stdout)).results
    named = {label for label, row in zip(LABELS, zip(*found.confusion, strict=True), strict=True) if sum(row)}
    assert named <= {"sad", "happy"}
    assert found.all_labels.outside > 0
    assert found.war >= found.all_labels.war
    assert all(0 <= share <= 1 for share in (found.all_labels.uar, found.all_labels.ece, found.ece))


def test_without_names_of_people_there_is_no_warm_baseline(run, own_clips):
    (own_clips / "clips.csv").write_text("file,label\n2.wav,sad\n3.wav,joy\n")
    options = ("t", "--data", f"clips:{own_clips}", "--json")
    report = from_json(EvaluationReport, json.loads(run(*options).stdout))
    assert [item.protocol for item in report.results] == ["cold"]
    assert report.omitted[0].startswith("warm is left out: no clip says who speaks")
    with pytest.raises(DataError, match=r"no protocol is left: warm is left out: .*; add --protocol cold"):
        raise run(*options, "--protocol", "warm,enrolled").exception


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--actors", "5"), "--actors and --folds are of RAVDESS"),
        (("--labels", "joy"), "'joy' is no pair OLD=NEW"),
        (("--labels", "joy=happy,joy=sad"), "gives 'joy' two meanings, happy and sad"),
        (("--labels", "joy=glad"), "'glad' is none of the bundle's labels"),
        (("--labels", "glad=joy"), "no clip is labelled 'glad'"),
        (("--split", "test"), "splits there: none: the table has no column split"),
    ],
)
def test_bad_options_of_own_clips(run, own_clips, options, message):
    with pytest.raises(OptionError, match=message):
        raise run("t", "--data", f"clips:{own_clips}", *options).exception


def test_a_dialogue_bundle_reads_the_texts_of_own_clips(own_clips, tiny_talk):
    rows = ["file,label,speaker,text,dialogue", "0.wav,joy,ann,I am glad,one", "1.wav,sad,ben,I am not,one"]
    rows += ["2.wav,sad,ben,,one", "3.wav,joy,ann,Hello there,"]
    (own_clips / "clips.csv").write_text("\n".join(rows))
    app = typer.Typer()
    app.command()(evaluate)
    result = CliRunner().invoke(app, [str(tiny_talk), "--data", f"clips:{own_clips}", "--json"])
    assert result.exit_code == 0, result.output
    report = from_json(DialogueReport, json.loads(result.stdout))
    assert (report.dialogues, report.utterances) == (2, 3)
    assert report.left_out == (LeftOut("2.wav", "it has no text, which the bundle reads"),)
    # Answers are among the labels that the clips have.
    for found in report.results:
        said = {
            label
            for label, column in zip(report.labels, zip(*found.confusion, strict=True), strict=True)
            if sum(column)
        }
        assert said <= {"happy", "sad"}
    (own_clips / "clips.csv").write_text("file,label\n0.wav,joy\n")
    with pytest.raises(OptionError, match=r"reads what is said, and .* has no column text: add what is said"):
        raise CliRunner().invoke(app, [str(tiny_talk), "--data", f"clips:{own_clips}"]).exception
