"""What the interpreter computes itself: loops, branches and states."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import coremltools as ct
import numpy as np
import torch
from arrays import listed, normal
from building import Case, check, program, run, saved
from coremltools.converters.mil.mil import Builder as mb  # noqa: N813
from coremltools.converters.mil.mil import Function, Program, types

from mer_converters.targets.coreml.interpreter.interpreter import Interpreter


def loop(start: int) -> Case:
    """A loop over a counter and a tensor, whose body reads a value from outside; from 5 on it does not turn once."""

    def build(x: Any) -> Any:
        outside = mb.add(x=x, y=np.float32(1.0))

        def condition(i: Any, total: Any) -> Any:
            return mb.less(x=i, y=5)

        def body(i: Any, total: Any) -> Any:
            return mb.add(x=i, y=1), mb.add(x=mb.mul(x=total, y=np.float32(1.5)), y=outside)

        first = mb.add(x=mb.reduce_argmin(x=x, axis=0, keep_dims=False), y=start)
        return mb.while_loop(_cond=condition, _body=body, loop_vars=(first, x))

    def reference(x: torch.Tensor) -> Any:
        i, total = int(x.argmin()) + start, x
        while i < 5:
            i, total = i + 1, total * 1.5 + (x + 1.0)
        return torch.tensor(i, dtype=torch.int32), total

    return Case(build, reference, {"x": normal(4)}, label=f"from {start}")


def nested() -> Case:
    """A loop in a loop, and a branch in the inner one."""

    def build(x: Any) -> Any:
        def inner_body(j: Any, total: Any) -> Any:
            grow = mb.less(x=mb.reduce_sum(x=total, axes=[0], keep_dims=False), y=np.float32(3.0))
            step = mb.cond(
                pred=grow,
                _true_fn=lambda: mb.add(x=total, y=x),
                _false_fn=lambda: mb.mul(x=total, y=np.float32(0.5)),
            )
            return mb.add(x=j, y=1), step

        def outer_body(i: Any, total: Any) -> Any:
            _, total = mb.while_loop(
                _cond=lambda j, total: mb.less_equal(x=j, y=i), _body=inner_body, loop_vars=(mb.mul(x=i, y=0), total)
            )
            return mb.add(x=i, y=1), total

        zero = mb.mul(x=mb.reduce_argmin(x=x, axis=0, keep_dims=False), y=0)
        _, total = mb.while_loop(_cond=lambda i, total: mb.less(x=i, y=3), _body=outer_body, loop_vars=(zero, x))
        return total

    def reference(x: torch.Tensor) -> torch.Tensor:
        total = x
        for i in range(3):
            for _ in range(i + 1):
                total = total + x if total.sum() < 3.0 else total * 0.5
        return total

    return Case(build, reference, {"x": np.array([0.5, 1.25, -0.25], np.float32)}, label="nested")


def branch(sign: float) -> Case:
    """Both ways of a branch; one of them hands on a value from outside."""

    def build(x: Any) -> Any:
        positive = mb.greater(x=mb.reduce_sum(x=x, axes=[0], keep_dims=False), y=np.float32(0.0))
        other = mb.sub(x=x, y=np.float32(1.0))
        return mb.cond(pred=positive, _true_fn=lambda: mb.mul(x=x, y=np.float32(2.0)), _false_fn=lambda: other)

    inputs = {"x": np.array([1.0, 2.0, 3.0], np.float32) * np.float32(sign)}
    return Case(build, lambda x: x * 2 if x.sum() > 0 else x - 1, inputs, label=f"{sign:+g}")


CASES: dict[str, list[Case]] = {"while_loop": [loop(0), loop(5), nested()], "cond": [branch(1), branch(-1), nested()]}


@listed(CASES)
def test_control_flow(operation: str, case: Case, tmp_path: Path) -> None:
    check(operation, case, tmp_path)


class Accumulator(torch.nn.Module):
    """Adds its inputs up."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("total", torch.zeros(3))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self.total.add_(x)
        return self.total * 2


def test_state_from_torch(tmp_path: Path) -> None:
    """A state lasts from run to run as long as it is handed in; without one, every run starts from zeros."""
    model = ct.convert(
        torch.jit.trace(Accumulator().eval(), torch.zeros(3)),
        inputs=[ct.TensorType(name="x", shape=(3,))],
        outputs=[ct.TensorType(name="y")],
        states=[ct.StateType(wrapped_type=ct.TensorType(shape=(3,)), name="total")],
        minimum_deployment_target=ct.target.iOS18,
        skip_model_load=True,
    )
    model.save(str(tmp_path / "state.mlpackage"))
    interpreter = Interpreter(tmp_path / "state.mlpackage")
    assert {"read_state", "coreml_update_state"} <= set(interpreter.package.operations())
    x = np.array([1.0, 0.1, -2.0], np.float32)
    state, module = interpreter.new_state(), Accumulator()
    for _ in range(3):
        wanted = module(torch.from_numpy(x)).numpy()
        np.testing.assert_allclose(interpreter.run({"x": x}, state=state)["y"], wanted, rtol=2e-3)
    np.testing.assert_allclose(state["total"], 3 * x, rtol=2e-3)
    np.testing.assert_allclose(interpreter.run({"x": x})["y"], 2 * x, rtol=1e-3)


def test_a_state_is_read_as_it_is_at_that_place(tmp_path: Path) -> None:
    """Read, update, read again: the first read keeps the old value."""
    spec = {
        "x": mb.TensorSpec(shape=(2,), dtype=types.fp16),
        "s": mb.StateTensorSpec(shape=(2,), dtype=types.fp16),
    }
    with Function(spec, opset_version=ct.target.iOS18) as function:
        x, s = function.inputs["x"], function.inputs["s"]
        before = mb.read_state(input=s)
        after = mb.coreml_update_state(state=s, value=mb.add(x=x, y=before))
        function.set_outputs([mb.mul(x=before, y=np.float16(1.0)), mb.mul(x=after, y=np.float16(10.0))])
    built = Program()
    built.add_function("main", function)
    interpreter = Interpreter(saved(built, tmp_path, opset=ct.target.iOS18))
    state, x = interpreter.new_state(), np.array([1.0, 2.0], np.float32)
    for turn in range(3):
        before, after = interpreter.run({"x": x}, state=state).values()
        np.testing.assert_array_equal(before, turn * x)
        np.testing.assert_array_equal(after, 10 * (turn + 1) * x)


def test_values_from_outside_live_through_all_turns(tmp_path: Path) -> None:
    """The body reads what the block around it made; its last use in the body must not free it for the next turn."""
    case = loop(0)
    path = saved(program(case.build, case.inputs), tmp_path)
    first, second = run(path, case.inputs), run(path, case.inputs)
    assert all(np.array_equal(first[name], second[name]) for name in first)


# A state is an input of another kind, which a `Case` has no place for.
TESTS = {
    "read_state": [test_a_state_is_read_as_it_is_at_that_place],
    "coreml_update_state": [test_state_from_torch, test_a_state_is_read_as_it_is_at_that_place],
}
