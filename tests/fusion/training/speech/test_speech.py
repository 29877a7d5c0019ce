"""Speech for training: the frames that are learned from are those that the device encodes."""

import numpy as np
import pytest
import torch
from speech_like import speech_set

from mer_fusion.encoders.audio import AudioEncoder, AudioEncoderConfig
from mer_fusion.training.episodes import (
    balanced_batches,
    episode_baselines,
    random_history_mask,
    running_baselines,
    speaker_batches,
)
from mer_fusion.training.feature_distance import feature_distance
from mer_fusion.training.held_out import HeldOut
from mer_fusion.training.speech.conditions import UNCHANGED, SoundConditions
from mer_fusion.training.speech.encoder import (
    AudioLearner,
    adjusted_priors,
    device_features,
    held_out_figures,
    present_features,
    soft_cross_entropy,
)
from mer_fusion.training.speech.spectra import device_chunks, joined, make_speech_set, training_windows
from mer_sdk.contract.manifest import BaselineContract
from mer_sdk.window.baseline import PersonalBaseline


def test_chunks_of_the_spectrogram_are_chunks_of_the_signal() -> None:
    wave = np.random.default_rng(1).standard_normal(16000).astype(np.float32) * 0.1
    speech = make_speech_set([wave], [0], [0], ["a"], {}, 2)
    encoder = AudioEncoder(AudioEncoderConfig(frames=40, channels=(8,), blocks=(1,), features=6)).eval()
    samples = encoder.config.chunk_samples
    padded = np.concatenate([np.zeros(samples, np.float32), wave])
    ends = [samples + 4000 * (step + 1) for step in range(4)]
    pcm = torch.from_numpy(np.stack([padded[end - samples : end] for end in ends]))
    chunks = device_chunks(speech, 0, 40)
    assert chunks.shape == (4, 40, 64)
    # Steps 3 and 4 lie wholly inside the signal; before it, one frame straddles the edge and may differ.
    assert (encoder.frontend(pcm)[2:] - chunks[2:]).abs().max() < 1e-4
    assert (device_features(encoder, speech)[0][2:] - encoder(pcm)[2:]).abs().max() < 1e-4


def test_clip_lengths_in_steps() -> None:
    waves = [np.zeros(n, np.float32) for n in (4000, 4200, 15999, 16000)]
    speech = make_speech_set(waves, [0] * 4, [0] * 4, list("abcd"), {}, 2)
    assert speech.steps().tolist() == [1, 2, 4, 4]


def test_training_windows_are_seeded_and_masked_before_the_clip() -> None:
    speech = speech_set(clips=6, seconds=2.0)
    rows = torch.arange(6)
    first = training_windows(speech, rows, 40, torch.Generator().manual_seed(3), SoundConditions())
    again = training_windows(speech, rows, 40, torch.Generator().manual_seed(3), SoundConditions())
    other = training_windows(speech, rows, 40, torch.Generator().manual_seed(4), SoundConditions())
    assert torch.equal(first[0], again[0])
    assert not torch.equal(first[0], other[0])
    chunks, mask, _ = first
    assert chunks.shape == (6, 16, 40, 64)
    assert torch.isfinite(chunks).all()
    held = mask.sum(dim=1)
    assert (held >= 4).all()
    assert (held <= 11).all()  # a clip of 2 s has 8 steps; stretching can make them 10, and one more begins
    assert all(torch.equal(row, row.sort().values) for row in mask)  # missing steps come first


def test_without_augmentation_a_window_is_the_clip() -> None:
    speech = speech_set(clips=2, seconds=5.0)
    chunks, mask, speaks = training_windows(speech, torch.arange(2), 40, torch.Generator().manual_seed(0), UNCHANGED)
    assert speaks.all()
    assert (mask.sum(dim=1) >= 13).all()  # 65 % of 20 steps, the earliest end of a window
    tone = device_chunks(speech, 0, 40)[10].mean(dim=0).argmax()
    assert abs(int(chunks[0, -1].mean(dim=0).argmax()) - int(tone)) <= 1


def test_corpora_are_joined_with_their_classes_and_speakers_apart() -> None:
    wave = np.random.default_rng(1).standard_normal(8000).astype(np.float32) * 0.1
    one = make_speech_set([wave] * 3, [0, 1, 1], [7, 7, 9], list("abc"), {}, 3)
    other = make_speech_set([np.tile(wave, 2)] * 2, [2, 2], [1, 2], list("de"), {}, 3)
    both = joined([one, other])
    assert both.corpora.tolist() == [0, 0, 0, 1, 1]
    assert both.speakers.tolist() == [7, 7, 9, 11, 12]
    assert both.shares.tolist() == [[pytest.approx(1 / 3), pytest.approx(2 / 3), 0], [0, 0, 1]]
    assert both.steps().tolist() == [2, 2, 2, 4, 4]
    assert torch.equal(device_chunks(both, 1, 40), device_chunks(one, 1, 40))
    # A class of the corpus stays one of it where a subset has no clip of it.
    assert torch.equal(both.subset(both.labels == 1).shares, both.shares)


def test_balanced_batches_take_corpora_by_their_shares() -> None:
    speakers, corpora = torch.arange(200) // 20, (torch.arange(200) >= 180).long()
    batches = balanced_batches(speakers, corpora, (0.5, 0.5), 4, 5, torch.Generator().manual_seed(0))
    assert len(batches) == 10
    from_second = torch.cat([corpora[batch] for batch in batches]).float().mean()
    assert 0.3 < float(from_second) < 0.7  # of 180 clips and 20
    for batch in batches:
        assert len(batch) == 20
        for speaker in torch.unique(speakers[batch]):
            assert (speakers[batch] == speaker).sum() % 5 == 0


def test_classes_that_a_corpus_lacks_are_not_taught() -> None:
    shares = torch.tensor([[0.5, 0.25, 0.25], [0.5, 0.5, 0.0]])
    priors = adjusted_priors(shares, 1.0)
    logits = torch.zeros(2, 3, requires_grad=True)
    targets = torch.tensor([[1.0, 0, 0], [1.0, 0, 0]])
    soft_cross_entropy(logits + priors, targets, priors, 0.1).sum().backward()
    assert float(logits.grad[0, 2]) > 0.1
    assert float(logits.grad[1, 2]) == 0.0
    # Logits that follow the frequencies are adjusted away: with equal logits the loss is that of the frequencies.
    loss = soft_cross_entropy(torch.zeros(2, 3) + priors, targets, priors, 0.0)
    assert loss.tolist() == [pytest.approx(np.log(2), abs=1e-5)] * 2


def test_missing_steps_are_not_encoded() -> None:
    torch.manual_seed(0)
    encoder = AudioEncoder(AudioEncoderConfig(frames=40, channels=(8,), blocks=(1,), features=6)).eval()
    chunks, mask = torch.randn(2, 3, 40, 64), torch.tensor([[0.0, 1, 1], [1, 1, 1]])
    found = present_features(encoder, chunks, mask)
    assert (found[0, 0] == 0).all()
    assert torch.allclose(found[1], encoder.encode(chunks[1]), atol=1e-5)


def test_batches_hold_few_speakers_and_no_clip_twice() -> None:
    speakers = torch.arange(60) // 15
    batches = speaker_batches(speakers, 2, 5, torch.Generator().manual_seed(0))
    assert len(batches) == 6
    for batch in batches:
        assert len(batch) == 10
        assert len(torch.unique(speakers[batch])) <= 2
    seen = torch.cat(batches)
    assert len(torch.unique(seen)) == len(seen)


def test_episode_baseline_is_the_devices_running_baseline() -> None:
    generator = torch.Generator().manual_seed(0)
    features = torch.randn(4, 16, 3, generator=generator)
    mask = (torch.rand(4, 16, generator=generator) < 0.7).float()
    speakers = torch.tensor([0, 0, 0, 1])
    population = torch.tensor([0.5, -0.5, 1.0])
    history_mask = torch.ones(4, 4)
    got = episode_baselines(features, mask, speakers, population, history_mask, prior=20.0)
    device = PersonalBaseline(BaselineContract(20.0, {"audio": tuple(population.tolist())}))
    for clip in (1, 2):
        device.observe("audio", features[clip][mask[clip] > 0].numpy())
    assert np.allclose(got[0].numpy(), device.mean("audio"), atol=1e-5)
    assert torch.allclose(got[3], population, atol=1e-6)  # nobody else's clips count
    cold = episode_baselines(features, mask, speakers, population, torch.zeros(4, 4), prior=20.0)
    assert torch.allclose(cold, population.expand(4, 3), atol=1e-6)


def test_running_baselines_follow_the_order() -> None:
    sums, counts = torch.tensor([[2.0], [4.0], [6.0]]), torch.tensor([1.0, 1.0, 1.0])
    got = running_baselines(sums, counts, torch.tensor([2, 0, 1]), torch.tensor([0.0]), prior=1.0)
    assert got[:, 0].tolist() == pytest.approx([3.0, 8.0 / 3.0, 0.0])


def test_histories_go_from_cold_to_warm() -> None:
    history_mask = random_history_mask(400, torch.Generator().manual_seed(0))
    share = history_mask.mean(dim=1)
    assert 0.2 < float((share == 0).float().mean()) < 0.5
    assert share.max() > 0.9


def test_feature_distance_is_relative_and_masked() -> None:
    wanted = torch.randn(2, 5, 3, generator=torch.Generator().manual_seed(0))
    mask = torch.ones(2, 5)
    mask[:, 3:] = 0
    assert float(feature_distance(wanted, wanted, mask)) == 0.0
    spoiled = wanted.clone()
    spoiled[:, 3:] += 100
    assert float(feature_distance(spoiled, wanted, mask)) == 0.0
    mean = (wanted * mask[..., None]).sum(dim=(0, 1)) / mask.sum()
    assert float(feature_distance(mean.expand_as(wanted), wanted, mask)) == pytest.approx(1.0, abs=1e-5)


def test_held_out_figures_of_an_untrained_learner_are_near_chance() -> None:
    torch.manual_seed(0)
    learner = AudioLearner(AudioEncoderConfig(frames=40, channels=(8,), blocks=(1,), features=6), 3)
    got = held_out_figures(learner, speech_set(clips=24))
    assert isinstance(got, HeldOut)
    assert 0.0 <= got.cold <= 0.8
    assert torch.allclose(got.confusion.sum(dim=1), torch.ones(3))
    assert (got.confusion > 0).all()
