"""Golden inputs: synthetic, the same every time, cut from one continuous stream."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from mer_converters.golden import CASE_NAMES, golden_cases, load_golden, save_golden, scene_inputs, scenes
from mer_fusion.checkpoint import load_checkpoint
from mer_sdk.manifest import AudioContract, Clock, FaceContract


def test_chunks_overlap_like_a_stream() -> None:
    clock, audio, face = Clock(), AudioContract(chunk_samples=16200), FaceContract(crop_size=24)
    pcm, crop = scene_inputs(scenes(16)[0], clock, audio, face)
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
    scene = scenes(16)[0]
    short, _ = scene_inputs(scene, Clock(), AudioContract(chunk_samples=8200), FaceContract())
    long, _ = scene_inputs(scene, Clock(), AudioContract(chunk_samples=16200), FaceContract())
    np.testing.assert_array_equal(long[:, -8200:], short)


def test_larger_crops_show_the_same_face() -> None:
    scene = scenes(16)[0]
    small = scene_inputs(scene, Clock(), AudioContract(), FaceContract(crop_size=24))[1]
    large = scene_inputs(scene, Clock(), AudioContract(), FaceContract(crop_size=48))[1]
    halved = large.reshape(16, 24, 2, 24, 2, 3).mean(axis=(2, 4))
    assert np.abs(halved - small).mean() < 6


def test_missing_modalities_are_empty_and_masked() -> None:
    cases = dict(zip(CASE_NAMES, scenes(16), strict=True))
    assert not cases["audio"].face_mask.any()
    assert not cases["face"].audio_mask.any()
    assert cases["half full"].audio_mask.tolist() == [0.0] * 8 + [1.0] * 8
    pcm, crop = scene_inputs(cases["half full"], Clock(), AudioContract(), FaceContract())
    assert not pcm[:8].any()
    assert not crop[:8].any()
    assert pcm[8:].any(axis=1).all()
    # The stream began with step 8: no sound before it.
    assert not pcm[8, :-4000].any()


def test_cases_hold_what_the_network_says(student: Path, tmp_path: Path) -> None:
    checkpoint = load_checkpoint(student)
    card = checkpoint.card
    network = checkpoint.network.prepare_for_export()
    cases = golden_cases(network, card.clock, card.audio, card.face, card.baseline)
    again = golden_cases(network, card.clock, card.audio, card.face, card.baseline)
    assert len(cases) == len(CASE_NAMES)
    save_golden(tmp_path / "a.npz", cases)
    save_golden(tmp_path / "b.npz", again)
    assert (tmp_path / "a.npz").read_bytes() == (tmp_path / "b.npz").read_bytes()
    loaded = load_golden(tmp_path / "a.npz")
    for case, stored in zip(cases, loaded, strict=True):
        assert stored.logits.dtype == np.float32
        np.testing.assert_array_equal(case.logits, stored.logits)
        with torch.no_grad():
            features = checkpoint.network.audio(torch.from_numpy(stored.pcm)).numpy()
        np.testing.assert_allclose(features, stored.audio_features, atol=1e-5)
    assert cases[1].reliance == pytest.approx([1.0, 0.0], abs=1e-5)
    assert cases[2].reliance == pytest.approx([0.0, 1.0], abs=1e-5)
    assert np.ptp([case.logits for case in cases], axis=0).max() > 1e-3
