"""What stays outside the graphs of a window bundle, computed by this SDK from seeded input: the arrays `host_*`."""

from __future__ import annotations

import numpy as np

from mer_converters.emit.golden.recorder import FusionRecorder
from mer_converters.emit.source_bundle import SourceBundle
from mer_sdk.contract.bundle import Bundle
from mer_sdk.contract.estimate import UNKNOWN, state_of
from mer_sdk.frontends.audio import AudioFrontend
from mer_sdk.frontends.face_crop import crop_face
from mer_sdk.window.decision import decide, softmax
from mer_sdk.window.engine import StepEngine
from mer_sdk.window.step import StepFeatures

# Where the steps of the host's part begin an enrolment, and with how many steps.
ENROL_AT, ENROL_STEPS = 10, 3


def host(source: SourceBundle) -> dict[str, np.ndarray]:
    """Decisions, and what there is of chunks of sound, crops of faces and, in a window bundle, steps."""
    random = np.random.default_rng(17)
    arrays = _decisions(source, random)
    if source.kind == "window":
        arrays |= _steps(source, random)
    if "audio" in source.modalities:
        arrays |= _sound(source, random)
    if "face" in source.modalities:
        arrays |= _crops(source, random)
    return arrays


def _sound(source: SourceBundle, random: np.random.Generator) -> dict[str, np.ndarray]:
    manifest = source.manifest
    step = manifest.audio.sample_rate * manifest.clock.step_ms // 1000
    # Less than a step, over two steps at once, none, and an end that is more than half a step.
    pieces = [step // 3, 2 * step + 7, 0, step - 50, 2 * step // 3]
    sound = random.uniform(-1, 1, sum(pieces)).astype(np.float32)
    frontend = AudioFrontend(manifest.audio, manifest.clock)
    chunks = [chunk for chunk, _ in frontend.push(sound, manifest.audio.sample_rate) + frontend.flush()]
    return {"host_sound": sound, "host_pieces": np.array(pieces), "host_chunks": np.stack(chunks)}


def _crops(source: SourceBundle, random: np.random.Generator) -> dict[str, np.ndarray]:
    contract = source.manifest.face
    frame = random.integers(0, 256, (90, 120, 3), dtype=np.uint8)
    # Inside, smaller than the crop, with fractions of pixels, and outside the frame on two sides.
    boxes = np.array([[20, 5, 60, 70], [50, 40, 17, 13], [10.25, 8.5, 51.5, 40.75], [-20, 40, 70, 90]], np.float32)
    crops = [crop_face(frame, tuple(box.tolist()), contract) for box in boxes]
    assert all(crop is not None for crop in crops)  # the frame is bright
    return {"host_frame": frame, "host_boxes": boxes, "host_crops": np.stack([c for c in crops if c is not None])}


def _decisions(source: SourceBundle, random: np.random.Generator) -> dict[str, np.ndarray]:
    manifest = source.manifest
    # In each state that holds anything sure ones, and one that is as unsure as can be.
    logits = np.concatenate([random.normal(0, 3, (4, len(manifest.labels))), np.zeros((1, len(manifest.labels)))])
    logits = logits.astype(np.float32)
    present, given, shares, rows = [], [], [], []
    for state in source.states[1:]:
        for row in logits:
            share = softmax(row, manifest.decision.of(state_of(state)).temperature)
            said = decide(share.tolist(), manifest, state_of(state))
            named = -1 if said.emotion == UNKNOWN else manifest.labels.index(said.emotion)
            present.append([float(name in state) for name in source.modalities])
            given.append(row)
            shares.append(share)
            rows.append((named, said.valence, said.arousal))
    return {
        "host_present": np.array(present),
        "host_logits": np.stack(given),
        "host_probabilities": np.stack(shares),
        "host_decisions": np.array(rows),
    }


def _steps(source: SourceBundle, random: np.random.Generator) -> dict[str, np.ndarray]:
    """More steps than the window holds, some missing, with an enrolment: the window and the baseline after them."""
    manifest, fusion = source.manifest, FusionRecorder(source)
    engine = StepEngine(Bundle(manifest, loader=lambda _: {"fusion": fusion}))
    steps = 2 * manifest.clock.window_steps + 5
    arrays: dict[str, np.ndarray] = {}
    for name in source.modalities:
        mask = (random.random(steps) < 0.8).astype(np.float32)
        mask[-1] = 1.0
        mean = np.asarray(manifest.baseline.population_mean[name], np.float32)
        rows = mean + random.normal(0, 1, (steps, source.size(name))).astype(np.float32)
        arrays |= {f"host_mask_{name}": mask, f"host_rows_{name}": rows.astype(np.float32)}
    for step in range(steps):
        if step == ENROL_AT:
            engine.enrol(ENROL_STEPS)
        given: dict[str, np.ndarray | None] = {
            name: arrays[f"host_rows_{name}"][step] if arrays[f"host_mask_{name}"][step] else None
            for name in source.modalities
        }
        engine.advance(StepFeatures(given.get("audio"), given.get("face")))
    for name in source.modalities:
        arrays[f"host_window_{name}"] = fusion.given[name][0]
        arrays[f"host_window_mask_{name}"] = fusion.given[f"{name}_mask"][0]
    engine.finish()
    arrays |= {f"host_mean_{name}": engine.baseline.mean(name) for name in source.modalities}
    return arrays
