"""`mer evaluate` as a command."""

from __future__ import annotations

import json

import pytest
import typer
from pairs_files import write_pairs
from typer.testing import CliRunner

from mer_sdk.cli.evaluate import evaluate
from mer_sdk.contract.codec import from_json
from mer_sdk.errors import DataError, OptionError
from mer_sdk.evaluation.evaluate import EvaluationReport


@pytest.fixture
def run(tiny_bundle, monkeypatch):
    """Runs the command over the tiny bundle, whatever path is given."""
    monkeypatch.setattr("mer_sdk.cli.bundles.open_bundle", lambda given: tiny_bundle)
    monkeypatch.setenv("COLUMNS", "200")
    app = typer.Typer()
    app.command()(evaluate)
    return lambda *arguments: CliRunner().invoke(app, [str(argument) for argument in arguments])


def test_tables(run, paired_folder):
    result = run("tiny.mer", "--data", f"ravdess:{paired_folder}", "--orders", 2)
    assert result.exit_code == 0, result.output
    for text in ("tiny", "audio+face", "warm x2", "enrolled", "UAR", "surprised", "calm as neutral"):
        assert text in result.output


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
            r"of actors 6, with both sound and face; .* with sound and face 5$",
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
    with pytest.raises(OptionError, match="takes ravdess_pairs:PATH, ravdess:PATH and meld:PATH"):
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
