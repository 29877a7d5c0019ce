"""The check command: what it names, what it refuses, and where a value comes from in PyTorch."""

from __future__ import annotations

import json
import math
import subprocess
import sys
from pathlib import Path
from typing import Any

import coremltools as ct
import numpy as np
import pytest
import torch
from arrays import normal

from mer_converters.targets.coreml import __main__ as command
from mer_converters.targets.coreml.interpreter.interpreter import Interpreter
from mer_converters.targets.coreml.interpreter.report import CheckOptions, check_package, relative_error
from mer_converters.targets.coreml.program import read_package
from mer_converters.targets.coreml.source import KEY, read_sources, record_sources, sources_of
from mer_sdk.errors import OptionError, SignalError

X = torch.from_numpy(normal(1, 3, 8, 8))


class Network(torch.nn.Module):
    """A normalisation that squares values of some hundreds: fine in fp32, infinite in fp16."""

    def __init__(self, scale: float) -> None:
        super().__init__()
        self.scale = scale
        self.conv = torch.nn.Conv2d(3, 8, 3)
        self.head = torch.nn.Linear(8 * 36, 5)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = self.conv(x).relu() * self.scale
        power = (y * y).mean((2, 3), keepdim=True)
        return torch.softmax(self.head((y / (power + 1e-3).sqrt()).flatten(1)), -1)


def network(scale: float) -> Network:
    torch.manual_seed(0)
    return Network(scale).eval()


def write(folder: Path, scale: float, half: bool, traced: bool = False, sources: bool = True) -> Path:
    module = network(scale)
    model = ct.convert(
        torch.jit.trace(module, X) if traced else torch.export.export(module, (X,)).run_decompositions({}),
        inputs=[ct.TensorType(name="x", shape=X.shape)],
        outputs=[ct.TensorType(name="y", dtype=np.float32)],
        compute_precision=ct.precision.FLOAT16 if half else ct.precision.FLOAT32,
        minimum_deployment_target=ct.target.iOS17,
        skip_model_load=True,
    )
    if sources:
        record_sources(model)
    path = folder / "network.mlpackage"
    model.save(str(path))
    np.savez(folder / "in.npz", x=X.numpy())
    np.savez(folder / "out.npz", y=module(X).detach().numpy())
    return path


@pytest.fixture(scope="module")
def overflowing(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write(tmp_path_factory.mktemp("overflow"), scale=300.0, half=True)


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write(tmp_path_factory.mktemp("sound"), scale=1.0, half=True)


def run(monkeypatch: pytest.MonkeyPatch, *arguments: object) -> int:
    monkeypatch.setattr(sys, "argv", ["coreml", *map(str, arguments)])
    monkeypatch.setenv("COLUMNS", "120")
    with pytest.raises(SystemExit) as ended:
        command.main()
    return int(ended.value.code or 0)


def given(package: Path, reference: bool = True) -> list[object]:
    arguments: list[object] = ["check", package, "--inputs", package.parent / "in.npz"]
    return arguments + (["--reference", package.parent / "out.npz"] if reference else [])


def test_a_planted_overflow_is_found_and_named(
    overflowing: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(monkeypatch, *given(overflowing), "--json") == 1
    report = json.loads(capsys.readouterr().out)
    assert (report["passed"], report["runtime"]) == (False, "coreml-spec")
    assert report["note"].startswith("spec-level check")
    (fault,) = report["faults"]
    assert (fault["operation"], fault["kind"], fault["nan"]) == ("mul", "fp16", 0)
    assert fault["overflow"] > 0
    assert fault["high"] > 65504
    line = next(n for n, text in enumerate(Path(__file__).read_text().splitlines(), 1) if "power = (y * y)" in text)
    assert fault["source"] == f"coreml/test_check.py:{line} in forward"
    # Rounding that value alone makes the error; it leads the list by far.
    first, second = report["worst"][:2]
    assert first["name"] == fault["name"]
    assert first["adds"] > 10 * second["adds"]
    assert not report["outputs"][0]["passed"]


def test_tables(overflowing: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(monkeypatch, *given(overflowing)) == 1
    shown = capsys.readouterr().out
    for said in ("Outputs against the reference", "too far", "Where infinities and NaN begin", "FAILED", "spec-level"):
        assert said in shown


def test_a_sound_package_passes(
    sound: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(monkeypatch, *given(sound)) == 0
    assert "passed (relative error at most 0.005" in capsys.readouterr().out
    assert run(monkeypatch, *given(sound), "--tolerance", "1e-7") == 1
    assert "too far" in capsys.readouterr().out
    assert run(monkeypatch, *given(sound, reference=False), "--probes", "3", "--json") == 0
    report = json.loads(capsys.readouterr().out)
    assert report["outputs"] == []
    assert sum(value["adds"] is not None for value in report["worst"]) <= 3


def test_the_program_in_fp32_has_nothing_to_round(tmp_path: Path) -> None:
    path = write(tmp_path, scale=300.0, half=False)
    with np.load(tmp_path / "out.npz") as stored:
        report = check_package(Interpreter(path), {"x": X.numpy()}, dict(stored))
    assert report.passed
    assert report.outputs[0].relative_error < 1e-5
    assert (report.half_values, report.rounding, report.worst, report.tolerance) == (0, (), (), 1e-4)
    assert max(abs(value.high) for value in report.ranges) > 65504


def test_rounding_is_measured_against_the_same_weights(sound: Path) -> None:
    """What one rounding adds is at most of the size of all together, and the figures are those of plain runs."""
    interpreter = Interpreter(sound)
    report = check_package(interpreter, {"x": X.numpy()}, None, CheckOptions(worst=1000))
    exact = interpreter.run({"x": X.numpy()}, rounded=())["y"]
    rounded = interpreter.run({"x": X.numpy()})["y"]
    assert report.rounding[0].relative_error == relative_error(rounded, exact)
    assert report.rounding[0].relative_error > 0
    name = report.worst[0].name
    assert report.worst[0].adds == relative_error(interpreter.run({"x": X.numpy()}, rounded=(name,))["y"], exact)
    adds = [value.adds for value in report.worst]
    assert adds == sorted(adds, reverse=True)


def wrong_inputs(folder: Path) -> dict[str, tuple[list[object], str]]:
    np.savez(folder / "name.npz", z=X.numpy())
    np.savez(folder / "shape.npz", x=X.numpy()[0])
    np.savez(folder / "y_shape.npz", y=np.zeros((2, 5), np.float32))
    np.savez(folder / "y_name.npz", logits=np.zeros((1, 5), np.float32))
    (folder / "text.npz").write_text("no arrays")
    np.savez(folder / "objects.npz", x=np.array([{}], dtype=object))
    return {
        "name": (["--inputs", folder / "name.npz"], "misses x and has z"),
        "shape": (["--inputs", folder / "shape.npz"], "'x' has shape (3, 8, 8), needed is fp16[1, 3, 8, 8]"),
        "text": (["--inputs", folder / "text.npz"], "is no .npz file of plain arrays"),
        "objects": (["--inputs", folder / "objects.npz"], "is no .npz file of plain arrays"),
        "missing": (["--inputs", folder / "nothing.npz"], "does not exist; give an .npz"),
        "reference shape": (["--reference", folder / "y_shape.npz"], "reference 'y' has shape (2, 5)"),
        "reference name": (["--reference", folder / "y_name.npz"], "has logits, which the program does not give"),
        "tolerance": (["--tolerance", "0"], "tolerance is 0.0; allowed is a number above 0"),
        "probes": (["--probes", "-1"], "probes is -1; allowed is 0 or more"),
        "worst": (["--worst", "0"], "worst is 0; allowed is 1 or more"),
    }


def test_bad_input_is_one_sentence(
    sound: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for arguments, said in wrong_inputs(tmp_path).values():
        assert run(monkeypatch, *given(sound, reference=False), *arguments) == 2
        error = capsys.readouterr().err
        assert said in error
        assert "Traceback" not in error
    assert run(monkeypatch, "check", tmp_path, "--inputs", sound.parent / "in.npz") == 2
    assert "has no Manifest.json" in capsys.readouterr().err


def test_an_empty_reference_is_refused(sound: Path) -> None:
    with pytest.raises(SignalError, match="the reference is empty"):
        check_package(Interpreter(sound), {"x": X.numpy()}, {})
    with pytest.raises(OptionError, match="probes is -1"):
        CheckOptions(probes=-1)
    for value in (math.nan, math.inf):
        with pytest.raises(OptionError, match=f"tolerance is {value}; allowed is a number above 0"):
            CheckOptions(tolerance=value)


def test_sources_of_a_traced_module_are_its_modules(tmp_path: Path) -> None:
    sources = read_sources(read_package(write(tmp_path, 1.0, half=True, traced=True)).spec)
    assert {"conv", "head"} <= set(sources.values())


def test_sources_are_absent_unless_recorded(tmp_path: Path, sound: Path) -> None:
    """coremltools itself writes none; a damaged note counts as none."""
    spec: Any = read_package(write(tmp_path, 1.0, half=True, sources=False)).spec
    assert read_sources(spec) == {}
    spec.description.metadata.userDefined[KEY] = "{no json"
    assert read_sources(spec) == {}
    assert read_sources(read_package(sound).spec)
    assert sources_of(ct.models.MLModel(str(sound), skip_model_load=True)) == {}


def test_operations_as_markdown(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(monkeypatch, "operations", "--markdown") == 0
    shown = capsys.readouterr().out
    assert "| linear | `einsum`, `linear`, `matmul` | - |" in shown
    assert "| classify | - | `classify` |" in shown
    documented = (Path(__file__).parents[4] / "docs" / "models" / "coreml.md").read_text()
    assert shown in documented, "write the table of docs/models/coreml.md again"


def test_help_needs_no_coremltools() -> None:
    code = (
        "import sys, mer_converters.targets.coreml.__main__ as m\n"
        "sys.argv = ['x', '--help']\n"
        "try: m.main()\nexcept SystemExit: pass\n"
        "assert not {'torch', 'coremltools'} & set(sys.modules)\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)
