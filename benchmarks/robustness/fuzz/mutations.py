"""Seeded damage to small files: JSON by its values, tables by their cells, anything by its bytes."""

from __future__ import annotations

import copy
import json
import random
import re
import struct
from typing import Any

ODD: tuple[Any, ...] = (
    None, True, -1, 0, 1, 1.5, -0.0, 1e-300, 1e308, 10**9, 10**30, "", "audio", "\0", "../../etc/passwd", "x" * 5000,
    [], {}, [[]], {"a": 1}, [1] * 5000, ["audio", "face"],
)  # fmt: skip
ODD_CELLS = (
    "", " ", "-1", "0", "9" * 30, "1" * 5000, "1e400", "nan", "-inf", "1_000", "\u0661\u0662", "\u00b2", "../../x",
    "/dev/zero", "\udcff", "x" * 140_000, '"', '""', "a,b", "a;b", "a\tb", "\r", "\n", "\0", "\x85", "\u2028",
    "neutral", "train", "00:00:00,000", "-1:2:3", "99999999999:0:0", "True",
)  # fmt: skip
_SHAPE = re.compile(rb"\((\d+),")


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The path of every value inside a JSON value."""
    found = [path] if path else []
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in list(items)[:40]:
        found += places(item, (*path, key))
    return found


def mutated_json(text: str, chance: random.Random) -> str:
    """A JSON text changed in one to four places."""
    data = json.loads(text)
    for _ in range(chance.randint(1, 4)):
        path = chance.choice(places(data) or [()])
        holder = data
        for key in path[:-1]:
            holder = holder[key]
        if not path:
            continue
        key, kind = path[-1], chance.random()
        if kind < 0.2:
            del holder[key]
        elif kind < 0.3 and isinstance(holder, dict):
            holder[chance.choice(("renamed", "audio", "face", key + "_"))] = holder.pop(key)
        elif kind < 0.5 and isinstance(holder[key], int | float) and not isinstance(holder[key], bool):
            holder[key] = chance.choice((holder[key] * 10, holder[key] + 1, -holder[key], holder[key] / 3, 10**9))
        elif kind < 0.6 and isinstance(holder[key], list) and holder[key]:
            holder[key] = copy.deepcopy(chance.choice((holder[key][:-1], holder[key] * 2, holder[key][::-1])))
        else:
            holder[key] = copy.deepcopy(chance.choice(ODD))
    changed = json.dumps(data)
    if chance.random() < 0.05:
        cut = chance.randrange(len(changed))
        changed = changed[:cut] + chance.choice(("", "NaN", "[" * 5000, "\u0000", "1" * 5000)) + changed[cut + 1 :]
    return changed


def mutated_table(content: bytes, chance: random.Random) -> bytes:
    """A table of text changed in one to four places: cells, lines, separators, quotes, encodings; or its bytes."""
    if chance.random() < 0.2:
        return damaged(content, chance)
    text = content.decode("utf-8", "surrogateescape")
    separator = chance.choice([mark for mark in ",;\t" if mark in text] or [","])
    lines = text.split("\n")
    for _ in range(chance.randint(1, 4)):
        at, kind = chance.randrange(len(lines)), chance.random()
        cells = lines[at].split(separator)
        place = chance.randrange(len(cells))
        if kind < 0.6:
            cells[place] = chance.choice((*ODD_CELLS, chance.choice(chance.choice(lines).split(separator))))
            lines[at] = separator.join(cells)
        elif kind < 0.7:
            del cells[place]
            lines[at] = separator.join(cells)
        elif kind < 0.8:
            lines.insert(at, chance.choice(lines))
        elif kind < 0.9:
            del lines[at]
            lines = lines or [""]
        else:
            lines[at] = lines[at].replace(separator, chance.choice((",", ";", "\t", "|", "")))
    changed = "\n".join(lines)
    encoding = chance.choice(("utf-8",) * 8 + ("utf-8-sig", "utf-16", "cp1252"))
    return changed.encode(encoding, "surrogateescape" if encoding.startswith("utf-8") else "replace")


def damaged(content: bytes, chance: random.Random) -> bytes:
    """Bytes changed, cut away, put in, or numbers made larger: of shapes, of pictures, of lengths."""
    data = bytearray(content)
    for _ in range(chance.randint(1, 4)):
        if not data:
            break
        at, kind = chance.randrange(len(data)), chance.random()
        if kind < 0.45:
            data[at] ^= 1 << chance.randrange(8)
        elif kind < 0.6:
            del data[at : at + chance.randrange(1, 2000)]
        elif kind < 0.75:
            data[at:at] = bytes(chance.randrange(256) for _ in range(chance.randrange(1, 50)))
        elif kind < 0.85:
            data[at : at + 4] = struct.pack("<I", chance.choice((0, 1, 2**31 - 1, 2**31, 2**32 - 1, 10**9)))
        elif found := _SHAPE.search(data):
            data[found.start() : found.end()] = b"(" + chance.choice((b"99999999", b"0", b"-1")) + b","
        elif (head := data.find(b"\xff\xc0")) >= 0 and len(data) > head + 9:
            data[head + 5 : head + 9] = struct.pack(">HH", *chance.choices((1, 16, 20000, 65535), k=2))
        else:
            data = data[: at + 1]
    return bytes(data)
