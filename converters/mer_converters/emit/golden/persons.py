"""Several persons: one window of sound, and for each person a window of faces and a baseline."""

from __future__ import annotations

import numpy as np

from mer_converters.emit.golden.recorder import FusionRecorder
from mer_converters.emit.source_bundle import SourceBundle
from mer_sdk.contract.bundle import Bundle
from mer_sdk.window.engine import StepEngine
from mer_sdk.window.step import StepFeatures

STEPS, PERSONS = 44, 3
# Who walks by a crowd: numbers of the current person and of the one beside; then a new one in every step.
CROWD_STEPS, CROWD_CURRENT, CROWD_BESIDE, CROWD_ENROL = 70, 5, 6, 4
# Who is current: (first step, person, or -1 where no face is preferred).
CURRENT = ((0, -1), (4, 0), (14, 1), (20, -1), (23, 0), (34, 2))
# Person -> steps in which the face is in the picture.
SEEN = {0: range(4, 36), 1: range(10, 26), 2: range(30, 44)}


def stages(source: SourceBundle) -> dict[str, np.ndarray]:
    """`stage_persons_*`: features of each step to what the fusion graph is given for the current person, with sound,
    and for another one by the face alone; the baselines at the end."""
    if "face" not in source.modalities:
        return {}
    random, manifest = np.random.default_rng(22), source.manifest
    current = np.zeros(STEPS, int)
    for begin, person in CURRENT:
        current[begin:] = person
    seen = np.array([[step in SEEN[person] for person in range(PERSONS)] for step in range(STEPS)])
    seen[[7, 16, 24]] = False
    seen[[12], [0]] = False
    # No face of somebody who is not there.
    current[[step for step in range(STEPS) if current[step] >= 0 and not seen[step, current[step]]]] = -1
    faces = random.normal(0, 1, (STEPS, PERSONS, source.size("face"))).astype(np.float32)
    faces *= seen[..., None]
    arrays = {"stage_persons_current": current, "stage_persons_faces": faces, "stage_persons_faces_mask": seen}
    sound = heard = None
    if "audio" in source.modalities:
        heard = random.random(STEPS) < 0.9
        sound = random.normal(0, 1, (STEPS, source.size("audio"))).astype(np.float32) * heard[:, None]
        arrays |= {"stage_persons_audio": sound, "stage_persons_audio_mask": heard}
    fusion = FusionRecorder(source)
    engine = StepEngine(Bundle(manifest, loader=lambda _: {"fusion": fusion}))
    names = [*source.modalities, *(f"{name}_mask" for name in source.modalities)]
    windows: dict[str, list[np.ndarray]] = {f"{kind}_{name}": [] for kind in ("window", "other") for name in names}
    others = []
    for step in range(STEPS):
        person = int(current[step])
        chunk = sound[step] if sound is not None and heard is not None and heard[step] else None
        rest = {one: faces[step, one] for one in range(PERSONS) if seen[step, one] and one != person}
        fusion.clear()
        engine.advance(
            StepFeatures(chunk, faces[step, person] if person >= 0 else None), person if person >= 0 else None, rest
        )
        for name in names:
            windows[f"window_{name}"].append(fusion.seen(name))
        fusion.clear()
        others.append(next(iter(rest), -1))
        if rest:
            engine.look_at(others[-1])
        for name in names:
            windows[f"other_{name}"].append(fusion.seen(name))
    engine.finish()
    arrays["stage_persons_other"] = np.array(others)
    arrays |= {f"stage_persons_{name}": np.stack(rows) for name, rows in windows.items()}
    arrays["stage_persons_known"] = np.array(sorted(engine.persons))
    for name in source.modalities:
        arrays[f"stage_persons_mean_{name}"] = np.stack(
            [engine.baseline_of(person).mean(name) for person in sorted(engine.persons)]
        )
    return arrays | _crowd(source)


def _crowd(source: SourceBundle) -> dict[str, np.ndarray]:
    """`stage_crowd_*`: faces [steps, 3, Df] of persons [steps, 3], the first of each step current: more than baselines
    are kept of, while the first two never leave; who is known at the end, the latest last, and the baselines of those
    two. An enrolment begins before the first face."""
    random = np.random.default_rng(23)
    faces = random.normal(0, 1, (CROWD_STEPS, 3, source.size("face"))).astype(np.float32)
    passing = np.arange(CROWD_STEPS) + CROWD_BESIDE + 1
    # Numbers do not rise in the order in which the faces are given.
    persons = np.stack([np.full(CROWD_STEPS, CROWD_CURRENT), np.full(CROWD_STEPS, CROWD_BESIDE), passing], axis=1)
    persons[::3, 2] += 1000
    engine = StepEngine(Bundle(source.manifest, loader=lambda _: {"fusion": FusionRecorder(source)}))
    engine.enrol(CROWD_ENROL)
    for ids, rows in zip(persons.tolist(), faces, strict=True):
        engine.advance(StepFeatures(None, rows[0]), ids[0], dict(zip(ids[1:], rows[1:], strict=True)))
        engine.look_at(ids[1])
    engine.finish()
    means = [engine.baseline_of(one).mean("face") for one in (CROWD_CURRENT, CROWD_BESIDE)]
    return {
        "stage_crowd_faces": faces,
        "stage_crowd_persons": persons,
        "stage_crowd_enrol": np.array([CROWD_ENROL]),
        "stage_crowd_known": np.array(engine.persons),
        "stage_crowd_means": np.stack(means),
    }
