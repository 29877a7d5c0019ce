"""The manifest of a window with two modalities as that of a model which reads one of them."""

from __future__ import annotations

from dataclasses import replace

from mer_sdk.contract.manifest import Manifest


def one_modality(manifest: Manifest, kept: str) -> Manifest:
    """`kept` is "audio" or "face"; the other one's encoder, inputs, mean and reliance are left out."""
    fusion = manifest.graphs["fusion"]
    inputs = tuple(tensor for tensor in fusion.inputs if tensor.name in (kept, f"{kept}_mask"))
    logits, reliance = fusion.outputs
    outputs = (logits, replace(reliance, shape=(1, 1)))
    graphs = {kept: manifest.graphs[kept], "fusion": replace(fusion, inputs=inputs, outputs=outputs)}
    baseline = manifest.baseline
    means, offsets = ({kept: vectors[kept]} for vectors in (baseline.population_mean, baseline.neutral_offset))
    baseline = replace(baseline, population_mean=means, neutral_offset=offsets)
    return replace(manifest, graphs=graphs, baseline=baseline)
