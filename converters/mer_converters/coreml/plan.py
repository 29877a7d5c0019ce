"""A block of a program as steps over numbered places, made once so that a run does little besides computing."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from mer_converters.coreml.handlers import handler_for
from mer_converters.coreml.handlers.registry import Handler
from mer_converters.coreml.values import Declared, constant_value, declared_type

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
    """Numbered places of all values of a function, those in nested blocks included, and the constants in them."""

    numbers: dict[Any, int] = field(default_factory=dict)
    constants: dict[int, Any] = field(default_factory=dict)

    def of(self, variable: Any) -> int:
        """The place of a coremltools `Var`, a new one if it has none."""
        return self.numbers.setdefault(variable, len(self.numbers))


def operations_of(block: Any) -> Iterator[Any]:
    """All operations of a coremltools block and of the blocks in it, in order."""
    for operation in block.operations:
        yield operation
        for inner in operation.blocks:
            yield from operations_of(inner)


def plan_of(block: Any, places: Places) -> Plan:
    """The plan of a coremltools block (or function); constants go into `places`."""
    inputs = block.inputs.values() if isinstance(block.inputs, dict) else block.inputs
    arguments = tuple(places.of(variable) for variable in inputs)
    steps = []
    for operation in block.operations:
        if operation.op_type in CONSTANTS or operation.op_type.startswith("constexpr_"):
            _place_constant(operation, places)
        else:
            steps.append(_step(operation, places))
    results = tuple(places.of(variable) for variable in block.outputs)
    _mark_last_uses(steps, results)
    return Plan(arguments, tuple(steps), results)


def _place_constant(operation: Any, places: Places) -> None:
    for variable in operation.outputs:
        value = variable.val
        if value is None:
            value = operation.materialized_val_inference()
        places.constants[places.of(variable)] = constant_value(value, declared_type(variable).kind)


def _step(operation: Any, places: Places) -> Step:
    constants, inputs, variadic = {}, [], []
    for name, value in operation.inputs.items():
        if value is None:
            continue
        if isinstance(value, (list, tuple)):
            variadic.append((name, tuple(places.of(variable) for variable in value)))
        elif places.of(value) in places.constants:
            constants[name] = places.constants[places.of(value)]
        else:
            inputs.append((name, places.of(value)))
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
