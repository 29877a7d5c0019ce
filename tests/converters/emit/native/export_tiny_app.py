"""Writes tiny bundles of all kinds: window bundles for onnx and tflite, a face finder for tflite, a dialogue for onnx.

export_tiny_app.py FOLDER
"""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[3] / "sdk"))
sys.path.insert(0, str(Path(__file__).parent))

import export_tiny
import numpy as np
import tiny_bundle
import tiny_dialogue
import torch

from mer_converters.targets import find_target
from mer_converters.targets.registry import ExportJob
from mer_quantization.schemes import SCHEMES
from mer_sdk.contract.bundle import hash_files
from mer_sdk.contract.manifest import FINDER, BaselineContract, FinderContract
from mer_sdk.contract.manifest_file import manifest_to_text
from mer_sdk.parity.face_finder_golden import run_finder, save_finder_cases
from mer_sdk.runtimes.graph import GraphSpec, TensorSpec

HEIGHT, WIDTH, CELL = 32, 40, 8
PLACES = (HEIGHT // CELL) * (WIDTH // CELL)


class Finder(torch.nn.Module):
    """A score and a box for each cell of the input, from its mean."""

    def __init__(self) -> None:
        super().__init__()
        self.pool = torch.nn.AvgPool2d(CELL)

    def forward(self, frame: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        mean = self.pool(frame.permute(0, 3, 1, 2) / 255.0)
        scores = torch.sigmoid(8.0 * (mean[:, 0] - 0.5)).reshape(1, PLACES)
        boxes = torch.stack([mean[:, 0], mean[:, 1], 0.1 + mean[:, 2] * 0.2, 0.1 + mean[:, 2] * 0.25], dim=-1)
        return scores, boxes.reshape(1, PLACES, 4)


def write_finder(folder: Path, target: str) -> None:
    """`FOLDER/face_finder-TARGET-fp32.mer`."""
    path, made, network = folder / f"face_finder-{target}-fp32.mer", find_target(target), Finder().eval()
    path.mkdir()
    outputs = (TensorSpec("scores", (1, PLACES)), TensorSpec("boxes", (1, PLACES, 4)))
    spec = GraphSpec(f"finder{made.suffix}", "fp32", (TensorSpec("frame", (1, HEIGHT, WIDTH, 3)),), outputs)
    example = (torch.zeros(1, HEIGHT, WIDTH, 3),)
    made.export(ExportJob(network, example, spec, SCHEMES["fp32"]), path / spec.file)
    contract = FinderContract(height=HEIGHT, width=WIDTH)
    random = np.random.default_rng(3)
    frames = [random.integers(0, 256, (height, width, 3), dtype=np.uint8) for height, width in ((64, 80), (50, 90))]
    save_finder_cases(path / "golden.npz", [run_finder(_Torch(network), contract, frame) for frame in frames])
    manifest = replace(
        tiny_bundle.manifest(target, made.suffix.removeprefix("."), None),
        name="tiny finder",
        model="face_finder",
        graphs={FINDER: spec},
        finder=contract,
        labels=(),
        baseline=BaselineContract(0.0, {}),
        parameters={FINDER: 0},
        files=hash_files(path),
    )
    (path / "manifest.json").write_text(manifest_to_text(manifest))


class _Torch:
    def __init__(self, network: torch.nn.Module) -> None:
        self._network = network

    def run(self, inputs: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        with torch.no_grad():
            scores, boxes = self._network(torch.from_numpy(inputs["frame"]))
        return {"scores": scores.numpy(), "boxes": boxes.numpy()}


if __name__ == "__main__":
    export_tiny.write(Path(sys.argv[1]), ["onnx", "tflite"])
    write_finder(Path(sys.argv[1]), "tflite")
    tiny_dialogue.write_dialogue_bundle(Path(sys.argv[1]), ("text", "audio", "face"))
