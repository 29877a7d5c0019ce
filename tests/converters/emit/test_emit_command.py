"""`mer-convert --emit`: of bundles that are there, and of what it converts first."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
from graphless_bundle import graphless_bundle

from mer_converters import cli
from mer_converters.pipeline import convert
from mer_converters.pipeline.convert import ConversionResult
from mer_converters.pipeline.gate import Distance


def _run(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    monkeypatch.setattr(sys, "argv", ["mer-convert", *arguments])
    with pytest.raises(SystemExit) as exit_info:
        cli.main()
    return int(exit_info.value.code or 0)


def test_command_writes_code_for_bundles_that_are_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    bundle = graphless_bundle(tmp_path, "onnx")
    assert _run(monkeypatch, "--emit", f"cpp:{bundle}", "--emit", f"kotlin:{bundle}", "--json") == 0
    rows = json.loads(capsys.readouterr().out)
    assert [row["path"] for row in rows] == [str(tmp_path / "tiny-onnx-cpp"), str(tmp_path / "tiny-onnx-kotlin")]
    assert all(Path(row["path"]).is_dir() for row in rows)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (
            ("--emit", "kotlin", "--target", "coreml"),
            "--target coreml is for coreml, which the Kotlin code does not run",
        ),
        (
            ("--emit", "cpp:there.mer", "--scheme", "fp16"),
            "--emit LANGUAGE:BUNDLE converts nothing; leave out --target",
        ),
        (
            ("--emit", "cpp:there.mer", "--emit", "swift"),
            "--emit swift converts first and --emit cpp:there.mer does not",
        ),
    ],
)
def test_command_refuses_in_one_sentence(
    arguments: tuple[str, ...],
    sentence: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert _run(monkeypatch, *arguments) == 2
    shown = capsys.readouterr()
    assert sentence in shown.err
    assert shown.out == ""


def test_command_converts_for_the_languages_asked_for(
    student: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    bundles = {target: graphless_bundle(tmp_path, target) for target in ("onnx", "executorch")}
    request = []

    def convert_many(*arguments: object) -> tuple[ConversionResult, ...]:
        request.append(arguments[1])
        return tuple(
            ConversionResult(target, "fp32", path, 1, 1.0, None, Distance(0.0, 0.0, {}), None, "passed", "", {})
            for target, path in bundles.items()
        )

    monkeypatch.setattr(convert, "convert_many", convert_many)
    given = ("--checkpoint", str(student), "--emit", "cpp", "--emit", "kotlin")
    assert _run(monkeypatch, *given, "--json") == 0
    # Without --target, those that one of the languages runs.
    assert request == [("tflite", "onnx", "executorch")]
    rows = json.loads(capsys.readouterr().out)
    wanted = [["tiny-onnx-cpp", "tiny-onnx-kotlin"], ["tiny-executorch-cpp"]]
    assert [[Path(folder).name for folder in row["code"]] for row in rows] == wanted
    assert all(Path(folder).is_dir() for row in rows for folder in row["code"])
    assert _run(monkeypatch, *given, "--target", "all") == 0
    assert request[1] == ("coreml", "executorch", "onnx", "tflite")
    assert f"code for apps: {tmp_path / 'tiny-executorch-cpp'}" in capsys.readouterr().out
