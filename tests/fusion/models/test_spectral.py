"""The split along time: bands sum to the input, are orthogonal, and the shortcuts equal the definition."""

import math

import pytest

torch = pytest.importorskip("torch")

from mer_fusion.models.spectral import SpectralBands, band_edges, cosine_basis  # noqa: E402
from mer_sdk.errors import OptionError  # noqa: E402

LENGTHS = (1, 2, 3, 5, 16, 50)


def split(bands: SpectralBands, x: torch.Tensor) -> torch.Tensor:
    """[3, B, T, D]: the bands by their definition, one projector each."""
    return torch.einsum("kts,bsd->kbtd", bands.projectors(), x)


@pytest.mark.parametrize("steps", LENGTHS)
def test_basis_is_orthonormal(steps):
    basis = cosine_basis(steps)
    torch.testing.assert_close(basis @ basis.T, torch.eye(steps, dtype=torch.float64), atol=1e-12, rtol=0)


@pytest.mark.parametrize("steps", LENGTHS)
def test_bands_sum_to_the_input_and_are_orthogonal(steps):
    bands = SpectralBands(steps, 0.125, 0.5, "rms")
    projectors = bands.projectors()
    for first in range(3):
        for second in range(3):
            product = projectors[first] @ projectors[second]
            expected = projectors[first] if first == second else torch.zeros(steps, steps)
            torch.testing.assert_close(product, expected, atol=1e-5, rtol=0)
    x = torch.randn(4, steps, 7, generator=torch.Generator().manual_seed(0))
    parts = split(bands, x)
    torch.testing.assert_close(parts.sum(dim=0), x, atol=1e-5, rtol=1e-5)
    for first, second in ((0, 1), (0, 2), (1, 2)):
        overlap = (parts[first] * parts[second]).sum(dim=1)  # over time, for every feature
        assert overlap.abs().max() < 1e-4


def test_slow_and_fast_courses_end_up_in_their_bands():
    t = torch.arange(16.0)
    bands = SpectralBands(16, 0.125, 0.5, "rms")
    constant, swing, flicker = torch.ones(16), torch.cos(math.pi * 4 * (t + 0.5) / 16), torch.tensor([1.0, -1.0] * 8)
    for band, course in ((0, constant), (1, swing)):
        parts = split(bands, course.reshape(1, 16, 1))
        torch.testing.assert_close(parts[band].flatten(), course, atol=1e-5, rtol=0)
    parts = split(bands, flicker.reshape(1, 16, 1))
    assert (parts[2] ** 2).sum() > 0.95 * (flicker**2).sum()


@pytest.mark.parametrize("pooling", ["rms", "absolute", "mean"])
@pytest.mark.parametrize("steps", [1, 5, 16])
def test_pooling_and_mixing_equal_their_definitions(pooling, steps):
    bands = SpectralBands(steps, 0.125, 0.5, pooling)
    generator = torch.Generator().manual_seed(0)
    x, weights = torch.randn(3, steps, 6, generator=generator), torch.rand(3, 3, generator=generator)
    parts, spectrum = split(bands, x), bands.spectrum(x)
    mixed = torch.einsum("bk,kbtd->btd", weights, parts)
    torch.testing.assert_close(bands.mixed(spectrum, weights), mixed, atol=1e-5, rtol=1e-5)
    summary = {
        "rms": lambda p: p.pow(2).mean(2).sqrt(),
        "absolute": lambda p: p.abs().mean(2),
        "mean": lambda p: p.mean(2),
    }
    expected = torch.cat(list(summary[pooling](parts)), dim=-1)
    # The root has a floor of 1e-3, so that its gradient at an empty band is finite.
    torch.testing.assert_close(bands.pooled(spectrum), expected, atol=2e-3, rtol=1e-3)


def test_mean_of_the_upper_bands_is_zero_whatever_the_input():
    x = torch.randn(3, 16, 6, generator=torch.Generator().manual_seed(0))
    for pooling, informed in (("mean", False), ("rms", True), ("absolute", True)):
        bands = SpectralBands(16, 0.125, 0.5, pooling)
        upper = bands.pooled(bands.spectrum(x))[:, 6:]
        assert (upper.abs().max() > 0.1) == informed


def test_gradient_of_an_empty_band_is_finite():
    x = torch.zeros(2, 16, 3, requires_grad=True)
    bands = SpectralBands(16, 0.125, 0.5, "rms")
    bands.pooled(bands.spectrum(x)).sum().backward()
    assert torch.isfinite(x.grad).all()


def test_edges_and_bad_options():
    assert band_edges(16, 0.125, 0.5) == (2, 8)
    assert band_edges(1, 0.125, 0.5) == (1, 1)
    for steps in LENGTHS:
        first, second = band_edges(steps, 0.01, 0.02)
        assert 1 <= first <= second <= steps
    for low, mid in ((0.0, 0.5), (0.6, 0.5), (0.5, 1.5)):
        with pytest.raises(OptionError, match="band"):
            SpectralBands(16, low, mid, "rms")
    with pytest.raises(OptionError, match="band_pooling"):
        SpectralBands(16, 0.125, 0.5, "median")
