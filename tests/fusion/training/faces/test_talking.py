"""Faces that talk: blending, changes by person, and an encoder that learns through the personal baseline."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from pairs_files import write_pairs
from speech_like import face_set, speech_set, talking_faces

from mer_fusion.encoders.face import FaceEncoder, FaceEncoderConfig
from mer_fusion.training.faces.encoder import still_figures
from mer_fusion.training.faces.talking import TalkingLearner, TalkingLoss, TalkingTask, talking_figures
from mer_fusion.training.faces.talking_sets import (
    TalkingDraws,
    TalkingFaces,
    TalkingOptions,
    changed,
    read_talking_faces,
)
from mer_fusion.training.loop import LoopOptions, fit
from mer_sdk.errors import DataError
from mer_sdk.evaluation.datasets import Clip, RavdessPairs

SMALL = FaceEncoderConfig(stem=8, channels=(8, 12), blocks=(1, 1), separable=False, features=8)
OPTIONS = TalkingOptions(people=2, takes=4, images=2)


def flat(value: int, person: int, label: int, count: int = 2) -> TalkingFaces:
    """One take of a person, all pixels of one value."""
    images = torch.full((count, 8, 8), value, dtype=torch.uint8)
    one = torch.tensor([0])
    return TalkingFaces(
        images, torch.arange(count) * 0.5, one, torch.tensor([count]), torch.tensor([label]), torch.tensor([1]),
        torch.tensor([person]), (f"{person}-{label}",),
    )  # fmt: skip


def joined(parts: list[TalkingFaces]) -> TalkingFaces:
    count = torch.cat([part.count for part in parts])
    return TalkingFaces(
        torch.cat([part.images for part in parts]),
        torch.cat([part.times for part in parts]),
        torch.cumsum(count, 0) - count,
        count,
        torch.cat([part.labels for part in parts]),
        torch.cat([part.intensities for part in parts]),
        torch.cat([part.speakers for part in parts]),
        tuple(name for part in parts for name in part.names),
    )


def test_blends_are_of_two_people_and_one_label() -> None:
    faces = joined([flat(0, 1, 0), flat(100, 1, 1), flat(40, 2, 0, 3), flat(240, 2, 1)])
    draws = TalkingDraws(faces, replace(OPTIONS, people=1, takes=2, blend=1.0))
    seen = set()
    for seed in range(20):
        images = draws.images(torch.tensor([0, 1]), torch.Generator().manual_seed(seed)) * 255
        first, second = images[0].mean(), images[1].mean()
        share = 1 - first / 40  # of person 1, between a half and one
        assert 0.5 <= float(share) <= 1.0
        torch.testing.assert_close(second, 100 * share + 240 * (1 - share))
        seen.add(round(float(share), 3))
    assert len(seen) > 10
    plain = TalkingDraws(faces, replace(OPTIONS, people=1, takes=2, blend=0.0))
    assert plain.images(torch.tensor([0, 1]), torch.Generator()).mul(255).mean(dim=(1, 2, 3)).tolist() == [0.0, 100.0]


def test_images_are_spread_over_their_take() -> None:
    take = flat(0, 1, 0, 6)
    images = torch.arange(6, dtype=torch.uint8).reshape(6, 1, 1).expand(-1, 8, 8).contiguous()
    draws = TalkingDraws(replace(take, images=images), replace(OPTIONS, people=1, takes=1, images=3, blend=0.0))
    for seed in range(10):
        found = (
            (draws.images(torch.tensor([0]), torch.Generator().manual_seed(seed)) * 255).round()[0, :, 0, 0].tolist()
        )
        assert found[0] in (0, 1)
        assert found[1] in (2, 3)
        assert found[2] in (4, 5)


def test_changes_are_those_of_the_person() -> None:
    coarse = torch.rand(1, 1, 4, 4, generator=torch.Generator().manual_seed(1))
    face = torch.nn.functional.interpolate(coarse, (64, 64), mode="bicubic")[0, 0].clamp(0, 1)
    images = face.expand(8, -1, -1)
    take, person = torch.arange(8) // 2, torch.arange(8) // 4
    still = replace(OPTIONS, take_zoom=0, image_zoom=0, rotation_degrees=0, shift=0, erased=0)
    got = changed(images, take, person, 48, still, torch.Generator().manual_seed(0))
    assert got.shape == (8, 48, 48)
    assert torch.isfinite(got).all()
    within = (got[0] - got[3]).abs().mean()
    between = (got[0] - got[4]).abs().mean()
    assert float(between) > 1.5 * float(within)


def test_crops_are_read_as_means_and_not_as_skipped_pixels() -> None:
    fine = torch.zeros(1, 80, 80)
    fine[:, ::2] = 1.0  # stripes of one pixel, which nothing of half the size can show
    still = replace(
        OPTIONS, zoom=(1.0, 1.0), take_zoom=0.0, image_zoom=0.0, rotation_degrees=0.0, shift=0.0, erased=0.0
    )
    place = torch.zeros(1, dtype=torch.long)
    small = changed(fine, place, place, 40, still, torch.Generator().manual_seed(3))[0, 8:-8, 8:-8]
    rows = small.mean(dim=1)
    assert float(rows.diff().abs().max()) < 0.15


def test_stills_of_another_size_are_learned_at_the_encoders_own(tmp_path: Path) -> None:
    torch.manual_seed(0)
    stills = face_set(48)
    encoder = FaceEncoder(replace(SMALL, size=32))
    learner = TalkingLearner(encoder, 3)
    task = TalkingTask(learner, talking_faces(speech_set(clips=48)), None, stills, OPTIONS, TalkingLoss(stills=8))
    seen: list[torch.Size] = []
    encode = encoder.encode
    encoder.encode = lambda grey: (seen.append(grey.shape), encode(grey))[1]  # type: ignore[method-assign]
    fit(task, LoopOptions(epochs=1, precision="no", threads=1), tmp_path, quiet=True)
    assert seen
    assert {shape[1:] for shape in seen} == {torch.Size((32, 32))}
    seen.clear()
    assert 0.0 <= still_figures(learner.on_stills(), stills)["uar"] <= 1.0
    assert {shape[1:] for shape in seen} == {torch.Size((32, 32))}


def test_subsets_keep_their_images() -> None:
    faces = joined([flat(10, 1, 0, 1), flat(20, 1, 1, 3), flat(30, 2, 0, 2)])
    part = faces.rows(torch.tensor([2, 1]))
    assert part.names == ("2-0", "1-1")
    assert part.images[:, 0, 0].tolist() == [30, 30, 20, 20, 20]
    assert (part.first.tolist(), part.count.tolist()) == ([0, 2], [2, 3])
    assert faces.subset(faces.speakers == 1).names == ("1-0", "1-1")


def test_tracks_become_takes(tmp_path: Path) -> None:
    clips = RavdessPairs(write_pairs(tmp_path)).clips()
    faces = read_talking_faces(clips, [1, 2], size=16)
    assert faces.images.shape == (4, 16, 16)
    assert faces.labels.tolist() == [1, 2]
    assert faces.names == tuple(clip.id for clip in clips)
    assert faces.times.tolist() == pytest.approx([9 / 29.97, 39 / 29.97] * 2, abs=1e-4)
    with pytest.raises(DataError, match="none of the 1 clips has a face"):
        read_talking_faces([Clip("x", "happy", 1)], [0])


@pytest.mark.slow
def test_an_encoder_learns_faces_that_differ_from_their_person(tmp_path: Path) -> None:
    torch.manual_seed(0)
    speech = speech_set(clips=48)
    faces = talking_faces(speech)
    learner = TalkingLearner(FaceEncoder(SMALL), 3)
    small = torch.nn.functional.interpolate(faces.images[:, None].float(), (48, 48))[:, 0].to(torch.uint8)
    seen = replace(faces, images=small)
    task = TalkingTask(learner, faces, seen, face_set(), OPTIONS, TalkingLoss(stills=16))
    loop = LoopOptions(epochs=12, precision="no", threads=1, average=0.9, learning_rate=5e-3)
    fit(task, loop, tmp_path, quiet=True)
    figures = talking_figures(learner, seen)
    assert figures.cold > 0.8
    assert figures.warm > 0.8
