"""w8, dyn8 and static int8 of small networks: through the target, the saved file and LiteRT."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from mer_converters.targets import ExportJob, QuantizingTarget, find_target
from mer_converters.targets.tflite import quantize
from mer_converters.targets.tflite.flatbuffer import compacted, read_program, tensor_names
from mer_converters.targets.tflite.modules import operations_of
from mer_quantization.calibration import save_samples
from mer_quantization.proof import check_proof
from mer_quantization.schemes import SCHEMES
from mer_sdk.errors import ConversionError
from mer_sdk.parity.agreement import distance
from mer_sdk.runtimes import load_graph
from mer_sdk.runtimes.graph import GraphSpec, TensorSpec

QUANTIZED = ("w8", "dyn8", "int8")
SPEC = GraphSpec("net.tflite", "", (TensorSpec("sound", (1, 4, 12, 12)),), (TensorSpec("answer", (1, 5)),))
WORDS = GraphSpec("words.tflite", "", (TensorSpec("ids", (1, 6), "int32"),), (TensorSpec("answer", (1, 5)),))
# Weights of the layers that can be in integers: stem, two convolutions, shortcut, 12 blocks, head.
LAYERS = 4 * 9 + 4 * 16 * 9 + 16 * 16 * 9 + 4 * 16 + 12 * 16 * 16 + 16 * 5


class Front(nn.Module):
    """A spectrum with a logarithm, made by a matrix that is no parameter."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("basis", torch.linalg.qr(torch.randn(12, 12)).Q)

    def forward(self, sound: Tensor) -> Tensor:
        spectrum = torch.nn.functional.linear(sound, self.basis)
        return torch.log(spectrum * spectrum + 1e-4)


class Net(nn.Module):
    """A front end, a depthwise and two plain convolutions in a residual block, twelve linear layers, a transform."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.front = Front()
        self.stem = nn.Conv2d(4, 4, 3, padding=1, groups=4)
        self.one = nn.Conv2d(4, 16, 3, padding=1)
        self.two = nn.Conv2d(16, 16, 3, padding=1)
        self.shortcut = nn.Conv2d(4, 16, 1)
        self.blocks = nn.Sequential(*(nn.Linear(16, 16) for _ in range(12)))
        self.register_buffer("turn", torch.linalg.qr(torch.randn(16, 16)).Q)
        self.head = nn.Linear(16, 5)

    def forward(self, sound: Tensor) -> Tensor:
        x = torch.relu(self.stem(self.front(sound)))
        x = torch.relu(self.two(torch.relu(self.one(x))) + self.shortcut(x))
        x = x.mean(dim=(2, 3))
        for block in self.blocks:
            x = x + torch.tanh(block(x))
        result: Tensor = self.head(torch.nn.functional.linear(x, self.turn))
        return result


class Words(nn.Module):
    """A table of words, summed, and a linear layer."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.table = nn.Embedding(300, 8)
        self.head = nn.Linear(8, 5)

    def forward(self, ids: Tensor) -> Tensor:
        result: Tensor = self.head(self.table(ids).sum(dim=1))
        return result


def sounds(count: int, seed: int = 1) -> np.ndarray:
    """[count, 4, 12, 12]; one in the middle is five times as loud as the others."""
    found = np.random.default_rng(seed).normal(size=(count, *SPEC.inputs[0].shape[1:])).astype(np.float32)
    found[count // 2] *= 5.0
    return found


class Maker:
    """Writes one network in any scheme, from one fp32 file."""

    def __init__(self, module: nn.Module, spec: GraphSpec, samples: np.ndarray, folder: Path) -> None:
        self.module, self.spec, self.folder, self.samples = module.eval(), spec, folder, samples
        self.target = find_target("tflite")
        self.example = (torch.from_numpy(samples[:1]),)
        save_samples(folder, {"net": {spec.inputs[0].name: samples}})
        self.fp32 = folder / "fp32.tflite"
        self.target.export(ExportJob(self.module, self.example, spec, SCHEMES["fp32"]), self.fp32)

    def write(
        self, scheme: str, name: str = "", float_modules: tuple[str, ...] = (), samples: np.ndarray | None = None
    ) -> Path:
        """The file in a scheme, float parts and calibration samples as given."""
        path = self.folder / f"{name or scheme}.tflite"
        calibration = self.folder / "net.npz"
        if samples is not None:
            calibration = self.folder / "others.npz"
            np.savez(calibration, **{self.spec.inputs[0].name: samples})
        given = calibration if SCHEMES[scheme].calibrated else None
        self.target.export(
            ExportJob(self.module, self.example, self.spec, SCHEMES[scheme], self.fp32, given, float_modules), path
        )
        return path

    def answers(self, path: Path) -> np.ndarray:
        """[n, 5] of all samples, by LiteRT."""
        graph = load_graph("litert", path, self.spec, 1)
        return np.concatenate([graph.run({self.spec.inputs[0].name: row[None]})["answer"] for row in self.samples])


@pytest.fixture(scope="module")
def net(tmp_path_factory: pytest.TempPathFactory) -> Maker:
    return Maker(Net(), SPEC, sounds(16), tmp_path_factory.mktemp("net"))


@pytest.fixture(scope="module")
def words(tmp_path_factory: pytest.TempPathFactory) -> Maker:
    ids = np.random.default_rng(2).integers(0, 300, size=(12, 6)).astype(np.int32)
    return Maker(Words(), WORDS, ids, tmp_path_factory.mktemp("words"))


@pytest.fixture(scope="module")
def files(net: Maker) -> dict[str, Path]:
    return {"fp32": net.fp32, **{scheme: net.write(scheme) for scheme in QUANTIZED}}


def scales(path: Path) -> dict[str, tuple[int, float]]:
    """Name of an int8 tensor, as `read_program` gives it -> how many scales it has, and the first."""
    from ai_edge_litert.interpreter import Interpreter

    found = {}
    for item in Interpreter(str(path)).get_tensor_details():
        given = item["quantization_parameters"]["scales"]
        if item["dtype"] == np.int8 and len(given):
            found[item["name"] or f"#{item['index']}"] = (len(given), float(given[0]))
    return found


def test_target_offers_its_schemes_and_no_w4() -> None:
    target = find_target("tflite")
    assert target.schemes == ("fp32", "fp16", "w8", "dyn8", "int8")
    assert isinstance(target, QuantizingTarget)


@pytest.mark.parametrize(("scheme", "least"), [("w8", 35.0), ("dyn8", 28.0), ("int8", 22.0)])
def test_agrees_with_fp32_and_is_not_equal(net: Maker, files: dict[str, Path], scheme: str, least: float) -> None:
    apart = distance(net.answers(files[scheme]), net.answers(files["fp32"]))
    assert apart.sqnr_db is not None, "a scheme that changes nothing was not applied"
    assert apart.sqnr_db >= least


@pytest.mark.parametrize("scheme", QUANTIZED)
def test_proof_counts_every_trained_weight_in_int8(net: Maker, files: dict[str, Path], scheme: str) -> None:
    proof = net.target.proof(files[scheme])
    assert proof.weight_bytes == {"float32": 4 * (12 * 12 + 16 * 16), "int8": LAYERS}
    assert proof.operations == 19
    assert len(proof.float_weights) == 2
    check_proof("net", SCHEMES[scheme], proof)


def test_proof_tells_the_schemes_apart(net: Maker, files: dict[str, Path]) -> None:
    proofs = {scheme: net.target.proof(path) for scheme, path in files.items()}
    stem = 144 * 4 * 9
    work = 144 * (16 * 4 * 9 + 16 * 16 * 9 + 16 * 4) + 12 * 256 + 16 * 5 + stem
    fixed = 4 * 12 * 12 * 12 + 16 * 16
    assert {proof.macs for proof in proofs.values()} == {work + fixed}
    assert (proofs["w8"].int8_operations, proofs["w8"].int8_macs, len(proofs["w8"].float_inputs)) == (0, 0, 17)
    # LiteRT's kernel for depthwise convolutions of this kind is slow, so that one is left to float.
    assert (proofs["dyn8"].int8_operations, proofs["dyn8"].int8_macs) == (16, work - stem)
    assert (proofs["int8"].int8_operations, proofs["int8"].int8_macs) == (17, work)


def test_a_silent_no_op_fails_the_proof(net: Maker) -> None:
    proof = net.target.proof(net.fp32)
    assert proof.share(8) == 0.0
    for scheme in QUANTIZED:
        with pytest.raises(ConversionError):
            check_proof("net", SCHEMES[scheme], proof)


def test_front_end_and_fixed_matrices_stay_in_float(files: dict[str, Path]) -> None:
    for scheme in QUANTIZED:
        program = read_program(files[scheme])
        kinds = {
            operation.outputs[0].kind
            for operation in program.operations
            if operation.name in program.feeding_logarithms()
        }
        assert kinds == {"float32"}, scheme
        names = [name.partition(":")[0] for name in find_target("tflite").proof(files[scheme]).float_weights]
        assert names == ["front", "graph"], scheme


def test_int8_is_one_block_from_stem_to_sum(files: dict[str, Path]) -> None:
    operations = read_program(files["int8"]).operations
    block = [item for item in operations if item.kind in ("CONV_2D", "DEPTHWISE_CONV_2D", "PAD")]
    assert {item.outputs[0].kind for item in block} == {"int8"}
    softer = [item for item in operations if item.kind in ("TANH", "LOG", "MEAN")]
    assert {item.outputs[0].kind for item in softer} == {"float32"}
    assert operations[-1].outputs[0].kind == "float32"


def test_convolutions_have_a_scale_a_channel(files: dict[str, Path]) -> None:
    found, counts = scales(files["int8"]), {}
    for operation in read_program(files["int8"]).operations:
        if operation.kind in ("CONV_2D", "DEPTHWISE_CONV_2D"):
            assert operation.inputs[1] is not None
            counts[operation.name.partition(":")[0]] = found[operation.inputs[1].name][0]
    assert counts == {"stem": 4, "one": 16, "two": 16, "shortcut": 16}


def test_names_are_left_to_what_the_proof_speaks_of(net: Maker, files: dict[str, Path]) -> None:
    layers = ["stem", "one", "two", "shortcut", *(f"blocks.{number}" for number in range(12))]
    for scheme, path in files.items():
        named = [name for name in tensor_names(path.read_bytes()) if not name.startswith("#")]
        if scheme == "fp32":  # the quantizer works by names
            assert len(named) == len(tensor_names(path.read_bytes())) == len(set(named))
        else:
            inner = {name.partition(":")[0] for name in named if not name.startswith("serving_default_")}
            assert inner == {*layers, "front", "graph"}, scheme
            assert len(named) <= len(inner) + 2


def test_a_compacted_file_answers_as_before_and_is_smaller(net: Maker, tmp_path: Path) -> None:
    """By the generated code's own builder, which shares nothing."""
    from ai_edge_litert import schema_py_generated as schema
    from flatbuffers import Builder

    builder = Builder(1024)
    builder.Finish(schema.ModelT.InitFromPackedBuf(net.fp32.read_bytes(), 0).Pack(builder), file_identifier=b"TFL3")
    plain = tmp_path / "plain.tflite"
    plain.write_bytes(bytes(builder.Output()))
    again = tmp_path / "again.tflite"
    again.write_bytes(compacted(plain.read_bytes(), {}))
    assert again.read_bytes() == net.fp32.read_bytes()
    assert len(again.read_bytes()) < len(plain.read_bytes())
    assert read_program(again) == read_program(plain)
    assert np.array_equal(net.answers(again), net.answers(plain))


def test_constants_are_aligned(files: dict[str, Path]) -> None:
    from ai_edge_litert import schema_py_generated as schema

    for scheme, path in files.items():
        content = path.read_bytes()
        model = schema.Model.GetRootAs(content, 0)
        buffers = [model.Buffers(index) for index in range(model.BuffersLength())]
        places = [item._tab.Vector(item._tab.Offset(4)) for item in buffers if item.DataLength() >= 16]
        assert places, scheme
        assert {place % 16 for place in places} == {0}, scheme


def test_ranges_are_of_all_samples(net: Maker, files: dict[str, Path]) -> None:
    """A moving average would hardly see the one loud sample."""
    with torch.no_grad():
        front = net.module.front(torch.from_numpy(net.samples))
    wanted = float(front.max() - front.min()) / 255
    name = next(item for item in read_program(files["int8"]).operations if item.kind == "QUANTIZE").name
    assert scales(files["int8"])[name][1] == pytest.approx(wanted, rel=1e-3)
    quiet = np.delete(net.samples, len(net.samples) // 2, axis=0)
    assert scales(net.write("int8", "quiet", samples=quiet))[name][1] < 0.95 * wanted


def test_the_same_job_gives_the_same_bytes(net: Maker, files: dict[str, Path]) -> None:
    for scheme in QUANTIZED:
        assert net.write(scheme, f"again-{scheme}").read_bytes() == files[scheme].read_bytes(), scheme


def test_float_modules_stay_in_float_and_no_others(net: Maker) -> None:
    for scheme in QUANTIZED:
        path = net.write(scheme, f"parts-{scheme}", ("blocks.1", "one", "head"))
        kept = [name.partition(":")[0] for name in net.target.proof(path).float_weights]
        # The output of the graph has a name of its own and no module in it.
        assert kept == ["front", "one", "blocks.1", "graph", "serving_default_output_0_output"], scheme


def test_a_module_above_keeps_all_below_it(net: Maker) -> None:
    program = read_program(net.fp32)
    found = operations_of(program, net.module, net.example, ("blocks",))
    weighted = [item for item in program.operations if program.weight_of(item) is not None and item.name in found]
    assert len(weighted) == 12
    assert operations_of(program, net.module, net.example, ()) == frozenset()


def test_unknown_float_module_is_refused(net: Maker) -> None:
    with pytest.raises(ConversionError, match=r"blocks\.99 cannot stay in float: Net has no such submodule"):
        net.write("w8", "unknown", ("blocks.99",))


def test_all_in_float_is_refused(net: Maker) -> None:
    everything = ("stem", "one", "two", "shortcut", "blocks", "head")
    with pytest.raises(ConversionError, match="every weight stays in float"):
        net.write("w8", "nothing", everything)


def test_static_int8_needs_samples_that_are_finite(net: Maker) -> None:
    job = ExportJob(net.module, net.example, net.spec, SCHEMES["int8"], net.fp32)
    with pytest.raises(ConversionError, match="int8 needs calibration inputs"):
        net.target.export(job, net.folder / "none.tflite")
    broken = net.samples.copy()
    broken[3, 0, 0, 0] = np.nan
    with pytest.raises(ConversionError, match="is not finite on calibration sample 3"):
        net.write("int8", "broken", samples=broken)
    with pytest.raises(ConversionError, match="there is no calibration sample"):
        net.write("int8", "empty", samples=broken[:0])


def test_what_litert_cannot_run_is_refused(net: Maker, words: Maker, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(quantize, "quantized", lambda *given: words.fp32.read_bytes())
    with pytest.raises(ConversionError, match="was written as w8 and LiteRT cannot run it"):
        net.write("w8", "wrong")


@pytest.mark.parametrize("scheme", QUANTIZED)
def test_tables_are_int8_with_one_scale(words: Maker, scheme: str) -> None:
    path = words.write(scheme)
    proof = words.target.proof(path)
    assert proof.weight_bytes == {"int8": 300 * 8 + 8 * 5}
    assert proof.macs == 8 * 5
    assert [name.partition(":")[0] for name in proof.float_inputs][:1] == ["table"]
    lookup = next(item for item in read_program(path).operations if item.kind == "EMBEDDING_LOOKUP")
    assert lookup.inputs[1] is not None
    assert scales(path)[lookup.inputs[1].name][0] == 1
    apart = distance(words.answers(path), words.answers(words.fp32))
    assert apart.sqnr_db is not None
    assert apart.sqnr_db >= 28.0


@pytest.mark.slow
def test_quantized_files_are_made_without_an_fp32_file(net: Maker, files: dict[str, Path]) -> None:
    path = net.folder / "alone.tflite"
    net.target.export(ExportJob(net.module, net.example, net.spec, SCHEMES["w8"]), path)
    assert path.read_bytes() == files["w8"].read_bytes()


def test_a_file_that_is_no_tflite_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "text.tflite"
    path.write_text("this is no flatbuffer at all")
    with pytest.raises(ConversionError, match=r"text\.tflite cannot be read as a TFLite file"):
        find_target("tflite").proof(path)
    with pytest.raises(ConversionError, match="cannot be read"):
        find_target("tflite").proof(tmp_path / "missing.tflite")
