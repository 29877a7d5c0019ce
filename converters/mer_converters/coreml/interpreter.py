"""Runs a saved program: every operation in float32, its result rounded to the type that the program declares."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from mer_converters.coreml.plan import CONSTANTS, OWN_OPERATIONS, Places, Plan, Step, operations_of, plan_of
from mer_converters.coreml.program import open_program
from mer_converters.coreml.values import HELD_AS, Declared, declared_type, held
from mer_sdk.errors import ConversionError


class Interpreter:
    """One saved program, ready to run."""

    def __init__(self, package: str | Path) -> None:
        self.program = open_program(package)
        function = self.program.function
        refuse_unknown(self.program.path.name, [operation.op_type for operation in operations_of(function)])
        self._places = Places()
        self._plan = plan_of(function, self._places)
        self._inputs = {name: declared_type(variable) for name, variable in function.inputs.items()}
        self._outputs = tuple(variable.name for variable in function.outputs)

    def run(self, inputs: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Outputs by name; floats are float32 arrays."""
        values: list[Any] = [None] * len(self._places.numbers)
        for place, constant in self._places.constants.items():
            values[place] = constant
        with torch.inference_mode():
            for place, (name, declared) in zip(self._plan.inputs, self._inputs.items(), strict=True):
                values[place] = _cast(held(np.asarray(inputs[name]), declared.kind), declared)
            self._execute(self._plan, values)
            return {
                name: np.array(values[place].numpy())
                for name, place in zip(self._outputs, self._plan.outputs, strict=True)
            }

    def _execute(self, plan: Plan, values: list[Any]) -> None:
        for step in plan.steps:
            assert step.handler is not None
            arguments = dict(step.constants)
            for name, place in step.inputs:
                arguments[name] = values[place]
            for name, several in step.variadic:
                arguments[name] = [values[place] for place in several]
            self._store(step, step.handler(**arguments), values)
            for place in step.frees:
                values[place] = None

    def _store(self, step: Step, result: Any, values: list[Any]) -> None:
        results = result if isinstance(result, tuple) else (result,)
        for place, declared, value, name in zip(step.outputs, step.types, results, step.names, strict=True):
            if declared.is_tensor:
                if not declared.fits(tuple(value.shape)):
                    raise ConversionError(
                        f"{step.operation} gives {name!r} the shape {tuple(value.shape)}, declared is {declared}"
                    )
                values[place] = _cast(value, declared)
            else:
                values[place] = value


def refuse_unknown(file: str, operations: list[str]) -> None:
    """Raise where an operation has no handler."""
    from mer_converters.coreml.handlers import handler_for

    own = (*OWN_OPERATIONS, *CONSTANTS)
    unknown = sorted({name for name in operations if name not in own and not name.startswith("constexpr_")})
    unknown = [name for name in unknown if handler_for(name) is None]
    if unknown:
        raise ConversionError(f"{file} has {len(unknown)} operations without a handler: {', '.join(unknown)}")


def _cast(value: Tensor, declared: Declared) -> Tensor:
    value = value.to(HELD_AS[declared.kind])
    return value.half().float() if declared.kind == "fp16" else value
