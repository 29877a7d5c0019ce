"""Proof of a quantized scheme: what is in the written artifact, read back from it and not from the request."""

from __future__ import annotations

from dataclasses import dataclass

from torch import nn

from mer_quantization.schemes import DYN8, Scheme
from mer_quantization.sensitivity import quantizable
from mer_sdk.errors import ConversionError

# Of the weights that a scheme is for, the share that must be in its integers; layers below this size do not count.
LEAST_SHARE, SMALLEST_LAYER = 0.9, 1024


@dataclass(frozen=True)
class GraphProof:
    """How one graph holds its weights, and where it computes in 8 bits.

    Attributes:
        weight_bytes: element type ("int8", "palette4", "fp16", ...) -> stored bytes of weights, without scales.
        operations: how many operations have a weight: convolutions, linear layers, tables.
        int8_operations: those of them whose weight and input are both in 8-bit integers.
        float_weights: names of the operations whose weight is in floating point.
        float_inputs: names of the operations whose weight is in integers and whose input is not.
        macs: multiply-accumulates of those operations in one run of the graph.
        int8_macs: those of them whose weight and input are both in 8-bit integers, static or as they come.
    """

    weight_bytes: dict[str, int]
    operations: int
    int8_operations: int
    float_weights: tuple[str, ...]
    float_inputs: tuple[str, ...]
    macs: int = 0
    int8_macs: int = 0

    @property
    def mac_share(self) -> float:
        """Share of the multiply-accumulates that are computed from 8-bit integers, 0-1."""
        return self.int8_macs / self.macs if self.macs else 0.0

    def share(self, bits: int) -> float:
        """Share of the weight bytes that are in integers of `bits` bits, 0-1."""
        total = sum(self.weight_bytes.values())
        return self.bytes_of(bits) / total if total else 0.0

    def bytes_of(self, bits: int) -> int:
        """Weight bytes that are in integers of `bits` bits."""
        return sum(size for kind, size in self.weight_bytes.items() if integer_bits(kind) == bits)


def integer_bits(kind: str) -> int | None:
    """Bits of an element type that is an integer or a place in a palette; None for a float."""
    name = kind.rstrip("0123456789")
    return int(kind[len(name) :]) if name in ("int", "uint", "palette") else None


def check_proof(
    graph: str, scheme: Scheme, proof: GraphProof, module: nn.Module | None = None, float_modules: tuple[str, ...] = ()
) -> None:
    """Hold an artifact against its scheme.

    Args:
        module: what it was made from; where it is given, at least `LEAST_SHARE` of the weights that the scheme is for
            must be in integers: those of linear layers for dyn8, of which not every runtime takes other operations, of
            every layer for the others.
        float_modules: paths of layers of it that are to stay in float.

    Raises:
        ConversionError: the scheme is quantized and the graph is not, or not enough of it: fewer weights in its
            integers, or, where activations are quantized too, no operation whose input is.
    """
    if not scheme.quantized:
        return
    wanted = LEAST_SHARE * _requested(scheme, module, float_modules) if module is not None else 1
    held = 8.0 * proof.bytes_of(scheme.weight_bits) / scheme.weight_bits
    if held < wanted:
        raise ConversionError(
            f"{graph}: {scheme.name} was asked for, but {held:,.0f} weights of the artifact are in "
            f"{scheme.weight_bits} bits and at least {wanted:,.0f} should be (bytes by type: {proof.weight_bytes}); "
            "take a scheme in floating point"
        )
    if scheme.calibrated and not proof.int8_operations:
        raise ConversionError(
            f"{graph}: {scheme.name} was asked for, but none of the artifact's {proof.operations} operations with a "
            "weight has its input in 8 bits; take w8, which is what it is"
        )


def _requested(scheme: Scheme, module: nn.Module, float_modules: tuple[str, ...]) -> int:
    """Weights that a scheme should hold in integers; small layers may cost more bytes that way than they save."""
    kept = tuple(f"{name}." for name in float_modules)
    layers = [
        layer
        for name, layer in quantizable(module).items()
        if not f"{name}.".startswith(kept) and (scheme.name != DYN8.name or isinstance(layer, nn.Linear))
    ]
    counts = [layer.weight.numel() for layer in layers if isinstance(layer.weight, nn.Parameter)]
    return sum(count for count in counts if count >= SMALLEST_LAYER)
