"""The golden cases of a bundle."""

from __future__ import annotations

import numpy as np

from mer_converters.emit.golden.file import text_array
from mer_converters.emit.source_bundle import SourceBundle
from mer_sdk.contract.golden import RAW
from mer_sdk.parity.face_finder_golden import FIELDS


def cases(source: SourceBundle) -> dict[str, np.ndarray]:
    """`case{i}_*` as in golden.npz: raw input, masks and logits; of a dialogue speakers and texts, too."""
    arrays: dict[str, np.ndarray] = {}
    for index, case in enumerate(source.cases):
        given, prefix = case.given, f"case{index}_"
        for name in source.modalities:
            arrays[f"{prefix}{RAW[name]}"] = given.raw[name]
            arrays[f"{prefix}{name}_mask"] = given.masks[name]
        if given.speakers is not None:
            arrays[f"{prefix}speakers"] = given.speakers
        if given.texts:
            encoded = [text.encode() for text in given.texts]
            arrays[f"{prefix}texts"] = text_array(b"".join(encoded))
            arrays[f"{prefix}texts_bytes"] = np.array([len(text) for text in encoded])
        arrays[f"{prefix}logits"] = case.answer.logits
        arrays[f"{prefix}reliance"] = case.answer.reliance
        if source.quantized:
            # A quantized bundle that a gate of older days let through has no answers of its own.
            arrays[f"{prefix}made_logits"] = case.answer.logits if case.made is None else case.made
    return arrays


def finder_cases(source: SourceBundle) -> dict[str, np.ndarray]:
    """`case{i}_frame`, `_scores`, `_boxes` and `_faces` of a face finder, as in golden.npz."""
    return {
        f"case{index}_{name}": getattr(case, name) for index, case in enumerate(source.finder_cases) for name in FIELDS
    }
