"""Random operations: shape, bounds, moments and repeatability; Apple's numbers themselves cannot be had."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from arrays import integers, listed, normal
from building import Case, check, mb, program, run, saved
from torch import Tensor

from mer_converters.targets.coreml.interpreter.handlers.random import random_categorical, random_uniform
from mer_sdk.errors import ConversionError

SHAPE = np.array([40, 50], np.int32)
X = {"x": normal(2, 3)}


def certain(build: Callable[..., Any], value: float) -> Case:
    """Parameters that leave one outcome, so that there is something to compare with."""
    return Case(lambda x: (build(), x), lambda x: (torch.full((2, 1, 3), value), x), X)


def shape_of(build: Callable[[Any], Any]) -> Case:
    """A shape that the program computes; `build` makes zeros of it."""
    return Case(
        lambda s: build(mb.add(x=s, y=np.int32(1))),
        lambda s: torch.zeros(tuple((s + 1).tolist())),
        {"s": integers(3, low=1, high=5)},
        label="dynamic shape",
    )


LOGITS = np.array([[0.0, 200.0, 0.0], [200.0, 0.0, 0.0]], np.float32)
SMALL = np.array([2, 1, 3], np.int32)


def categorical() -> Case:
    """Distributions with one possible outcome."""

    def build(x: Any) -> Any:
        drawn = mb.random_categorical(x=x, seed=1), mb.random_categorical(x=x, seed=1, size=4)
        return (*drawn, mb.random_categorical(x=mb.softmax(x=x), mode="probs", size=3))

    def reference(x: Tensor) -> tuple[Tensor, ...]:
        sure = x.argmax(-1, keepdim=True).float()
        return sure, sure.expand(2, 4), sure.expand(2, 3)

    return Case(build, reference, {"x": LOGITS})


CASES: dict[str, list[Case]] = {
    "random_uniform": [
        certain(lambda: mb.random_uniform(shape=SMALL, low=1.5, high=1.5), 1.5),
        shape_of(lambda s: mb.random_uniform(shape=s, low=0.0, high=0.0)),
    ],
    "random_normal": [
        certain(lambda: mb.random_normal(shape=SMALL, mean=-2.0, stddev=0.0), -2.0),
        shape_of(lambda s: mb.random_normal(shape=s, mean=0.0, stddev=0.0)),
    ],
    "random_bernoulli": [
        certain(lambda: mb.random_bernoulli(shape=SMALL, prob=1.0), 1.0),
        shape_of(lambda s: mb.random_bernoulli(shape=s, prob=0.0)),
    ],
    "random_categorical": [categorical()],
}


@listed(CASES)
def test_certain_outcomes(operation: str, case: Case, tmp_path: Path) -> None:
    check(operation, case, tmp_path)


def draws(build: Callable[[], Any], folder: Path) -> tuple[np.ndarray, np.ndarray]:
    """The first output of two runs."""
    path = saved(program(lambda x: (build(), x), X), folder)
    first, second = (next(iter(run(path, X).values())) for _ in range(2))
    return first, second


@pytest.mark.parametrize(
    ("build", "mean", "deviation", "low", "high"),
    [
        (lambda: mb.random_uniform(shape=SHAPE, seed=3), 0.5, 12**-0.5, 0.0, 1.0),
        (lambda: mb.random_uniform(shape=SHAPE, low=-3.0, high=1.0, seed=3), -1.0, 4 * 12**-0.5, -3.0, 1.0),
        (lambda: mb.random_normal(shape=SHAPE, seed=3), 0.0, 1.0, -6.0, 6.0),
        (lambda: mb.random_normal(shape=SHAPE, mean=5.0, stddev=0.5, seed=3), 5.0, 0.5, 2.0, 8.0),
        (lambda: mb.random_bernoulli(shape=SHAPE, seed=3), 0.5, 0.5, 0.0, 1.0),
        (lambda: mb.random_bernoulli(shape=SHAPE, prob=0.2, seed=3), 0.2, 0.4, 0.0, 1.0),
    ],
)
def test_moments_bounds_and_the_same_numbers_from_the_same_seed(
    build: Callable[[], Any], mean: float, deviation: float, low: float, high: float, tmp_path: Path
) -> None:
    first, second = draws(build, tmp_path)
    np.testing.assert_array_equal(first, second)
    assert first.shape == tuple(SHAPE)
    assert low <= first.min() < first.max() <= high
    # Four standard errors of the mean; the deviation of 2000 draws is within 6 % of the distribution's.
    assert abs(first.mean() - mean) < 4 * deviation / 2000**0.5
    assert abs(first.std() - deviation) < 0.06 * deviation


def test_without_a_seed_runs_differ_and_torch_makes_them_repeatable() -> None:
    shape = torch.from_numpy(SHAPE)
    torch.manual_seed(7)
    first, other = random_uniform(shape), random_uniform(shape, seed=torch.tensor(-1))
    assert not torch.equal(first, other)
    torch.manual_seed(7)
    assert torch.equal(random_uniform(shape), first)


def test_categories_come_in_their_shares() -> None:
    shares = torch.tensor([[0.1, 0.2, 0.7], [0.5, 0.25, 0.25]])
    size, seed = torch.tensor(4000), torch.tensor(5)
    for x, mode in ((shares, "probs"), (shares.log() + 3.0, "logits")):
        drawn = random_categorical(x, mode=mode, size=size, seed=seed)
        found = torch.stack([(drawn == index).float().mean(1) for index in range(3)], 1)
        assert torch.allclose(found, shares, atol=0.03)


def test_unknown_mode_is_refused() -> None:
    with pytest.raises(ConversionError, match="random_categorical has the mode 'odds'; allowed: logits, probs"):
        random_categorical(torch.ones(1, 2), mode="odds")
