"""Precision schemes, named for what they do and the same on every target.

A scheme says how weights and activations are held; which targets can make it is the target's own list.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from mer_sdk.errors import OptionError, did_you_mean
from mer_sdk.parity.agreement import TOLERANCE


@dataclass(frozen=True)
class Scheme:
    """One precision scheme.

    Attributes:
        name: the name on the command line, in the manifest and in the bundle's folder.
        weight_bits: bits of one stored weight.
        calibrated: whether it needs calibration data; a scheme that would ignore such data refuses it.
        limit: the largest absolute error on the logits that the parity gate lets through. For fp32 this is the error
            against the student in torch, for fp16 the error against fp32 on the same target. None for quantized
            schemes, which are judged by SQNR, or by accuracy and agreement where labelled data were given.
        summary: one line for people.
    """

    name: str
    weight_bits: int
    calibrated: bool
    limit: float | None
    summary: str

    @property
    def quantized(self) -> bool:
        """Whether weights are held in integers."""
        return self.weight_bits < 16


FP32 = Scheme("fp32", 32, False, TOLERANCE["fp32"], "weights and arithmetic in 32-bit float")
FP16 = Scheme(
    "fp16", 16, False, 5e-3, "weights in 16-bit float; inputs, outputs and the log-mel front end in 32-bit float"
)
W8 = Scheme(
    "w8", 8, False, None, "weights in 8-bit integers, one scale a channel; all else as in fp16: activations, log-mel"
)
DYN8 = Scheme(
    "dyn8",
    8,
    False,
    None,
    "weights in 8-bit integers; inputs of linear layers (TFLite and ExecuTorch: of convolutions too) turned to 8 bits "
    "as they come, by their own range; all else in float",
)
INT8 = Scheme(
    "int8",
    8,
    True,
    None,
    "weights and calibrated activations in 8-bit integers; inputs, outputs, log-mel, softmax, norms, gates and what "
    "the report lists in float",
)
W4 = Scheme("w4", 4, False, None, "weights in 16 levels (4 bits); all else as in fp16: activations, log-mel")

SCHEMES: dict[str, Scheme] = {scheme.name: scheme for scheme in (FP32, FP16, W8, DYN8, INT8, W4)}


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
    meant = did_you_mean(name, supported)
    if name not in SCHEMES and meant:
        raise OptionError(f"scheme {name!r} is not supported{where}{meant} Allowed: {allowed}")
    raise OptionError(
        f"scheme {name!r} is not supported{where}; allowed: {allowed}; "
        f"the nearest is {nearest_scheme(name, supported)!r}: give --scheme {nearest_scheme(name, supported)}"
    )


def check_calibration_data(schemes: Sequence[Scheme], data: Sequence[str]) -> None:
    """Refuse a scheme that needs calibration data and has none, and data that no scheme would use.

    Args:
        schemes: what is to be made.
        data: data sets as NAME:PATH.

    Raises:
        OptionError: either; the message says what to give or to leave out.
    """
    needing = [scheme.name for scheme in schemes if scheme.calibrated]
    if needing and not data:
        raise OptionError(
            f"scheme {needing[0]!r} takes its ranges from real input: give calibration data, such as "
            "--data clips:PATH (your own), --data ravdess:PATH --data ferplus:PATH (window models) or --data meld:PATH "
            "(dialogue models), or take a scheme without: "
            f"{', '.join(scheme.name for scheme in SCHEMES.values() if not scheme.calibrated)}"
        )
    if data and not needing:
        raise OptionError(
            f"--data {' '.join(data)}: {', '.join(scheme.name for scheme in schemes)} would ignore calibration data; "
            f"leave --data out, give it as --check-data to be judged by it, or add a scheme that uses it: "
            f"{', '.join(scheme.name for scheme in SCHEMES.values() if scheme.calibrated)}"
        )


def nearest_scheme(name: str, supported: tuple[str, ...]) -> str:
    """The supported scheme nearest to `name`: the one whose weights have the closest number of bits.

    The digits of the name are read as bits ("w8", "int8" -> 8); a name without digits counts as full precision. Of two
    that are equally close the more precise one is nearer, and of those the one that is named first.
    """
    digits = "".join(character for character in name if character.isdigit())
    bits = int(digits[:4]) if digits else 32
    return min(supported, key=lambda item: (abs(SCHEMES[item].weight_bits - bits), -SCHEMES[item].weight_bits))
