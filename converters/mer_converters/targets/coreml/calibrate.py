"""Ranges of every float value of a saved program over calibration data: the interpreter runs all of it.

coremltools 9.0 collects them on a Mac alone, and its loop keeps those of the last sample (apple/coremltools issue
2704). What its quantizer needs of them is one minimum and one maximum a value, which is what this gives.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from torch import Tensor

from mer_converters.targets.coreml.interpreter.interpreter import Interpreter
from mer_sdk.errors import ConversionError


@dataclass(frozen=True)
class Range:
    """Smallest and largest value that one tensor took, both finite, `low` at most `high`."""

    low: float
    high: float


def activation_ranges(
    package: str | Path,
    samples: Iterable[Mapping[str, np.ndarray]],
    progress: Callable[[int], None] = lambda samples: None,
) -> dict[str, Range]:
    """Name of a float value -> its range over all samples, inputs and outputs included.

    The program is run with every float held in float32: a value that would overflow in fp16 shows its true range.

    Args:
        package: a saved ML Program in floating point.
        samples: inputs of one run each, in the declared shapes; at least one. They are looked at once, in order.
        progress: told how many samples are done.

    Raises:
        ConversionError: there is no sample, a value is not finite on one, or the program cannot be computed.
        SignalError: a sample is not what the program declares.
    """
    interpreter = Interpreter(package)
    low: dict[str, float] = {}
    high: dict[str, float] = {}

    def observe(operation: str, name: str, value: Tensor) -> None:
        if value.numel() == 0:
            return
        smallest, largest = (float(bound) for bound in value.aminmax())
        if not (math.isfinite(smallest) and math.isfinite(largest)):
            raise ConversionError(
                f"{interpreter.package.path.name}: {operation} {name!r} is not finite on calibration sample {count}; "
                "look at that sample with `python -m mer_converters.targets.coreml check`, or leave it out"
            )
        low[name] = min(low.get(name, smallest), smallest)
        high[name] = max(high.get(name, largest), largest)

    count = 0
    for sample in samples:
        interpreter.run(sample, rounded=(), observe=observe)
        count += 1
        progress(count)
    if not count:
        raise ConversionError(f"{interpreter.package.path.name}: there is no calibration sample to take ranges from")
    return {name: Range(low[name], high[name]) for name in low}
