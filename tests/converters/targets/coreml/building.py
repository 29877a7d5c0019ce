"""Small programs for the tests of handlers: built with coremltools, saved, run by the interpreter, held against torch.

A test file of a group has `CASES: dict[str, list[Case]]`, operation -> cases, and runs each through `check`;
`test_coverage.py` collects them. A case of a program with several operations may stand under each of them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import coremltools as ct
import numpy as np
import torch
from coremltools.converters.mil.mil import Builder as mb  # noqa: N813
from coremltools.converters.mil.mil import Function, Program, types

from mer_converters.targets.coreml.interpreter.interpreter import Interpreter

_TYPES = {"float32": types.fp32, "float16": types.fp16, "int32": types.int32}


@dataclass(frozen=True)
class Case:
    """One program and what torch makes of it.

    Attributes:
        build: gets a Var for every input, by the names in `inputs`; returns the Var or Vars of the outputs.
        reference: gets the inputs as tensors by the same names; returns a tensor, or a tuple in the order of outputs.
        inputs: float32 or int32 arrays.
        opset: operation set of the program.
        fp32: allowed error, as a share of the largest absolute value of the output.
        fp16: likewise for the program in fp16, whose reference gets inputs rounded to fp16; None where there is no
            fp16 form.
        label: tells cases of one operation apart in pytest's list.
    """

    build: Callable[..., Any]
    reference: Callable[..., Any]
    inputs: dict[str, np.ndarray]
    opset: Any = ct.target.iOS17
    fp32: float = 1e-5
    fp16: float | None = 2e-3
    label: str = ""


def program(build: Callable[..., Any], inputs: dict[str, np.ndarray], opset: Any = ct.target.iOS17) -> Any:
    """The program of `build`, which gets a Var for every input, by name."""
    specs = {name: mb.TensorSpec(shape=array.shape, dtype=_TYPES[str(array.dtype)]) for name, array in inputs.items()}
    with Function(specs, opset_version=opset) as function:
        made = build(**function.inputs)
        function.set_outputs(list(made) if isinstance(made, (tuple, list)) else [made])
    built = Program()
    built.add_function("main", function)
    return built


def saved(built: Any, folder: Path, precision: str = "fp32", opset: Any = ct.target.iOS17, passes: Any = None) -> Path:
    """Convert and save; by default no pass but the cast to fp16 is run, so that the operations stay as built."""
    path = folder / f"program-{precision}.mlpackage"
    model = ct.convert(
        built,
        convert_to="mlprogram",
        compute_precision=ct.precision.FLOAT16 if precision == "fp16" else ct.precision.FLOAT32,
        minimum_deployment_target=opset,
        pass_pipeline=passes if passes is not None else _passes(precision),
        skip_model_load=True,
    )
    model.save(str(path))
    return path


def _passes(precision: str) -> Any:
    if precision == "fp32":
        return ct.PassPipeline.EMPTY
    return ct.PassPipeline(
        [
            "common::add_fp16_cast",
            "common::cast_optimization",
            "common::const_elimination",
            "common::dead_code_elimination",
        ],
        "fp16 alone",
    )


def run(path: Path, inputs: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Outputs of our interpreter by name."""
    return Interpreter(path).run(inputs)


def check(operation: str, case: Case, folder: Path) -> None:
    """Run a case in fp32 and in fp16 and hold the outputs against torch; the saved program must have the operation."""
    for precision, tolerance in (("fp32", case.fp32), ("fp16", case.fp16)):
        if tolerance is not None:
            _check(operation, case, folder, precision, tolerance)


def _check(operation: str, case: Case, folder: Path, precision: str, tolerance: float) -> None:
    path = saved(program(case.build, case.inputs, case.opset), folder, precision, case.opset)
    interpreter = Interpreter(path)
    there = interpreter.package.operations()
    assert operation in there, f"the saved program has no {operation}: {sorted(there)}"
    outputs = list(interpreter.run(case.inputs).values())
    tensors = {name: torch.from_numpy(array.copy()) for name, array in case.inputs.items()}
    if precision == "fp16":
        tensors = {name: t.half().float() if t.is_floating_point() else t for name, t in tensors.items()}
    wanted = case.reference(**tensors)
    wanted = wanted if isinstance(wanted, tuple) else (wanted,)
    assert len(outputs) == len(wanted)
    for found, reference in zip(outputs, wanted, strict=True):
        near(found, np.asarray(reference), tolerance, f"{operation} {case.label} {precision}")


def near(found: np.ndarray, reference: np.ndarray, tolerance: float, what: str) -> None:
    """Same shape, the same NaN and infinities, and an error within `tolerance` of the largest absolute value."""
    assert found.shape == reference.shape, f"{what}: shape {found.shape}, torch has {reference.shape}"
    if reference.size == 0:
        return
    a, b = found.astype(np.float64), reference.astype(np.float64)
    finite = np.isfinite(b)
    np.testing.assert_array_equal(a[~finite], b[~finite], err_msg=what)
    if finite.any():
        scale = max(float(np.abs(b[finite]).max()), 1e-12)
        error = float(np.abs(a[finite] - b[finite]).max()) / scale
        assert error <= tolerance, f"{what}: relative error {error:.2e}, allowed {tolerance:g}"
