"""The golden file of the platforms holds what golden.npz holds, and what this SDK makes of every stage over time."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import tiny_bundle
from graphless_bundle import generated_texts, golden_arrays, graphless_bundle

from mer_converters.emit import emit
from mer_sdk.contract.golden import RAW, read_golden
from mer_sdk.window.baseline import PersonalBaseline


def test_golden_file_holds_the_cases_and_what_this_sdk_makes_of_input(tmp_path: Path) -> None:
    bundle = graphless_bundle(tmp_path, "onnx")
    arrays = golden_arrays(emit(bundle, "cpp") / "golden.bin")
    for index, case in enumerate(read_golden(bundle / "golden.npz")):
        for name, raw in case.given.raw.items():
            np.testing.assert_array_equal(arrays[f"case{index}_{RAW[name]}"], raw)
            np.testing.assert_array_equal(arrays[f"case{index}_{name}_mask"], case.given.masks[name])
        np.testing.assert_array_equal(arrays[f"case{index}_logits"], case.answer.logits)
    # The host's part has something to tell: missing steps, an abstention, a warm baseline.
    assert 0 < arrays["host_mask_audio"].mean() < 1
    assert (arrays["host_decisions"][:, 0] == -1).any()
    assert (arrays["host_decisions"][:, 0] >= 0).any()
    cold = PersonalBaseline(tiny_bundle.manifest("onnx", "graph", None).baseline).mean("audio")
    assert np.abs(arrays["host_mean_audio"] - cold).max() > 0.05
    np.testing.assert_array_equal(arrays["host_chunks"][1][-10:], arrays["host_sound"][7990:8000])


def test_golden_file_holds_every_stage_over_time(tmp_path: Path) -> None:
    arrays = golden_arrays(emit(graphless_bundle(tmp_path, "onnx"), "cpp") / "golden.bin")
    # A detector's box that is no number is among what it finds, and no face.
    assert {name for name, array in arrays.items() if not np.isfinite(array).all()} == {"stage_tracks_detections"}
    for index, (rate, channels) in enumerate(arrays["stage_resample_cases"]):
        pcm = arrays[f"stage_resample{index}_pcm"]
        assert pcm.shape[1] == channels
        assert arrays[f"stage_resample{index}_pieces"].sum() == len(pcm)
        assert len(arrays[f"stage_resample{index}_out"]) == int(np.ceil(len(pcm) * 16000 / rate))
    covered = arrays["stage_silence_covered"]
    assert not covered[0]
    assert 0 < covered.mean() < 1
    # Sound of before the first word comes to count; a pause and a missing step do not.
    speech, masks = arrays["stage_voice_speech"], arrays["stage_voice_window_mask"]
    assert set(np.unique(speech)) == {-1, 0, 1}
    said = int(np.flatnonzero(speech[0] == 1)[0])
    assert speech[0, :said].max() == 0
    assert masks[0, said, -3:-1].all() or masks[0, said, -4:-2].any()
    # Windows begin with utterances, for sound and faces, and what leaves them is observed at once; else they slide.
    heard, seen = arrays["stage_utterance_window_mask"], arrays["stage_utterance_faces_mask"]
    assert (np.diff(arrays["stage_utterance_fresh"]) < 0).any()
    assert (heard < masks[0]).any()
    assert (np.diff(seen.sum(1)) < -1).any()
    assert (np.diff(arrays["stage_utterance_observed"], axis=0) > 1).any(0).all()
    # Tracks begin, are lost, come back and end at a cut; persons are recognised after it.
    tracks, persons = arrays["stage_tracks_found"][..., 0], arrays["stage_tracks_persons"][..., 0]
    assert set(np.unique(tracks)) == {-1, 0, 1, 2, 3, 4, 5}
    assert set(np.unique(persons)) == {-1, 0, 1, 2}
    assert 0 < arrays["stage_tracks_asked"].mean() < 0.6
    # Each option of smoothing says something else.
    decisions = arrays["stage_smoothing_decisions"]
    assert all((decisions[0] != other).any() for other in decisions[1:])
    assert set(arrays["stage_persons_known"]) == {0, 1, 2}
    assert len(arrays["stage_profile_refused_bytes"]) == 14


def test_quantized_bundles_are_held_to_their_own_answers(tmp_path: Path) -> None:
    bundle = graphless_bundle(tmp_path, "tflite", lambda manifest: replace(manifest, scheme="int8"), made=True)
    for language in ("cpp", "kotlin"):
        text = "".join(generated_texts(emit(bundle, language)).values())
        assert "made_logits" in text
        assert "20.0" in text
    arrays = golden_arrays(tmp_path / "tiny-tflite-cpp" / "golden.bin")
    np.testing.assert_allclose(arrays["case0_made_logits"], arrays["case0_logits"] + 0.25, atol=1e-6)
