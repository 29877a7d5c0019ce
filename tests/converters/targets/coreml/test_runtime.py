"""Core ML bundles in the SDK: the runtime coreml-spec, and that every command says what it is."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import coremltools as ct
import numpy as np
import pytest
from arrays import normal
from building import program, saved
from coremltools.converters.mil.mil import Builder as mb  # noqa: N813

from mer_converters.pipeline.convert import ConversionResult
from mer_sdk.cli import main
from mer_sdk.errors import BundleError, RuntimeUnavailable, SignalError
from mer_sdk.runtimes import load_graph
from mer_sdk.runtimes.graph import GraphSpec, TensorSpec

TABLE = normal(50, 3)
SPEC = GraphSpec("table.mlpackage", "fp32", (TensorSpec("ids", (4,), "int32"),), (TensorSpec("rows", (4, 3)),))


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A graph that reads rows of a table."""
    built = program(lambda ids: mb.gather(x=TABLE, indices=ids, axis=0, name="rows"), {"ids": np.zeros(4, np.int32)})
    return saved(built, tmp_path_factory.mktemp("table"), opset=ct.target.iOS17)


def test_a_graph_with_whole_numbers(table: Path) -> None:
    graph = load_graph("coreml-spec", table, SPEC)
    ids = np.array([0, 49, 7, 7])
    np.testing.assert_array_equal(graph.run({"ids": ids})["rows"], TABLE[ids])
    with pytest.raises(SignalError, match="needed are whole numbers"):
        graph.run({"ids": ids / 2})


def test_a_package_that_is_not_what_the_manifest_says(table: Path, tmp_path: Path) -> None:
    shape = GraphSpec("x", "fp32", (TensorSpec("ids", (5,), "int32"),), SPEC.outputs)
    with pytest.raises(BundleError, match=r"'ids' has shape \(4,\), the manifest says \(5,\)"):
        load_graph("coreml-spec", table, shape)
    kind = GraphSpec("x", "fp32", (TensorSpec("ids", (4,)),), SPEC.outputs)
    with pytest.raises(BundleError, match="input 'ids' is int32, the manifest says float32"):
        load_graph("coreml-spec", table, kind)
    copy = shutil.copytree(table, tmp_path / "copy.mlpackage")
    (copy / "Manifest.json").unlink()
    with pytest.raises(BundleError, match=r"copy.mlpackage has no Manifest\.json"):
        load_graph("coreml-spec", copy, SPEC)


def test_without_coremltools_the_pip_command_is_named(table: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "coremltools", None)
    with pytest.raises(RuntimeUnavailable, match=r"pip install 'mer-edge\[convert\]'"):
        load_graph("coreml-spec", table, SPEC)


def test_finding_the_runtime_imports_nothing_heavy() -> None:
    code = (
        "import sys\nfrom mer_sdk.runtimes import available, runtime_note\n"
        "assert runtime_note('coreml-spec') and 'coreml-spec' in [status.name for status in available()]\n"
        "assert not {'torch', 'coremltools'} & set(sys.modules)\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)


def mer(capsys: pytest.CaptureFixture[str], *arguments: object) -> str:
    """What `mer ARGUMENTS` prints; it must end with 0."""
    capsys.readouterr()
    with pytest.raises(SystemExit) as ended:
        main([str(argument) for argument in arguments])
    assert (ended.value.code or 0) == 0
    return capsys.readouterr().out


@pytest.mark.slow
def test_every_command_says_spec_level_check(
    converted: dict[tuple[str, str], ConversionResult],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    bundle, onnx = converted["coreml", "fp32"].path, converted["onnx", "fp32"].path
    for arguments in (("verify", bundle), ("inspect", bundle), ("compare", bundle, onnx)):
        assert "spec-level check: the saved program was computed in torch" in mer(capsys, *arguments)
    verified = json.loads(mer(capsys, "verify", bundle, "--json"))
    assert (verified["runtime"], verified["passed"]) == ("coreml-spec", True)
    assert verified["note"].startswith("spec-level check: ")
    compared = json.loads(mer(capsys, "compare", bundle, onnx, "--json"))
    # The real runtime is the reference.
    assert compared["runtimes"] == ["onnx", "coreml-spec"]
    assert compared["agreements"][0]["graphs"]["fusion"]["max_abs_error"] < 1e-4
    assert compared["notes"] == [verified["note"]]
