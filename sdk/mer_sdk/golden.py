"""Golden cases: raw input, features and output of a whole window, by which any port of a bundle proves itself."""

from __future__ import annotations

import zipfile
from dataclasses import dataclass

import numpy as np

from mer_sdk.bundle import Bundle
from mer_sdk.engine import MODALITIES, StepEngine, StepFeatures
from mer_sdk.errors import BundleError

GOLDEN = "golden.npz"


@dataclass(frozen=True, eq=False)
class GoldenCase:
    """One window. All arrays are float32.

    Attributes:
        pcm: [steps, chunk_samples], -1 to 1.
        crop: [steps, S, S, 3], RGB 0-255.
        audio_mask, face_mask: [steps], 1 present, 0 missing.
        audio_features, face_features: [steps, D], raw, as the model in torch computed them.
        logits: [K], with the cold baseline.
        reliance: [2].
    """

    pcm: np.ndarray
    crop: np.ndarray
    audio_mask: np.ndarray
    face_mask: np.ndarray
    audio_features: np.ndarray
    face_features: np.ndarray
    logits: np.ndarray
    reliance: np.ndarray


@dataclass(frozen=True, eq=False)
class WindowResult:
    """What a bundle makes of a golden case: features [steps, D] with zeros where missing, logits [K], reliance [2]."""

    audio_features: np.ndarray
    face_features: np.ndarray
    logits: np.ndarray
    reliance: np.ndarray


def load_golden(bundle: Bundle) -> tuple[GoldenCase, ...]:
    """The cases of a bundle's golden file, in order; none where the bundle is a checkpoint.

    Raises:
        BundleError: the bundle has no golden file, or it is damaged.
    """
    if bundle.path is None or not bundle.path.is_dir():
        return ()
    path = bundle.path / GOLDEN
    try:
        with np.load(path, allow_pickle=False) as file:
            arrays = {key: file[key] for key in file.files}
    except (OSError, ValueError, zipfile.BadZipFile) as error:
        raise BundleError(f"{path} cannot be read ({error}); convert the bundle again") from error
    fields = GoldenCase.__dataclass_fields__
    cases: list[GoldenCase] = []
    while f"case{len(cases)}_pcm" in arrays:
        prefix = f"case{len(cases)}_"
        missing = [name for name in fields if prefix + name not in arrays]
        if missing:
            raise BundleError(f"{path}: {prefix}{missing[0]} is missing; convert the bundle again")
        cases.append(GoldenCase(**{name: np.asarray(arrays[prefix + name], np.float32) for name in fields}))
    if not cases:
        raise BundleError(f"{path} holds no case; convert the bundle again")
    return tuple(cases)


def run_case(engine: StepEngine, case: GoldenCase) -> WindowResult:
    """Run one case on a cold engine; the engine is reset."""
    engine.reset()
    rows: dict[str, list[np.ndarray | None]] = {name: [] for name in MODALITIES}
    output = None
    for step in range(len(case.pcm)):
        features = engine.encode(
            case.pcm[step] if case.audio_mask[step] else None, case.crop[step] if case.face_mask[step] else None
        )
        rows["audio"].append(features.audio)
        rows["face"].append(features.face)
        output = engine.advance(StepFeatures(features.audio, features.face))
    assert output is not None  # a case has at least one step
    reliance = np.array([output.reliance.get(name, 0.0) for name in MODALITIES], np.float32)
    return WindowResult(_stack(rows["audio"]), _stack(rows["face"]), output.logits, reliance)


def _stack(rows: list[np.ndarray | None]) -> np.ndarray:
    width = next((len(row) for row in rows if row is not None), 0)
    return np.stack([np.zeros(width, np.float32) if row is None else row for row in rows])
