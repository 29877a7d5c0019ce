"""Golden inputs: synthetic, the same every time, cut from one continuous stream."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from mer_converters.pipeline.golden import golden_cases
from mer_converters.pipeline.synthetic_inputs import face_crops, synthetic_windows, voice_chunks
from mer_fusion.checkpoint import load_checkpoint
from mer_sdk.contract.golden import read_golden, save_golden
from mer_sdk.contract.manifest import AudioContract, Clock, FaceContract

ON = np.ones(16, np.float32)
HALF = (np.arange(16) >= 8).astype(np.float32)


def test_chunks_overlap_like_a_stream() -> None:
    pcm = voice_chunks(Clock(), AudioContract(chunk_samples=16200), 7, ON)
    crop = face_crops(FaceContract(crop_size=24), 7, ON)
    assert pcm.shape == (16, 16200)
    assert crop.shape == (16, 24, 24, 3)
    for step in range(1, 16):
        np.testing.assert_array_equal(pcm[step, :-4000], pcm[step - 1, 4000:])
    assert not pcm[0, :-4000].any()
    assert 0.05 < np.abs(pcm).max() <= 1.0
    assert crop.min() >= 0
    assert crop.max() <= 255
    assert crop.std() > 20
    np.testing.assert_array_equal(crop, np.round(crop))


def test_longer_chunks_hear_the_same_stream() -> None:
    short = voice_chunks(Clock(), AudioContract(chunk_samples=8200), 7, ON)
    long = voice_chunks(Clock(), AudioContract(chunk_samples=16200), 7, ON)
    np.testing.assert_array_equal(long[:, -8200:], short)


def test_larger_crops_show_the_same_face() -> None:
    small, large = (face_crops(FaceContract(crop_size=size), 7, ON) for size in (24, 48))
    halved = large.reshape(16, 24, 2, 24, 2, 3).mean(axis=(2, 4))
    assert np.abs(halved - small).mean() < 6


def test_missing_modalities_are_empty_and_masked() -> None:
    synthetic_inputs = {synthetic.name: synthetic for synthetic in synthetic_windows(16)}
    assert list(synthetic_inputs) == ["audio+face", "audio", "face", "half full", "audio, 20 dB quieter"]
    assert not synthetic_inputs["audio"].masks["face"].any()
    assert not synthetic_inputs["face"].masks["audio"].any()
    assert synthetic_inputs["half full"].masks["audio"].tolist() == HALF.tolist()
    pcm = voice_chunks(Clock(), AudioContract(), 7, HALF)
    assert not pcm[:8].any()
    assert not face_crops(FaceContract(), 7, HALF)[:8].any()
    assert pcm[8:].any(axis=1).all()
    # The stream began with step 8: no sound before it.
    assert not pcm[8, :-4000].any()


def test_cases_hold_what_the_network_says(student: Path, tmp_path: Path) -> None:
    checkpoint = load_checkpoint(student)
    network = checkpoint.network.prepare_for_export()
    cases, again = golden_cases(network, checkpoint.card), golden_cases(network, checkpoint.card)
    assert len(cases) == 5
    # The last case is the second's voice, 20 dB quieter.
    np.testing.assert_allclose(cases[4].given.raw["audio"], cases[1].given.raw["audio"] * 0.1, rtol=1e-6)
    np.testing.assert_allclose(cases[4].answer.features["audio"], cases[1].answer.features["audio"], atol=1e-4)
    np.testing.assert_allclose(cases[4].answer.logits, cases[1].answer.logits, atol=1e-4)
    save_golden(tmp_path / "a.npz", cases)
    save_golden(tmp_path / "b.npz", again)
    assert (tmp_path / "a.npz").read_bytes() == (tmp_path / "b.npz").read_bytes()
    for case, stored in zip(cases, read_golden(tmp_path / "a.npz"), strict=True):
        assert stored.answer.logits.dtype == np.float32
        np.testing.assert_array_equal(case.answer.logits, stored.answer.logits)
        with torch.no_grad():
            features = checkpoint.network.audio(torch.from_numpy(stored.given.raw["audio"])).numpy()
        features *= stored.given.masks["audio"][:, None]
        np.testing.assert_allclose(features, stored.answer.features["audio"], atol=1e-5)
    assert cases[1].answer.reliance == pytest.approx([1.0, 0.0], abs=1e-5)
    assert cases[2].answer.reliance == pytest.approx([0.0, 1.0], abs=1e-5)
    assert np.ptp([case.answer.logits for case in cases], axis=0).max() > 1e-3
