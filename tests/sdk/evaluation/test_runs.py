"""Figures of runs side by side, and in TensorBoard's files."""

from __future__ import annotations

import json

import pytest
import typer
from typer.testing import CliRunner

from mer_sdk.cli.runs import runs
from mer_sdk.errors import DataError, OptionError
from mer_sdk.evaluation.runs import read_run, save_history, write_tensorboard


@pytest.fixture
def made(tmp_path):
    """A training of two epochs, a checkpoint's card and an evaluation."""
    (tmp_path / "full").mkdir()
    save_history(tmp_path / "full", "audio", [{"epoch": 1.0, "loss": 2.0}, {"epoch": 2.0, "loss": 1.5, "uar": 0.4}])
    (tmp_path / "mine.safetensors").write_bytes(b"weights")
    card = {"name": "mine", "results": {"own people": {"uar": 0.61, "speakers": [5], "by": "adapt"}, "fits": True}}
    (tmp_path / "mine.json").write_text(json.dumps(card))
    results = [{"state": "audio", "protocol": "cold", "war": 0.5, "uar": 0.45, "ece": 0.1, "confusion": [[1]]}]
    (tmp_path / "after.json").write_text(json.dumps({"bundle": "grjca-onnx-fp32", "results": results}))
    return tmp_path


def test_figures_of_each_kind_of_run(made):
    (training,) = read_run(made / "full")
    assert (training.name, training.kind) == ("full/audio", "training")
    assert training.series == {"loss": ((1, 2.0), (2, 1.5)), "uar": ((2, 0.4),)}
    (checkpoint,) = read_run(made / "mine.safetensors")
    assert (checkpoint.name, checkpoint.series) == ("mine", {"own people/uar": ((0, 0.61),)})
    (evaluation,) = read_run(made / "after.json")
    assert evaluation.name == "after/grjca-onnx-fp32"
    assert evaluation.series == {
        "war/audio/cold": ((0, 0.5),),
        "uar/audio/cold": ((0, 0.45),),
        "ece/audio/cold": ((0, 0.1),),
    }


def test_the_command_shows_them_side_by_side(made, monkeypatch):
    monkeypatch.setenv("COLUMNS", "160")
    app = typer.Typer()
    app.command()(runs)
    names = [str(made / name) for name in ("full", "mine.safetensors", "after.json", "after.json")]
    shown = CliRunner().invoke(app, names)
    assert shown.exit_code == 0, shown.output
    for said in ("loss", "full/audio", "1.5", "own people/uar", "0.61", "after/grjca-onnx-fp32 (2)"):
        assert said in shown.output
    assert len(json.loads(CliRunner().invoke(app, [*names, "--json"]).stdout)) == 4


def test_tensorboard_reads_what_is_written(made, tmp_path):
    pytest.importorskip("tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    board = tmp_path / "board"
    found = [item for name in ("full", "after.json") for item in read_run(made / name)]
    write_tensorboard(found, board)
    seen = EventAccumulator(str(board / "full" / "audio"))
    seen.Reload()
    assert {"loss", "uar"} == set(seen.Tags()["tensors"])
    assert [event.step for event in seen.Tensors("loss")] == [1, 2]
    assert seen.Tensors("loss")[1].tensor_proto.float_val[0] == 1.5
    with pytest.raises(OptionError, match="holds a run full/audio already"):
        write_tensorboard(found, board)


def test_results_that_are_none_are_left_out(tmp_path):
    (tmp_path / "some.json").write_text('{"results": [5, {"state": "audio", "protocol": "cold", "war": 0.5}]}')
    assert read_run(tmp_path / "some.json")[0].series == {"war/audio/cold": ((0, 0.5),)}


# A whole number that no float holds.
LARGE = 10**400


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("gone.json", None, "is no run"),
        ("text.json", "no json", "is no run"),
        ("other.json", '{"some": 1}', "holds no figures"),
        pytest.param("deep.json", "[" * 100_000, "is no run .it is nested too deep", id="deep"),
        pytest.param("digits.json", "1" * 5000, "is no run", id="digits"),
        ("result.json", '{"results": [5]}', "holds no figures"),
        pytest.param(
            "large.json",
            f'{{"results": [{{"war": {LARGE}, "uar": NaN}}]}}',
            "holds no figures",
            id="large figures",
        ),
        pytest.param("card.json", f'{{"results": {{"uar": {LARGE}}}}}', "holds no figures", id="large on a card"),
        ("empty", "", "holds no history of a training"),
        ("x.history.json", '{"task": "x", "epochs": [{"loss": "much"}]}', "is no history of a training"),
        ("x.history.json", '{"epochs": [{"epoch": 1, "loss": 1}]}', "is no history of a training"),
        ("x.history.json", '{"task": "x", "epochs": [{"epoch": 1e400, "loss": 1}]}', "is no history of a training"),
        pytest.param(
            "x.history.json",
            f'{{"task": "x", "epochs": [{{"epoch": 1, "loss": {LARGE}}}]}}',
            "is no history",
            id="large loss",
        ),
        pytest.param("x.history.json", "[" * 100_000, "is no history of a training", id="deep history"),
    ],
)
def test_what_is_no_run_is_one_sentence(tmp_path, name, content, message):
    path = tmp_path / name
    if name == "empty":
        path.mkdir()
    elif content is not None:
        path.write_text(content)
    with pytest.raises(DataError, match=message):
        read_run(tmp_path if name.endswith(".history.json") else path)
