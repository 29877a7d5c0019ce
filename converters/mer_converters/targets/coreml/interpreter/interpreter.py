"""Runs a saved program: every operation in float32, its result rounded to the type that the program declares.

What this proves is the saved graph, its weights and its declared types. Apple's kernels may sum in another order or
keep more digits between operations; how they round is known only on a device.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor

from mer_converters.targets.coreml.interpreter.handlers import handler_for
from mer_converters.targets.coreml.interpreter.inputs import input_tensors
from mer_converters.targets.coreml.interpreter.plan import (
    CONSTANTS,
    OWN_OPERATIONS,
    Places,
    Plan,
    Step,
    all_steps,
    plan_of,
)
from mer_converters.targets.coreml.interpreter.values import HELD_AS, Declared, declared_type
from mer_converters.targets.coreml.program import load_function, read_package
from mer_sdk.errors import ConversionError

Observer = Callable[[str, str, Tensor], None]
State = dict[str, Tensor]

INPUT = "input"


class Recorder(Protocol):
    """Sees every result before and after it was rounded; see `mer_converters.targets.coreml.interpreter.numerics`."""

    def record(
        self, operation: str, name: str, declared: Declared, arguments: Mapping[str, Any], exact: Tensor, kept: Tensor
    ) -> None:
        """Take note of one result.

        Args:
            operation: name in the operation set, or "input".
            name: name of the result.
            declared: its declared type.
            arguments: inputs of the operation by name.
            exact: the result as computed in float32.
            kept: the result as the next operation gets it.
        """
        ...


class Interpreter:
    """One saved program, ready to run.

    Args:
        package: a `.mlpackage`, or a `.mlmodel` specification with its `weights` folder beside it.

    Attributes:
        inputs: declared types of the inputs, by name.
        outputs: declared types of the outputs, by name.
        states: declared types of the states, by name.
        infinite_constants: names of fp16 constants that hold an infinity.

    Raises:
        ConversionError: the package is missing, damaged, no ML Program, or has operations without a handler.
    """

    def __init__(self, package: str | Path) -> None:
        self.package = read_package(package)
        refuse_unknown(self.package.path.name, self.package.operations())
        function = load_function(self.package)
        places = Places()
        self._plan = plan_of(function, places)
        declared = {name: declared_type(variable) for name, variable in function.inputs.items()}
        self._arguments = tuple(zip(self._plan.inputs, declared.items(), strict=True))
        self.inputs = {name: kind for name, kind in declared.items() if kind.kind != "state"}
        self.states = {name: kind for name, kind in declared.items() if kind.kind == "state"}
        self.outputs = {variable.name: declared_type(variable) for variable in function.outputs}
        self.infinite_constants = tuple(places.infinite)
        self._values: list[Any] = [places.constants.get(place) for place in range(len(places.numbers))]

    @property
    def half_precision(self) -> tuple[str, ...]:
        """Names of the inputs and results that the program declares as fp16, in the order they are computed."""
        steps = [
            name
            for step in all_steps(self._plan)
            for name, kind in zip(step.names, step.types, strict=True)
            if kind.kind == "fp16"
        ]
        return (*(name for name, kind in self.inputs.items() if kind.kind == "fp16"), *steps)

    def new_state(self) -> State:
        """A state of zeros, as a fresh `MLState` has it; empty for a program without state."""
        return {name: torch.zeros([size or 1 for size in kind.shape]) for name, kind in self.states.items()}

    def run(
        self,
        inputs: Mapping[str, np.ndarray],
        *,
        state: State | None = None,
        rounded: Collection[str] | None = None,
        recorder: Recorder | None = None,
        observe: Observer | None = None,
    ) -> dict[str, np.ndarray]:
        """Run once.

        Args:
            inputs: every input by name, in the declared shapes.
            state: what `new_state` gave; the run changes it. None starts from zeros.
            rounded: names of the fp16 values that are rounded; None rounds all of them, as declared; an empty
                collection holds every float in float32.
            recorder: sees every result with the inputs of its operation.
            observe: called with (operation, name, tensor) for every float tensor, inputs included.

        Returns:
            Every output by name, in an array of its own; fp16 and fp32 are float32.

        Raises:
            SignalError: an input is missing, unknown, or does not fit.
            ConversionError: an operation cannot be computed, or gives another shape than declared.
        """
        with torch.inference_mode():
            given = input_tensors(inputs, self.inputs, self.package.description)
            run = _Run(list(self._values), self.new_state() if state is None else state, rounded, recorder, observe)
            for place, (name, declared) in self._arguments:
                if declared.kind == "state":
                    run.values[place] = name
                else:
                    run.keep(INPUT, place, name, declared, {}, given[name])
            run.execute(self._plan)
            results = [run.values[place].numpy() for place in self._plan.outputs]
            return {name: np.array(result) for name, result in zip(self.outputs, results, strict=True)}


def refuse_unknown(file: str, operations: Collection[str]) -> None:
    """Refuse a program with operations that have no handler.

    Raises:
        ConversionError: there are some; all are named.
    """
    unknown = sorted(name for name in set(operations) if not is_known(name))
    if unknown:
        raise ConversionError(
            f"{file} has {len(unknown)} operation{'s' if len(unknown) > 1 else ''} that cannot be computed here: "
            f"{', '.join(unknown)}; nothing was run. "
            "`python -m mer_converters.targets.coreml operations` lists those that can"
        )


def is_known(operation: str) -> bool:
    """Whether an operation can be computed: by a handler, by the interpreter itself, or when the program is loaded."""
    itself = (*OWN_OPERATIONS, *CONSTANTS)
    return operation in itself or operation.startswith("constexpr_") or handler_for(operation) is not None


class _Run:
    """Values of one run."""

    def __init__(
        self,
        values: list[Any],
        state: State,
        rounded: Collection[str] | None,
        recorder: Recorder | None,
        observe: Observer | None,
    ) -> None:
        self.values = values
        self._state = state
        self._rounded = rounded
        self._recorder = recorder
        self._observe = observe

    def execute(self, plan: Plan) -> None:
        """Compute a block, whose inputs are in their places."""
        values = self.values
        for step in plan.steps:
            arguments = dict(step.constants)
            for name, place in step.inputs:
                arguments[name] = values[place]
            for name, places in step.variadic:
                arguments[name] = [values[place] for place in places]
            results = self._own(step, arguments) if step.handler is None else _computed(step, arguments)
            for place, name, declared, result in zip(step.outputs, step.names, step.types, results, strict=True):
                if declared.is_tensor:
                    self.keep(step.operation, place, name, declared, arguments, result)
                else:
                    values[place] = result
            for place in step.frees:
                values[place] = None

    def keep(
        self, operation: str, place: int, name: str, declared: Declared, arguments: Mapping[str, Any], result: Tensor
    ) -> None:
        """Put a result in its place, in its declared type."""
        if result.shape != declared.shape and not declared.fits(result.shape):
            raise ConversionError(
                f"{operation} gives {name!r} the shape {tuple(result.shape)}, the program declares {declared}"
            )
        exact = result.to(HELD_AS[declared.kind])
        kept = exact
        if declared.kind == "fp16" and (self._rounded is None or name in self._rounded):
            kept = exact.half().float()
        self.values[place] = kept
        if declared.is_float:
            if self._recorder is not None:
                self._recorder.record(operation, name, declared, arguments, exact, kept)
            if self._observe is not None:
                self._observe(operation, name, kept)

    def _own(self, step: Step, arguments: dict[str, Any]) -> tuple[Any, ...]:
        if step.operation == "while_loop":
            return self._loop(step, arguments["loop_vars"])
        if step.operation == "cond":
            chosen = step.blocks[0] if bool(arguments["pred"].item()) else step.blocks[1]
            self.execute(chosen)
            return tuple(self.values[place] for place in chosen.outputs)
        if step.operation == "read_state":
            return (self._state[arguments["input"]],)
        self._state[arguments["state"]] = arguments["value"]
        return (arguments["value"],)

    def _loop(self, step: Step, carried: list[Any]) -> tuple[Any, ...]:
        condition, body = step.blocks
        while True:
            self._bind(condition, carried)
            self.execute(condition)
            if not bool(self.values[condition.outputs[0]].item()):
                return tuple(carried)
            self._bind(body, carried)
            self.execute(body)
            carried = [self.values[place] for place in body.outputs]

    def _bind(self, block: Plan, carried: list[Any]) -> None:
        for place, value in zip(block.inputs, carried, strict=True):
            self.values[place] = value


def _computed(step: Step, arguments: dict[str, Any]) -> tuple[Any, ...]:
    assert step.handler is not None
    try:
        result = step.handler(**arguments)
    except (RuntimeError, ValueError, TypeError, IndexError, NotImplementedError) as error:
        said = (str(error).splitlines() or [type(error).__name__])[0]
        raise ConversionError(f"{step.operation} ({step.names[0]!r}) cannot be computed: {said}") from error
    return result if isinstance(result, tuple) else (result,)
