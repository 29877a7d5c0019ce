"""RAVDESS and FER+ as tensors: the test fold stays out, teacher scores are merged with the labels."""

import csv
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch

from mer_fusion.training.fusion.data import LABELS, TUNING_FOLD, open_sources, read_speech
from mer_sdk.errors import OptionError
from mer_sdk.evaluation.datasets import TEST_FOLD, Ravdess
from mer_sdk.evaluation.datasets.ravdess import SPEAKER_FOLDS

# Code order of RAVDESS: neutral calm happy sad angry fearful disgust surprised; the teacher's columns are alphabetical.
TEACHER_COLUMNS = ("angry", "calm", "disgust", "fearful", "happy", "neutral", "sad", "surprised")


def write_clips(folder: Path, names: list[str], rate: int = 16000) -> None:
    rng = np.random.default_rng(0)
    for name in names:
        soundfile.write(folder / f"03-{name}.wav", 0.1 * rng.standard_normal(rate), rate)


def write_scores(folder: Path, scores: dict[str, dict[str, float]]) -> None:
    with (folder / "wav2vec_fold3_train.csv").open("w", newline="") as file:
        writer = csv.writer(file, delimiter=";")
        writer.writerow([*(f"embs{i}" for i in range(8)), "name"])
        for name, values in scores.items():
            writer.writerow([*(values.get(label, -9.0) for label in TEACHER_COLUMNS), f"01-{name}"])


def test_teacher_scores_of_calm_and_neutral_are_added(tmp_path: Path) -> None:
    calm, angry, other = "01-02-01-01-01-03", "01-05-01-01-01-03", "01-05-01-01-01-04"
    write_clips(tmp_path, [calm, angry, other])
    write_scores(tmp_path, {calm: {"calm": 3.0, "neutral": 3.0}, angry: {"angry": 5.0}})
    speech = read_speech(Ravdess(tmp_path))
    rows = {name: i for i, name in enumerate(speech.names)}
    assert speech.labels[rows[calm]] == LABELS.index("neutral")
    probabilities = torch.softmax(speech.teacher, dim=1)
    assert probabilities[rows[calm], LABELS.index("neutral")] > 0.99
    assert speech.teacher[rows[calm]].exp().sum() == pytest.approx(1.0, abs=1e-5)
    assert probabilities[rows[angry], LABELS.index("angry")] > 0.99
    assert torch.isnan(speech.teacher[rows[other]]).all()  # a speaker whom the teacher has no scores for


def test_the_test_fold_is_never_read(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_clips(tmp_path, ["01-05-01-01-01-03", *(f"01-05-01-01-01-{actor:02d}" for actor in SPEAKER_FOLDS[TEST_FOLD])])
    speech = read_speech(Ravdess(tmp_path))
    assert speech.speakers.tolist() == [3]
    assert "no published teacher" in capsys.readouterr().out


def test_other_sample_rates_are_brought_to_16_kilohertz(tmp_path: Path) -> None:
    write_clips(tmp_path, ["01-05-01-01-01-03"], rate=48000)
    assert read_speech(Ravdess(tmp_path)).lengths.tolist() == [79]  # one second


def test_both_data_sets_are_needed(tmp_path: Path) -> None:
    write_clips(tmp_path, ["01-05-01-01-01-03"])
    with pytest.raises(OptionError, match="ferplus"):
        open_sources([f"ravdess:{tmp_path}"])
    with pytest.raises(OptionError, match="once each"):
        open_sources([f"ravdess:{tmp_path}", f"ravdess:{tmp_path}"])
    with pytest.raises(OptionError, match="allowed"):
        open_sources([f"something:{tmp_path}"])
    (tmp_path / "own" / "happy").mkdir(parents=True)
    (tmp_path / "own" / "happy" / "a.wav").write_bytes(b"sound")
    with pytest.raises(OptionError, match="mer adapt grjca-student --data clips:"):
        open_sources([f"clips:{tmp_path / 'own'}"])


def test_real_data_gives_every_speaker_but_the_test_folds(shared_data: Path) -> None:
    sources = open_sources(
        [
            f"ravdess:{shared_data / 'ravdess'}",
            f"ravdess_pairs:{shared_data / 'ravdess_pairs'}",
            f"ferplus:{shared_data}",
        ]
    )
    assert len(sources.speech) == 900
    assert not set(sources.speech.speakers.tolist()) & set(SPEAKER_FOLDS[TEST_FOLD])
    assert set(sources.speech.speakers[sources.heldout].tolist()) == set(SPEAKER_FOLDS[TUNING_FOLD])
    assert torch.isfinite(sources.speech.teacher).all()  # of the teacher that never saw the test fold
    right = sources.speech.teacher.argmax(dim=1) == sources.speech.labels
    assert right.float().mean() > 0.95  # in-sample scores; 1 in 7 if the classes were in another order
