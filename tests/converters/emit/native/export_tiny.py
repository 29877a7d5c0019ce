"""Writes the tiny bundle of tests/sdk for onnx, tflite and executorch, in a process of its own as in a conversion.

export_tiny.py FOLDER [TARGET ...]
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[3] / "sdk"))

import tiny_bundle
import torch

from mer_converters.targets import find_target
from mer_converters.targets.registry import ExportJob
from mer_quantization.schemes import SCHEMES
from mer_sdk.contract.golden import save_golden
from mer_sdk.contract.manifest import Decision, StateDecision
from mer_sdk.contract.manifest_file import manifest_to_text

# The model's name becomes namespace and package, so that one run of a compiler takes several bundles.
MODELS = {"onnx": "first", "tflite": "second", "executorch": "third"}


def write(folder: Path, targets: Sequence[str]) -> None:
    """One bundle a target, `FOLDER/TARGET.mer`."""
    networks = tiny_bundle.networks()
    cases = tiny_bundle.golden({name: tiny_bundle.TorchGraph(name, network) for name, network in networks.items()})
    for name in targets:
        model = MODELS[name]
        target, path = find_target(name), folder / f"{name}.mer"
        path.mkdir(parents=True)
        suffix = target.suffix.removeprefix(".")
        for graph, spec in tiny_bundle.specs(suffix).items():
            network, example, file = networks[graph], tiny_bundle.EXAMPLES[graph], path / spec.file
            if name == "onnx":
                # The older exporter is much quicker, and which one wrote it is not the point here.
                torch.onnx.export(network, example, str(file), dynamo=False, opset_version=17)
            else:
                target.export(ExportJob(network, example, spec, SCHEMES["fp32"]), file)
        save_golden(path / "golden.npz", cases)
        states = {"face": StateDecision(0.6, 0.7), "audio+face": StateDecision(1.1, 0.0)}
        decision = Decision(1.7, 0.4, states=states)
        manifest = replace(tiny_bundle.manifest(name, suffix, path), model=model, decision=decision)
        (path / "manifest.json").write_text(manifest_to_text(manifest))


if __name__ == "__main__":
    write(Path(sys.argv[1]), sys.argv[2:] or list(MODELS))
