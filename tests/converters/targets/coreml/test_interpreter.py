"""Declared types, inputs, and what a run lets one see."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import coremltools as ct
import numpy as np
import pytest
import torch
from arrays import normal
from building import program, saved
from coremltools.converters.mil.mil import Builder as mb  # noqa: N813

from mer_converters.targets.coreml.interpreter import interpreter as interpreter_module
from mer_converters.targets.coreml.interpreter.interpreter import Interpreter
from mer_converters.targets.coreml.interpreter.numerics import Numerics
from mer_sdk.errors import ConversionError, SignalError


def squares(x: Any) -> Any:
    """x^2, brought back by a division: overflows in fp16 from |x| = 256 on."""
    return mb.real_div(x=mb.mul(x=x, y=x, name="square"), y=np.float32(1000.0), name="y")


def test_fp16_values_are_rounded_after_every_operation(tmp_path: Path) -> None:
    x = normal(200, scale=10.0)
    interpreter = Interpreter(saved(program(squares, {"x": x}), tmp_path, "fp16"))
    half = x.astype(np.float16)
    wanted = ((half * half) / np.float16(1000.0)).astype(np.float32)
    assert np.array_equal(next(iter(interpreter.run({"x": x}).values())), wanted)
    assert interpreter.half_precision == ("x_to_fp16", "square_cast_fp16", "y_cast_fp16")


def test_which_values_are_rounded_can_be_chosen(tmp_path: Path) -> None:
    x = normal(200, scale=10.0)
    interpreter = Interpreter(saved(program(squares, {"x": x}), tmp_path, "fp16"))
    held = interpreter.run({"x": x}, rounded=())["y"]
    np.testing.assert_allclose(held, x * x / 1000.0, rtol=1e-6)
    one = interpreter.run({"x": x}, rounded=("square_cast_fp16",))["y"]
    assert np.array_equal(one, (x * x).astype(np.float16).astype(np.float32) / np.float32(1000.0))
    assert not np.array_equal(one, held)


def test_overflow_is_counted_where_it_begins(tmp_path: Path) -> None:
    x = np.array([1.0, 300.0, -400.0, 0.001], np.float32)

    def build(x: Any) -> Any:
        y = squares(x)
        return mb.sub(x=y, y=y, name="nothing")

    interpreter = Interpreter(saved(program(build, {"x": x}), tmp_path, "fp16"))
    numerics = Numerics()
    found = interpreter.run({"x": x}, recorder=numerics)["nothing"]
    assert np.array_equal(np.isnan(found), [False, True, True, False])
    by_name = {value.name: value for value in numerics.values}
    square = by_name["square_cast_fp16"]
    assert (square.operation, square.kind, square.overflow, square.nan, square.count) == ("mul", "fp16", 2, 0, 4)
    assert square.largest == pytest.approx(160_000.0, rel=1e-3)
    assert square.subnormal == 1
    # The quotient is infinite because the square was; the NaN begins where infinity is taken from infinity.
    assert by_name["y_cast_fp16"].overflow == 0
    assert by_name["nothing_cast_fp16"].nan == 2
    assert not by_name["x_to_fp16"].faulty


def test_counts_add_up_over_runs(tmp_path: Path) -> None:
    interpreter = Interpreter(saved(program(squares, {"x": normal(3)}), tmp_path, "fp16"))
    numerics = Numerics()
    for value in (300.0, 1.0, 500.0):
        interpreter.run({"x": np.full(3, value, np.float32)}, recorder=numerics)
    square = next(value for value in numerics.values if value.operation == "mul")
    assert (square.count, square.overflow) == (9, 6)
    assert (square.low, square.high) == (1.0, 250_000.0)


def test_fp32_overflow_and_nan(tmp_path: Path) -> None:
    def build(x: Any) -> Any:
        grown = mb.exp(x=x, name="grown")
        return mb.mul(x=grown, y=np.float32(0.0), name="y"), mb.real_div(x=x, y=mb.sub(x=x, y=x), name="ratio")

    interpreter = Interpreter(saved(program(build, {"x": normal(2)}), tmp_path))
    numerics = Numerics()
    interpreter.run({"x": np.array([100.0, 0.0], np.float32)}, recorder=numerics)
    by_name = {value.name: value for value in numerics.values}
    assert (by_name["grown"].overflow, by_name["grown"].high) == (1, 1.0)
    assert (by_name["ratio"].overflow, by_name["ratio"].nan) == (1, 1)


def test_constants_that_became_infinite_are_named(tmp_path: Path) -> None:
    """A mask of -1e9 that was turned to fp16 by hand; coremltools' own pass leaves such an operation in fp32."""
    x = normal(3)

    def build(x: Any) -> Any:
        half = mb.cast(x=x, dtype="fp16")
        mask = mb.const(val=np.array([0.0, -1e9, 0.0]).astype(np.float16), name="mask")
        return mb.cast(x=mb.add(x=half, y=mask, name="masked"), dtype="fp32", name="y")

    with np.errstate(over="ignore"):
        interpreter = Interpreter(saved(program(build, {"x": x}), tmp_path))
    assert interpreter.infinite_constants == ("mask",)
    numerics = Numerics()
    assert np.isneginf(interpreter.run({"x": x}, recorder=numerics)["y"][1])
    # The infinity was there before: no operation made it.
    assert not any(value.faulty for value in numerics.values)


def test_the_observer_sees_every_float_tensor(tmp_path: Path) -> None:
    def build(x: Any, n: Any) -> Any:
        kept = mb.cast(x=mb.greater(x=x, y=np.float32(0.0)), dtype="fp32", name="kept")
        return mb.mul(x=kept, y=mb.cast(x=n, dtype="fp32", name="n_float"), name="y")

    inputs = {"x": normal(4), "n": np.arange(4, dtype=np.int32)}
    interpreter = Interpreter(saved(program(build, inputs), tmp_path))
    seen: dict[str, tuple[str, np.ndarray]] = {}
    interpreter.run(inputs, observe=lambda op, name, value: seen.update({name: (op, value.numpy().copy())}))
    assert {name: operation for name, (operation, _) in seen.items()} == {
        "x": "input", "kept": "cast", "n_float": "cast", "y": "mul",
    }  # fmt: skip
    np.testing.assert_array_equal(seen["x"][1], inputs["x"])


def test_inputs_are_held_against_their_types(tmp_path: Path) -> None:
    inputs = {"x": normal(2, 3), "n": np.arange(3, dtype=np.int32)}
    built = program(lambda x, n: mb.add(x=x, y=mb.cast(x=n, dtype="fp32"), name="y"), inputs)
    interpreter = Interpreter(saved(built, tmp_path))
    wrong: list[tuple[dict[str, Any], str]] = [
        ({"x": inputs["x"]}, r"misses n; the program takes: x fp32\[2, 3\], n int32\[3\]"),
        ({**inputs, "z": inputs["x"]}, "has z, which the program does not know"),
        ({**inputs, "x": normal(3, 2)}, r"'x' has shape \(3, 2\), needed is fp32\[2, 3\]"),
        ({**inputs, "n": np.array([0.5, 1, 2])}, "'n' holds float64, needed is int32"),
        ({**inputs, "n": np.array([1, 2, 2**40])}, "'n' has values outside int32"),
        ({**inputs, "x": np.full((2, 3), "a")}, "'x' holds <U1, needed are numbers"),
        ({**inputs, "x": np.full((2, 3), np.nan, np.float32)}, "'x' has NaN or infinite values"),
    ]
    for given, said in wrong:
        with pytest.raises(SignalError, match=said):
            interpreter.run(given)
    given = {"x": inputs["x"].astype(np.float64), "n": inputs["n"].astype(np.int64)}
    np.testing.assert_array_equal(interpreter.run(given)["y"], inputs["x"] + inputs["n"].astype(np.float32))


def test_images_in_the_usual_layout(tmp_path: Path) -> None:
    for layout, order in ((ct.colorlayout.RGB, [0, 1, 2]), (ct.colorlayout.BGR, [2, 1, 0])):
        built = program(lambda image: mb.mul(x=image, y=np.float32(2.0), name="y"), {"image": normal(1, 3, 4, 5)})
        model = ct.convert(
            built,
            inputs=[ct.ImageType(name="image", shape=(1, 3, 4, 5), color_layout=layout)],
            compute_precision=ct.precision.FLOAT32,
            minimum_deployment_target=ct.target.iOS17,
            skip_model_load=True,
        )
        path = tmp_path / f"{layout.name}.mlpackage"
        model.save(str(path))
        pixels = np.random.default_rng(0).integers(0, 256, (4, 5, 3)).astype(np.uint8)
        wanted = pixels[..., order].transpose(2, 0, 1)[None] * np.float32(2.0)
        interpreter = Interpreter(path)
        np.testing.assert_array_equal(interpreter.run({"image": pixels})["y"], wanted)
        np.testing.assert_array_equal(interpreter.run({"image": wanted / 2})["y"], wanted)


def test_a_wrong_handler_is_caught_by_the_declared_shape(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    x = normal(2, 3)
    path = saved(program(lambda x: mb.relu(x=x, name="y"), {"x": x}), tmp_path)
    from mer_converters.targets.coreml.interpreter import plan

    monkeypatch.setattr(plan, "handler_for", lambda name: lambda x: x[0])
    with pytest.raises(ConversionError, match=r"relu gives 'y' the shape \(3,\), the program declares fp32\[2, 3\]"):
        Interpreter(path).run({"x": x})


def test_what_torch_refuses_names_the_operation(tmp_path: Path) -> None:
    inputs = {"x": normal(4), "at": np.zeros(1, np.int32)}
    built = program(lambda x, at: mb.gather(x=x, indices=at, axis=0, name="y"), inputs)
    interpreter = Interpreter(saved(built, tmp_path))
    with pytest.raises(ConversionError, match=r"gather \('y'\) cannot be computed: .*out of"):
        interpreter.run({**inputs, "at": np.array([9], np.int32)})


def test_results_belong_to_the_caller(tmp_path: Path) -> None:
    x = normal(3)
    interpreter = Interpreter(saved(program(lambda x: mb.relu(x=x, name="y"), {"x": x}), tmp_path))
    first = interpreter.run({"x": x})["y"]
    first += 100.0
    np.testing.assert_array_equal(interpreter.run({"x": x})["y"], np.maximum(x, 0))


def test_values_are_freed_after_their_last_use(tmp_path: Path) -> None:
    """Of a chain of operations, no more than the result and what it was made of is alive at a time."""
    x = normal(8)

    def build(x: Any) -> Any:
        for _ in range(20):
            x = mb.tanh(x=x)
        return x

    interpreter = Interpreter(saved(program(build, {"x": x}), tmp_path))
    alive = []

    class Watching(interpreter_module._Run):
        def keep(self, *arguments: Any) -> None:
            super().keep(*arguments)
            alive.append(sum(isinstance(value, torch.Tensor) for value in self.values))

    original, interpreter_module._Run = interpreter_module._Run, Watching
    try:
        interpreter.run({"x": x})
    finally:
        interpreter_module._Run = original
    assert len(alive) == 21
    # The input stays, as it was handed in.
    assert max(alive) <= 3


def test_an_operation_costs_little_besides_its_computing(tmp_path: Path) -> None:
    """Over 100 small operations a run stays within 40 times what torch alone takes for them (5 to 10 were measured)."""
    x = normal(16)

    def build(x: Any) -> Any:
        for _ in range(50):
            x = mb.tanh(x=mb.add(x=x, y=np.float32(0.1)))
        return x

    interpreter = Interpreter(saved(program(build, {"x": x}), tmp_path))

    def plain() -> None:
        tensor = torch.from_numpy(x)
        for _ in range(50):
            tensor = torch.tanh(tensor + 0.1)

    def fastest(call: Any) -> float:
        times = []
        for _ in range(30):
            started = time.process_time()
            call()
            times.append(time.process_time() - started)
        return min(times)

    interpreter.run({"x": x})
    assert fastest(lambda: interpreter.run({"x": x})) < 40 * fastest(plain)
