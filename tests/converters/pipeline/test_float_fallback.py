"""The fallback moves the fewest operations along the ranking, and says so when nothing helps."""

from __future__ import annotations

import pytest

from mer_converters.pipeline.float_fallback import by_graph, fewest_in_float, ranked
from mer_quantization.sensitivity import OperationError

RANKING = [("fusion", f"layer{number}") for number in range(20)]


@pytest.mark.parametrize("needed", range(1, 11))
def test_as_few_as_pass(needed: int) -> None:
    made: list[int] = []

    def make(moved: dict[str, tuple[str, ...]]) -> int:
        made.append(len(moved["fusion"]))
        return made[-1]

    found = fewest_in_float(RANKING, make, lambda count: count is not None and count >= needed)
    assert found.moved == tuple(RANKING[:needed])
    assert found.result == needed
    assert found.tries == 1 + len(made)
    assert len(set(made)) == len(made) <= 8


def test_nothing_helps() -> None:
    found = fewest_in_float(RANKING, lambda moved: moved, lambda made: False)
    assert found.result is None
    assert found.moved == ()


def test_an_artifact_that_cannot_be_made_does_not_pass() -> None:
    found = fewest_in_float(RANKING, lambda moved: None, lambda made: made is not None)
    assert found.result is None


def test_no_ranking() -> None:
    assert fewest_in_float([], lambda moved: moved, lambda made: True).result is None


def test_the_most_sensitive_of_all_graphs_come_first() -> None:
    table = {
        "audio": [OperationError("a", "Conv2d", 9, 30.0), OperationError("b", "Conv2d", 9, None)],
        "fusion": [OperationError("c", "Linear", 9, 12.0), OperationError("d", "Linear", 9, 40.0)],
    }
    assert ranked(table) == [("fusion", "c"), ("audio", "a"), ("fusion", "d")]
    assert by_graph(ranked(table)) == {"fusion": ("c", "d"), "audio": ("a",)}
