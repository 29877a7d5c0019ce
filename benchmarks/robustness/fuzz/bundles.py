"""Hostile bundles: seeded mutations of manifests and golden files, read and used as an app would.

    python -m benchmarks.robustness.fuzz.bundles [--mutations 10000] [--only NAME] [--first N] [--bundles bundles]

A manifest of tests/manifests is changed in one to four places (fields dropped, renamed, of another type, far out of
range, texts that are no JSON any more) and, where it is still taken, its sensor is opened on graphs that keep to its
shapes and hears two seconds of sound with frames, or three utterances. A golden file has bytes changed, cut, or headers
that claim more than is there. What may happen: it works, or one of the SDK's own errors, within 10 s and 300 MB. Writes
docs/results/fuzz_bundles.json and the table of all campaigns in docs/results/fuzz.md.
"""

from __future__ import annotations

import argparse
import random
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.robustness.fuzz.campaign import RESULTS, ROOT, add_choices, run_campaigns
from benchmarks.robustness.fuzz.mutations import damaged, mutated_json
from mer_sdk.contract.bundle import Bundle
from mer_sdk.contract.golden import GOLDEN, read_golden
from mer_sdk.contract.manifest import Manifest
from mer_sdk.contract.manifest_file import manifest_from_text
from mer_sdk.dialogue.conversation import Conversation
from mer_sdk.frontends.face_finder import FinderDetector
from mer_sdk.runtimes.graph import GraphSpec, ordered_inputs
from mer_sdk.window.sensor import EmotionSensor

MANIFESTS = tuple(ROOT / "tests" / "manifests" / f"{name}.json" for name in ("window", "dialogue", "finder"))
# Of the mutations of manifests.
SEED = 1


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


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_choices(parser)
    parser.add_argument("--bundles", type=Path, default=ROOT / "bundles", help="whose golden files are changed")
    options = parser.parse_args()
    texts = [path.read_text() for path in MANIFESTS]
    golden = [path.read_bytes() for path in sorted(options.bundles.glob(f"*.mer/{GOLDEN}"))]
    if not golden:
        parser.error(f"{options.bundles} holds no bundle; make one with `make convert`, or give --bundles")

    def manifest(chance: random.Random) -> None:
        use(manifest_from_text(mutated_json(chance.choice(texts), chance)))

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / GOLDEN

        def golden_file(chance: random.Random) -> None:
            path.write_bytes(damaged(chance.choice(golden), chance))
            read_golden(path)

        kinds = {"manifests": lambda: manifest, "golden files": lambda: golden_file}
        run_campaigns(kinds, SEED, options, RESULTS / "fuzz_bundles.json")


if __name__ == "__main__":
    main()
