"""Hostile bundles: seeded mutations of manifests and golden files, read and used as an app would.

    python -m benchmarks.robustness.fuzz_bundles [--mutations 10000] [--bundles bundles]

A manifest is changed in one to four places (fields dropped, renamed, of another type, far out of range, texts that are
no JSON any more) and, where it is still taken, its sensor is opened on graphs that keep to its shapes and hears two
seconds of sound with frames, or three utterances. A golden file has bytes changed, cut, or headers that claim more than
is there. What may happen: it works, or one of the SDK's own errors. Writes docs/results/fuzz_bundles.json and the table
in docs/reference/bundle.md.
"""

from __future__ import annotations

import argparse
import copy
import json
import random
import resource
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.results.result_tables import table, write_result
from mer_sdk.contract.bundle import Bundle
from mer_sdk.contract.golden import GOLDEN, read_golden
from mer_sdk.contract.manifest import Manifest
from mer_sdk.contract.manifest_file import manifest_from_text
from mer_sdk.dialogue.conversation import Conversation
from mer_sdk.errors import MerError
from mer_sdk.frontends.face_finder import FinderDetector
from mer_sdk.runtimes.graph import GraphSpec, ordered_inputs
from mer_sdk.window.sensor import EmotionSensor

ROOT = Path(__file__).resolve().parents[2]
OUT = ROOT / "docs" / "results" / "fuzz_bundles.json"
PAGE = ROOT / "docs" / "reference" / "bundle.md"
BEGIN, END = "<!-- fuzz: written by benchmarks/robustness/fuzz_bundles.py -->", "<!-- end of fuzz -->"
SLOW_SECONDS = 10.0
# Of the mutations of manifests.
SEED = 1
ODD: tuple[Any, ...] = (
    None, True, -1, 0, 1, 1.5, -0.0, 1e-300, 1e308, 10**9, 10**30, "", "audio", "\0", "../../etc/passwd", "x" * 5000,
    [], {}, [[]], {"a": 1}, [1] * 5000, ["audio", "face"],
)  # fmt: skip


class ShapedGraph:
    """Keeps to the manifest's shapes and computes nothing."""

    def __init__(self, spec: GraphSpec) -> None:
        self._spec = spec

    def run(self, inputs: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        ordered_inputs(inputs, self._spec)
        return {tensor.name: np.full(tensor.shape, 0.5, np.float32) for tensor in self._spec.outputs}


class OneFace:
    """Finds the same face in every frame."""

    def detect(self, rgb: np.ndarray) -> list[tuple[float, float, float, float, float]]:
        return [(4.0, 4.0, 24.0, 24.0, 1.0)]


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The path of every value inside a JSON value."""
    found = [path] if path else []
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in list(items)[:40]:
        found += places(item, (*path, key))
    return found


def mutated(text: str, chance: random.Random) -> str:
    """A manifest changed in one to four places."""
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


def use(manifest: Manifest) -> None:
    """Open what the manifest describes and feed it."""

    def loader(threads: int) -> dict[str, Any]:
        return {name: ShapedGraph(spec) for name, spec in manifest.graphs.items()}

    frame = np.full((48, 64, 3), 90, np.uint8)
    if manifest.finder is not None:
        FinderDetector(loader(1)["finder"], manifest.finder).detect(frame)
        return
    bundle = Bundle(manifest, loader=loader, encode_text=lambda text: np.zeros(96, np.float32))
    if manifest.dialogue is not None:
        with Conversation.open(bundle, detector=OneFace()) as talk:
            for speaker in ("anna", "ben", "anna"):
                talk.push_text("why not", speaker=speaker)
        return
    with EmotionSensor.open(bundle, detector=OneFace()) as sensor:
        for step in range(4):
            sensor.push_frame(frame, step * 0.5)
            sensor.push_audio(np.full(8000, 0.1, np.float32), 16000, step * 0.5)


def damaged(content: bytes, chance: random.Random) -> bytes:
    """A golden file with bytes changed, cut away, put in, or numbers in its text made larger."""
    data = bytearray(content)
    for _ in range(chance.randint(1, 4)):
        at = chance.randrange(len(data))
        kind = chance.random()
        if kind < 0.5:
            data[at] ^= 1 << chance.randrange(8)
        elif kind < 0.7:
            del data[at : at + chance.randrange(1, 2000)]
        elif kind < 0.9:
            data[at:at] = bytes(chance.randrange(256) for _ in range(chance.randrange(1, 50)))
        else:
            data = data.replace(b"(16, ", b"(99999999, ", 1)
        if not data:
            break
    return bytes(data)


def campaign(count: int, seed: int, attempt: Callable[[random.Random], None]) -> dict[str, Any]:
    """Run one kind of mutation and count what came of it."""
    outcomes: Counter[str] = Counter()
    untyped: Counter[str] = Counter()
    slowest = 0.0
    shown = time.monotonic()
    for number in range(count):
        chance, begun = random.Random(seed * 1_000_003 + number), time.monotonic()
        try:
            attempt(chance)
            outcomes["worked"] += 1
        except MerError:
            outcomes["refused"] += 1
        except Exception as error:
            outcomes["untyped"] += 1
            untyped[f"{type(error).__name__}: {str(error)[:80]} (mutation {number})"] += 1
        slowest = max(slowest, time.monotonic() - begun)
        if time.monotonic() - shown > 2:
            shown = time.monotonic()
            print(f"  {number + 1} of {count}: {dict(outcomes)}", flush=True)
    return {
        "mutations": count,
        **{name: outcomes[name] for name in ("worked", "refused", "untyped")},
        "slow": int(slowest > SLOW_SECONDS),
        "slowest_seconds": round(slowest, 2),
        "peak_mb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024),
        "examples": dict(untyped.most_common(10)),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--mutations", type=int, default=10000, help="of each kind of file")
    parser.add_argument("--bundles", type=Path, default=ROOT / "bundles")
    options = parser.parse_args()
    names = ("grjca-tflite-fp32", "amb_dsgdn-onnx-fp32", "face_finder-tflite-fp32")
    texts = [(options.bundles / f"{name}.mer" / "manifest.json").read_text() for name in names]
    golden = [(options.bundles / f"{name}.mer" / GOLDEN).read_bytes() for name in names]

    def manifest(chance: random.Random) -> None:
        use(manifest_from_text(mutated(chance.choice(texts), chance)))

    results = {}
    print("manifests", flush=True)
    results["manifests"] = campaign(options.mutations, SEED, manifest)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / GOLDEN

        def golden_file(chance: random.Random) -> None:
            path.write_bytes(damaged(chance.choice(golden), chance))
            read_golden(path)

        print("golden files", flush=True)
        results["golden files"] = campaign(options.mutations, 2, golden_file)
    for name, result in results.items():
        print(name, json.dumps(result, indent=2))
    rows = [
        [
            name,
            *(f"{r[key]:,}" for key in ("mutations", "worked", "refused", "untyped", "slow")),
            f"{r['slowest_seconds']:.2f} s",
            f"{r['peak_mb']} MB",
        ]
        for name, r in results.items()
    ]
    heads = ["input", "mutations", "worked", "refused", "untyped", "over 10 s", "slowest", "peak memory"]
    write_result(results, OUT, PAGE, (BEGIN, END), table(heads, rows))


if __name__ == "__main__":
    main()
