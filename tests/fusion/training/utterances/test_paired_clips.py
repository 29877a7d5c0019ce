"""P1's data: takes joined with action units and published scores, folds kept apart, student windows."""

from __future__ import annotations

import numpy as np
import pytest
import soundfile
import torch

from mer_fusion.checkpoint import load_checkpoint, save_checkpoint
from mer_fusion.encoders.audio import AudioEncoder, AudioEncoderConfig
from mer_fusion.torch_bundle import graph_specs
from mer_fusion.training.loop import LoopOptions
from mer_fusion.training.speech.encoder import AudioOptions, device_features
from mer_fusion.training.utterances.networks import MODELS, DialogueOfOne, fusion_objective
from mer_fusion.training.utterances.paired_clips import FOLDS, read_paired, read_paired_speech, train_fold_encoder
from mer_fusion.training.utterances.students import COPIES, device_table, student_card, student_network, student_table
from mer_fusion.training.utterances.table import population_means
from mer_fusion.training.utterances.task import log_probabilities
from mer_sdk.errors import DataError, OptionError
from mer_sdk.evaluation.datasets import Ravdess
from mer_sdk.evaluation.datasets.action_units import COLUMNS

ACTORS = {2: 0, 14: 0, 3: 1, 6: 1, 10: 2, 11: 2, 8: 3, 17: 3}  # actor -> fold
SMALL = AudioEncoderConfig(frames=40, stem=4, channels=(4, 8), blocks=(1, 1), features=6)


def takes():
    for actor in ACTORS:
        for emotion in (1, 3, 5, 7):
            for repetition in (1, 2):
                yield f"01-{emotion:02d}-01-01-{repetition:02d}-{actor:02d}", emotion, actor


def write_scores(folder, kind, fold, split, scale):
    rows = [";".join([f"embs{i}" for i in range(8)] + ["name"])]
    for code, emotion, actor in takes():
        if (ACTORS[actor] == fold) == (split == "test"):
            if kind == "wav2vec":
                values = [scale * (place == emotion % 8) for place in range(8)]
            else:
                values = [0.3 if place == emotion - 1 else 0.1 for place in range(8)]
            rows.append(";".join(map(str, values)) + f";01-{code}")
    (folder / f"{kind}_fold{fold}_{split}.csv").write_text("\n".join(rows) + "\n")


@pytest.fixture(scope="module")
def ravdess(tmp_path_factory):
    """Eight speakers of four folds: short tones, action units that say the take's place, scores of each fold."""
    folder = tmp_path_factory.mktemp("ravdess")
    lines = [";".join((*COLUMNS, "name"))]
    for number, (code, emotion, actor) in enumerate(takes()):
        times = np.arange(16000) / 16000
        wave = 0.2 * np.sin(2 * np.pi * (100 + 10 * actor + 40 * emotion) * times)
        soundfile.write(folder / f"03-{code}.wav", wave.astype(np.float32), 16000)
        lines.append(";".join([f"{number / 100:.2f}", *["0.25"] * 34, f"01-{code}"]))
    (folder / "action_units.csv").write_text("\n".join(lines) + "\n")
    for kind in ("wav2vec", "auMLP"):
        for fold in FOLDS:
            write_scores(folder, kind, fold, "train", 5.0 + fold)
            write_scores(folder, kind, fold, "test", -3.0 - fold)
    return Ravdess(folder)


@pytest.fixture(scope="module")
def encoded(ravdess, tmp_path_factory):
    """The takes, their speech, an untrained encoder and the table that it gives."""
    paired = read_paired(ravdess)
    speech = read_paired_speech(ravdess, paired)
    torch.manual_seed(0)
    encoder = AudioEncoder(SMALL).eval()
    return paired, speech, encoder, student_table(encoder, speech, paired, tmp_path_factory.mktemp("sound"))


def test_takes_are_joined_by_their_code(ravdess):
    paired = read_paired(ravdess)
    place = {code: number for number, (code, _, _) in enumerate(takes())}
    assert len(paired) == len(place)
    np.testing.assert_allclose(paired.action_units[:, 0], [place[code] / 100 for code in paired.codes], atol=1e-6)
    assert paired.folds.tolist() == [ACTORS[actor] for actor in paired.speakers]
    assert paired.labels.tolist() == [int(code[3:5]) - 1 for code in paired.codes]


def test_scores_of_a_fold_are_its_own_test_scores_there_and_training_scores_elsewhere(ravdess):
    paired = read_paired(ravdess)
    for fold in FOLDS:
        voice = paired.scores_without(fold).voice
        spread = voice.max(axis=1) - voice.min(axis=1)
        expected = np.where(paired.folds == fold, 3.0 + fold, 5.0 + fold)
        np.testing.assert_allclose(spread, expected, atol=1e-5)
    with pytest.raises(OptionError, match="fold 4 is unknown; allowed are 0, 1, 2, 3"):
        paired.scores_without(4)


def test_takes_without_action_units_or_scores_are_named(ravdess, tmp_path):
    for file in ravdess.folder.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    scores = tmp_path / "wav2vec_fold1_test.csv"
    scores.write_text("\n".join(scores.read_text().splitlines()[:-1]) + "\n")
    with pytest.raises(DataError, match="1 takes have no wav2vec scores of fold 1"):
        read_paired(Ravdess(tmp_path))
    units = tmp_path / "action_units.csv"
    units.write_text("\n".join(units.read_text().splitlines()[:-2]) + "\n")
    with pytest.raises(DataError, match="2 of 64 takes have no action units"):
        read_paired(Ravdess(tmp_path))


def test_a_fold_encoder_hears_neither_the_fold_nor_its_scores(ravdess, tmp_path, monkeypatch):
    paired = read_paired(ravdess)
    speech = read_paired_speech(ravdess, paired)
    assert speech.names == paired.codes
    heard = []

    def fit(task, loop, run_dir):
        heard.append(task._training)

    monkeypatch.setattr("mer_fusion.training.utterances.paired_clips.fit", fit)
    train_fold_encoder(SMALL, speech, paired, 2, AudioOptions(people=2, clips=4), LoopOptions(epochs=1), tmp_path)
    (learning,) = heard
    assert sorted(set(learning.speakers.tolist())) == [2, 3, 6, 8, 14, 17]
    spread = learning.teacher.amax(dim=1) - learning.teacher.amin(dim=1)
    torch.testing.assert_close(spread, torch.full_like(spread, 7.0))


def test_student_windows_hold_the_recorded_sound_first(ravdess, tmp_path):
    paired = read_paired(ravdess)
    speech = read_paired_speech(ravdess, paired)
    torch.manual_seed(0)
    encoder = AudioEncoder(SMALL).eval()
    table = student_table(encoder, speech, paired, tmp_path)
    audio, face = table.modalities
    assert audio.windows.shape == (64, 1 + COPIES, 16, 6)
    assert face.windows.shape == (64, 1 + COPIES, 16, 35)
    steps = int(speech.steps()[0])
    assert audio.mask[:, 0].sum(dim=1).tolist() == [steps] * 64
    # Newest step last; the sum of the window is the sum over the whole take when the take is shorter than it.
    assert audio.mask[0, 0, -steps:].all()
    torch.testing.assert_close(audio.windows[:, 0].sum(dim=1), audio.sums, atol=1e-4, rtol=1e-4)
    assert not torch.equal(audio.windows[:, 1], audio.windows[:, 2])
    units = torch.from_numpy(np.sqrt(paired.action_units))
    torch.testing.assert_close(face.sums / face.counts[:, None], units)
    torch.testing.assert_close(face.windows[:, 0, -1], units)
    assert (face.windows[:, 0, 0] == 0).all()
    kept = list(tmp_path.iterdir())
    again = student_table(encoder, speech, paired, tmp_path)
    assert torch.equal(again.modalities[0].windows, audio.windows)
    assert list(tmp_path.iterdir()) == kept


def test_windows_of_some_takes_are_those_of_the_table(encoded):
    paired, speech, encoder, table = encoded
    rows = np.array([60, 3, 17])
    some = device_table([device_features(encoder, speech)[row] for row in rows], paired, rows)
    for mine, whole in zip(some.modalities, table.modalities, strict=True):
        torch.testing.assert_close(mine.windows[:, 0], whole.windows[rows, 0])
        torch.testing.assert_close(mine.mask[:, 0], whole.mask[rows, 0])
        torch.testing.assert_close(mine.sums, whole.sums[rows])
        torch.testing.assert_close(mine.counts, whole.counts[rows])
    assert some.labels.tolist() == paired.labels[rows].tolist()
    assert some.people.tolist() == paired.speakers[rows].tolist()


@pytest.mark.parametrize("model", MODELS)
def test_a_saved_student_says_what_the_trained_network_said(model, encoded, tmp_path):
    paired, _, encoder, table = encoded
    trained = fusion_objective(model, table, 8, 16, 0.3).network.eval()
    network = student_network(model, encoder, table, 16, 0.3, trained.state_dict())
    learning = torch.from_numpy(np.flatnonzero(paired.folds != 1))
    card = student_card(network, table, learning, f"{model}-fold1", {"fold_left_out": 1})
    save_checkpoint(network, card, tmp_path / "student.safetensors")

    found = load_checkpoint(tmp_path / "student.safetensors")
    assert list(graph_specs(found.card)) == ["audio", "fusion"]
    assert found.card.audio.chunk_samples == SMALL.chunk_samples
    population = population_means(table, learning)
    for mine, mean in zip(found.card.baseline.population_mean.values(), population, strict=True):
        torch.testing.assert_close(torch.tensor(mine), mean)
    fusion = DialogueOfOne(found.network.fusion) if model == "amb_dsgdn" else found.network.fusion
    rows = torch.arange(8)
    said = log_probabilities(fusion, table, rows, population, "warm")
    torch.testing.assert_close(said, log_probabilities(trained, table, rows, population, "warm"))
    pcm = 0.1 * torch.randn(1, SMALL.chunk_samples, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(found.network.audio(pcm), encoder(pcm))
