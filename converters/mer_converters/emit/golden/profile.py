"""The personal baseline as it is saved: the JSON of `PersonalBaseline.save`, which every port reads and writes."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path

import numpy as np

from mer_converters.emit.golden.file import text_array
from mer_converters.emit.source_bundle import SourceBundle
from mer_sdk.window.baseline import PersonalBaseline

STEPS = 37


def stages(source: SourceBundle) -> dict[str, np.ndarray]:
    """`stage_profile_*`: a saved profile, what it says, what it says after one more row, and profiles to be refused."""
    means = source.manifest.baseline.population_mean
    if not means:
        return {}
    random, baseline = np.random.default_rng(21), PersonalBaseline(source.manifest.baseline)
    arrays: dict[str, np.ndarray] = {}
    for name, mean in means.items():
        baseline.observe(name, (np.array(mean) + random.normal(0.3, 1, (STEPS, len(mean)))).astype(np.float32))
    text = _saved(baseline)
    arrays["stage_profile_text"] = text_array(text)
    arrays["stage_profile_steps"] = np.array([baseline.steps[name] for name in means])
    for name in means:
        arrays[f"stage_profile_mean_{name}"] = baseline.mean(name)
        row = random.normal(0, 1, len(means[name])).astype(np.float32)
        baseline.observe(name, row)
        arrays |= {f"stage_profile_row_{name}": row, f"stage_profile_next_{name}": baseline.mean(name)}
    refused = [one.encode() for one in _damaged(text, next(iter(means)))]
    arrays["stage_profile_refused"] = text_array(b"".join(refused))
    arrays["stage_profile_refused_bytes"] = np.array([len(one) for one in refused])
    return arrays


def _saved(baseline: PersonalBaseline) -> str:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "profile.json"
        baseline.save(path)
        return path.read_text()


def _damaged(text: str, name: str) -> list[str]:
    """Of another model, of a later version, of a broken one and of two that there never were, cut off, no profile, a
    value too few, one that is no number, one that no feature has, a number of steps below 0, sums of no steps, more
    steps than there can be."""
    content = json.loads(text)
    strange = [
        {**content, "encoders": "0123456789abcdef"},
        *({**content, "mer_baseline": one} for one in (99, 1.5, 0, -1)),
    ]
    rows = content["modalities"][name]
    sums = [rows["sum"][:-1], [*rows["sum"][:-1], "x"], [*rows["sum"][:-1], 1e20]]
    bad = [{**rows, "sum": one} for one in sums] + [{**rows, "steps": steps} for steps in (-1, 0, 10**16)]
    changed = [{**content, "modalities": {**content["modalities"], name: one}} for one in bad]
    return [text[: len(text) // 2], "[1, 2]", "{}", *(json.dumps(one) for one in strange + changed)]
