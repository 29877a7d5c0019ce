"""An orthogonal low / mid / high split of sequences along time, by constant matrices."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from mer_fusion.models.checks import check

BANDS = ("low", "mid", "high")
POOLINGS = ("rms", "absolute", "mean")


def cosine_basis(steps: int) -> Tensor:
    """The orthonormal DCT-II basis, float64 [T, T]: row k oscillates k / 2 times over the window, row 0 is constant."""
    k, t = torch.arange(steps, dtype=torch.float64)[:, None], torch.arange(steps, dtype=torch.float64)[None, :]
    basis = torch.cos(math.pi * k * (t + 0.5) / steps) * math.sqrt(2.0 / steps)
    basis[0] /= math.sqrt(2.0)
    return basis


def band_edges(steps: int, low: float, mid: float) -> tuple[int, int]:
    """First basis row of the mid and of the high band; the low band holds row 0 at least, the others may be empty."""
    first = min(steps, max(1, round(low * steps)))
    return first, min(steps, max(first, round(mid * steps)))


class SpectralBands(nn.Module):
    """Splits [B, T, D] into three bands that sum to it and are orthogonal along time, and mixes them with weights.

    With the basis C [T, T] and its rows of a band C_b, the band is X_b = C_b^T C_b X. Nothing needs the bands
    themselves: their pooled sizes and their weighted sum are read off the spectrum C X, so that a split, three poolings
    and a mix cost two products with constant matrices.

    Args:
        steps: T.
        low, mid: upper ends of the low and the mid band as shares of the spectrum, 0 < low <= mid <= 1.
        pooling: how a band's steps become one number per feature: "rms", "absolute" (mean absolute value) or "mean".
            The mean of the mid and of the high band is 0 for every input, since only row 0 has a mean.
    """

    def __init__(self, steps: int, low: float, mid: float, pooling: str) -> None:
        super().__init__()
        check("low and mid band", (low, mid), 0.0 < low <= mid <= 1.0, "0 < low <= mid <= 1")
        check("band_pooling", pooling, pooling in POOLINGS, f"one of {', '.join(POOLINGS)}")
        first, second = band_edges(steps, low, mid)
        membership = torch.zeros(steps, len(BANDS))
        membership[:first, 0] = membership[first:second, 1] = membership[second:, 2] = 1.0
        self.steps, self.pooling = steps, pooling
        self.register_buffer("basis", cosine_basis(steps).float(), persistent=False)
        self.register_buffer("membership", membership, persistent=False)

    def projectors(self) -> Tensor:
        """The three matrices P_b = C_b^T C_b, [3, T, T]."""
        return torch.stack([self.basis.T @ (self.membership[:, b : b + 1] * self.basis) for b in range(len(BANDS))])

    def spectrum(self, x: Tensor) -> Tensor:
        """[B, T, D] -> its coefficients [B, D, T]."""
        return F.linear(x.transpose(1, 2), self.basis)

    def pooled(self, spectrum: Tensor) -> Tensor:
        """Coefficients [B, D, T] -> the size of every band, [B, 3 D]: low of every feature, then mid, then high."""
        if self.pooling == "rms":
            # Parseval: the energy of a band is that of its coefficients.
            energy = F.linear(spectrum * spectrum, self.membership.T) / self.steps
            sizes = torch.sqrt(energy + 1e-6)
        else:
            bands = [self.sequence(spectrum, self.membership[:, b].reshape(1, -1)) for b in range(len(BANDS))]
            values = bands if self.pooling == "mean" else [band.abs() for band in bands]
            sizes = torch.stack([band.mean(dim=1) for band in values], dim=-1)
        return sizes.transpose(1, 2).reshape(spectrum.shape[0], -1)

    def mixed(self, spectrum: Tensor, weights: Tensor) -> Tensor:
        """Coefficients [B, D, T] and a weight per band [B, 3] -> the weighted sum of the bands, [B, T, D]."""
        return self.sequence(spectrum, F.linear(weights, self.membership))

    def sequence(self, spectrum: Tensor, gains: Tensor) -> Tensor:
        """Coefficients [B, D, T], each row times its gain [B, T], back as a sequence [B, T, D]."""
        return F.linear(spectrum * gains.unsqueeze(1), self.basis.T).transpose(1, 2)
