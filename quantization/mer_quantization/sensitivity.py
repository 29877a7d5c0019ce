"""What each operation loses in integers: it alone is quantized, and the graph's output is held against fp32.

Computed in torch by fake quantization, so that one table serves every target: weights symmetric, one scale an output
channel (a palette's 16 levels for w4 are taken as 4-bit integers); for int8 also the operation's input, with the
smallest and largest value over all samples; for dyn8 with those of each run. Operations are the graph's convolutions,
linear layers and tables, by their path in the network.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from mer_quantization.schemes import DYN8, Scheme
from mer_sdk.parity.agreement import distance

KINDS = (nn.Conv1d, nn.Conv2d, nn.Linear, nn.Embedding)
# Runs of a graph that are compared.
RUNS = 24


@dataclass(frozen=True)
class OperationError:
    """One operation.

    Attributes:
        name: its path in the graph's module.
        kind: class of the layer.
        weights: how many.
        sqnr_db: signal to quantization noise of the graph's first output with this operation alone quantized; None
            where nothing changed.
    """

    name: str
    kind: str
    weights: int
    sqnr_db: float | None


def quantizable(module: nn.Module) -> dict[str, nn.Module]:
    """Path -> layer, of everything that a quantized scheme holds in integers."""
    return {name: layer for name, layer in module.named_modules() if isinstance(layer, KINDS)}


@torch.no_grad()
def sensitivity(
    module: nn.Module, inputs: Sequence[str], samples: Iterable[dict[str, np.ndarray]], scheme: Scheme
) -> tuple[OperationError, ...]:
    """The operations of one graph, the most sensitive first.

    Args:
        module: an eval module in float32; it is left as it is.
        inputs: names of the module's inputs, in its order.
        samples: inputs of runs by name, as `read_samples` gives them; at most `RUNS` are taken, spread evenly.
        scheme: a quantized one.
    """
    given = list(samples)
    chosen = [given[index] for index in np.unique(np.linspace(0, len(given) - 1, RUNS).astype(int))]
    runs = [tuple(torch.from_numpy(np.ascontiguousarray(item[name])) for name in inputs) for item in chosen]
    layers = quantizable(copied := copy.deepcopy(module).eval())
    reference = _outputs(copied, runs)
    ranges = _input_ranges(copied, layers, runs) if scheme.calibrated else {}
    found = []
    for name, layer in layers.items():
        weight = layer.weight
        assert isinstance(weight, nn.Parameter)
        kept = weight.data.clone()
        weight.data = fake_weight(kept, scheme.weight_bits)
        with _inputs_through(layer, _input_quantizer(layer, scheme, ranges.get(name))):
            apart = distance(_outputs(copied, runs), reference)
        weight.data = kept
        found.append(OperationError(name, type(layer).__name__, weight.numel(), apart.sqnr_db))
    return tuple(sorted(found, key=lambda item: (item.sqnr_db is None, item.sqnr_db or 0.0)))


def fake_weight(weight: Tensor, bits: int) -> Tensor:
    """[out, ...] rounded to symmetric integers of `bits` bits, one scale an output channel."""
    most = 2 ** (bits - 1) - 1
    scale = weight.abs().amax(dim=tuple(range(1, weight.dim())), keepdim=True).clamp_min(1e-12) / most
    return (weight / scale).round().clamp(-most, most) * scale


def fake_input(x: Tensor, low: float, high: float) -> Tensor:
    """Rounded to 256 levels from `low` to `high`, 0 being one of them."""
    low, high = min(low, 0.0), max(high, 0.0)
    scale = max(high - low, 1e-12) / 255
    zero = round(-low / scale)
    return ((x / scale).round() + zero).clamp(0, 255).sub(zero) * scale


def _outputs(module: nn.Module, runs: Sequence[tuple[Tensor, ...]]) -> np.ndarray:
    results = [module(*inputs) for inputs in runs]
    return np.concatenate([(item if isinstance(item, Tensor) else item[0]).numpy().ravel() for item in results])


def _input_ranges(
    module: nn.Module, layers: dict[str, nn.Module], runs: Sequence[tuple[Tensor, ...]]
) -> dict[str, tuple[float, float]]:
    ranges: dict[str, tuple[float, float]] = {}

    def watch(name: str) -> Callable[[nn.Module, tuple[Any, ...]], None]:
        def look(layer: nn.Module, inputs: tuple[Any, ...]) -> None:
            low, high = ranges.get(name, (0.0, 0.0))
            ranges[name] = (min(low, float(inputs[0].min())), max(high, float(inputs[0].max())))

        return look

    handles = [layer.register_forward_pre_hook(watch(name)) for name, layer in layers.items()]
    _outputs(module, runs)
    for handle in handles:
        handle.remove()
    return ranges


def _input_quantizer(
    layer: nn.Module, scheme: Scheme, found: tuple[float, float] | None
) -> Callable[[Tensor], Tensor] | None:
    if isinstance(layer, nn.Embedding):
        return None
    if found is not None:
        low, high = found
        return lambda x: fake_input(x, low, high)
    if scheme == DYN8 and isinstance(layer, nn.Linear):
        return lambda x: fake_input(x, float(x.min()), float(x.max()))
    return None


@contextmanager
def _inputs_through(layer: nn.Module, change: Callable[[Tensor], Tensor] | None) -> Any:
    if change is None:
        yield
        return
    handle = layer.register_forward_pre_hook(lambda _, inputs: (change(inputs[0]), *inputs[1:]))
    try:
        yield
    finally:
        handle.remove()
