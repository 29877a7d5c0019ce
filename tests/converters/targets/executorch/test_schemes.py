"""The quantized schemes of ExecuTorch: what is in int8 and what is not, read back from the file, and how it runs."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from mer_converters.targets import ExportJob, QuantizingTarget, find_target
from mer_converters.targets.executorch.lower import program_bytes
from mer_converters.targets.executorch.proof import delegate_graphs, read_proof
from mer_converters.targets.executorch.quantize import FlatConv2d, Int8Table, quantized
from mer_quantization.proof import check_proof
from mer_quantization.schemes import SCHEMES, find_scheme
from mer_sdk.errors import ConversionError, OptionError
from mer_sdk.parity.agreement import distance
from mer_sdk.runtimes import load_graph
from mer_sdk.runtimes.graph import GraphSpec, TensorSpec

RUNS = 12


class Energies(nn.Module):
    """A front end with a matrix before its logarithm."""

    def __init__(self) -> None:
        super().__init__()
        self.bank = nn.Linear(32, 20, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        return torch.log(self.bank(x) ** 2 + 1e-3)


class Network(nn.Module):
    """A logarithm, convolutions, a table, a scale, linear layers: [1, 16, 32] and ids [1, 6] -> [1, 5]."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(3)
        self.energies = Energies()
        self.stem = nn.Conv2d(1, 8, 3, stride=2, padding=1)
        self.wide = nn.Conv2d(8, 12, 3, padding=1)
        self.table = nn.Embedding(40, 12, padding_idx=0)
        self.over_time = nn.Conv1d(12, 12, 3, padding=2, dilation=2)
        self.register_buffer("gain", torch.linspace(0.5, 1.5, 24))
        self.hidden = nn.Linear(24, 24)
        self.out = nn.Linear(24, 5)

    def forward(self, x: Tensor, ids: Tensor) -> Tensor:
        maps = torch.relu(self.wide(torch.relu(self.stem(self.energies(x).unsqueeze(1)))))
        words = torch.relu(self.over_time(self.table(ids).transpose(1, 2))).amax(dim=2)
        pooled = torch.cat([maps.mean(dim=(2, 3)), words], dim=1) * self.gain
        result: Tensor = self.out(torch.relu(self.hidden(pooled)))
        return result


BANK, STEM, WIDE, TABLE, TIME, HIDDEN, OUT = 20 * 32, 8 * 9, 12 * 8 * 9, 40 * 12, 12 * 12 * 3, 24 * 24, 24 * 5
# Places of the output at which each weight is used once.
MACS = BANK * 16 + STEM * 8 * 10 + WIDE * 8 * 10 + TIME * 6 + HIDDEN + OUT


@dataclass(frozen=True)
class Written:
    """Files by name, and the inputs that calibrated int8."""

    files: dict[str, Path]
    spec: GraphSpec
    runs: list[dict[str, np.ndarray]]


def samples(path: Path, seed: int = 0) -> Path:
    rng = np.random.default_rng(seed)
    ids = rng.integers(0, 40, (RUNS, 6)).astype(np.int32)
    np.savez(path, x=rng.normal(size=(RUNS, 16, 32)).astype(np.float32), ids=ids)
    return path


def job(spec: GraphSpec, scheme: str, calibration: Path | None, floats: tuple[str, ...] = ()) -> ExportJob:
    example = (torch.zeros(1, 16, 32), torch.ones(1, 6, dtype=torch.int32))
    return ExportJob(Network().eval(), example, spec, SCHEMES[scheme], None, calibration, floats)


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Written:
    folder = tmp_path_factory.mktemp("executorch")
    spec = GraphSpec(
        "graph.pte",
        "",
        (TensorSpec("x", (1, 16, 32)), TensorSpec("ids", (1, 6), "int32")),
        (TensorSpec("logits", (1, 5)),),
    )
    data = samples(folder / "samples.npz")
    target = find_target("executorch")
    files = {}
    for name, scheme, floats in (
        ("fp32", "fp32", ()),
        ("dyn8", "dyn8", ()),
        ("int8", "int8", ()),
        ("kept", "int8", ("table", "over_time", "hidden")),
    ):
        files[name] = folder / f"{name}.pte"
        target.export(job(spec, scheme, data if scheme == "int8" else None, floats), files[name])
    with np.load(data) as arrays:
        runs = [{name: arrays[name][row : row + 1] for name in arrays.files} for row in range(RUNS)]
    return Written(files, spec, runs)


def logits(written: Written, name: str) -> np.ndarray:
    graph = load_graph("executorch", written.files[name], written.spec, 1)
    return np.concatenate([graph.run(given)["logits"] for given in written.runs])


@pytest.mark.slow
def test_runs_near_to_fp32_and_is_not_it(written: Written) -> None:
    reference = logits(written, "fp32")
    with torch.no_grad():
        network = Network().eval()
        wanted = [network(torch.from_numpy(run["x"]), torch.from_numpy(run["ids"])).numpy() for run in written.runs]
    np.testing.assert_allclose(reference, np.concatenate(wanted), atol=1e-5)
    for name in ("dyn8", "int8", "kept"):
        apart = distance(logits(written, name).ravel(), reference.ravel())
        assert apart.sqnr_db is not None
        assert 25.0 < apart.sqnr_db < 70.0, name


@pytest.mark.slow
def test_proof_of_int8_counts_every_weight_but_the_front_ends(written: Written) -> None:
    proof = read_proof(written.files["int8"])
    assert proof.weight_bytes == {"fp32": 4 * BANK, "int8": STEM + WIDE + TABLE + TIME + HIDDEN + OUT}
    assert (proof.operations, proof.int8_operations) == (7, 5)
    assert [name.split()[0] for name in proof.float_weights] == ["FullyConnected"]
    assert "20x32" in proof.float_weights[0]
    # A table's input are places in it.
    assert [name.split()[0] for name in proof.float_inputs] == ["aten::embedding"]
    assert proof.macs == MACS
    assert proof.int8_macs == MACS - BANK * 16


@pytest.mark.slow
def test_proof_of_dyn8_has_the_depthwise_convolution_in_float(written: Written) -> None:
    proof = read_proof(written.files["dyn8"])
    assert proof.weight_bytes == {"fp32": 4 * (BANK + STEM), "int8": WIDE + TABLE + TIME + HIDDEN + OUT}
    assert (proof.operations, proof.int8_operations) == (7, 4)
    assert sorted(name.split()[0] for name in proof.float_weights) == ["DepthwiseConv2d", "FullyConnected"]
    assert proof.int8_macs == MACS - BANK * 16 - STEM * 8 * 10


@pytest.mark.slow
def test_named_submodules_stay_in_float(written: Written) -> None:
    proof = read_proof(written.files["kept"])
    assert proof.weight_bytes == {"fp32": 4 * (BANK + TABLE + TIME + HIDDEN), "int8": STEM + WIDE + OUT}
    shapes = sorted(name.split("(")[1] for name in proof.float_weights)
    assert len(shapes) == 4
    assert any("24x24" in shape for shape in shapes)


@pytest.mark.slow
def test_a_file_in_float_is_no_int8(written: Written) -> None:
    proof = read_proof(written.files["fp32"])
    assert set(proof.weight_bytes) == {"fp32"}
    assert (proof.int8_operations, proof.int8_macs, proof.macs) == (0, 0, MACS)
    with pytest.raises(ConversionError, match="int8 was asked for"):
        check_proof("graph", SCHEMES["int8"], proof)
    check_proof("graph", SCHEMES["int8"], read_proof(written.files["int8"]))


@pytest.mark.slow
def test_the_same_module_gives_the_same_bytes() -> None:
    torch.manual_seed(0)
    network = nn.Sequential(nn.Conv2d(2, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(36, 9)).eval()
    given = (torch.randn(1, 2, 5, 5),)
    one, other = (program_bytes(quantized(network, given, samples=[given]), given) for _ in range(2))
    assert one == other


@pytest.mark.slow
def test_xnnpack_keeps_no_constant_that_it_does_not_pack(written: Written) -> None:
    from executorch.exir._serialize._program import deserialize_pte_binary

    for name in ("fp32", "dyn8", "int8"):
        products = 0
        for graph in delegate_graphs(deserialize_pte_binary(written.files[name].read_bytes()).program):
            unions = [item["xvalue_union"] for item in graph["xvalues"]]
            values = {value["id_out"]: value for value in (union.get("tensor_value", union) for union in unions)}
            for item in graph["xnodes"]:
                if item["xnode_union_type"] in ("XNNMultiply", "XNNAdd"):
                    node = item["xnode_union"]
                    products += item["xnode_union_type"] == "XNNMultiply"
                    assert [values[node[side]]["constant_buffer_idx"] for side in ("input1_id", "input2_id")] == [0, 0]
        assert products, name


class Spectra(nn.Module):
    """A transform that was never trained, of positions, before a layer that was: [1, 16, 12] -> [1, 5]."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(5)
        self.register_buffer("basis", torch.linalg.qr(torch.randn(16, 16)).Q)
        self.register_buffer("membership", torch.nn.functional.one_hot(torch.arange(16) % 3, 3).float())
        self.head = nn.Linear(48, 5)

    def forward(self, x: Tensor) -> Tensor:
        spectrum = nn.functional.linear(x.transpose(1, 2), self.basis)
        bands = spectrum.unsqueeze(2) * self.membership.T
        back = nn.functional.linear(bands, self.basis.T).abs().mean(dim=3)
        energy = nn.functional.linear(spectrum**2, self.membership.T).sqrt()
        result: Tensor = self.head(torch.cat([(back + energy).flatten(1), spectrum.amax(dim=2)], dim=1))
        return result


@pytest.mark.slow
def test_a_matrix_that_was_never_trained_stays_in_float(tmp_path: Path) -> None:
    network, path = Spectra().eval(), tmp_path / "spectra.pte"
    runs = np.random.default_rng(2).normal(size=(RUNS, 16, 12)).astype(np.float32)
    np.savez(tmp_path / "runs.npz", x=runs)
    spec = GraphSpec("spectra.pte", "", (TensorSpec("x", (1, 16, 12)),), (TensorSpec("y", (1, 5)),))
    example = (torch.zeros(1, 16, 12),)
    find_target("executorch").export(
        ExportJob(network, example, spec, find_scheme("int8"), None, tmp_path / "runs.npz"), path
    )
    proof = read_proof(path)
    assert proof.int8_operations == 1
    assert proof.weight_bytes["int8"] == 48 * 5
    graph = load_graph("executorch", path, spec)
    found = np.concatenate([graph.run({"x": row[None]})["y"] for row in runs])
    with torch.no_grad():
        wanted = network(torch.from_numpy(runs)).numpy()
    apart = distance(found, wanted).sqnr_db
    assert apart is not None
    assert apart > 30.0


@pytest.mark.slow
def test_ranges_are_the_least_and_largest_of_all_samples() -> None:
    network = nn.Sequential(nn.Linear(10, 10)).eval()
    rows = [torch.full((1, 10), 0.5), torch.linspace(-3.0, 7.0, 10).reshape(1, 10), torch.zeros(1, 10)]
    for order in (rows, rows[::-1]):
        module = quantized(network, (rows[0],), samples=[(row,) for row in order])
        first = next(node for node in module.graph.nodes if "quantize_per_tensor" in str(node.target))
        assert first.args[1] == pytest.approx(10.0 / 255.0, rel=1e-5)
        assert first.args[2] == round(3.0 / (10.0 / 255.0)) - 128


def test_refuses_what_it_cannot_do(tmp_path: Path) -> None:
    target = find_target("executorch")
    assert isinstance(target, QuantizingTarget)
    with pytest.raises(OptionError, match=r"'w8' is not supported on target 'executorch'; .* --scheme dyn8"):
        find_scheme("w8", target.schemes, target.name)
    spec = GraphSpec("graph.pte", "", (TensorSpec("x", (1, 16, 32)), TensorSpec("ids", (1, 6), "int32")), ())
    with pytest.raises(ConversionError, match="int8 needs calibration inputs; give --data NAME:PATH"):
        target.export(job(spec, "int8", None), tmp_path / "graph.pte")
    with pytest.raises(ConversionError, match=r"there is no submodule backbone\.first to keep in floating point"):
        target.export(job(spec, "dyn8", None, ("backbone.first",)), tmp_path / "graph.pte")
    with pytest.raises(ConversionError, match="there are no calibration inputs"):
        quantized(nn.Linear(4, 4).eval(), (torch.zeros(1, 4),), samples=())
    assert not (tmp_path / "graph.pte").exists()


def test_proof_of_another_or_damaged_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "graph.pte"
    for content in (b"", b"not a program at all", b"\x20\x00\x00\x00ET12" + bytes(40)):
        path.write_bytes(content)
        with pytest.raises(ConversionError, match=r"graph\.pte cannot be read as an ExecuTorch program"):
            read_proof(path)
    with pytest.raises(ConversionError, match=r"missing\.pte cannot be read"):
        read_proof(tmp_path / "missing.pte")


def test_table_in_int8() -> None:
    torch.manual_seed(0)
    table = nn.Embedding(50, 16, padding_idx=0)
    held = Int8Table(table)
    assert (held.rows.dtype, tuple(held.scale.shape)) == (torch.int8, (50, 1))
    ids = torch.arange(50).reshape(5, 10)
    largest = table.weight.detach().abs().amax(dim=1).reshape(5, 10, 1)
    assert torch.all((held(ids) - table(ids)).abs() <= largest / 127 / 2 + 1e-7)
    assert torch.all(held(torch.zeros(3, dtype=torch.int32)) == 0)


@pytest.mark.parametrize("options", [{"padding": 2, "dilation": 2}, {"stride": 2, "groups": 2}, {"bias": False}])
def test_convolution_over_a_height_of_one(options: dict[str, int]) -> None:
    torch.manual_seed(0)
    plain = nn.Conv1d(4, 6, 3, **options)
    x = torch.randn(1, 4, 11)
    torch.testing.assert_close(FlatConv2d(plain)(x), plain(x))
