"""Writes the fusion graphs of a model for one target and measures them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from mer_converters.pipeline.graphs import PlainFusion
from mer_converters.targets import find_target
from mer_converters.targets.registry import ExportJob
from mer_fusion.models.registry import fusion_model
from mer_fusion.training.fusion.recipe import student_recipe
from mer_quantization.schemes import find_scheme
from mer_sdk.runtimes import load_graph
from mer_sdk.runtimes.graph import GraphSpec, TensorSpec

SCALE = {"audio": 20.0, "face": 1.0}  # as the features of the shipped encoders


def fusion_graph(name: str) -> tuple[torch.nn.Module, GraphSpec, list[dict[str, np.ndarray]]]:
    """A student's fusion with random weights and norms that have seen data, its contract, and windows with gaps."""
    torch.manual_seed(0)
    config = student_recipe(0, name).network
    network = fusion_model(config.model).network(config.fusion).train()
    dims = config.modalities
    shapes = {key: (1, 16, dim) for key, dim in dims.items()} | {f"{key}_mask": (1, 16) for key in dims}
    spec = GraphSpec(
        "fusion",
        "fp32",
        tuple(TensorSpec(key, shape) for key, shape in shapes.items()),
        (TensorSpec("logits", (1, 7)), TensorSpec("reliance", (1, 2))),
    )
    with torch.no_grad():
        for _ in range(5):
            features = [SCALE[key] * torch.randn(32, 16, dim) for key, dim in dims.items()]
            network(*features, *(torch.ones(32, 16) for _ in dims))
    windows = []
    for gaps in ({}, {"audio": 16}, {"face": 16}, {"audio": 9, "face": 4}, {"audio": 15, "face": 16}):
        window = {}
        for key, dim in dims.items():
            mask = (torch.arange(16) >= gaps.get(key, 0)).float()[None]
            window[key] = (SCALE[key] * torch.randn(1, 16, dim) * mask[..., None]).numpy()
            window[f"{key}_mask"] = mask.numpy()
        windows.append(window)
    return PlainFusion(network.eval().prepare_for_export()).eval(), spec, windows


def measured(target_name: str, folder: Path, model: str, schemes: tuple[str, ...]) -> dict[str, dict[str, object]]:
    """Of "MODEL SCHEME": largest differences from torch, largest logit, bytes."""
    target = find_target(target_name)
    module, spec, windows = fusion_graph(model)
    example = tuple(torch.from_numpy(windows[3][tensor.name]) for tensor in spec.inputs)
    with torch.no_grad():
        wanted = [module(*(torch.from_numpy(window[tensor.name]) for tensor in spec.inputs)) for window in windows]
    rows: dict[str, dict[str, object]] = {}
    fp32 = None
    for scheme in schemes:
        path = folder / f"{model}-{scheme}{target.suffix}"
        target.export(ExportJob(module, example, spec, find_scheme(scheme, target.schemes, target.name), fp32), path)
        fp32 = fp32 or path
        graph = load_graph(target.runtime, path, spec)
        got = [graph.run(window) for window in windows]
        rows[f"{model} {scheme}"] = {
            "logits": max(float(np.abs(g["logits"] - w[0].numpy()).max()) for g, w in zip(got, wanted, strict=True)),
            "reliance": max(
                float(np.abs(g["reliance"] - w[1].numpy()).max()) for g, w in zip(got, wanted, strict=True)
            ),
            "range": max(float(w[0].abs().max()) for w in wanted),
            "bytes": sum(file.stat().st_size for file in path.rglob("*")) if path.is_dir() else path.stat().st_size,
        }
    return rows
