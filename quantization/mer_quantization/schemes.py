"""Precision schemes, named for what they do and the same on every target.

A scheme says how weights and activations are held; which targets can make it is the target's own list. Later schemes
(weight-only, dynamic and static int8) join `SCHEMES` with the code that makes and proves them.
"""

from __future__ import annotations

from dataclasses import dataclass

from mer_sdk.agreement import TOLERANCE
from mer_sdk.errors import OptionError


@dataclass(frozen=True)
class Scheme:
    """One precision scheme.

    Attributes:
        name: the name on the command line, in the manifest and in the bundle's folder.
        weight_bits: bits of one stored weight.
        calibrated: whether it needs calibration data; a scheme that would ignore such data refuses it.
        limit: the largest absolute error on the logits that the parity gate lets through. For fp32 this is the error
            against the student in torch, for every other scheme the error against fp32 on the same target.
        summary: one line for people.
    """

    name: str
    weight_bits: int
    calibrated: bool
    limit: float
    summary: str


FP32 = Scheme("fp32", 32, False, TOLERANCE["fp32"], "weights and arithmetic in 32-bit float")
FP16 = Scheme(
    "fp16", 16, False, 5e-3, "weights in 16-bit float; inputs, outputs and the log-mel front end in 32-bit float"
)

SCHEMES: dict[str, Scheme] = {scheme.name: scheme for scheme in (FP32, FP16)}


def find_scheme(name: str, supported: tuple[str, ...] = tuple(SCHEMES), target: str | None = None) -> Scheme:
    """The scheme of that name.

    Args:
        name: what the user gave.
        supported: names that the target can make, most precise first.
        target: the target's name, for the message.

    Raises:
        OptionError: no such scheme, or not one of `supported`; the message says which of them is nearest.
    """
    if name in SCHEMES and name in supported:
        return SCHEMES[name]
    where = f" on target {target!r}" if target else ""
    allowed = ", ".join(supported)
    raise OptionError(
        f"scheme {name!r} is not supported{where}; allowed: {allowed}; "
        f"the nearest is {nearest_scheme(name, supported)!r}: give --scheme {nearest_scheme(name, supported)}"
    )


def nearest_scheme(name: str, supported: tuple[str, ...]) -> str:
    """The supported scheme nearest to `name`: the one whose weights have the closest number of bits.

    The digits of the name are read as bits ("w8", "int8" -> 8); a name without digits counts as full precision. Of two
    that are equally close the more precise one is nearer.
    """
    digits = "".join(character for character in name if character.isdigit())
    bits = int(digits[:4]) if digits else 32
    return min(supported, key=lambda item: (abs(SCHEMES[item].weight_bits - bits), -SCHEMES[item].weight_bits))
