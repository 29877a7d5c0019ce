"""A compacted program computes the same, in a smaller text, and keeps the names of what it computes."""

from __future__ import annotations

from pathlib import Path

import coremltools as ct
import numpy as np
import pytest
from coremltools.converters.mil import Builder

from mer_converters.targets.coreml.compact import compact
from mer_converters.targets.coreml.interpreter.interpreter import Interpreter
from mer_converters.targets.coreml.program import load_function, read_package

SHAPE = (1, 3, 8, 8)


@pytest.fixture
def package(tmp_path: Path) -> Path:
    """Convolutions that share their strides, a loop, and a value named as a short constant would be."""
    weight = np.random.default_rng(0).normal(size=(3, 3, 3, 3)).astype(np.float32)

    @Builder.program(input_specs=[Builder.TensorSpec(SHAPE)], opset_version=ct.target.iOS17)
    def program(x):
        x = Builder.conv(x=x, weight=weight, strides=[1, 1], pad_type="same", name="c0")
        x = Builder.conv(x=x, weight=weight * 0.5, strides=[1, 1], pad_type="same", name="second")

        def go_on(turn, value):
            return Builder.less(x=turn, y=3.0)

        def body(turn, value):
            return Builder.add(x=turn, y=1.0), Builder.mul(x=value, y=1.0, name="inside")

        _, x = Builder.while_loop(_cond=go_on, _body=body, loop_vars=(0.0, x), name="loop")
        return Builder.add(x=x, y=1.0, name="answer")

    model = ct.convert(
        program,
        convert_to="mlprogram",
        compute_precision=ct.precision.FLOAT32,
        minimum_deployment_target=ct.target.iOS17,
        skip_model_load=True,
    )
    path = tmp_path / "net.mlpackage"
    model.save(str(path))
    return path


def names(path: Path, constants: bool) -> list[str]:
    operations = load_function(read_package(path)).operations
    return [item.outputs[0].name for item in operations if (item.op_type == "const") == constants]


def test_a_compacted_program_is_the_same_program(package: Path) -> None:
    given = {"x": np.random.default_rng(1).normal(size=SHAPE).astype(np.float32)}
    before, computed, held = Interpreter(package).run(given), names(package, False), names(package, True)
    file = next(package.glob("Data/**/model.mlmodel"))
    size = file.stat().st_size
    for _ in range(2):  # a second time changes nothing
        model = ct.proto.Model_pb2.Model()
        model.ParseFromString(file.read_bytes())
        compact(model)
        file.write_bytes(model.SerializeToString(deterministic=True))
    assert file.stat().st_size < 0.9 * size
    after = Interpreter(package).run(given)
    for name, value in before.items():
        np.testing.assert_array_equal(after[name], value)
    assert names(package, False) == computed
    kept = names(package, True)
    assert len(kept) < len(held)
    assert len({*kept, *computed}) == len(kept) + len(computed)
    assert sorted(map(len, kept))[len(kept) // 2] <= 3


def test_what_is_turned_to_8_bits_and_back_gets_a_short_name(tmp_path: Path) -> None:
    @Builder.program(input_specs=[Builder.TensorSpec(SHAPE)], opset_version=ct.target.iOS17)
    def program(x):
        made = Builder.relu(x=x, name="a_layer")
        packed = Builder.quantize(
            input=made, scale=0.02, zero_point=np.int8(-128), output_dtype="int8", name="a_layer_q"
        )
        back = Builder.dequantize(input=packed, scale=0.02, zero_point=np.int8(-128))
        return Builder.mul(x=back, y=2.0, name="answer")

    model = ct.convert(
        program,
        convert_to="mlprogram",
        compute_precision=ct.precision.FLOAT32,
        minimum_deployment_target=ct.target.iOS17,
        skip_model_load=True,
    )
    path = tmp_path / "net.mlpackage"
    model.save(str(path))
    given = {"x": np.random.default_rng(1).normal(size=SHAPE).astype(np.float32)}
    before = Interpreter(path).run(given)
    long = [name for name in names(path, False) if len(name) > 3]
    assert len(long) == 4  # the converter gives names of its own to two of them
    file = next(path.glob("Data/**/model.mlmodel"))
    spec = ct.proto.Model_pb2.Model()
    spec.ParseFromString(file.read_bytes())
    compact(spec)
    file.write_bytes(spec.SerializeToString(deterministic=True))
    np.testing.assert_array_equal(Interpreter(path).run(given)["answer"], before["answer"])
    kept = names(path, False)
    assert [name for name in kept if len(name) > 3] == ["a_layer", "answer"]
    assert len(kept) == 4
