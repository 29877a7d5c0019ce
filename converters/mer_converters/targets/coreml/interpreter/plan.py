"""A block of a program as steps over numbered places, made once so that a run does little besides computing."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from mer_converters.targets.coreml.interpreter.handlers import handler_for
from mer_converters.targets.coreml.interpreter.handlers.registry import Handler
from mer_converters.targets.coreml.interpreter.values import Declared, constant_value, declared_type

# Computed by the interpreter itself: they run blocks, or touch the state.
OWN_OPERATIONS = ("while_loop", "cond", "read_state", "coreml_update_state")
CONSTANTS = ("const", "_const_symbolic")


@dataclass(slots=True)
class Step:
    """One operation.

    Attributes:
        operation: its name in the operation set.
        handler: what computes it; None for the interpreter's own operations.
        constants: inputs that never change, by name.
        inputs: (name, place) of the other inputs.
        variadic: (name, places) of inputs that are lists of values.
        outputs: places of the results.
        names: names of the results.
        types: their declared types.
        blocks: blocks that the operation runs.
        frees: places whose values nothing reads afterwards.
    """

    operation: str
    handler: Handler | None
    constants: dict[str, Any]
    inputs: tuple[tuple[str, int], ...]
    variadic: tuple[tuple[str, tuple[int, ...]], ...]
    outputs: tuple[int, ...]
    names: tuple[str, ...]
    types: tuple[Declared, ...]
    blocks: tuple[Plan, ...]
    frees: tuple[int, ...] = ()


@dataclass(slots=True)
class Plan:
    """A block: places of its inputs, its steps, and places of its outputs."""

    inputs: tuple[int, ...]
    steps: tuple[Step, ...]
    outputs: tuple[int, ...]


@dataclass
class Places:
    """Numbered places of all values of a function, those in nested blocks included.

    Attributes:
        numbers: coremltools `Var` -> place.
        constants: place -> value, of the constants that some step reads. Others, such as the parts of a compressed
            weight, are never turned into tensors.
        infinite: names of fp16 constants that hold an infinity: a float32 constant too large for fp16 became one when
            the program was converted.
    """

    numbers: dict[Any, int] = field(default_factory=dict)
    constants: dict[int, Any] = field(default_factory=dict)
    infinite: list[str] = field(default_factory=list)
    _makers: dict[int, tuple[Any, int]] = field(default_factory=dict)

    def of(self, variable: Any) -> int:
        """The place of a coremltools `Var`, a new one if it has none."""
        return self.numbers.setdefault(variable, len(self.numbers))

    def add_constant(self, operation: Any) -> None:
        """Remember which places an operation without inputs at run time fills."""
        for index, variable in enumerate(operation.outputs):
            self._makers[self.of(variable)] = (operation, index)

    def read(self, variable: Any) -> int:
        """The place of a `Var` that a step reads; if it is a constant, its value is made."""
        place = self.of(variable)
        if place in self._makers and place not in self.constants:
            operation, index = self._makers[place]
            self.constants[place] = self._value(operation, index)
        return place

    def _value(self, operation: Any, index: int) -> Any:
        variable = operation.outputs[index]
        value = variable.val
        if value is None:  # a compressed weight
            value = operation.materialized_val_inference()
            value = value[index] if len(operation.outputs) > 1 else value
        kind = declared_type(variable).kind
        made = constant_value(value, kind)
        if kind == "fp16" and bool(made.isinf().any()):
            self.infinite.append(variable.name)
        return made


def plan_of(block: Any, places: Places) -> Plan:
    """The plan of a coremltools block (or function); constants that its steps read go into `places`."""
    inputs = block.inputs.values() if isinstance(block.inputs, dict) else block.inputs
    arguments = tuple(places.of(variable) for variable in inputs)
    steps = []
    for operation in block.operations:
        if operation.op_type in CONSTANTS or operation.op_type.startswith("constexpr_"):
            places.add_constant(operation)
        else:
            steps.append(_step(operation, places))
    results = tuple(places.read(variable) for variable in block.outputs)
    _mark_last_uses(steps, results)
    return Plan(arguments, tuple(steps), results)


def _step(operation: Any, places: Places) -> Step:
    from coremltools.converters.mil.mil import Var

    constants, inputs, variadic = {}, [], []
    for name, value in operation.inputs.items():
        if isinstance(value, (list, tuple)):
            variadic.append((name, tuple(places.read(variable) for variable in value)))
        elif isinstance(value, Var):
            place = places.read(value)
            if place in places.constants:
                constants[name] = places.constants[place]
            else:
                inputs.append((name, place))
    return Step(
        operation=operation.op_type,
        handler=handler_for(operation.op_type),
        constants=constants,
        inputs=tuple(inputs),
        variadic=tuple(variadic),
        outputs=tuple(places.of(variable) for variable in operation.outputs),
        names=tuple(variable.name for variable in operation.outputs),
        types=tuple(declared_type(variable) for variable in operation.outputs),
        blocks=tuple(plan_of(block, places) for block in operation.blocks),
    )


def _reads(step: Step) -> Iterator[int]:
    yield from (place for _, place in step.inputs)
    for _, several in step.variadic:
        yield from several
    for block in step.blocks:
        yield from block.outputs
        for inner in block.steps:
            yield from _reads(inner)


def _mark_last_uses(steps: list[Step], results: tuple[int, ...]) -> None:
    # Only what this block made itself may go: values from outside are read again by the next turn of a loop.
    made = {place for step in steps for place in step.outputs}
    seen = set(results)
    for step in reversed(steps):
        last = {place for place in (*_reads(step), *step.outputs) if place in made and place not in seen}
        step.frees = tuple(sorted(last))
        seen |= last


def all_steps(plan: Plan) -> Iterator[Step]:
    """The steps of a plan and of the blocks in it, in order."""
    for step in plan.steps:
        yield step
        for block in step.blocks:
            yield from all_steps(block)
