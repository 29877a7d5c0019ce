"""What happened to the numbers of a run: ranges, and where they left the range of their type."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from mer_converters.targets.coreml.interpreter.plan import OWN_OPERATIONS
from mer_converters.targets.coreml.interpreter.values import Declared

FP16_SMALLEST_NORMAL = 2.0**-14


@dataclass
class ValueNumerics:
    """One float value of a program over all recorded runs (and turns of a loop).

    Attributes:
        operation: the operation that makes it, or "input".
        name: its name.
        kind: its declared type.
        count: elements seen.
        low, high: range of its finite elements before rounding; +inf and -inf where none was seen.
        overflow: elements that are infinite though the operation's inputs were finite: beyond 65504 in fp16, beyond
            3.4e38 in fp32, or a division by zero.
        subnormal: fp16 elements that are not zero before rounding and below 6.1e-5: they lose digits, or become zero.
        nan: elements that are NaN though no input had one.
    """

    operation: str
    name: str
    kind: str
    count: int = 0
    low: float = math.inf
    high: float = -math.inf
    overflow: int = 0
    subnormal: int = 0
    nan: int = 0

    @property
    def largest(self) -> float:
        """The largest absolute finite element, 0 where none was seen."""
        return max(abs(self.low), abs(self.high)) if self.low <= self.high else 0.0

    @property
    def faulty(self) -> bool:
        """Whether an infinity or a NaN begins here."""
        return self.overflow > 0 or self.nan > 0


class Numerics:
    """A recorder for `Interpreter.run` that sums up every float value; give it to as many runs as there are."""

    def __init__(self) -> None:
        self._values: dict[str, ValueNumerics] = {}

    @property
    def values(self) -> tuple[ValueNumerics, ...]:
        """All float values, in the order they were first computed."""
        return tuple(self._values.values())

    def record(
        self, operation: str, name: str, declared: Declared, arguments: Mapping[str, Any], exact: Tensor, kept: Tensor
    ) -> None:
        """See `Recorder.record`."""
        # Control flow and states hand on values that were recorded where they were made.
        if operation in OWN_OPERATIONS or exact.numel() == 0:
            return
        entry = self._values.get(name)
        if entry is None:
            entry = self._values[name] = ValueNumerics(operation, name, declared.kind)
        entry.count += exact.numel()
        low, high = (float(bound) for bound in exact.aminmax())
        # A NaN makes both bounds NaN.
        if not (math.isfinite(low) and math.isfinite(high)):
            low, high = _finite_range(exact)
        entry.low, entry.high = min(entry.low, low), max(entry.high, high)
        if not bool(kept.isfinite().all()):
            _count_faults(entry, arguments, exact, kept)
        if declared.kind == "fp16":
            size = exact.abs()
            entry.subnormal += int(torch.count_nonzero((size > 0) & (size < FP16_SMALLEST_NORMAL)))


def _finite_range(values: Tensor) -> tuple[float, float]:
    finite = values[values.isfinite()]
    if finite.numel() == 0:
        return math.inf, -math.inf
    low, high = finite.aminmax()
    return float(low), float(high)


def _count_faults(entry: ValueNumerics, arguments: Mapping[str, Any], exact: Tensor, kept: Tensor) -> None:
    inputs = list(_floats(arguments.values()))
    if not any(bool(value.isnan().any()) for value in inputs):
        entry.nan += int(kept.isnan().sum())
    infinite = kept.isinf()
    if any(bool(value.isinf().any()) for value in inputs):
        # What was infinite before came in from outside; the rest was made so by rounding.
        infinite = infinite & exact.isfinite()
    entry.overflow += int(infinite.sum())


def _floats(values: Any) -> Iterator[Tensor]:
    for value in values:
        if isinstance(value, Tensor):
            if value.is_floating_point():
                yield value
        elif isinstance(value, list):
            yield from _floats(value)
