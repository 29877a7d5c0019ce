"""Voice activity: from the probability of speech of each piece to the sound that counts.

The network that gives the probabilities is the app's; `mer_sdk.frontends.voice_activity` says what becomes of them, and
`EmotionSensor` that sound is held back from the beginning of a stream until somebody speaks.
"""

from __future__ import annotations

import numpy as np

from mer_converters.emit.golden.recorder import FusionRecorder
from mer_converters.emit.source_bundle import SourceBundle
from mer_sdk.contract.bundle import Bundle
from mer_sdk.frontends.voice_activity import PIECE_SAMPLES, VOICE_RATE, VoiceActivity, VoiceOptions
from mer_sdk.window.engine import StepEngine
from mer_sdk.window.step import StepFeatures

OPTIONS = ((0.5, 2.0), (0.3, 0.6), (0.7, 0.0))
STEPS = 40
# The step whose window is told with its rows: after sound that was held back has come to count.
WINDOW_AT = 10
# Steps without sound.
MISSING = (3, 17, 18, 30)
# (first piece, piece after the last) of speech.
SPEECH = ((29, 60), (64, 66), (150, 190), (263, 264))


class _Scripted:
    """A network that gives the probabilities in order."""

    def __init__(self, probabilities: np.ndarray) -> None:
        self._left = iter(probabilities.tolist())

    def reset(self) -> None:
        """It has no state."""

    def __call__(self, piece: np.ndarray) -> float:
        return float(next(self._left))


def stages(source: SourceBundle) -> dict[str, np.ndarray]:
    """`stage_voice_*`: probabilities to what each step says, and to the sound in the window of each step where windows
    slide; `stage_utterance_*`: with the defaults, samples of the present utterance, which steps the window that begins
    there holds, and how many steps the baseline has taken in of each modality."""
    manifest = source.manifest
    if manifest.audio.sample_rate != VOICE_RATE:
        return {}
    random = np.random.default_rng(19)
    step = manifest.audio.sample_rate * manifest.clock.step_ms // 1000
    probabilities = random.uniform(0.0, 0.2, STEPS * step // PIECE_SAMPLES + 1)
    for begin, end in SPEECH:
        probabilities[begin:end] = random.uniform(0.75, 1.0, len(probabilities[begin:end]))
    # Between two of the thresholds.
    probabilities[100:104] = random.uniform(0.35, 0.45, 4)
    mean = np.asarray(manifest.baseline.population_mean["audio"], np.float32)
    rows = (mean + random.normal(0, 1, (STEPS, source.size("audio")))).astype(np.float32)
    cut = _run(source, VoiceOptions(), probabilities.astype(np.float32), rows, step)
    sliding = [VoiceOptions(*one, pause=None) for one in OPTIONS]
    told = [_run(source, one, probabilities.astype(np.float32), rows, step) for one in sliding]
    names = ("speech", "undecided", "window_mask", "window")
    faces = {"stage_utterance_faces": _faces(source), "stage_utterance_faces_mask": cut[6]}
    return {
        "stage_utterance_fresh": cut[4],
        "stage_utterance_window_mask": cut[2],
        "stage_utterance_observed": cut[5],
        **(faces if "face" in source.modalities else {}),
        "stage_voice_options": np.array(OPTIONS),
        "stage_voice_probabilities": probabilities,
        "stage_voice_present": np.array([number not in MISSING for number in range(STEPS)]),
        "stage_voice_rows": rows,
        "stage_voice_window_at": np.array([WINDOW_AT]),
        **{f"stage_voice_{name}": np.stack([one[place] for one in told]) for place, name in enumerate(names)},
    }


def _faces(source: SourceBundle) -> np.ndarray:
    """A face in each step; no values where the bundle reads none."""
    if "face" not in source.modalities:
        return np.zeros((STEPS, 0), np.float32)
    return np.random.default_rng(20).normal(0, 1, (STEPS, source.size("face"))).astype(np.float32)


def _run(
    source: SourceBundle, options: VoiceOptions, probabilities: np.ndarray, rows: np.ndarray, step: int
) -> tuple[np.ndarray, ...]:
    fusion = FusionRecorder(source)
    engine = StepEngine(Bundle(source.manifest, loader=lambda _: {"fusion": fusion}))
    voice = VoiceActivity(options, _Scripted(probabilities))
    before: list[np.ndarray | None] = []
    speeches, undecided, masks, windows, fresh, observed, faces_masks = [], [], [], [], [], [], []
    faces = [row if row.size else None for row in _faces(source)]
    for number, row in enumerate(rows):
        speech, heard = -1.0, None if number in MISSING else row
        if heard is None:
            voice.gap(step)
        else:
            speech = float(voice.step(np.zeros(step, np.float32)))
        # As `EmotionSensor` does it.
        if speech == 1.0 and before:
            engine.recall_sound(before)
        before = [*before, heard] if voice.undecided else []
        engine.begin_window(max(0, voice.fresh // step - 1))
        fresh.append(float(voice.fresh))
        fusion.clear()
        engine.advance(StepFeatures(None if speech == 0.0 else heard, faces[number]))
        speeches.append(speech)
        undecided.append(float(voice.undecided))
        observed.append([engine.baseline.steps.get(name, 0) for name in source.modalities])
        masks.append(fusion.seen("audio_mask"))
        faces_masks.append(fusion.seen("face_mask") if faces[number] is not None else np.zeros(0, np.float32))
        windows.append(fusion.seen("audio"))
    told = (np.array(speeches), np.array(undecided), np.stack(masks), windows[WINDOW_AT])
    return *told, np.array(fresh), np.array(observed), np.stack(faces_masks)
