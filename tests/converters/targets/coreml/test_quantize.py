"""w8, w4 and static int8 of a small network: through the target, the saved file and the interpreter."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import coremltools as ct
import numpy as np
import pytest
import torch
from torch import Tensor, nn

from mer_converters.pipeline.gate import Distance, judge
from mer_converters.targets import ExportJob, QuantizingTarget, find_target
from mer_converters.targets.coreml.calibrate import Range, activation_ranges
from mer_converters.targets.coreml.interpreter.interpreter import Interpreter
from mer_converters.targets.coreml.proof import read_proof
from mer_converters.targets.coreml.quantize import activations_to_int8, float_operations, open_model
from mer_quantization.calibration import read_samples, save_samples
from mer_quantization.proof import GraphProof, check_proof
from mer_quantization.schemes import INT8, SCHEMES, W4, W8
from mer_sdk.errors import ConversionError, DataError
from mer_sdk.parity.agreement import distance
from mer_sdk.runtimes.graph import GraphSpec, TensorSpec

SHAPE = (1, 3, 8, 8)
SPEC = GraphSpec("net.mlpackage", "", (TensorSpec("image", SHAPE),), (TensorSpec("answer", (1, 5)),))


class Net(nn.Module):
    """A front end with a logarithm, two convolutions with a residual sum, and a linear layer."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.mix = nn.Conv2d(3, 8, 3, padding=1, bias=False)
        self.one = nn.Conv2d(8, 16, 3, padding=1)
        self.two = nn.Conv2d(16, 16, 3, padding=1)
        self.head = nn.Linear(16, 5)

    def forward(self, image: Tensor) -> Tensor:
        x = torch.log(self.mix(image) ** 2 + 1e-4)
        x = torch.relu(self.one(x))
        x = torch.relu(self.two(x)) + x
        result: Tensor = self.head(x.mean(dim=(2, 3)))
        return result


def images(count: int, seed: int = 1) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(count, *SHAPE[1:])).astype(np.float32)


@pytest.fixture(scope="module")
def packages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("packages")
    save_samples(folder, {"net": {"image": images(24)}})
    made = {}
    for name in ("fp16", "w8", "w4", "int8"):
        made[name] = folder / f"{name}.mlpackage"
        job = ExportJob(Net().eval(), (torch.zeros(SHAPE),), SPEC, SCHEMES[name], None, folder / "net.npz")
        find_target("coreml").export(job, made[name])
    return made


def answers(package: Path, given: np.ndarray) -> np.ndarray:
    interpreter = Interpreter(package)
    return np.concatenate([interpreter.run({"image": row[None]})["answer"] for row in given])


@pytest.mark.parametrize(("name", "least"), [("fp16", 45.0), ("w8", 30.0), ("w4", 10.0), ("int8", 25.0)])
def test_a_scheme_is_as_near_to_torch_as_its_bits_allow(packages: dict[str, Path], name: str, least: float) -> None:
    given = images(12, seed=2)
    with torch.no_grad():
        wanted = Net().eval()(torch.from_numpy(given)).numpy()
    found = distance(answers(packages[name], given), wanted).sqnr_db
    assert found is not None
    assert found >= least
    assert answers(packages[name], given[:1]).dtype == np.float32


def test_the_file_proves_what_it_holds(packages: dict[str, Path]) -> None:
    weights = 16 * 8 * 9 + 16 * 16 * 9 + 5 * 16
    w8, w4, int8 = (read_proof(packages[name]) for name in ("w8", "w4", "int8"))
    # The front end's convolution stays in float32.
    assert w8.weight_bytes == {"fp32": 4 * 8 * 3 * 9, "int8": weights}
    assert w4.weight_bytes == {"fp32": 4 * 8 * 3 * 9, "palette4": weights // 2}
    assert w8.share(8) == weights / (weights + 4 * 216)
    assert (w8.operations, w8.int8_operations, len(w8.float_weights), len(w8.float_inputs)) == (4, 0, 1, 3)
    assert (int8.operations, int8.int8_operations, len(int8.float_weights)) == (4, 3, 1)
    assert int8.weight_bytes == w8.weight_bytes
    for scheme, proof in ((W8, w8), (W4, w4), (INT8, int8)):
        check_proof("net", scheme, proof)
    assert isinstance(find_target("coreml"), QuantizingTarget)


@pytest.mark.parametrize("scheme", [W8, INT8])
def test_layers_of_the_network_stay_in_float_where_asked(packages: dict[str, Path], tmp_path: Path, scheme) -> None:
    samples, path = packages["fp16"].parent / "net.npz", tmp_path / "net.mlpackage"
    job = ExportJob(Net().eval(), (torch.zeros(SHAPE),), SPEC, scheme, None, samples, ("two", "head"))
    find_target("coreml").export(job, path)
    whole, proof = read_proof(packages[scheme.name]), read_proof(path)
    in_int8 = 16 * 8 * 9
    assert proof.weight_bytes["int8"] == in_int8
    assert len(proof.float_weights) == len(whole.float_weights) + 2
    assert proof.int8_operations == (1 if scheme == INT8 else 0)
    assert proof.macs == whole.macs == 64 * (8 * 27 + 16 * 72 + 16 * 144) + 5 * 16
    assert proof.int8_macs == (64 * 16 * 72 if scheme == INT8 else 0)
    check_proof("net", scheme, proof, Net(), ("two", "head"))
    with pytest.raises(ConversionError, match=r"net: .* was asked for, but 1,152 weights of the artifact are in 8"):
        check_proof("net", scheme, proof, Net())
    lost = replace(job, float_modules=("three",))
    with pytest.raises(ConversionError, match="has no operation of three to keep"):
        find_target("coreml").export(lost, tmp_path / "other.mlpackage")


def test_an_artifact_that_is_not_what_was_asked_for_is_refused(packages: dict[str, Path]) -> None:
    half, w8 = read_proof(packages["fp16"]), read_proof(packages["w8"])
    with pytest.raises(ConversionError, match="w8 was asked for, but 0 weights of the artifact are in 8"):
        check_proof("net", W8, half)
    with pytest.raises(ConversionError, match="none of the artifact's 4 operations with a weight has its input in 8"):
        check_proof("net", INT8, w8)
    with pytest.raises(ConversionError, match="0 weights of the artifact are in 4 bits"):
        check_proof("net", W4, w8)
    check_proof("net", SCHEMES["fp16"], GraphProof({}, 0, 0, (), ()))


def test_ranges_are_those_of_all_samples(packages: dict[str, Path]) -> None:
    given = images(4)
    given[0, 0, 0, 0] = 40.0
    given[1, 0, 0, 1] = -30.0
    ranges = activation_ranges(packages["fp16"], ({"image": row[None]} for row in given))
    assert ranges["image"] == Range(-30.0, 40.0)
    later = activation_ranges(packages["fp16"], ({"image": row[None]} for row in given[2:]))
    assert ranges["answer"] != later["answer"]


def test_coremltools_own_loop_still_keeps_the_last_sample_alone() -> None:
    """Once this fails, coremltools collects ranges as it should: `activation_ranges` could go, on a Mac."""
    from coremltools.optimize.coreml.experimental._post_training_quantization import _update_tensor_range

    kept: dict[str, dict[str, float]] = {"x": {}}
    for value in (40.0, 1.0):
        _update_tensor_range("x", value, kept)
    assert kept["x"]["rmax"] == 1.0


def test_ranges_of_nothing_and_of_what_is_not_finite(packages: dict[str, Path], tmp_path: Path) -> None:
    with pytest.raises(ConversionError, match="no calibration sample"):
        activation_ranges(packages["fp16"], [])
    with pytest.raises(ConversionError, match="is not finite on calibration sample 0"):
        activation_ranges(packages["fp16"], [{"image": np.full(SHAPE, 1e30, np.float32)}])
    with pytest.raises(DataError, match="cannot be read"):
        next(read_samples(tmp_path / "absent.npz"))
    job = ExportJob(Net().eval(), (torch.zeros(SHAPE),), SPEC, INT8)
    with pytest.raises(ConversionError, match="int8 needs calibration inputs; give --data"):
        find_target("coreml").export(job, tmp_path / "net.mlpackage")


def test_saturated_activations_fail_the_gate(packages: dict[str, Path], tmp_path: Path) -> None:
    half = packages["fp16"]
    ranges = activation_ranges(half, read_samples(half.parent / "net.npz"))
    narrow = {name: Range(found.low / 20, found.high / 20) for name, found in ranges.items()}
    activations_to_int8(open_model(half), narrow, float_operations(half)).save(str(tmp_path / "net.mlpackage"))
    given = images(6, seed=3)
    apart = distance(answers(tmp_path / "net.mlpackage", given), answers(half, given))
    near = Distance(1e-6, 0.0, {})
    lost = replace(near, logits=apart.max_abs_error, sqnr_db=apart.sqnr_db)
    verdict = judge(INT8, near, lost)
    assert verdict.state == "failed"
    assert "at least 20 dB is needed; the nearest scheme with more precision is w8" in verdict.reason


def test_no_pass_of_coremltools_keeps_our_ranges(packages: dict[str, Path]) -> None:
    from coremltools.converters.mil.mil.passes.pass_registry import PASS_REGISTRY

    assert packages["int8"].exists()
    for name in ("insert_prefix_quantize_dequantize_pair", "insert_suffix_quantize_dequantize_pair"):
        assert PASS_REGISTRY[f"compression::{name}"].activation_stats is None


def test_another_version_of_coremltools_is_refused(packages: dict[str, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ct, "__version__", "9.1")
    with pytest.raises(ConversionError, match=r"passes of coremltools 9\.0; version 9\.1 is installed"):
        activations_to_int8(None, {}, {})
    assert packages["int8"].exists()


def test_operations_to_keep_are_found_by_name(packages: dict[str, Path]) -> None:
    kept = float_operations(packages["fp16"])
    proof = read_proof(packages["int8"])
    assert proof.float_weights[0] in kept
    with pytest.raises(ConversionError, match="has no operation nothing to keep"):
        float_operations(packages["fp16"], ("nothing",))
