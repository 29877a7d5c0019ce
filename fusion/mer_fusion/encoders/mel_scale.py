"""The HTK mel scale, in both directions."""

from __future__ import annotations

import math

from torch import Tensor


def mel_of(hertz: float) -> float:
    """The place of a frequency on the scale."""
    return 2595.0 * math.log10(1.0 + hertz / 700.0)


def hertz_of(mels: Tensor) -> Tensor:
    """The frequencies, Hz, of places on the scale."""
    return 700.0 * (10.0 ** (mels / 2595.0) - 1.0)
