"""Proof of a quantized scheme: what is in the written artifact, read back from it and not from the request."""

from __future__ import annotations

from dataclasses import dataclass

from mer_quantization.schemes import Scheme
from mer_sdk.errors import ConversionError


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
        mine = sum(size for kind, size in self.weight_bytes.items() if integer_bits(kind) == bits)
        return mine / total if total else 0.0


def integer_bits(kind: str) -> int | None:
    """Bits of an element type that is an integer or a place in a palette; None for a float."""
    name = kind.rstrip("0123456789")
    return int(kind[len(name) :]) if name in ("int", "uint", "palette") else None


def check_proof(graph: str, scheme: Scheme, proof: GraphProof) -> None:
    """Hold an artifact against its scheme.

    Raises:
        ConversionError: the scheme is quantized and the graph is not: no weight in its integers, or, where activations
            are quantized too, no operation whose input is.
    """
    if not scheme.quantized:
        return
    if proof.share(scheme.weight_bits) == 0.0:
        raise ConversionError(
            f"{graph}: {scheme.name} was asked for, but no weight of the artifact is in {scheme.weight_bits} bits "
            f"(bytes by type: {proof.weight_bytes}); take a scheme in floating point"
        )
    if scheme.calibrated and not proof.int8_operations:
        raise ConversionError(
            f"{graph}: {scheme.name} was asked for, but none of the artifact's {proof.operations} operations with a "
            "weight has its input in 8 bits; take w8, which is what it is"
        )
