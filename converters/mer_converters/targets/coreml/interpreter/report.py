"""What `python -m mer_converters.targets.coreml check` finds out about a package, as data."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from mer_converters.targets.coreml.interpreter.interpreter import Interpreter
from mer_converters.targets.coreml.interpreter.numerics import Numerics, ValueNumerics
from mer_converters.targets.coreml.source import read_sources
from mer_sdk.errors import SignalError
from mer_sdk.limits import check_number
from mer_sdk.parity.agreement import TOLERANCE, distance

Arrays = Mapping[str, np.ndarray]
Progress = Callable[[int, int], None]

NOTE = "spec-level check: graph, weights and declared types; not Apple's kernels"


@dataclass(frozen=True)
class CheckOptions:
    """How a package is checked.

    Attributes:
        tolerance: allowed error as a share of the reference's largest absolute value, above 0; None takes 5e-3 for a
            program with fp16 values and 1e-4 for one without.
        probes: fp16 values that are rounded one at a time to see what each adds to the error, at least 0. The program
            is run once for each, those whose error grows most first.
        worst: operations listed, at least 1.
    """

    tolerance: float | None = None
    probes: int = 400
    worst: int = 15

    def __post_init__(self) -> None:
        if self.tolerance is not None:
            check_number("tolerance", self.tolerance, "allowed is a number above 0", above=0)
        check_number("probes", self.probes, "allowed is 0 or more", least=0, whole=True)
        check_number("worst", self.worst, "allowed is 1 or more", least=1, whole=True)


@dataclass(frozen=True)
class OutputCheck:
    """One output against its reference.

    Attributes:
        name: of the output.
        max_abs_error: infinite where a value is not finite.
        relative_error: the same as a share of the reference's largest absolute value.
        sqnr_db: None where both are equal.
        passed: whether the relative error is within the tolerance.
    """

    name: str
    max_abs_error: float
    relative_error: float
    sqnr_db: float | None
    passed: bool


@dataclass(frozen=True)
class ValueCheck:
    """One value of the program.

    Attributes:
        operation, name, kind: what makes it, its name, its declared type.
        source: line or module of PyTorch that it comes from, "" where the package does not say.
        low, high: range of its finite elements before rounding.
        overflow, subnormal, nan: see `ValueNumerics`.
        error: distance from the same value with every float held in float32, relative to its largest absolute value.
        adds: relative error of the worst output when this value alone is rounded; None where it was not probed.
    """

    operation: str
    name: str
    kind: str
    source: str
    low: float
    high: float
    overflow: int
    subnormal: int
    nan: int
    error: float
    adds: float | None


@dataclass(frozen=True)
class CheckReport:
    """The result of a check.

    Attributes:
        package: name of the package.
        runtime: always "coreml-spec".
        note: what a spec-level check is.
        operations: operation -> count, without constants.
        half_values: number of values declared fp16.
        tolerance: allowed relative error.
        outputs: against the reference; empty where none was given.
        rounding: each output against the same program with every float held in float32; empty without fp16 values.
        worst: the fp16 values whose rounding adds most to the error of the outputs, worst first.
        faults: values in which an infinity or a NaN begins, in the order they are computed.
        subnormal: fp16 values with subnormal elements, most first.
        ranges: the values with the largest magnitudes, largest first.
        infinite_constants: fp16 constants that became infinite when the program was converted.
        passed: every output is within the tolerance, and no NaN or infinity is made.
    """

    package: str
    runtime: str
    note: str
    operations: dict[str, int]
    half_values: int
    tolerance: float
    outputs: tuple[OutputCheck, ...]
    rounding: tuple[OutputCheck, ...]
    worst: tuple[ValueCheck, ...]
    faults: tuple[ValueCheck, ...]
    subnormal: tuple[ValueCheck, ...]
    ranges: tuple[ValueCheck, ...]
    infinite_constants: tuple[str, ...]
    passed: bool


def check_package(
    interpreter: Interpreter,
    inputs: Arrays,
    reference: Arrays | None = None,
    options: CheckOptions | None = None,
    progress: Progress = lambda done, total: None,
) -> CheckReport:
    """Run a program on one set of inputs and say where its numbers go wrong.

    Args:
        interpreter: of the package.
        inputs: every input by name.
        reference: outputs by name, at least one; None reports ranges and rounding alone.
        options: see `CheckOptions`.
        progress: told (probes done, probes to do).

    Raises:
        SignalError: an input or a reference is missing, unknown or of another shape.
        ConversionError: an operation cannot be computed.
    """
    options = options or CheckOptions()
    half = interpreter.half_precision
    tolerance = options.tolerance or TOLERANCE["fp16" if half else "fp32"]
    if reference is not None:
        _check_reference(interpreter, reference)
    numerics = Numerics()
    exact: dict[str, np.ndarray] = {}
    if half:
        full = interpreter.run(inputs, rounded=(), observe=lambda _, name, value: exact.update({name: value.numpy()}))
    errors: dict[str, float] = {}

    def compare(_: str, name: str, value: object) -> None:
        if name in exact:
            errors[name] = relative_error(np.asarray(value), exact[name])

    found = interpreter.run(inputs, recorder=numerics, observe=compare)
    adds: dict[str, float] = {}
    rounding: tuple[OutputCheck, ...] = ()
    if half:
        rounding = _outputs(found, full, tolerance)
        chosen = sorted(half, key=lambda name: -errors.get(name, 0.0))[: options.probes]
        for index, name in enumerate(chosen):
            progress(index, len(chosen))
            probed = interpreter.run(inputs, rounded=(name,))
            adds[name] = max(relative_error(probed[output], full[output]) for output in full)
        progress(len(chosen), len(chosen))
    outputs = () if reference is None else _outputs(found, reference, tolerance)
    sources = read_sources(interpreter.package.spec)
    values = [_value(entry, sources, errors, adds) for entry in numerics.values]
    return CheckReport(
        package=interpreter.package.path.name,
        runtime="coreml-spec",
        note=NOTE,
        operations={name: count for name, count in sorted(interpreter.package.operations().items()) if name != "const"},
        half_values=len(half),
        tolerance=tolerance,
        outputs=outputs,
        rounding=rounding,
        worst=_top([value for value in values if value.adds], lambda value: value.adds or 0.0, options.worst),
        faults=tuple(value for value in values if value.overflow or value.nan),
        subnormal=_top([value for value in values if value.subnormal], lambda value: value.subnormal, options.worst),
        ranges=_top(values, lambda value: max(abs(value.low), abs(value.high)), options.worst),
        infinite_constants=interpreter.infinite_constants,
        passed=all(output.passed for output in outputs) and not any(entry.faulty for entry in numerics.values),
    )


def relative_error(values: np.ndarray, reference: np.ndarray) -> float:
    """Largest absolute difference as a share of the reference's largest absolute value; infinite where one is not
    finite. Of a reference of zeros it is the absolute difference."""
    largest = float(np.abs(reference).max()) if reference.size else 0.0
    error = distance(values, reference).max_abs_error
    return error / largest if 0 < largest < float("inf") else error


def _check_reference(interpreter: Interpreter, reference: Arrays) -> None:
    known = ", ".join(f"{name} {kind}" for name, kind in interpreter.outputs.items())
    unknown = sorted(set(reference) - set(interpreter.outputs))
    if unknown or not reference:
        said = f"has {', '.join(unknown)}, which the program does not give" if unknown else "is empty"
        raise SignalError(f"the reference {said}; the outputs are: {known}")
    for name, array in reference.items():
        if not interpreter.outputs[name].fits(array.shape):
            raise SignalError(
                f"reference {name!r} has shape {array.shape}, the program gives {interpreter.outputs[name]}"
            )


def _outputs(found: Arrays, reference: Arrays, tolerance: float) -> tuple[OutputCheck, ...]:
    checks = []
    for name, wanted in reference.items():
        if found[name].shape != wanted.shape:
            raise SignalError(f"reference {name!r} has shape {wanted.shape}, the program gave {found[name].shape}")
        apart, relative = distance(found[name], wanted), relative_error(found[name], wanted)
        checks.append(OutputCheck(name, apart.max_abs_error, relative, apart.sqnr_db, relative <= tolerance))
    return tuple(checks)


def _value(
    entry: ValueNumerics, sources: dict[str, str], errors: dict[str, float], adds: dict[str, float]
) -> ValueCheck:
    empty = entry.low > entry.high
    return ValueCheck(
        operation=entry.operation,
        name=entry.name,
        kind=entry.kind,
        source=sources.get(entry.name, ""),
        low=0.0 if empty else entry.low,
        high=0.0 if empty else entry.high,
        overflow=entry.overflow,
        subnormal=entry.subnormal,
        nan=entry.nan,
        error=errors.get(entry.name, 0.0),
        adds=adds.get(entry.name),
    )


def _top(values: list[ValueCheck], key: Callable[[ValueCheck], float], count: int) -> tuple[ValueCheck, ...]:
    return tuple(sorted(values, key=key, reverse=True)[:count])
