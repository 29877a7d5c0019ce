"""The fewest operations in float: the most sensitive ones first, until the gate lets the artifact through."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from mer_quantization.sensitivity import OperationError

T = TypeVar("T")
FloatModules = dict[str, tuple[str, ...]]


@dataclass(frozen=True)
class Fallback(Generic[T]):
    """What it came to.

    Attributes:
        result: what was made with `moved` in float, None where nothing helped.
        moved: (graph, operation) in the order of their sensitivity.
        tries: how many artifacts were made on the way, the first included.
    """

    result: T | None
    moved: tuple[tuple[str, str], ...]
    tries: int


def ranked(table: Mapping[str, Sequence[OperationError]]) -> list[tuple[str, str]]:
    """(graph, operation), the most sensitive of all graphs first; those that lose nothing are left out."""
    rows = [
        (row.sqnr_db, graph, row.name) for graph, found in table.items() for row in found if row.sqnr_db is not None
    ]
    return [(graph, name) for _, graph, name in sorted(rows)]


def by_graph(moved: Sequence[tuple[str, str]]) -> FloatModules:
    """Graph -> its operations."""
    found: FloatModules = {}
    for graph, name in moved:
        found[graph] = (*found.get(graph, ()), name)
    return found


def fewest_in_float(
    ranking: Sequence[tuple[str, str]], make: Callable[[FloatModules], T | None], passes: Callable[[T | None], bool]
) -> Fallback[T]:
    """Keep as many operations from the head of `ranking` in float as the gate needs: doubled until it lets the artifact
    through, then halved back.

    That more operations in float are at least as good is likely and not certain, so "fewest" is along the ranking. At
    most half of the operations are moved: what needs more is no quantized model.

    Args:
        ranking: the most sensitive first.
        make: an artifact with the given operations in float, None where there is none.
        passes: the gate.
    """
    most = len(ranking) // 2
    low, high, tries = 0, 1, 1
    best: T | None = None
    while high <= most:
        tries += 1
        made = make(by_graph(ranking[:high]))
        if passes(made):
            best = made
            break
        low, high = high, most if high < most < 2 * high else 2 * high
    if best is None:
        return Fallback(None, (), tries)
    while high - low > 1:
        middle = (low + high) // 2
        tries += 1
        made = make(by_graph(ranking[:middle]))
        if passes(made):
            best, high = made, middle
        else:
            low = middle
    return Fallback(best, tuple(ranking[:high]), tries)
