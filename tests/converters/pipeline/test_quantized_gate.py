"""Quantized artifacts through the whole way: what must fail fails, and the fallback rescues what can be rescued."""

from __future__ import annotations

import copy
import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest
import torch

from mer_converters.pipeline.accuracy import Answers
from mer_converters.pipeline.convert import convert
from mer_converters.pipeline.export import Artifact, ExportInputs, build, kept_in_float
from mer_converters.pipeline.gate import GateResult, judge
from mer_converters.pipeline.golden import golden_cases, golden_inputs
from mer_converters.pipeline.graphs import Graph, network_graphs
from mer_converters.targets import ExportJob, find_target
from mer_fusion.checkpoint import Checkpoint, load_checkpoint
from mer_quantization.calibration import save_samples
from mer_quantization.proof import GraphProof
from mer_quantization.schemes import DYN8, FP16, FP32, INT8, W8, Scheme
from mer_quantization.sensitivity import sensitivity
from mer_sdk.contract.bundle import Bundle
from mer_sdk.contract.golden import GOLDEN, GoldenCase, read_golden, save_golden
from mer_sdk.errors import ConversionError
from mer_sdk.evaluation.metrics import log_softmax
from mer_sdk.parity.golden import run_case
from mer_sdk.parity.verification import verify_bundle
from mer_sdk.runtimes import Graph as RuntimeGraph
from mer_sdk.runtimes.graph import GraphSpec

pytestmark = pytest.mark.slow


class Damaging:
    """The ONNX target, whose quantized graphs are made from a damaged copy of the network."""

    name, suffix, runtime, packages = "onnx", ".onnx", "onnx", ("torch",)
    needs = ("onnxscript", "onnxscript")
    first_in_float = False
    weight = 1.0
    schemes = ("fp32", "w8", "int8")
    # The same files serve several tests: exporting is what takes time here.
    _made: ClassVar[dict[object, bytes]] = {}

    def __init__(self, damage, only_if_quantized: str = "") -> None:
        self._damage, self._layer, self._real = damage, only_if_quantized, find_target("onnx")

    def load(self) -> None:
        self._real.load()

    def export(self, job: ExportJob, path: Path) -> None:
        spoilt = job.scheme.quantized and job.spec.outputs[0].name == "logits" and self._layer not in job.float_modules
        key = (job.spec.outputs[0].name, job.scheme.name, self._damage if spoilt else None, job.float_modules)
        if key not in self._made:
            module = copy.deepcopy(job.module)
            if spoilt:
                with torch.no_grad():
                    self._damage(module)
            self._real.export(replace(job, module=module, fp32=None), path)
            self._made[key] = path.read_bytes()
        path.write_bytes(self._made[key])

    def check(self, path: Path, spec: GraphSpec) -> str | None:
        return None

    def proof(self, path: Path) -> GraphProof:
        return self._real.proof(path)


class SilentNoOp(Damaging):
    """A tool that takes the request, says nothing and quantizes nothing."""

    def __init__(self) -> None:
        super().__init__(lambda module: None)

    def export(self, job: ExportJob, path: Path) -> None:
        super().export(replace(job, scheme=FP32), path)


def _head(module: torch.nn.Module) -> torch.nn.Linear:
    return [layer for layer in module.modules() if isinstance(layer, torch.nn.Linear) and layer.out_features == 4][-1]


def _nothing(module: torch.nn.Module) -> None:
    del module


def _shuffle_labels(module: torch.nn.Module) -> None:
    head = _head(module)
    head.weight.copy_(head.weight.roll(1, 0))
    head.bias.copy_(head.bias.roll(1, 0))


def _scale_head(module: torch.nn.Module) -> None:
    _head(module).weight.mul_(3.0)


def _zero_channel(module: torch.nn.Module) -> None:
    _head(module).weight[1] = 0.0


def _saturate(module: torch.nn.Module) -> None:
    """What too narrow ranges do to activations: everything beyond a few per cent of them is cut off."""
    _head(module).register_forward_pre_hook(lambda layer, inputs: (inputs[0].clamp(-0.02, 0.02),))


@pytest.fixture(scope="module")
def cases(student: Path) -> tuple[Checkpoint, tuple[Graph, ...], tuple[GoldenCase, ...]]:
    checkpoint = load_checkpoint(student)
    network = checkpoint.network.prepare_for_export()
    return checkpoint, network_graphs(network, checkpoint.card), golden_cases(network, checkpoint.card)


@pytest.fixture(scope="module")
def samples(cases, tmp_path_factory: pytest.TempPathFactory) -> Path:
    checkpoint = cases[0]
    folder = tmp_path_factory.mktemp("calibration")
    save_samples(folder, golden_inputs(checkpoint.network.prepare_for_export(), checkpoint.card))
    return folder


def _answers(cases) -> object:
    """Answers on noisy windows labelled by the untouched network's own choice: any change of a label is an error."""
    checkpoint, graphs, golden = cases
    specs = {graph.name: graph.contract for graph in graphs}
    rng = np.random.default_rng(0)
    windows = []
    for case in golden:
        for _ in range(8):
            raw = {
                name: value + 0.1 * value.std() * rng.normal(size=value.shape) for name, value in case.given.raw.items()
            }
            raw = {
                name: np.clip(value, 0 if name == "face" else -1, 255 if name == "face" else 1)
                for name, value in raw.items()
            }
            windows.append(replace(case.given, raw={name: value.astype(np.float32) for name, value in raw.items()}))
    truth: list[int] = []

    def answer(loaded: Mapping[str, RuntimeGraph]) -> Answers:
        logits = np.stack([run_case(loaded, specs, checkpoint.card.baseline, window).logits for window in windows])
        if not truth:
            truth.extend(logits.argmax(1).tolist())
        return Answers(len(windows), np.array(truth), log_softmax(logits.astype(np.float64)), np.arange(len(windows)))

    return answer


def _gate(cases, target, scheme: Scheme, folder: Path, labelled: bool, **options) -> tuple[Artifact, GateResult]:
    checkpoint, graphs, golden = cases
    answer = _answers(cases) if labelled else None
    material = ExportInputs(target, graphs, checkpoint.card.baseline, 1.0, golden, answer=answer, **options)
    artifact = build(material, (scheme,), folder / "onnx", time.time())[0]
    return artifact, judge(scheme, artifact.conversion, artifact.quantization, accuracy=artifact.accuracy)


@pytest.mark.parametrize("labelled", [True, False])
@pytest.mark.parametrize("damage", [_shuffle_labels, _scale_head, _zero_channel, _saturate])
def test_a_damaged_quantized_artifact_fails(cases, tmp_path: Path, damage, labelled: bool) -> None:
    _, gate = _gate(cases, Damaging(damage), W8, tmp_path, labelled)
    assert gate.state == "failed", gate.reason


@pytest.mark.parametrize("labelled", [True, False])
def test_an_undamaged_one_passes(cases, tmp_path: Path, labelled: bool) -> None:
    artifact, gate = _gate(cases, Damaging(_nothing), W8, tmp_path, labelled)
    assert gate.state == "passed", gate.reason
    assert artifact.moved == ()
    assert (artifact.confidence is not None) == labelled


def test_a_quantization_that_does_nothing_is_an_error(cases, tmp_path: Path, samples: Path) -> None:
    with pytest.raises(ConversionError, match="w8 was asked for, but 0 weights of the artifact are in 8 bits"):
        _gate(cases, SilentNoOp(), W8, tmp_path, labelled=False)
    with pytest.raises(ConversionError, match="int8 was asked for"):
        _gate(cases, SilentNoOp(), INT8, tmp_path / "int8", labelled=False, calibration=samples)


def test_the_fallback_moves_the_layer_that_spoils_it(cases, tmp_path: Path) -> None:
    """A layer whose integers are all wrong: in float the artifact is as good as any."""
    graphs = cases[1]
    fusion = next(graph for graph in graphs if graph.name == "fusion")
    layer = next(name for name, item in fusion.module.named_modules() if item is _head(fusion.module))
    runs = golden_inputs(cases[0].network.prepare_for_export(), cases[0].card)["fusion"]
    names = [tensor.name for tensor in fusion.contract.inputs]
    given = [{name: runs[name][row : row + 1] for name in names} for row in range(len(runs[names[0]]))]
    table = sensitivity(fusion.module, names, given, W8)
    first = sorted(table, key=lambda row: row.name != layer)
    first = tuple(replace(row, sqnr_db=float(number)) for number, row in enumerate(first))
    target = Damaging(_zero_channel, only_if_quantized=layer)
    artifact, gate = _gate(cases, target, W8, tmp_path, labelled=True, sensitivities={"w8": {"fusion": first}})
    assert gate.state == "passed", gate.reason
    assert artifact.moved == (f"fusion.{layer}",)
    assert artifact.float_modules == {"fusion": (layer,)}
    assert artifact.tries == 2
    assert sorted(path.name for path in (tmp_path / "onnx").iterdir()) == ["w8", "w8-golden.npz"]


def test_a_quantized_bundle_is_verified_by_its_own_answers(student: Path, tmp_path: Path) -> None:
    """It is further from the model in torch than verifying allows for fp32, and still computes what it should."""
    path = convert(student, "onnx", "w8", tmp_path, force=True).path
    assert path is not None
    cases = read_golden(path / GOLDEN)
    assert all(case.made is not None and np.abs(case.made - case.answer.logits).max() > 1e-4 for case in cases)
    checkpoint = load_checkpoint(student)
    plain = golden_cases(checkpoint.network.prepare_for_export(), checkpoint.card)
    for case, one in zip(cases, plain, strict=True):
        # Only where activations are rounded to fixed integers are other voices looked for.
        np.testing.assert_array_equal(case.given.raw["audio"], one.given.raw["audio"])
        np.testing.assert_array_equal(case.answer.logits, one.answer.logits)
    found = verify_bundle(Bundle.open(path))
    assert found.passed
    assert max(case.logits for case in found.cases) < 1e-4
    assert "the machine that made the bundle" in found.rule
    bundle = Bundle.open(path)
    wrong = tuple(replace(case, made=case.answer.logits[::-1]) for case in cases)
    save_golden(path / GOLDEN, wrong)
    assert not verify_bundle(bundle).passed


def test_first_convolutions_stay_in_float_where_a_target_is_better_for_it():
    first = torch.nn.Sequential(torch.nn.Conv2d(1, 4, 3), torch.nn.ReLU(), torch.nn.Conv2d(4, 4, 3))
    graphs = tuple(Graph(name, first, (), GraphSpec("", "", (), ())) for name in ("audio", "face"))
    tflite, onnx = find_target("tflite"), find_target("onnx")
    kept = kept_in_float(tflite, graphs, INT8, {"face": ("2",)})
    assert kept == {"audio": ("0",), "face": ("2", "0")}
    assert kept_in_float(tflite, graphs, DYN8, {}) == {}
    assert kept_in_float(onnx, graphs, INT8, {"face": ("2",)}) == {"face": ("2",)}
    assert kept_in_float(tflite, graphs, FP16, {"face": ("2",)}) == {}
