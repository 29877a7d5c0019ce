import os
import platform
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from mer_sdk.contract.bundle import Bundle
from mer_sdk.contract.golden import load_golden
from mer_sdk.errors import BundleError, OptionError, RuntimeUnavailable, SignalError
from mer_sdk.parity.golden import run_case
from mer_sdk.runtimes import (
    available,
    load_graph,
    registry,
    runtime_for_target,
    runtime_named,
    runtime_note,
    simulating_runtime,
)
from mer_sdk.runtimes.graph import GraphSpec, TensorSpec, positional

SPEC = GraphSpec("x", "fp32", (TensorSpec("a", (1, 2)),), (TensorSpec("b", (1, 2)),))
SUFFIXES = {"litert": "tflite", "onnx": "onnx", "executorch": "pte"}


@pytest.fixture(params=["tiny_onnx", "tiny_tflite"])
def bundle(request):
    return Bundle.open(request.getfixturevalue(request.param))


def test_graphs_compute_what_the_network_computes(bundle):
    """The golden features are torch's, so a swapped or mis-ordered tensor shows."""
    graphs = bundle.load_graphs()
    case = load_golden(bundle)[0]
    found = run_case(graphs, bundle.manifest.graphs, bundle.manifest.baseline, case.given)
    for name in ("audio", "face"):
        np.testing.assert_allclose(found.features[name], case.answer.features[name], atol=1e-5)
    means = {name: np.array(mean) for name, mean in bundle.manifest.baseline.population_mean.items()}
    out = graphs["fusion"].run(
        {
            "face_mask": case.given.masks["face"][None],
            "audio_mask": case.given.masks["audio"][None],
            "audio": (case.answer.features["audio"] - means["audio"])[None],
            "face": (case.answer.features["face"] - means["face"])[None],
        }
    )
    np.testing.assert_allclose(out["logits"][0], case.answer.logits, atol=1e-5)
    np.testing.assert_allclose(out["reliance"][0], case.answer.reliance, atol=1e-5)


def test_results_belong_to_the_caller(bundle):
    graph = bundle.load_graphs()["audio"]
    pcm = load_golden(bundle)[0].given.raw["audio"]
    first = graph.run({"pcm": pcm[:1]})["audio_features"]
    kept = first.copy()
    graph.run({"pcm": pcm[1:2]})
    np.testing.assert_array_equal(first, kept)


def test_inputs_are_checked(bundle):
    graph = bundle.load_graphs()["audio"]
    with pytest.raises(SignalError, match="needs the input 'pcm'"):
        graph.run({"sound": np.zeros((1, 6000))})
    with pytest.raises(SignalError, match=r"shape \(1, 5999\), needed is \(1, 6000\)"):
        graph.run({"pcm": np.zeros((1, 5999))})


IDS = GraphSpec("x", "fp32", (TensorSpec("ids", (1, 4), "int32"),), (TensorSpec("sum", (1, 3)),))


class Lookup(torch.nn.Module):
    def __init__(self):
        super().__init__()
        torch.manual_seed(1)
        self.table = torch.nn.Embedding(40000, 3)

    def forward(self, ids):
        return self.table(ids).sum(dim=1)


def write_lookup(runtime, path, module, example):
    if runtime == "onnx":
        torch.onnx.export(module, example, str(path), dynamo=False, opset_version=17)
    elif runtime == "litert":
        import litert_torch

        litert_torch.convert(module, example).export(str(path))
    else:
        from executorch.exir import to_edge_transform_and_lower

        program = torch.export.export(module, example, strict=False)
        path.write_bytes(to_edge_transform_and_lower(program).to_executorch().buffer)


@pytest.mark.parametrize("runtime", ["onnx", "litert", "executorch"])
def test_whole_numbers_reach_the_graph_as_int32(runtime, tmp_path):
    """Ids above 2**11 would already be rounded as fp16, and a float input could not index a table at all."""
    module, path = Lookup().eval(), tmp_path / f"graph.{SUFFIXES[runtime]}"
    ids = np.array([[0, 7, 4099, 39999]], np.int64)
    write_lookup(runtime, path, module, (torch.zeros(1, 4, dtype=torch.int32),))
    graph = load_graph(runtime, path, IDS)
    wanted = module(torch.from_numpy(ids)).detach().numpy()
    np.testing.assert_allclose(graph.run({"ids": ids})["sum"], wanted, atol=1e-6)
    with pytest.raises(SignalError, match="'ids' is float64, needed are whole numbers"):
        graph.run({"ids": ids / 2})


@pytest.mark.parametrize("runtime", ["onnx", "litert"])
def test_a_file_with_another_type_than_the_manifest_says(runtime, tmp_path):
    path = tmp_path / f"graph.{SUFFIXES[runtime]}"
    write_lookup(runtime, path, Lookup().eval(), (torch.zeros(1, 4, dtype=torch.int32),))
    wrong = GraphSpec("x", "fp32", (TensorSpec("ids", (1, 4)),), IDS.outputs)
    with pytest.raises(BundleError, match=r"int32.*(manifest says float32|needed is tensor\(float\))"):
        load_graph(runtime, path, wrong)
    unknown = GraphSpec("x", "fp32", (TensorSpec("ids", (1, 4), "int4"),), IDS.outputs)
    with pytest.raises(BundleError, match="'ids' is 'int4' in the manifest; this mer_sdk reads float32, int32"):
        load_graph(runtime, path, unknown)


def test_a_file_that_is_not_what_the_manifest_says(bundle):
    spec = bundle.manifest.graphs["face"]
    wrong = bundle.path / bundle.manifest.graphs["audio"].file
    with pytest.raises(BundleError, match="the manifest says"):
        load_graph(bundle.runtime, wrong, spec)


@pytest.mark.parametrize("runtime", ["litert", "onnx", "executorch"])
def test_a_damaged_file_is_refused(runtime, tmp_path):
    path = tmp_path / f"graph.{SUFFIXES[runtime]}"
    path.write_bytes(b"this is no graph" * 100)
    with pytest.raises(BundleError, match=rf"{path.name} cannot be loaded"):
        load_graph(runtime, path, SPEC)


@pytest.mark.parametrize(
    ("runtime", "modules", "extra"),
    [
        ("litert", ["ai_edge_litert.interpreter", "tflite_runtime.interpreter"], "litert"),
        ("onnx", ["onnxruntime"], "onnx"),
        ("executorch", ["executorch.extension.pybindings"], "convert"),
    ],
)
def test_a_missing_runtime_names_the_pip_command(runtime, modules, extra, monkeypatch, tmp_path):
    for module in modules:
        monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(RuntimeUnavailable, match=rf"pip install 'mer-edge\[{extra}\]'"):
        load_graph(runtime, tmp_path / "x", SPEC)


@pytest.mark.skipif(platform.system() == "Darwin", reason="Core ML runs here")
def test_core_ml_says_where_it_runs(tmp_path):
    with pytest.raises(RuntimeUnavailable, match="Apple systems only"):
        load_graph("coreml", tmp_path / "x.mlpackage", SPEC)


def test_every_target_has_a_runtime():
    names = {target: runtime_for_target(target) for target in ("executorch", "tflite", "onnx")}
    assert names == {"executorch": "executorch", "tflite": "litert", "onnx": "onnx"}
    with pytest.raises(OptionError, match="allowed: coreml, executorch, tflite, onnx"):
        runtime_for_target("tensorrt")


def test_core_ml_runs_on_macs_and_is_checked_elsewhere(monkeypatch):
    for system, name in (("Darwin", "coreml"), ("Linux", "coreml-spec"), ("Windows", "coreml-spec")):
        monkeypatch.setattr(platform, "system", lambda system=system: system)
        assert runtime_for_target("coreml") == name
    assert runtime_note("coreml-spec").startswith("spec-level check: ")
    assert not any(runtime_note(name) for name in ("coreml", "litert", "onnx", "executorch", "torch"))
    assert (simulating_runtime("coreml"), simulating_runtime("onnx")) == ("coreml-spec", None)


def test_without_the_converters_core_ml_says_where_it_runs(monkeypatch):
    monkeypatch.setattr(registry, "_installed", tuple)
    assert runtime_for_target("coreml") == "coreml"
    assert simulating_runtime("coreml") is None
    with pytest.raises(OptionError, match=r"llowed: coreml, executorch, litert, onnx$"):
        runtime_named("coreml-spec")


def test_available_tells_versions():
    found = {status.name: status for status in available()}
    import onnxruntime

    assert found["onnx"].usable
    assert found["onnx"].version == f"onnxruntime {onnxruntime.__version__}"


def test_numbered_names_are_sorted_by_number():
    assert positional(["args_0", "args_1", "args_10", "args_2"]) == ["args_0", "args_1", "args_2", "args_10"]
    assert positional(["pcm", "args_1"]) == ["pcm", "args_1"]


@pytest.mark.skipif(sys.platform != "linux", reason="file names of any bytes")
@pytest.mark.parametrize("name", ["tiny_onnx", "tiny_tflite"])
def test_bundles_lie_in_folders_whose_names_are_no_text(request, tmp_path, name):
    folder = Path(os.fsdecode(os.fsencode(tmp_path) + b"/bad\xff"))
    source = request.getfixturevalue(name)
    shutil.copytree(source, folder / source.name)
    assert set(Bundle.open(folder / source.name).load_graphs()) == set(Bundle.open(source).load_graphs())
