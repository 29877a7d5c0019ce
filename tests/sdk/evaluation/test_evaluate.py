"""Evaluation against a plain recomputation of window, baseline and clip prediction."""

from __future__ import annotations

import dataclasses
import json
import subprocess
import sys

import numpy as np
import pytest
import soundfile

from mer_sdk.contract.bundle import Bundle
from mer_sdk.contract.codec import from_json, to_json
from mer_sdk.errors import DataError, OptionError
from mer_sdk.evaluation.conditions import ConditionPredictions, clip_log_probabilities
from mer_sdk.evaluation.datasets import Clip, Ravdess, Selection, load_image
from mer_sdk.evaluation.datasets.ravdess import merge_labels
from mer_sdk.evaluation.evaluate import (
    EvaluationOptions,
    EvaluationReport,
    evaluate,
    predict_clips,
    summarise,
)
from mer_sdk.evaluation.features import audio_chunks, encode_clip, face_crops, track_box
from mer_sdk.window.engine import StepEngine

WINDOW, STEP, CHUNK = 4, 4000, 4200
PRIOR, AUDIO_MEAN, FACE_MEAN = 2.0, np.array([0.1, 0.0]), np.array([0.5, 0.4, 0.3])
AUDIO_OFFSET, FACE_OFFSET = np.array([0.2, -0.1]), np.array([0.05, -0.1, 0.15])
QUICK = EvaluationOptions(orders=2, resamples=50)


def log_softmax(values):
    return values - np.log(np.exp(values).sum(axis=-1, keepdims=True))


def plain_features(clip):
    """Raw features by hand, NaN where missing: audio [n, 2], face [n, 3]."""
    samples, _ = soundfile.read(clip.audio, dtype="float32")
    steps = -(-len(samples) // STEP)
    padded = np.concatenate([np.zeros(CHUNK - STEP), samples, np.zeros(steps * STEP - len(samples))])
    audio = np.array([[padded[s * STEP :][:CHUNK].mean(), padded[s * STEP :][200:CHUNK].mean()] for s in range(steps)])
    face = np.full((steps, 3), np.nan)
    for index, path in enumerate(clip.faces):
        image = load_image(path)
        if image.max() > 8:
            time = (index + 0.5) / len(clip.faces) * len(samples) / 16000
            face[int(time / 0.25)] = image.mean(axis=(0, 1)) / 255
    return audio, face


def plain_prediction(audio, face, observed_audio, observed_face, fixed=False):
    """Log-probabilities of a clip; `observed_*` are lists of rows, grown as steps leave the window."""
    weights = np.linspace(0.5, 1.5, WINDOW)
    steps, held = [], []
    for step in range(len(audio)):
        if step >= WINDOW and not fixed:
            observed_audio.append(audio[step - WINDOW])
            observed_face.append(face[step - WINDOW])
        sums = []
        present = np.zeros(WINDOW, bool)
        audio_count = 0
        for rows, seen, mean in ((audio, observed_audio, AUDIO_MEAN), (face, observed_face, FACE_MEAN)):
            known = [row for row in seen if np.isfinite(row).all()]
            baseline = (PRIOR * mean + np.sum(known, axis=0)) / (PRIOR + len(known)) if known else mean
            window = np.full((WINDOW, rows.shape[1]), np.nan)
            last = rows[max(0, step + 1 - WINDOW) : step + 1]
            window[WINDOW - len(last) :] = last
            mask = np.isfinite(window).all(axis=1)
            sums.append((np.where(mask[:, None], window - baseline, 0) * weights[:, None]).sum(axis=0))
            audio_count = audio_count if rows is face else int(mask.sum())
            present |= mask
        logits = np.zeros(7)
        logits[:2], logits[2:5], logits[5] = 8 * sums[0], 8 * sums[1], audio_count / WINDOW - 0.5
        steps.append(log_softmax(logits / 2.0))
        held.append(present.sum())
    return log_softmax(np.average(steps, axis=0, weights=held))


def hide(rows):
    return np.full_like(rows, np.nan)


def expected(clips, state, protocol, order):
    rows = {}
    seen_audio, seen_face = [], []
    hidden = {"audio": (False, True), "face": (True, False), "audio+face": (False, False)}[state]
    features = {clip.id: plain_features(clip) for clip in clips}
    features = {
        key: (hide(audio) if hidden[0] else audio, hide(face) if hidden[1] else face)
        for key, (audio, face) in features.items()
    }
    neutral = [clip.id for clip in clips if clip.label == "neutral"][:4]
    for index in order:
        clip = clips[index]
        audio, face = features[clip.id]
        if protocol != "warm":
            seen_audio, seen_face = [], []
        if protocol == "enrolled":
            seen_audio = [row + AUDIO_OFFSET for key in neutral for row in features[key][0]]
            seen_face = [row + FACE_OFFSET for key in neutral for row in features[key][1]]
        rows[clip.id] = plain_prediction(audio, face, seen_audio, seen_face, fixed=protocol == "none")
        seen_audio += list(audio[-WINDOW:])
        seen_face += list(face[-WINDOW:])
    return rows


@pytest.mark.parametrize("state", ["audio+face", "audio", "face"])
@pytest.mark.parametrize("protocol", ["cold", "warm", "enrolled", "none"])
def test_predictions_equal_a_plain_recomputation(tiny_bundle, paired_folder, state, protocol):
    clips = Ravdess(paired_folder).clips()
    options = dataclasses.replace(QUICK, states=(state,), protocols=(protocol,), seed=4)
    (found,), steps = predict_clips(tiny_bundle, clips, options)
    assert steps == 8 * 7  # 1.65 s are 6.6 steps, and the last counts from half
    assert found.log_probabilities.shape == (2 if protocol == "warm" else 1, len(found.clips), 7)
    assert len(found.clips) == (4 if protocol == "enrolled" else 8)
    for run, scores in enumerate(found.log_probabilities):
        order = np.random.default_rng([4, run]).permutation(8) if protocol == "warm" else range(8)
        rows = expected(clips, state, protocol, order)
        np.testing.assert_allclose(scores, [rows[clip] for clip in found.clips], atol=2e-4)


def test_protocols_and_states_differ(tiny_bundle, paired_folder):
    predictions, _ = predict_clips(tiny_bundle, Ravdess(paired_folder).clips(), QUICK)
    scores = [item.log_probabilities[0][-4:] for item in predictions]
    for index, first in enumerate(scores):
        for second in scores[:index]:
            assert np.abs(first - second).max() > 1e-3


def test_people_do_not_share_a_baseline(tiny_bundle, paired_folder):
    clips = Ravdess(paired_folder).clips()
    strangers = [dataclasses.replace(clip, speaker=index) for index, clip in enumerate(clips)]
    options = dataclasses.replace(QUICK, protocols=("cold", "warm"), states=("audio+face",))
    (cold, warm), _ = predict_clips(tiny_bundle, strangers, options)
    np.testing.assert_array_equal(warm.log_probabilities[1], cold.log_probabilities[0])


def test_encoders_run_once_a_step(tiny_bundle, paired_folder):
    graphs = tiny_bundle.load_graphs()
    bundle = Bundle(tiny_bundle.manifest, loader=lambda threads: graphs)
    predict_clips(bundle, Ravdess(paired_folder).clips(), QUICK)
    assert graphs["audio"].calls == 8 * 7
    # Six images a clip lie in six of its seven steps; one image is black.
    assert graphs["face"].calls == 8 * 6 - 1


def test_clip_log_probabilities():
    logits = np.log([[0.5, 0.5], [0.8, 0.2]])
    mean = (1 * logits[0] + 3 * logits[1]) / 4
    np.testing.assert_allclose(clip_log_probabilities(logits + 7, [1, 3]), log_softmax(mean))
    np.testing.assert_allclose(np.exp(clip_log_probabilities(logits, [0, 5])), [0.8, 0.2])
    with pytest.raises(DataError, match="no step"):
        clip_log_probabilities(logits, [0, 0])


def test_chunks_end_where_the_step_ends(tiny_bundle, tmp_path, media):
    ramp = np.arange(1, 10801) / 16384
    clip = Clip("x", "happy", 5, audio=media["wav"](tmp_path / "a.wav", ramp))
    chunks = audio_chunks(clip, tiny_bundle.manifest)
    assert chunks.shape == (3, CHUNK)
    assert not chunks[0, :200].any()
    np.testing.assert_allclose(chunks[0, 200:], ramp[:4000], atol=1e-4)
    np.testing.assert_allclose(chunks[1], ramp[3800:8000], atol=1e-4)
    np.testing.assert_allclose(chunks[2, :3000], ramp[7800:], atol=1e-4)
    assert not chunks[2, 3000:].any()


def test_other_sample_rates_give_the_same_steps(tiny_bundle, tmp_path, media):
    for rate in (8000, 48000, 96000):
        tone = 0.3 * np.sin(2 * np.pi * 200 * np.arange(rate) / rate)
        clip = Clip("x", "happy", 5, audio=media["wav"](tmp_path / "a.wav", tone, rate))
        chunks = audio_chunks(clip, tiny_bundle.manifest)
        wanted = 0.3 * np.sin(2 * np.pi * 200 * np.arange(3800, 8000) / 16000)
        assert len(chunks) == 4
        np.testing.assert_allclose(chunks[1], wanted, atol=3e-3)


def test_track_box_undoes_the_margin(tiny_bundle):
    image = np.zeros((100, 100, 3), np.uint8)
    x, y, width, height = track_box(image, tiny_bundle.manifest.face, 0.6)
    assert width == pytest.approx(60 / 1.2)
    assert (x, y, height) == pytest.approx((25, 25, 50))


def test_last_image_of_a_step_counts_and_scale_chooses_the_region(tiny_bundle, tmp_path, media):
    audio = media["wav"](tmp_path / "a.wav", np.full(8000, 0.1))  # 2 steps
    images = []
    for index, level in enumerate((50, 100, 150, 200)):
        image = np.full((40, 40, 3), 10, np.uint8)
        image[10:30, 10:30] = level
        images.append(media["jpg"](tmp_path / f"f_{index:02d}.jpg", image))
    clip = Clip("x", "happy", 5, audio=audio, faces=tuple(images))
    crops = face_crops(clip, tiny_bundle.manifest, 2, 0.4)
    assert [round(float(crop.mean())) for crop in crops] == pytest.approx([100, 200], abs=3)
    assert face_crops(clip, tiny_bundle.manifest, 2, 1.0)[1].mean() < 80


class MiddleDetector:
    def detect(self, rgb):
        return [(16.0, 16.0, 32.0, 32.0, 1.0)] if rgb.mean() > 60 else []


def test_video_without_a_track_is_searched_for_faces(tiny_bundle, tmp_path, media):
    clip = Clip("x", "happy", 5, video=media["mp4"](tmp_path / "v.mp4", sound=False))
    engine = StepEngine(tiny_bundle)
    steps = encode_clip(clip, engine, detector=MiddleDetector()).steps
    # Brightness of frame k is 40 + 5 k: the last frames of the four steps are 6, 12, 18 and 24.
    assert [step.audio for step in steps] == [None] * 4
    levels = [float(step.face.mean() * 255) for step in steps]
    assert levels == pytest.approx([70, 100, 130, 160], abs=6)


def test_report(tiny_bundle, paired_folder):
    clips = Ravdess(paired_folder).clips()
    calls = []
    report = evaluate(tiny_bundle, clips, merge_labels(tiny_bundle.manifest.labels), QUICK, lambda *a: calls.append(a))
    assert len(report.results) == 9
    assert (report.clips, report.steps, report.speakers) == (8, 56, (5,))
    warm = report.result("audio+face", "warm")
    assert (warm.runs, warm.clips) == (2, 8)
    assert warm.support["neutral"] == 5  # four neutral and one calm
    assert warm.recall["angry"] is not None
    assert warm.recall["fearful"] is None
    assert np.sum(warm.confusion) == pytest.approx(8)
    enrolled = report.result("audio", "enrolled")
    assert (enrolled.clips, enrolled.support["neutral"]) == (4, 1)
    for result in report.results:
        assert 0 <= result.uar_interval.low <= result.uar_interval.high <= 1
    assert calls[0] == ("encoding clips", 0, 8)
    assert calls[-1] == ("fusing", 8 * 4 * 3, 8 * 4 * 3)
    assert from_json(EvaluationReport, json.loads(json.dumps(to_json(report)))) == report
    assert report == evaluate(tiny_bundle, clips, merge_labels(tiny_bundle.manifest.labels), QUICK)
    with pytest.raises(OptionError, match="was not evaluated"):
        report.result("audio", "none")


def test_summary_counts_by_hand():
    scores = np.log(np.array([[[0.8, 0.1, 0.1], [0.2, 0.7, 0.1]], [[0.8, 0.1, 0.1], [0.6, 0.3, 0.1]]]))
    predictions = ConditionPredictions("audio", "warm", ("a", "b"), scores, ())
    result = summarise(predictions, {"a": 0, "b": 1}, {"a": 5, "b": 5}, ("x", "y", "z"), QUICK)
    assert (result.war, result.uar) == (0.75, 0.75)
    assert result.recall == {"x": 1.0, "y": 0.5, "z": None}
    assert result.confusion == ((1.0, 0.0, 0.0), (0.5, 0.5, 0.0), (0.0, 0.0, 0.0))
    assert result.nll == pytest.approx(-np.log([0.8, 0.7, 0.8, 0.3]).mean())


def test_clip_without_a_face_is_skipped_and_named(tiny_bundle, paired_folder):
    clips = list(Ravdess(paired_folder).clips())
    clips[0] = dataclasses.replace(clips[0], faces=())
    options = dataclasses.replace(QUICK, protocols=("cold",))
    report = evaluate(tiny_bundle, clips, merge_labels(tiny_bundle.manifest.labels), options)
    assert report.result("face", "cold").skipped == (clips[0].id,)
    assert report.result("face", "cold").clips == 7
    assert report.result("audio", "cold").clips == 8
    with pytest.raises(DataError, match="no clip holds face"):
        evaluate(tiny_bundle, clips[:1], merge_labels(tiny_bundle.manifest.labels), options)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"states": ("text",)}, r"state 'text' is unknown; allowed: audio\+face, audio, face"),
        ({"protocols": ("hot",)}, "allowed: cold, warm, enrolled, none"),
        ({"protocols": ()}, "no protocol was given"),
        ({"track_scale": 0.0}, "above 0"),
        ({"track_scale": float("nan")}, "track_scale is nan; it must be above 0"),
        ({"track_scale": "1"}, "track_scale is '1'; it must be above 0"),
        ({"orders": 0}, "orders is 0; give a whole number of at least 1"),
        ({"orders": "x"}, "orders is 'x'"),
        ({"orders": 1.5}, "orders is 1.5"),
        ({"enrol_clips": 0}, "at least 1"),
        ({"resamples": 0}, "resamples is 0; give a whole number of at least 1"),
        ({"resamples": 1.5}, "resamples is 1.5"),
        ({"seed": -1}, "seed is -1; give a whole number from 0"),
        ({"seed": None}, "seed is None"),
        ({"states": None}, "states is None; give names in a tuple"),
        ({"states": "face"}, "states is 'face'; give names in a tuple"),
        ({"states": (5,)}, "states holds 5; give names in a tuple"),
        ({"protocols": ("cold", "cold")}, "protocols has the protocol 'cold' twice"),
        ({"threads": 0}, "threads is 0"),
        ({"runtime": 5}, "runtime is 5"),
        ({"runtime": "litert"}, "litert"),
    ],
)
def test_wrong_options_are_refused(tiny_bundle, paired_folder, change, message):
    clips = Ravdess(paired_folder).clips()
    with pytest.raises(OptionError, match=message):
        predict_clips(tiny_bundle, clips, dataclasses.replace(QUICK, **change))


def test_wrong_clips_are_refused(tiny_bundle, paired_folder, monkeypatch):
    clips = Ravdess(paired_folder).clips()
    with pytest.raises(DataError, match="no clips"):
        evaluate(tiny_bundle, (), {}, QUICK)
    with pytest.raises(DataError, match=rf"{clips[0].id} is labelled 'neutral'"):
        evaluate(tiny_bundle, clips, {"happy": "happy"}, QUICK)
    loud = [clip for clip in clips if clip.label not in ("neutral", "calm")]
    known = tiny_bundle.manifest.labels
    # Before any clip is read.
    monkeypatch.setattr("mer_sdk.evaluation.evaluate.predict_clips", None)
    with pytest.raises(DataError, match=r"without a clip labelled neutral, which enrolling needs: 5; choose"):
        evaluate(tiny_bundle, loud, merge_labels(known), QUICK)
    with pytest.raises(OptionError, match=r"enroled' is unknown; did you mean enrolled\?"):
        evaluate(tiny_bundle, clips, merge_labels(known), dataclasses.replace(QUICK, protocols=("enroled",)))


def test_real_paired_clips(tiny_bundle, shared_data):
    """Untrained graphs: what counts is that every real clip can be read, cut and scored."""
    clips = Ravdess(shared_data).clips(Selection(paired_only=True))
    options = dataclasses.replace(QUICK, orders=1)
    report = evaluate(tiny_bundle, clips, merge_labels(tiny_bundle.manifest.labels), options)
    seconds = [soundfile.info(clip.audio).duration for clip in clips]
    assert report.steps == sum(int(value * 4 + 0.5) for value in seconds)
    assert report.result("face", "cold").skipped == ()
    assert report.result("face", "warm").support["neutral"] == 12
    assert report.result("face", "enrolled").clips == 56


def test_evaluation_imports_neither_torch_nor_media_packages():
    code = (
        "import sys, mer_sdk.cli.evaluate; "
        "print([name for name in ('torch', 'cv2', 'av', 'soundfile', 'scipy') if name in sys.modules])"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"
