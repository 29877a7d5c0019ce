"""Manifests that every port of the contract takes or refuses alike: `cases.json` changes a manifest of this folder.

Each case names its manifest, the changes (RFC 6902), and words of the refusal; null where the manifest is taken.
"""

from __future__ import annotations

import copy
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent


@dataclass(frozen=True)
class Case:
    """A changed manifest as text, and words of its refusal; None where it is taken."""

    name: str
    text: str
    says: str | None


def base(name: str) -> str:
    """The text of a manifest that is as it should be."""
    return (HERE / f"{name}.json").read_text()


def cases() -> list[Case]:
    """Every case of the file."""
    return [
        Case(one["name"], json.dumps(changed(json.loads(base(one["base"])), one["patch"])), one["says"])
        for one in json.loads((HERE / "cases.json").read_text())
    ]


def changed(value: Any, patch: list[dict[str, Any]]) -> Any:
    """A copy of a JSON value after the operations add, remove and replace of a JSON Patch."""
    value = copy.deepcopy(value)
    for step in patch:
        *above, last = step["path"].split("/")[1:]
        holder = value
        for key in above:
            holder = holder[int(key)] if isinstance(holder, list) else holder[key]
        place = last if isinstance(holder, dict) else len(holder) if last == "-" else int(last)
        if step["op"] == "remove":
            del holder[place]
        elif step["op"] == "add" and isinstance(holder, list):
            holder.insert(place, step["value"])
        else:
            assert step["op"] == "add" or isinstance(holder, list) or place in holder, step
            holder[place] = step["value"]
    return value
