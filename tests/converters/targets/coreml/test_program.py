"""Opening packages: what is missing or damaged is said in one sentence; compressed weights arrive decompressed."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import coremltools as ct
import coremltools.optimize.coreml as cto
import numpy as np
import pytest
import torch
from arrays import normal
from building import program, run, saved
from coremltools.converters.mil.mil import Builder as mb  # noqa: N813
from coremltools.models import datatypes
from coremltools.models.neural_network import NeuralNetworkBuilder
from coremltools.proto import Model_pb2

from mer_converters.targets.coreml.interpreter import interpreter as interpreter_module
from mer_converters.targets.coreml.interpreter.handlers import handler_for
from mer_converters.targets.coreml.interpreter.interpreter import Interpreter
from mer_converters.targets.coreml.program import read_package
from mer_sdk.errors import ConversionError

INPUT = {"x": normal(1, 6, 64)}
MODEL, WEIGHTS = "Data/com.apple.CoreML/model.mlmodel", "Data/com.apple.CoreML/weights/weight.bin"


class Network(torch.nn.Module):
    """A linear layer and a convolution, big enough that their weights lie in the weight file."""

    def __init__(self) -> None:
        super().__init__()
        self.linear = torch.nn.Linear(64, 128)
        self.conv = torch.nn.Conv1d(6, 16, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.conv(self.linear(x).tanh())


def converted(opset: Any) -> Any:
    torch.manual_seed(0)
    example = torch.from_numpy(INPUT["x"])
    return ct.convert(
        torch.export.export(Network().eval(), (example,)).run_decompositions({}),
        outputs=[ct.TensorType(name="y")],
        minimum_deployment_target=opset,
        compute_precision=ct.precision.FLOAT32,
        skip_model_load=True,
    )


@pytest.fixture(scope="module")
def models() -> dict[str, Any]:
    """The same network for iOS 16 (constexpr operations of the first kind) and iOS 18 (blockwise ones)."""
    return {"iOS16": converted(ct.target.iOS16), "iOS18": converted(ct.target.iOS18)}


@pytest.fixture(scope="module")
def package(models: dict[str, Any], tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("package") / "network.mlpackage"
    models["iOS18"].save(str(path))
    return path


def remove(name: str) -> Callable[[Path], None]:
    return lambda folder: (folder / name).unlink()


def overwrite(name: str, content: bytes, at: int = 0) -> Callable[[Path], None]:
    def damage(folder: Path) -> None:
        data = bytearray((folder / name).read_bytes())
        data[at : at + len(content)] = content
        (folder / name).write_bytes(data)

    return damage


def cut(name: str, length: int) -> Callable[[Path], None]:
    return lambda folder: (folder / name).write_bytes((folder / name).read_bytes()[:length])


def manifest(change: Callable[[dict[str, Any]], Any]) -> Callable[[Path], None]:
    def damage(folder: Path) -> None:
        content = json.loads((folder / "Manifest.json").read_text())
        change(content)
        (folder / "Manifest.json").write_text(json.dumps(content))

    return damage


def elsewhere(content: dict[str, Any]) -> None:
    content["itemInfoEntries"][content["rootModelIdentifier"]]["path"] = "../../other.mlmodel"


def spec(change: Callable[[Any], Any]) -> Callable[[Path], None]:
    def damage(folder: Path) -> None:
        model = Model_pb2.Model()
        model.ParseFromString((folder / MODEL).read_bytes())
        change(model)
        (folder / MODEL).write_bytes(model.SerializeToString())

    return damage


def rename_operation(model: Any) -> None:
    block = next(iter(model.mlProgram.functions["main"].block_specializations.values()))
    next(operation for operation in block.operations if operation.type == "tanh").type = "frobnicate"


def longer_weight(model: Any) -> None:
    block = next(iter(model.mlProgram.functions["main"].block_specializations.values()))
    values = [operation.attributes["val"] for operation in block.operations if "val" in operation.attributes]
    stored = next(value for value in values if value.WhichOneof("value") == "blobFileValue")
    stored.type.tensorType.dimensions[0].constant.size += 1


DAMAGES = {
    "no manifest": (remove("Manifest.json"), "has no Manifest.json"),
    "manifest cut": (cut("Manifest.json", 60), "Manifest.json is damaged"),
    "manifest without model": (
        manifest(lambda m: m.pop("rootModelIdentifier")),
        "is damaged or names no",
    ),
    "model outside": (manifest(elsewhere), "outside the package"),
    "no model": (remove(MODEL), "has no com.apple.CoreML/model.mlmodel, which Manifest.json names"),
    "model cut": (cut(MODEL, 500), "model.mlmodel is damaged"),
    "model overwritten": (overwrite(MODEL, b"\xff" * 64), "model.mlmodel is damaged"),
    "no weights": (remove(WEIGHTS), "has no weight file weight.bin"),
    "weights cut": (cut(WEIGHTS, 4000), "has 4000 bytes, but a weight"),
    "weights empty": (cut(WEIGHTS, 0), "weight.bin is no weight file"),
    "weights of another kind": (overwrite(WEIGHTS, b"PK\x03\x04" * 16), "weight.bin is no weight file"),
    "bad magic of a weight": (overwrite(WEIGHTS, b"\x00" * 4, at=64), "no weight starts at byte 64"),
    "size of a weight": (overwrite(WEIGHTS, (10).to_bytes(8, "little"), at=72), "has 10 there"),
    "offset of a weight": (overwrite(WEIGHTS, (1 << 40).to_bytes(8, "little"), at=80), "ends at byte 10995116"),
    "another shape": (spec(longer_weight), "is damaged"),
    "unknown operation": (spec(rename_operation), "1 operation that cannot be computed here: frobnicate; nothing was"),
}


@pytest.mark.parametrize("name", DAMAGES)
def test_damage_is_one_sentence(package: Path, tmp_path: Path, name: str) -> None:
    damage, said = DAMAGES[name]
    copy = shutil.copytree(package, tmp_path / "copy.mlpackage")
    assert run(copy, INPUT)["y"].shape == (1, 16, 126)
    damage(copy)
    with pytest.raises(ConversionError) as error:
        Interpreter(copy)
    assert said in str(error.value)
    assert "copy.mlpackage" in str(error.value)
    assert "\n" not in str(error.value)


def test_what_is_no_package(package: Path, tmp_path: Path) -> None:
    with pytest.raises(ConversionError, match=r"does not exist; give a \.mlpackage folder"):
        read_package(tmp_path / "nothing.mlpackage")
    (tmp_path / "folder").mkdir()
    with pytest.raises(ConversionError, match=r"has no Manifest\.json"):
        read_package(tmp_path / "folder")
    (tmp_path / "Compiled.mlmodelc").mkdir()
    with pytest.raises(ConversionError, match="compiled for a device"):
        read_package(tmp_path / "Compiled.mlmodelc")
    builder = NeuralNetworkBuilder([("x", datatypes.Array(3))], [("y", datatypes.Array(3))])
    builder.add_activation("relu", "RELU", "x", "y")
    ct.models.utils.save_spec(builder.spec, str(tmp_path / "old.mlmodel"))
    with pytest.raises(ConversionError, match=r"old.mlmodel holds a neuralNetwork, not an ML Program"):
        read_package(tmp_path / "old.mlmodel")


def test_a_lone_specification_with_its_weights(package: Path) -> None:
    np.testing.assert_array_equal(run(package / MODEL, INPUT)["y"], run(package, INPUT)["y"])


def test_an_operation_without_a_handler_is_refused_before_anything_runs(
    package: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    known = {"conv"}
    monkeypatch.setattr(interpreter_module, "handler_for", lambda name: handler_for(name) if name in known else None)
    with pytest.raises(ConversionError, match="2 operations that cannot be computed here: linear, tanh; nothing"):
        Interpreter(package)


def test_of_several_functions_the_default_one_runs(tmp_path: Path) -> None:
    paths = []
    for factor in (2.0, 3.0):
        built = program(lambda x, factor=factor: mb.mul(x=x, y=np.float32(factor), name="y"), {"x": INPUT["x"]})
        folder = tmp_path / f"{factor}"
        folder.mkdir()
        paths.append(saved(built, folder, opset=ct.target.iOS18))
    both = ct.utils.MultiFunctionDescriptor()
    both.add_function(str(paths[0]), "main", "double")
    both.add_function(str(paths[1]), "main", "triple")
    both.default_function_name = "triple"
    ct.utils.save_multifunction(both, str(tmp_path / "both.mlpackage"))
    interpreter = Interpreter(tmp_path / "both.mlpackage")
    assert interpreter.package.name == "triple"
    np.testing.assert_allclose(interpreter.run(INPUT)["y"], 3 * INPUT["x"], rtol=1e-6)


def linear(**options: Any) -> Callable[[Any], Any]:
    config = cto.OptimizationConfig(cto.OpLinearQuantizerConfig(mode="linear_symmetric", weight_threshold=0, **options))
    return lambda model: cto.linear_quantize_weights(model, config)


def joint(model: Any) -> Any:
    sparse = pruned(model)
    config = cto.OptimizationConfig(cto.OpLinearQuantizerConfig(mode="linear_symmetric", weight_threshold=0))
    return cto.linear_quantize_weights(sparse, config, joint_compression=True)


def palettized(model: Any) -> Any:
    config = cto.OptimizationConfig(cto.OpPalettizerConfig(mode="uniform", nbits=4, weight_threshold=0))
    return cto.palettize_weights(model, config)


def pruned(model: Any) -> Any:
    config = cto.OptimizationConfig(cto.OpMagnitudePrunerConfig(target_sparsity=0.5, weight_threshold=0))
    return cto.prune_weights(model, config)


COMPRESSED = {
    "w8": ("iOS16", linear(), "constexpr_affine_dequantize"),
    "palettized": ("iOS16", palettized, "constexpr_lut_to_dense"),
    "sparse": ("iOS16", pruned, "constexpr_sparse_to_dense"),
    "w8 blockwise": ("iOS18", linear(), "constexpr_blockwise_shift_scale"),
    "w4 blockwise": (
        "iOS18",
        linear(dtype="int4", granularity="per_block", block_size=32),
        "constexpr_blockwise_shift_scale",
    ),
    "palettized for iOS 18": ("iOS18", palettized, "constexpr_lut_to_dense"),
    "sparse and quantized": ("iOS18", joint, "constexpr_sparse_blockwise_shift_scale"),
}


@pytest.mark.parametrize("name", COMPRESSED)
def test_compressed_weights(models: dict[str, Any], tmp_path: Path, name: str) -> None:
    """The outputs are those of the same model after coremltools' own decompression, and not those of the original."""
    opset, compress, operation = COMPRESSED[name]
    model = compress(models[opset])
    model.save(str(tmp_path / "small.mlpackage"))
    cto.decompress_weights(model).save(str(tmp_path / "large.mlpackage"))
    models[opset].save(str(tmp_path / "original.mlpackage"))
    small = Interpreter(tmp_path / "small.mlpackage")
    assert operation in small.package.operations()
    found = small.run(INPUT)["y"]
    np.testing.assert_allclose(found, run(tmp_path / "large.mlpackage", INPUT)["y"], rtol=1e-6, atol=1e-7)
    apart = np.abs(found - run(tmp_path / "original.mlpackage", INPUT)["y"]).max()
    assert 1e-4 < apart < 0.7
