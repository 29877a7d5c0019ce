"""Published networks and features that do a part of the same work, measured in the same run where their files are.

- MediaPipe face detection, short range, and a MediaPipe landmark model (`face_landmark*.tflite`), in LiteRT;
- UltraFace RFB-320, in ONNX Runtime;
- eGeMAPS functionals of a second of sound by openSMILE, where the package `opensmile` is installed.
"""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import numpy as np

from benchmarks.speed.parts import timed
from mer_sdk.bench.steps import FRAME
from mer_sdk.bench.timing import Runner

SOUND_RATE = 16000


def peers(models: Path | None) -> dict[str, Runner]:
    """Name -> runner, of those that are here.

    Args:
        models: a folder that is looked through for their files; None where there is none.
    """
    return {**(_pictures(models) if models is not None else {}), **_sound()}


def _pictures(models: Path) -> dict[str, Runner]:
    files = {path.name: path for path in sorted(models.rglob("*")) if path.suffix in (".tflite", ".onnx")}
    frame = np.random.default_rng(0).integers(0, 256, FRAME, np.uint8)
    found: dict[str, Runner] = {}
    if {"face_detection_short_range.tflite", "version-RFB-320.onnx"} & set(files):
        from mer_fusion.training.finder.teachers import MediaPipe, UltraFace

        for name, file, kind in (
            ("MediaPipe detector, 720p", "face_detection_short_range.tflite", MediaPipe),
            ("UltraFace, 720p", "version-RFB-320.onnx", UltraFace),
        ):
            if file in files:
                detector = kind(files[file])
                found[name] = timed(lambda detector=detector: detector.detect(frame))
    for file, path in files.items():
        if file.startswith("face_landmark") and path.suffix == ".tflite":
            found[f"MediaPipe landmarks ({path.stem})"] = _landmarks(path)
    return found


def _landmarks(path: Path) -> Runner:
    from ai_edge_litert.interpreter import Interpreter

    model = Interpreter(str(path), num_threads=1)
    model.allocate_tensors()
    given = model.get_input_details()[0]
    values = np.random.default_rng(0).uniform(0, 1, given["shape"]).astype(given["dtype"])

    def run() -> None:
        model.set_tensor(given["index"], values)
        model.invoke()

    return timed(run)


def _sound() -> dict[str, Runner]:
    if find_spec("opensmile") is None:
        return {}
    import opensmile

    smile = opensmile.Smile(
        feature_set=opensmile.FeatureSet.eGeMAPSv02, feature_level=opensmile.FeatureLevel.Functionals
    )
    second = np.random.default_rng(0).uniform(-0.5, 0.5, SOUND_RATE).astype(np.float32)
    return {"eGeMAPS, openSMILE": timed(lambda: smile.process_signal(second, SOUND_RATE))}
