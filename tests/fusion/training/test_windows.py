"""Windows of real takes: what is drawn, what both pairs of encoders see, and how features are kept."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from speech_like import sources
from torch import Tensor

from mer_fusion.encoders.audio import AudioEncoder, AudioEncoderConfig
from mer_fusion.encoders.face import FaceEncoder, FaceEncoderConfig
from mer_fusion.training.fusion.data import Sources
from mer_fusion.training.fusion.feature_cache import STEPS, CacheOptions, feature_cache
from mer_fusion.training.fusion.windows import (
    WINDOW_STEPS,
    FeatureCache,
    WindowOptions,
    WindowSampler,
    cut_windows,
    window_inputs,
)
from mer_fusion.training.speech.encoder import device_features
from mer_fusion.training.speech.spectra import SpeechSet

CLASSES = 3
OPTIONS = WindowOptions(people=2, takes=4, noise=0.0)


def cache(width: int = 2, paired: int = 24, alone: int = 8, copies: int = 2) -> FeatureCache:
    """Features that say where they come from: take, copy and step (or image) in one number."""
    count, steps, images = paired + alone, 20, 6
    take = torch.arange(count).reshape(-1, 1, 1, 1).float()
    copy = torch.arange(copies).reshape(1, -1, 1, 1).float()
    audio = take * 1000 + copy * 100 + torch.arange(steps).reshape(1, 1, -1, 1)
    face = take[:paired] * 1000 + copy * 100 + torch.arange(images).reshape(1, 1, -1, 1)
    mask = (torch.arange(steps)[None] < torch.tensor([12 + i % 8 for i in range(count)])[:, None]).float()
    at = torch.full((paired, steps), -1)
    at[:, 1:12:2] = torch.arange(images)
    near = (torch.arange(steps) // 2).clamp(max=images - 1).expand(paired, -1)
    labels = torch.arange(count) % CLASSES
    speakers = torch.cat([torch.arange(paired) // 8, 100 + torch.arange(alone) // 4])
    return FeatureCache(
        audio.expand(-1, -1, -1, width).contiguous(),
        mask,
        face.expand(-1, -1, -1, width).contiguous(),
        at,
        near,
        labels,
        torch.eye(CLASSES)[labels],
        torch.zeros(count, CLASSES),
        speakers,
        torch.zeros(width),
        torch.zeros(width),
        torch.ones(width),
        torch.ones(width),
        count,
    )


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def batches(options: WindowOptions, kept: FeatureCache | None = None) -> list[dict[str, Tensor]]:
    kept = kept or cache()
    sampler, drawn = WindowSampler(kept, options), generator()
    return [sampler.build(sampler.sample(rows, drawn), kept) for rows in sampler.batches(drawn)]


def test_a_window_ends_with_its_step_and_is_empty_before_the_take() -> None:
    features = torch.arange(20).float().reshape(1, 20, 1).expand(2, -1, -1)
    window, mask = cut_windows(features, torch.ones(2, 20), torch.tensor([3, 19]))
    assert window.shape == (2, WINDOW_STEPS, 1)
    assert window[0, -4:, 0].tolist() == [0, 1, 2, 3]
    assert mask[0].tolist() == [0.0] * 12 + [1.0] * 4
    assert window[1, :, 0].tolist() == list(range(4, 20))
    assert mask[1].min() == 1.0


def test_faces_paired_by_label_are_of_another_take_of_the_person_with_the_label() -> None:
    kept = cache()
    options = replace(OPTIONS, mismatch=0.0, paired_by_label=0.5)
    sampler, drawn = WindowSampler(kept, options), generator()
    sampled = [sampler.sample(rows, drawn) for rows in sampler.batches(drawn)]
    others = 0
    for one in sampled:
        assert torch.equal(one.audio_rows, one.rows)
        seen = one.rows < kept.paired
        assert torch.equal(kept.labels[one.face_rows[seen]], kept.labels[one.rows[seen]])
        assert torch.equal(kept.speakers[one.face_rows[seen]], kept.speakers[one.rows[seen]])
        others += int((one.face_rows[seen] != one.rows[seen]).sum())
    assert others > 0


def test_sound_and_face_are_of_one_take_and_one_moment() -> None:
    options = replace(OPTIONS, mismatch=0.0, full_rate=0.0, face_gaps=0.0, audio_alone=0, face_alone=0)
    for batch in batches(replace(options, prior_steps=1e9)):
        audio, face, audio_mask, face_mask = window_inputs(batch)
        both = (audio_mask * face_mask) > 0
        assert both.any(dim=1).sum() == (face_mask.amax(dim=1) > 0).sum()
        take_heard, take_seen = audio[..., 0].round() // 1000, face[..., 0].round() // 1000
        assert torch.equal(take_heard[both], take_seen[both])
        step, image = audio[..., 0].round() % 100, face[..., 0].round() % 100
        assert torch.equal(step[both], image[both] * 2 + 1)  # image i lies in step 2 i + 1


def test_takes_without_faces_are_heard_alone_and_learn_what_they_say() -> None:
    found = batches(replace(OPTIONS, face_alone=0.9, audio_alone=0.0))
    alone = [batch["face_mask"].amax(dim=1) == 0 for batch in found]
    assert sum(int(rows.sum()) for rows in alone) == 8
    for batch, rows in zip(found, alone, strict=True):
        assert (batch["audio_mask"][rows].amax(dim=1) == 1).all()


def test_modalities_and_faces_go_missing_in_the_shares_asked_for() -> None:
    kept = cache(paired=240, alone=0)
    found = batches(replace(OPTIONS, audio_alone=0.3, face_alone=0.2, face_gaps=0.0, full_rate=1.0), kept)
    heard = torch.cat([batch["audio_mask"].amax(dim=1) for batch in found])
    seen = torch.cat([batch["face_mask"].amax(dim=1) for batch in found])
    assert 0.12 < float((heard == 0).float().mean()) < 0.28
    assert 0.22 < float((seen == 0).float().mean()) < 0.38
    assert float((heard + seen).min()) == 1.0
    full = torch.cat([batch["face_mask"] for batch in found])
    sound = torch.cat([batch["audio_mask"] for batch in found])
    both = (heard > 0) & (seen > 0)
    assert torch.equal(full[both], sound[both])


def test_a_mismatch_is_another_take_of_the_same_person() -> None:
    kept = cache()
    sampler = WindowSampler(kept, replace(OPTIONS, mismatch=1.0))
    drawn, swapped = generator(3), 0
    for rows in sampler.batches(drawn):
        sampled = sampler.sample(rows, drawn)
        seen = rows < kept.paired
        for found, mine in ((sampled.audio_rows, rows), (sampled.face_rows[seen], rows[seen])):
            assert torch.equal(kept.speakers[found], kept.speakers[mine])
            swapped += int((kept.labels[found] != kept.labels[mine]).sum())
        assert torch.equal(sampled.audio_rows[~seen], rows[~seen])
        # One microphone and one camera for all takes of a person.
        for person in range(OPTIONS.people):
            mine = sampled.people == person
            assert len(set(sampled.audio_copies[mine].tolist())) == 1
    assert swapped > 12


def test_both_pairs_of_encoders_see_one_scene() -> None:
    small, large = cache(width=2), cache(width=3)
    sampler, drawn = WindowSampler(small, OPTIONS), generator()
    sampled = sampler.sample(sampler.batches(drawn)[0], drawn)
    one, other = sampler.build(sampled, small), sampler.build(sampled, large)
    for name in ("audio_mask", "face_mask", "labels"):
        assert torch.equal(one[name], other[name])
    torch.testing.assert_close(one["audio"][..., 0], other["audio"][..., 0])
    torch.testing.assert_close(one["face"][..., 1], other["face"][..., 1])


def some_encoders() -> tuple[AudioEncoder, FaceEncoder]:
    torch.manual_seed(0)
    audio = AudioEncoder(AudioEncoderConfig(frames=40, stem=4, channels=(4,), blocks=(1,), features=4))
    return audio.eval(), FaceEncoder(FaceEncoderConfig(stem=4, channels=(4,), blocks=(1,), features=4)).eval()


@pytest.fixture(scope="module")
def kept() -> FeatureCache:
    data = sources(CLASSES)
    corpus = renamed(data.speech)
    return feature_cache(
        *some_encoders(),
        replace(data, corpora=(corpus,)),
        CacheOptions(copies=2, speech_takes=24, speaker_takes=6, noise_speakers=1),
        torch.device("cpu"),
    )


def renamed(speech: SpeechSet) -> SpeechSet:
    """The takes as a corpus of its own, which lacks the last label."""
    shares = torch.tensor([[0.5, 0.5, 0.0]])
    part = speech.subset(speech.labels < 2)
    return replace(part, names=tuple(f"other-{name}" for name in part.names), shares=shares)


def test_the_first_copy_is_what_the_device_encodes(kept: FeatureCache) -> None:
    data = sources(CLASSES)
    assert kept.paired == len(data.talking) == 48
    features = device_features(some_encoders()[0], data.speech)
    for row in (0, 17, 47):
        steps = int(kept.audio_mask[row].sum())
        assert steps == min(len(features[row]), STEPS)
        torch.testing.assert_close(kept.audio[row, 0, :steps], features[row][:steps], atol=1e-5, rtol=1e-5)
        assert float(kept.audio[row, 0, steps:].abs().max()) == 0.0
    assert not torch.allclose(kept.audio[:, 0], kept.audio[:, 1])
    # Images at 0.3, 0.9 and 1.5 s lie in the second, fourth and seventh step.
    assert [step for step, image in enumerate(kept.face_at[0].tolist()) if image >= 0] == [1, 3, 6]
    assert kept.face_near[0, :4].tolist() == [0, 0, 1, 1]


def test_corpora_and_noise_say_what_they_know(kept: FeatureCache) -> None:
    first, corpus, noise = slice(0, 48), slice(48, 72), slice(72, 78)
    assert (len(kept), kept.ravdess) == (78, 48)
    assert (kept.priors[first] > -1e3).all()
    assert (kept.priors[corpus, 2] < -1e3).all()
    assert torch.equal(kept.targets[noise], torch.full((6, CLASSES), 1 / CLASSES))
    groups = [set(kept.speakers[part].tolist()) for part in (first, corpus, noise)]
    assert not groups[0] & groups[1]
    assert not groups[1] & groups[2]


def test_one_seed_gives_one_cache_and_one_batch(kept: FeatureCache) -> None:
    one, other = (batches(OPTIONS, kept) for _ in range(2))
    for first, second in zip(one, other, strict=True):
        for name, value in first.items():
            assert torch.equal(value, second[name]), name


def test_what_was_kept_is_of_the_same_sound_and_images(tmp_path: Path) -> None:
    encoders, data = some_encoders(), sources(CLASSES)
    options = CacheOptions(copies=1, speech_takes=6, speaker_takes=6, noise_speakers=1)

    def made_anew(of: Sources) -> list[str]:
        before = set(tmp_path.iterdir())
        feature_cache(*encoders, of, options, torch.device("cpu"), tmp_path)
        return sorted(path.name.split("-")[0] for path in set(tmp_path.iterdir()) - before)

    assert made_anew(data) == ["audio", "face"]
    assert made_anew(data) == []
    assert made_anew(replace(data, talking=replace(data.talking, images=data.talking.images[:, 1:, 1:]))) == ["face"]
    assert made_anew(replace(data, speech=replace(data.speech, mel=data.speech.mel + 0.5))) == ["audio"]
    assert made_anew(replace(data, speech=replace(data.speech, targets=data.speech.targets.flip(1)))) == ["audio"]
