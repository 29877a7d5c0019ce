"""The table of handlers is whole: every operation that is claimed has a handler, and every handler has a case."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

import pytest

from mer_converters.targets.coreml.interpreter.coverage import operation_groups
from mer_converters.targets.coreml.interpreter.handlers import handler, handler_for, handler_names
from mer_converters.targets.coreml.interpreter.plan import OWN_OPERATIONS

# What Core ML has and the interpreter does not claim: it gives a string and a dictionary, no tensors.
NOT_CLAIMED = {"classify"}


def all_cases() -> dict[str, list[Any]]:
    """Operation -> its cases, of all test files below; for an operation that no case can hold, its tests."""
    found: dict[str, list[Any]] = {}
    for path in sorted(Path(__file__).parent.rglob("test_*.py")):
        if path.stem != Path(__file__).stem:
            module = importlib.import_module(path.stem)
            for table in ("CASES", "TESTS"):
                for name, cases in getattr(module, table, {}).items():
                    found.setdefault(name, []).extend(cases)
    return found


def test_every_operation_of_coremltools_can_be_computed() -> None:
    groups = operation_groups()
    assert {name for group in groups for name in group.unknown} == NOT_CLAIMED
    # As many as coremltools 9.0 has in its operation sets up to iOS 18; another version is looked at first.
    assert sum(len(group.known) for group in groups) == 167


def test_every_handler_has_a_case() -> None:
    cases = all_cases()
    assert {name for name in (*handler_names(), *OWN_OPERATIONS) if not cases.get(name)} == set()
    assert set(cases) - {*handler_names(), *OWN_OPERATIONS} == set(), "cases of operations that nothing computes"


def test_a_name_is_taken_once() -> None:
    with pytest.raises(ValueError, match="'relu' has the handler relu already"):
        handler("relu")(lambda x: x)
    with pytest.raises(ValueError, match="needs the name"):
        handler()
    assert handler_for("not_there") is None
