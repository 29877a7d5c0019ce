"""`mer-convert` from the command line: exit codes, one sentence for bad input, table and JSON."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from mer_converters import cli
from mer_converters.pipeline import convert as module
from mer_converters.pipeline.convert import ConversionResult
from mer_converters.pipeline.gate import Distance
from mer_converters.processes.progress import Step
from mer_converters.result_table import next_commands


def _row(target: str, scheme: str, gate: str, out: Path | None) -> ConversionResult:
    path = out / f"grjca-{target}-{scheme}.mer" if out else None
    near = Distance(2e-7, 0.0, {})
    other = None if scheme == "fp32" else near
    return ConversionResult(target, scheme, path, 1_234_567, 3.25, near, other, gate, "because", {})


def _run(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    monkeypatch.setattr(sys, "argv", ["mer-convert", *arguments])
    with pytest.raises(SystemExit) as exit_info:
        cli.main()
    code = exit_info.value.code
    return 0 if code is None else int(code)


def test_help_teaches(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    assert _run(monkeypatch, "--help") == 0
    shown = capsys.readouterr().out
    assert "--target all" in shown


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("--target", "tpu"), "target 'tpu' is unknown; allowed: coreml, executorch, onnx, tflite, all"),
        (("--scheme", "w8"), "scheme 'w8' is not supported on target 'executorch'; allowed: fp32, fp16, dyn8, int8"),
        (("--scheme", "dyn8", "--target", "coreml"), "allowed: fp32, fp16, w8, int8, w4; the nearest is 'w8'"),
        (
            ("--scheme", "int8", "--target", "coreml"),
            "scheme 'int8' takes its ranges from real input: give calibration",
        ),
        (
            ("--scheme", "fp32,w8", "--target", "coreml", "--data", "ravdess:there"),
            "--data ravdess:there: fp32, w8 would ignore calibration data; leave --data out",
        ),
    ],
)
def test_unknown_name_is_one_sentence_and_code_2(
    student: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: tuple[str, ...],
    sentence: str,
) -> None:
    code = _run(monkeypatch, "--checkpoint", str(student), "--out", str(tmp_path / "out"), *arguments)
    assert code == 2
    *steps, said = capsys.readouterr().err.strip().splitlines()
    assert said.startswith("mer-convert: ")
    assert sentence in said
    assert all(line.startswith("checkpoint: ") for line in steps)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("--scheme", "fp12"), "scheme 'fp12' is not supported; did you mean fp32?"),
        (("--coverage", "7"), "coverage is 7.0; it must be above 0"),
        (("--checkpoint", "absent.safetensors"), "--checkpoint absent.safetensors is missing"),
        (("--model", "grjca", "--checkpoint", "my.safetensors"), "name two models; leave one out"),
    ],
)
def test_what_is_wrong_without_torch_is_said_before_it_is_loaded(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], sentence: str
) -> None:
    assert _run(monkeypatch, *arguments) == 2
    (said,) = capsys.readouterr().err.splitlines()
    assert sentence in said


def test_unknown_model(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    assert _run(monkeypatch, "--model", "gpt") == 2
    assert "model 'gpt' is unknown; allowed: amb_dsgdn, atsuko, fdrl, grjca, face_finder" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "meant"),
    [
        (("--model", "grcja"), "did you mean grjca?"),
        (("--target", "tflight"), "did you mean tflite?"),
        (("--target", "onnx", "--scheme", "fp23"), "did you mean fp32?"),
        (("--target", "onnx", "--scheme", "int8", "--data", "ravdes:there"), "did you mean ravdess?"),
        (("--target", "onnx", "--scheme", "w8", "--check-data", "ferplu:there"), "did you mean ferplus?"),
    ],
)
def test_the_nearest_name_is_offered(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: tuple[str, ...],
    meant: str,
) -> None:
    assert _run(monkeypatch, "--out", str(tmp_path / "out"), *arguments) == 2
    assert meant in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_every_step_is_a_line_on_stderr_and_stdout_is_json_alone(
    student: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def convert_many(*given: object) -> tuple[ConversionResult, ...]:
        say = given[-1]
        assert callable(say)
        say(Step("onnx", "exporting audio in fp32", 0.25))
        return (_row("onnx", "fp32", "passed", tmp_path),)

    monkeypatch.setattr(module, "convert_many", convert_many)
    assert _run(monkeypatch, "--checkpoint", str(student), "--target", "onnx", "--json") == 0
    shown = capsys.readouterr()
    assert [row["target"] for row in json.loads(shown.out)] == ["onnx"]
    assert "onnx: exporting audio in fp32" in shown.err.splitlines()
    assert "Next:" not in shown.out


def test_next_commands_can_be_pasted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = tmp_path / ".venv" / "bin" / "mer"
    program.parent.mkdir(parents=True)
    program.touch()
    monkeypatch.setattr(sys, "executable", str(program.with_name("python")))
    monkeypatch.chdir(tmp_path)
    paths = [Path("my bundles/grjca-onnx-fp32.mer"), Path("my bundles/grjca-tflite-fp32.mer")]
    commands = next_commands(paths, dialogue=False)
    assert commands[0] == ".venv/bin/mer inspect 'my bundles/grjca-tflite-fp32.mer'"
    assert ".venv/bin/mer run 'my bundles/grjca-tflite-fp32.mer' camera" in commands
    assert not any(word.isupper() for command in commands for word in command.split())
    assert not any("camera" in command for command in next_commands(paths, dialogue=True))
    assert next_commands(paths, dialogue=True)[2].endswith("grjca-tflite-fp32.mer' dialogue.csv")
    assert next_commands([], dialogue=False) == []


def test_missing_checkpoint(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    assert _run(monkeypatch, "--checkpoint", "nowhere.safetensors") == 2
    assert "nowhere.safetensors is missing" in capsys.readouterr().err


def test_table_and_next_commands(
    student: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = (_row("coreml", "fp32", "passed", tmp_path), _row("tflite", "fp16", "passed", tmp_path))
    asked = []
    monkeypatch.setattr(module, "convert_many", lambda *a: asked.append(a) or rows)
    monkeypatch.setenv("COLUMNS", "80")
    code = _run(
        monkeypatch, "--checkpoint", str(student), "--target", "all", "--scheme", "fp32,fp16", "--scheme", "fp32"
    )
    shown = capsys.readouterr().out
    assert code == 0
    assert asked[0][1] == ("coreml", "executorch", "onnx", "tflite")
    assert asked[0][2] == ("fp32", "fp16")
    lines = {line.split()[0]: line for line in shown.splitlines() if line.strip()}
    assert lines["coreml"].split() == ["coreml", "fp32", "1235", "3.2", "2.0e-07", "same", "passed"]
    assert lines["tflite"].split() == ["tflite", "fp16", "1235", "3.2", "2.0e-07", "2.0e-07", "passed"]
    assert f"mer run {tmp_path / 'grjca-tflite-fp16.mer'}" in shown
    assert "coreml: spec-level check: the saved program was computed in torch" in " ".join(shown.split())


def test_failed_gate_is_code_1_with_the_table(
    student: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(module, "convert_many", lambda *a: (_row("onnx", "fp32", "failed", None),))
    assert _run(monkeypatch, "--checkpoint", str(student), "--target", "onnx") == 1
    shown = capsys.readouterr()
    assert " failed\n" in shown.out
    assert "so not written; --force writes it" in " ".join(shown.out.split())
    assert "onnx fp32: because" in shown.err
    assert "Next:" not in shown.out


def test_json(
    student: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(module, "convert_many", lambda *a: (_row("onnx", "fp16", "passed", tmp_path),))
    assert _run(monkeypatch, "--checkpoint", str(student), "--target", "onnx", "--json") == 0
    row = json.loads(capsys.readouterr().out)[0]
    assert row["path"] == str(tmp_path / "grjca-onnx-fp16.mer")
    assert row["conversion"]["logits"] == 2e-7
