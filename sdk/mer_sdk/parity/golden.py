"""Golden cases run on loaded graphs, from raw input to logits."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from mer_sdk.contract.golden import CaseInput, CaseOutput, GoldenCase
from mer_sdk.contract.manifest import BaselineContract, Manifest
from mer_sdk.frontends.text import TextFrontend
from mer_sdk.runtimes.graph import Graph, GraphSpec
from mer_sdk.window.baseline import PersonalBaseline
from mer_sdk.window.encoders import Encoders


def run_case(
    graphs: Mapping[str, Graph], specs: Mapping[str, GraphSpec], baseline: BaselineContract, given: CaseInput
) -> CaseOutput:
    """Run a case from raw input to logits, with a cold baseline: an encoder's error reaches the fusion.

    Args:
        graphs: the loaded graphs. A modality without one is given as features [N, D] in place of raw input.
        specs: their inputs and outputs.
        baseline: the population's means.
        given: the case.
    """
    encoders, cold = Encoders(specs, graphs), PersonalBaseline(baseline)
    features: dict[str, np.ndarray] = {}
    inputs: dict[str, np.ndarray] = {}
    for name, mask in given.masks.items():
        rows = _rows(encoders, name, given) if name in graphs else given.raw[name] * mask[:, None]
        mean = cold.mean(name) if name in baseline.population_mean else 0.0
        features[name] = rows
        inputs[name] = ((rows - mean) * mask[:, None]).astype(np.float32)[None]
        inputs[f"{name}_mask"] = mask[None]
    if given.speakers is not None:
        inputs["speakers"] = given.speakers[None]
    outputs = graphs["fusion"].run(inputs)
    return CaseOutput(features, outputs["logits"][0], outputs["reliance"][0])


def wrong_texts(case: GoldenCase, manifest: Manifest) -> tuple[str, ...]:
    """The texts of a case that the front end here turns into other ids than the case holds; () where all agree."""
    if not case.given.texts or manifest.text is None:
        return ()

    frontend = TextFrontend(manifest.text)
    pairs = zip(case.given.texts, case.given.raw["text"], strict=True)
    return tuple(text for text, ids in pairs if not np.array_equal(frontend.ids(text), ids))


def _rows(encoders: Encoders, name: str, given: CaseInput) -> np.ndarray:
    """[N, D]; rows that are missing are not computed."""
    raw, mask = given.raw[name], given.masks[name]
    rows = np.zeros((len(mask), encoders.size(name)), np.float32)
    for index in np.flatnonzero(mask):
        steps = raw[index] if raw.ndim > len(encoders.shape(name)) + 1 else raw[index][None]
        rows[index] = np.mean([encoders.encode(name, step) for step in steps], axis=0)
    return rows
