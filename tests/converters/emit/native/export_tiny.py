"""Writes tiny bundles of every kind for onnx, tflite and executorch, in a process of its own as in a conversion.

export_tiny.py FOLDER [TARGET ...]
"""

from __future__ import annotations

import shutil
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[3] / "sdk"))

import numpy as np
import tiny_bundle
import tiny_dialogue
import torch

from mer_converters.targets import find_target
from mer_converters.targets.quick_tools import quick_tools
from mer_converters.targets.registry import ExportJob
from mer_quantization.schemes import SCHEMES
from mer_sdk.contract.bundle_files import hash_files
from mer_sdk.contract.golden import save_golden
from mer_sdk.contract.manifest import BaselineContract, Decision, FinderContract, StateDecision
from mer_sdk.contract.manifest_file import manifest_to_text
from mer_sdk.parity.face_finder_golden import run_finder, save_finder_cases
from mer_sdk.runtimes.graph import GraphSpec, TensorSpec

TALK = ("text", "audio", "face")
# The model's name becomes namespace and package, so that one run of a compiler takes several bundles.
MODELS = {"onnx": "first", "tflite": "second", "executorch": "third"}


def _export(
    name: str, network: torch.nn.Module, example: tuple[torch.Tensor, ...], spec: GraphSpec, file: Path
) -> None:
    if name == "onnx":
        # The older exporter is much quicker, and which one wrote it is not the point here.
        torch.onnx.export(network, example, str(file), dynamo=False, opset_version=17)
    else:
        find_target(name).export(ExportJob(network, example, spec, SCHEMES["fp32"]), file)


def write(folder: Path, targets: Sequence[str]) -> None:
    """A window bundle, a dialogue bundle and a face finder a target: `TARGET.mer`, `TARGET-talk.mer` and
    `face_finder-TARGET-fp32.mer`."""
    networks = tiny_bundle.networks()
    cases = tiny_bundle.golden({name: tiny_bundle.TorchGraph(name, network) for name, network in networks.items()})
    for name in targets:
        model = MODELS[name]
        suffix, path = find_target(name).suffix.removeprefix("."), folder / f"{name}.mer"
        path.mkdir(parents=True)
        for graph, spec in tiny_bundle.specs(suffix).items():
            _export(name, networks[graph], tiny_bundle.EXAMPLES[graph], spec, path / spec.file)
        save_golden(path / "golden.npz", cases)
        states = {"face": StateDecision(0.6, 0.7), "audio+face": StateDecision(1.1, 0.0)}
        decision = Decision(1.7, 0.4, states=states)
        manifest = replace(tiny_bundle.manifest(name, suffix, path), model=model, decision=decision)
        if name == "tflite":  # as of a bundle that was made before there were offsets
            manifest = replace(manifest, baseline=replace(manifest.baseline, neutral_offset={}, neutral_prior=0.0))
        (path / "manifest.json").write_text(manifest_to_text(manifest))
        _write_talk(folder / f"{name}-talk.mer", name, suffix)
        _write_finder(folder / f"face_finder-{name}-fp32.mer", name, suffix)


def _write_talk(path: Path, name: str, suffix: str) -> None:
    path.mkdir()
    for graph, network in tiny_dialogue.networks(TALK).items():
        spec = tiny_dialogue.specs(TALK, suffix)[graph]
        if graph in ("audio", "face"):
            # The window's encoders, which were exported already.
            shutil.copyfile(path.with_name(f"{name}.mer") / spec.file, path / spec.file)
            continue
        kinds = [torch.int32 if item.dtype == "int32" else torch.float32 for item in spec.inputs]
        example = tuple(torch.zeros(item.shape, dtype=kind) for item, kind in zip(spec.inputs, kinds, strict=True))
        _export(name, network, example, spec, path / spec.file)
    save_golden(path / "golden.npz", tiny_dialogue.golden(TALK))
    manifest = tiny_dialogue.manifest(TALK, name, None)
    manifest = replace(manifest, graphs=tiny_dialogue.specs(TALK, suffix), model="talk", files=hash_files(path))
    (path / "manifest.json").write_text(manifest_to_text(manifest))


class Finder(torch.nn.Module):
    """Scores and squares on a grid by the brightness of its cells: any function of the frame does."""

    def forward(self, frame: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        grey = torch.nn.functional.avg_pool2d(frame.permute(0, 3, 1, 2).mean(1, keepdim=True), 8)
        light = grey.reshape(1, -1) / 255.0
        side = 0.2 + 0.3 * light
        return torch.sigmoid(12.0 * light - 6.0), torch.stack([light, 0.5 * light, side, 1.25 * side], dim=2)


def _write_finder(path: Path, name: str, suffix: str) -> None:
    path.mkdir()
    contract, network, example = FinderContract(threshold=0.6), Finder().eval(), torch.zeros(1, 128, 160, 3)
    count = 16 * 20
    outputs = (TensorSpec("scores", (1, count)), TensorSpec("boxes", (1, count, 4)))
    spec = GraphSpec(f"finder.{suffix}", "fp32", (TensorSpec("frame", (1, 128, 160, 3)),), outputs)
    _export(name, network, (example,), spec, path / spec.file)
    random = np.random.default_rng(8)
    frames = [random.integers(0, 256, (rows, columns, 3)).astype(np.uint8) for rows, columns in ((90, 120), (64, 40))]
    # A bright part, which is found.
    frames[0][20:70, 30:80] |= 192
    cases = [run_finder(_Torch(network), contract, frame) for frame in frames]
    save_finder_cases(path / "golden.npz", cases)
    base = tiny_bundle.manifest(name, suffix, None)
    manifest = replace(
        base,
        model="face_finder",
        graphs={"finder": spec},
        finder=contract,
        files=hash_files(path),
        labels=(),
        baseline=BaselineContract(0.0, {}),
    )
    (path / "manifest.json").write_text(manifest_to_text(manifest))


class _Torch:
    def __init__(self, network: torch.nn.Module) -> None:
        self._network = network

    def run(self, inputs: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        with torch.no_grad():
            scores, boxes = self._network(torch.from_numpy(np.array(inputs["frame"])))
        return {"scores": scores.numpy(), "boxes": boxes.numpy()}


if __name__ == "__main__":
    with quick_tools():
        write(Path(sys.argv[1]), sys.argv[2:] or list(MODELS))
