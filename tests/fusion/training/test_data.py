"""RAVDESS and FER+ as tensors: the test actor stays out, teacher scores are merged with the labels."""

import csv
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch

from mer_fusion.training.fusion.data import LABELS, TEST_ACTOR, open_sources, read_speech
from mer_sdk.errors import OptionError
from mer_sdk.evaluation.datasets import Ravdess

# Code order of RAVDESS: neutral calm happy sad angry fearful disgust surprised; the teacher's columns are alphabetical.
TEACHER_COLUMNS = ("angry", "calm", "disgust", "fearful", "happy", "neutral", "sad", "surprised")


def write_clips(folder: Path, names: list[str], rate: int = 16000) -> None:
    rng = np.random.default_rng(0)
    for name in names:
        soundfile.write(folder / f"03-{name}.wav", 0.1 * rng.standard_normal(rate), rate)


def write_scores(folder: Path, scores: dict[str, dict[str, float]]) -> None:
    with (folder / "wav2vec_fold0_train.csv").open("w", newline="") as file:
        writer = csv.writer(file, delimiter=";")
        writer.writerow([*(f"embs{i}" for i in range(8)), "name"])
        for name, values in scores.items():
            writer.writerow([*(values.get(label, -9.0) for label in TEACHER_COLUMNS), f"01-{name}"])


def test_teacher_scores_of_calm_and_neutral_are_added(tmp_path: Path) -> None:
    calm, angry, other = "01-02-01-01-01-03", "01-05-01-01-01-03", "01-05-01-01-01-14"
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


def test_the_test_actor_is_never_read(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_clips(tmp_path, ["01-05-01-01-01-03", f"01-05-01-01-01-{TEST_ACTOR:02d}"])
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
    with pytest.raises(OptionError, match="allowed"):
        open_sources([f"something:{tmp_path}"])


def test_real_data_gives_every_speaker_but_one(shared_data: Path) -> None:
    sources = open_sources([f"ravdess:{shared_data}", f"ferplus:{shared_data}"])
    assert len(sources.speech) == 1140
    assert TEST_ACTOR not in sources.speech.speakers
    assert sorted(set(sources.speech.speakers[sources.heldout].tolist())) == [2, 14, 15, 16]
    known = torch.isfinite(sources.speech.teacher).all(dim=1)
    assert torch.equal(known, ~sources.heldout)  # the teacher that never saw the test actor's fold
    right = sources.speech.teacher[known].argmax(dim=1) == sources.speech.labels[known]
    assert right.float().mean() > 0.95  # in-sample scores; 1 in 7 if the classes were in another order
