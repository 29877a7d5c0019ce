"""w8, dyn8 and int8 on ONNX: through the target, the written file and ONNX Runtime."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from onnx import ModelProto, NodeProto, TensorProto, helper, numpy_helper
from torch import Tensor, nn
from torch.nn import functional as F

from mer_converters.targets import ExportJob, QuantizingTarget, find_target
from mer_converters.targets.onnx.compact import compact
from mer_converters.targets.onnx.proof import read_proof
from mer_quantization.calibration import save_samples
from mer_quantization.proof import check_proof
from mer_quantization.schemes import SCHEMES, W8
from mer_sdk.errors import ConversionError
from mer_sdk.parity.agreement import distance
from mer_sdk.runtimes import load_graph
from mer_sdk.runtimes.graph import GraphSpec, TensorSpec

QUANTIZED = ("w8", "dyn8", "int8")
SPEC = GraphSpec(
    "net.onnx",
    "",
    (TensorSpec("image", (1, 3, 8, 8)), TensorSpec("ids", (1, 6), "int32")),
    (TensorSpec("answer", (1, 5)), TensorSpec("words", (1, 5))),
)
FRONT_END = ("frontend/node_linear",)


class FrontEnd(nn.Module):
    """Logarithms of powers, from a matrix that is mostly zero."""

    def __init__(self) -> None:
        super().__init__()
        bank = torch.zeros(128, 8)
        bank[torch.arange(128), torch.arange(128) % 8] = torch.linspace(0.5, 1.5, 128)
        self.register_buffer("bank", bank)

    def forward(self, image: Tensor) -> Tensor:
        return torch.log(F.linear(image.reshape(1, 24, 8), self.bank) ** 2 + 1e-4)


class Net(nn.Module):
    """All kinds of weights: convolutions with a residual sum, linear layers on two and three axes that are used twice,
    a table."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.frontend = FrontEnd()
        self.one = nn.Conv1d(24, 16, 3, padding=1)
        self.two = nn.Conv1d(16, 16, 3, padding=1)
        self.table = nn.Embedding(64, 16)
        self.mix = nn.Linear(16, 16)
        self.head = nn.Linear(16, 5)

    def forward(self, image: Tensor, ids: Tensor) -> tuple[Tensor, Tensor]:
        x = torch.relu(self.one(self.frontend(image)))
        x = torch.relu(self.two(x)) + x
        words = F.layer_norm(self.table(ids), (16,))
        words = words + self.mix(words)
        words = words + self.mix(torch.tanh(words))
        return self.head(x.mean(dim=2)), self.head(words.mean(dim=1))


def inputs(count: int, seed: int = 1) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(seed)
    image = rng.normal(size=(count, 3, 8, 8)).astype(np.float32)
    return {"image": image, "ids": rng.integers(0, 64, (count, 6)).astype(np.int32)}


def export(scheme: str, folder: Path, name: str = "", fp32: Path | None = None, keep: tuple[str, ...] = ()) -> Path:
    path = folder / f"{name or scheme}.onnx"
    example = (torch.zeros(1, 3, 8, 8), torch.zeros(1, 6, dtype=torch.int32))
    calibration = folder / "net.npz" if SCHEMES[scheme].calibrated else None
    job = ExportJob(Net().eval(), example, SPEC, SCHEMES[scheme], fp32, calibration, keep)
    find_target("onnx").export(job, path)
    return path


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("onnx")
    save_samples(folder, {"net": inputs(32)})
    made = {"fp32": export("fp32", folder)}
    return made | {name: export(name, folder, fp32=made["fp32"]) for name in QUANTIZED}


def answers(path: Path, given: dict[str, np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    graph = load_graph("onnx", path, SPEC, 1)
    rows = [graph.run({name: values[i : i + 1] for name, values in given.items()}) for i in range(len(given["ids"]))]
    assert all(row["answer"].dtype == row["words"].dtype == np.float32 for row in rows)
    return np.concatenate([row["answer"] for row in rows]), np.concatenate([row["words"] for row in rows])


def producers(model: ModelProto) -> dict[str, NodeProto]:
    return {name: node for node in model.graph.node for name in node.output}


def constant(path: Path, name: str, folder: Path) -> np.ndarray:
    """What ONNX Runtime reads under the name of an inner value."""
    model = onnx.load(str(path))
    del model.graph.output[:]
    model.graph.output.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, None))
    onnx.save(model, str(folder / "inner.onnx"))
    session = onnxruntime.InferenceSession(str(folder / "inner.onnx"), providers=["CPUExecutionProvider"])
    return np.asarray(session.run(None, {key: value[:1] for key, value in inputs(1).items()})[0])


@pytest.mark.parametrize(("name", "least"), [("w8", 38.0), ("dyn8", 32.0), ("int8", 26.0)])
def test_a_scheme_is_as_near_to_torch_as_its_bits_allow(files: dict[str, Path], name: str, least: float) -> None:
    given = inputs(16, seed=2)
    network = Net().eval()
    with torch.no_grad():
        rows = [
            network(torch.from_numpy(given["image"][i : i + 1]), torch.from_numpy(given["ids"][i : i + 1]))
            for i in range(16)
        ]
    for place, found in enumerate(answers(files[name], given)):
        apart = distance(found, np.concatenate([row[place].numpy() for row in rows]))
        # A scheme that changes nothing was not applied: its signal to noise would have no noise.
        assert apart.sqnr_db is not None
        assert least <= apart.sqnr_db < 80.0


def test_nodes_are_named_after_their_modules_and_no_path_travels(files: dict[str, Path]) -> None:
    nodes = onnx.load(str(files["fp32"])).graph.node
    modules = {node.name.rpartition("/")[0] for node in nodes if node.op_type in ("Conv", "Gather", "MatMul", "Gemm")}
    assert modules == {"frontend", "one", "two", "table", "mix", "head"}
    for path in files.values():
        content = path.read_bytes()
        assert b"tests/converters" not in content
        assert str(path.parent).encode() not in content


def test_proof_counts_operations_and_work(files: dict[str, Path]) -> None:
    target = find_target("onnx")
    assert isinstance(target, QuantizingTarget)
    front = 24 * 128 * 8
    convolutions = (24 * 16 * 3 + 16 * 16 * 3) * 128
    linear = 2 * 6 * 16 * 16 + 2 * 16 * 5
    weights = 24 * 16 * 3 + 16 * 16 * 3 + 64 * 16 + 16 * 16 + 16 * 5
    for name, int8_operations, float_inputs, int8_macs in (
        ("w8", 0, 6, 0),
        ("dyn8", 4, 2, linear),
        ("int8", 6, 0, convolutions + linear),
    ):
        proof = target.proof(files[name])
        check_proof("net", SCHEMES[name], proof)
        assert proof.operations == 8
        assert proof.int8_operations == int8_operations, name
        assert len(proof.float_inputs) == float_inputs
        assert proof.float_weights == FRONT_END
        assert (proof.macs, proof.int8_macs) == (front + convolutions + linear, int8_macs)
        assert proof.weight_bytes["int8"] == weights
        # Of the bank the file holds what is not zero.
        assert proof.weight_bytes["fp32"] == 4 * 128


def test_proof_of_a_file_in_float_fails_a_quantized_scheme(files: dict[str, Path]) -> None:
    proof = read_proof(files["fp32"])
    assert (proof.operations, proof.int8_operations, len(proof.float_weights)) == (8, 0, 8)
    with pytest.raises(ConversionError, match="w8 was asked for, but"):
        check_proof("net", W8, proof)
    with pytest.raises(ConversionError, match="none of the artifact's 8 operations"):
        check_proof("net", SCHEMES["int8"], read_proof(files["w8"]))


@pytest.mark.parametrize("name", QUANTIZED)
def test_front_end_keeps_every_bit(files: dict[str, Path], name: str, tmp_path: Path) -> None:
    model = onnx.load(str(files[name]))
    (node,) = (node for node in model.graph.node if node.name in FRONT_END)
    assert node.input[0] not in {n.output[0] for n in model.graph.node if n.op_type == "DequantizeLinear"}
    bank = constant(files[name], node.input[1], tmp_path)
    np.testing.assert_array_equal(bank, Net().frontend.bank.numpy().T)


@pytest.mark.parametrize("name", QUANTIZED)
def test_weights_of_integer_kernels_have_7_bits(files: dict[str, Path], name: str) -> None:
    """With 8 bits, processors without VNNI saturate: two products of 255 and 127 do not fit in 16 bits."""
    model = onnx.load(str(files[name]))
    source, stored = producers(model), {item.name: item for item in model.graph.initializer}
    reach = {7: 0, 8: 0}
    for node in model.graph.node:
        if node.op_type not in ("Conv", "MatMul", "Gemm", "MatMulInteger", "Gather"):
            continue
        integers, bits = node.input[0 if node.op_type == "Gather" else 1], 8
        if node.op_type == "MatMulInteger":
            bits = 7
        elif node.op_type != "Gather" and node.name not in FRONT_END:
            maker = source[integers]
            bits = 7 if maker.op_type == "DequantizeLinear" else 8
            integers = maker.input[0] if bits == 7 else source[maker.input[0]].input[0]
        if integers in stored and stored[integers].data_type == TensorProto.INT8:
            values = numpy_helper.to_array(stored[integers]).astype(int)
            reach[bits] = max(reach[bits], int(np.abs(values).max()))
    assert reach[8] == 127
    assert reach[7] == (0 if name == "w8" else 64)


def test_weights_read_in_float_are_widened_once(files: dict[str, Path], tmp_path: Path) -> None:
    """ONNX Runtime folds them when it loads the file, so that no run pays for them; DequantizeLinear it would keep."""
    options = onnxruntime.SessionOptions()
    options.optimized_model_filepath = str(tmp_path / "loaded.onnx")
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_BASIC
    onnxruntime.InferenceSession(str(files["w8"]), options, providers=["CPUExecutionProvider"])
    kinds = [node.op_type for node in onnx.load(str(tmp_path / "loaded.onnx")).graph.node]
    # The one Cast is that of the rows which a lookup gives.
    assert kinds.count("Cast") == 1
    assert not {"DequantizeLinear", "ScatterElements", "ConstantOfShape"} & set(kinds)


def test_sums_read_what_float_operations_wrote(files: dict[str, Path]) -> None:
    model = onnx.load(str(files["int8"]))
    source = producers(model)
    read = []
    for node in model.graph.node:
        if node.op_type not in ("Add", "Tanh", "LayerNormalization"):
            continue
        for name in node.input:
            maker = source.get(name)
            if maker is not None and maker.op_type == "DequantizeLinear":
                read.append(source[maker.input[0]].op_type)
                origin = source[source[maker.input[0]].input[0]]
                assert origin.op_type == "Conv", node.name
    # Both sides of the residual sum behind the convolutions.
    assert read == ["QuantizeLinear"] * 2


@pytest.mark.parametrize("name", QUANTIZED)
def test_modules_stay_in_float_on_request(files: dict[str, Path], name: str, tmp_path: Path) -> None:
    save_samples(tmp_path, {"net": inputs(32)})
    path = export(name, tmp_path, fp32=files["fp32"], keep=("two", "mix"))
    proof = read_proof(path)
    assert {item.rpartition("/")[0] for item in proof.float_weights} == {"frontend", "two", "mix"}
    assert len(proof.float_weights) == 4
    model = onnx.load(str(path))
    dequantized = {node.output[0] for node in model.graph.node if node.op_type == "DequantizeLinear"}
    floats = [node for node in model.graph.node if node.name in proof.float_weights]
    assert not [node.name for node in floats if node.input[1] in dequantized]
    given = inputs(4, seed=3)
    for found, wanted in zip(answers(path, given), answers(files["fp32"], given), strict=True):
        assert (distance(found, wanted).sqnr_db or 0.0) > 26.0


def test_an_unknown_module_is_refused(files: dict[str, Path], tmp_path: Path) -> None:
    with pytest.raises(ConversionError, match="no module three to keep in floating point"):
        export("w8", tmp_path, fp32=files["fp32"], keep=("three", "two"))
    assert not (tmp_path / "w8.onnx").exists()


def test_compact_changes_no_bit(files: dict[str, Path], tmp_path: Path) -> None:
    model = onnx.load(str(files["fp32"]))
    compact(model, frozenset(FRONT_END))
    onnx.checker.check_model(model)
    small = tmp_path / "small.onnx"
    small.write_bytes(model.SerializeToString())
    assert small.stat().st_size < files["fp32"].stat().st_size - 3500
    assert [node.name for node in model.graph.node if node.name] == list(FRONT_END)
    given = inputs(3)
    for one, other in zip(answers(small, given), answers(files["fp32"], given), strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.slow
def test_the_same_job_gives_the_same_bytes(files: dict[str, Path], tmp_path: Path) -> None:
    """In another process, where sets of names have another order."""
    save_samples(tmp_path, {"net": inputs(32)})
    program = (
        "import sys, torch\nfrom pathlib import Path\nfrom mer_converters.targets import ExportJob, find_target\n"
        "from mer_quantization.schemes import SCHEMES\nfrom mer_sdk.contract.manifest import GraphSpec\n"
        "fp32, folder = Path(sys.argv[1]), Path(sys.argv[2])\nspec = GraphSpec('net.onnx', '', (), ())\n"
        f"for name in {QUANTIZED}:\n"
        "    calibration = folder / 'net.npz' if SCHEMES[name].calibrated else None\n"
        "    job = ExportJob(torch.nn.Identity(), (), spec, SCHEMES[name], fp32, calibration)\n"
        "    find_target('onnx').export(job, folder / f'{name}.onnx')\n"
    )
    environment = os.environ | {"PYTHONHASHSEED": "7"}
    command = [sys.executable, "-c", program, str(files["fp32"]), str(tmp_path)]
    subprocess.run(command, check=True, env=environment, timeout=240)
    for name in QUANTIZED:
        assert (tmp_path / f"{name}.onnx").read_bytes() == files[name].read_bytes(), name


def test_a_job_without_an_fp32_file_writes_the_same(files: dict[str, Path], tmp_path: Path) -> None:
    assert export("w8", tmp_path).read_bytes() == files["w8"].read_bytes()
