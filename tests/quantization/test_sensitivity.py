"""Sensitivity: the operation that was made fragile is found, and the module is left as it was."""

from __future__ import annotations

import copy
from collections.abc import Iterator

import numpy as np
import pytest
import torch
from torch import nn

from mer_quantization.schemes import DYN8, INT8, W4, W8
from mer_quantization.sensitivity import fake_input, fake_weight, sensitivity


class Net(nn.Module):
    """Three layers in a row; the second one's weights have one outlier in each row."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.table = nn.Embedding(9, 12)
        self.first, self.fragile, self.last = nn.Linear(12, 12), nn.Linear(12, 12), nn.Linear(12, 4)
        with torch.no_grad():
            self.fragile.weight[:, 0] = 60.0

    def forward(self, ids: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        x = self.table(ids).mean(1)
        x = torch.relu(self.first(x) - 0.3)
        # The outlier's own input is nearly always 0, so that only the rounding of the others is seen.
        x = self.fragile(x * torch.tensor([0.0] + [1.0] * 11))
        return self.last(x), x.sum()


def samples(runs: int = 6) -> Iterator[dict[str, np.ndarray]]:
    rng = np.random.default_rng(0)
    for _ in range(runs):
        yield {"ids": rng.integers(0, 9, (1, 5)).astype(np.int32)}


@pytest.mark.parametrize("scheme", [W8, W4, DYN8, INT8])
def test_the_fragile_operation_comes_first(scheme) -> None:
    net = Net().eval()
    before = copy.deepcopy(net.state_dict())
    found = sensitivity(net, ("ids",), samples(), scheme)
    assert found[0].name == "fragile"
    assert {item.name: (item.kind, item.weights) for item in found} == {
        "table": ("Embedding", 108),
        "first": ("Linear", 144),
        "fragile": ("Linear", 144),
        "last": ("Linear", 48),
    }
    losses = [item.sqnr_db for item in found]
    assert losses == sorted(losses)
    assert losses[0] < losses[1] - 6
    assert all(torch.equal(value, before[name]) for name, value in net.state_dict().items())


def test_fewer_bits_and_quantized_inputs_lose_more() -> None:
    net = Net().eval()
    loss = {
        scheme.name: {row.name: row.sqnr_db for row in sensitivity(net, ("ids",), samples(), scheme)}
        for scheme in (W4, W8)
    }
    assert all(loss["w4"][name] < loss["w8"][name] - 12 for name in ("table", "first", "last"))
    with_inputs = {row.name: row.sqnr_db for row in sensitivity(net, ("ids",), samples(), INT8)}
    assert with_inputs["last"] < loss["w8"]["last"]


def test_fake_quantization_is_that_of_the_runtimes() -> None:
    weight = torch.tensor([[1.0, -2.54, 0.012], [0.0, 0.0, 0.0]])
    assert torch.allclose(fake_weight(weight, 8), torch.tensor([[1.0, -2.54, 0.02], [0.0, 0.0, 0.0]]), atol=1e-6)
    given = torch.tensor([-5.0, -1.0, 0.0, 0.3, 9.0])
    found = fake_input(given, -1.0, 1.55)
    assert torch.allclose(found, torch.tensor([-1.0, -1.0, 0.0, 0.3, 1.55]), atol=1e-6)
    assert fake_input(torch.zeros(1), 0.5, 0.6).item() == 0.0
