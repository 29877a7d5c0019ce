"""Teacher scores: class order checked against the labels, folds kept apart."""

from __future__ import annotations

import numpy as np
import pytest

from mer_sdk.errors import DataError, OptionError
from mer_sdk.evaluation.datasets.ravdess import LABELS
from mer_sdk.evaluation.datasets.teacher_scores import distillation_targets, read_teacher_scores

HEADER = ";".join(f"embs{i}" for i in range(8)) + ";name\n"
ALPHABETICAL = ("angry", "calm", "disgust", "fearful", "happy", "neutral", "sad", "surprised")


def row(values, name):
    return ";".join(map(str, values)) + f";{name}\n"


def test_wav2vec_logits_are_put_in_ravdess_order(tmp_path):
    logits = np.arange(8.0)
    (tmp_path / "wav2vec_fold0_test.csv").write_text(HEADER + row(logits, "01-01-05-02-01-01-05"))
    (scores,) = read_teacher_scores(tmp_path, "wav2vec", 0, "test").values()
    np.testing.assert_allclose(np.exp(scores).sum(), 1, rtol=1e-6)
    for label, score in zip(LABELS, scores, strict=True):
        assert score - scores[LABELS.index("angry")] == pytest.approx(ALPHABETICAL.index(label), abs=1e-5)


def test_action_unit_probabilities_keep_their_order(tmp_path):
    header = HEADER.replace("name", "video_name")
    values = [0.5, 0.5, 0, 0, 0, 0, 0, 0]
    (tmp_path / "auMLP_fold1_train.csv").write_text(header + row(values, "01-01-05-02-01-01-05"))
    scores = read_teacher_scores(tmp_path, "auMLP", 1, "train")
    np.testing.assert_allclose(np.exp(scores["01-05-02-01-01-05"]), values, atol=1e-6)
    assert np.isfinite(scores["01-05-02-01-01-05"]).all()
    (tmp_path / "auMLP_fold1_train.csv").write_text(header + row(range(8), "01-01-05-02-01-01-05"))
    with pytest.raises(DataError, match="no probabilities"):
        read_teacher_scores(tmp_path, "auMLP", 1, "train")


def test_held_out_speakers_among_the_targets_are_refused(tmp_path):
    file = tmp_path / "wav2vec_fold0_train.csv"
    file.write_text(HEADER + row(range(8), "01-01-05-02-01-01-08"))
    assert list(distillation_targets(tmp_path, 0, (5,))) == ["01-05-02-01-01-08"]
    with pytest.raises(DataError, match=r"actors \[8\]"):
        distillation_targets(tmp_path, 0, (8,))
    # The fold's own test scores under the name of the training scores: actor 2 is in fold 0.
    file.write_text(HEADER + row(range(8), "01-01-05-02-01-01-02"))
    with pytest.raises(DataError, match=r"actors \[2\]"):
        distillation_targets(tmp_path, 0)


def test_broken_files_name_file_and_line(tmp_path):
    with pytest.raises(DataError, match=r"wav2vec_fold0_test\.csv is missing"):
        read_teacher_scores(tmp_path, "wav2vec", 0, "test")
    file = tmp_path / "wav2vec_fold0_test.csv"
    for text, message in (
        ("", "empty"),
        (HEADER, "no rows"),
        (HEADER + "1;2;3\n", r"csv:2 is truncated"),
        (HEADER + row(range(8), "happy"), r"csv:2 is truncated or unlabelled"),
        (HEADER + row(["nan"] * 8, "01-01-05-02-01-01-05"), "not finite"),
    ):
        file.write_text(text)
        with pytest.raises(DataError, match=message):
            read_teacher_scores(tmp_path, "wav2vec", 0, "test")


def test_unknown_options(tmp_path):
    for kind, fold, split in (("hubert", 0, "test"), ("wav2vec", 5, "test"), ("wav2vec", 0, "dev")):
        with pytest.raises(OptionError, match="allowed are"):
            read_teacher_scores(tmp_path, kind, fold, split)


@pytest.mark.parametrize(("kind", "published"), [("wav2vec", 0.819), ("auMLP", 0.604)])
def test_accuracy_is_the_published_one(shared_data, kind, published):
    """A wrong class order would be near chance; the mean over four of the five folds is near the published mean."""
    scores = {}
    for fold in range(4):
        scores |= read_teacher_scores(shared_data, kind, fold, "test")
        assert len(distillation_targets(shared_data, fold, kind=kind)) == 900
    assert len(scores) == 1200
    right = [values.argmax() + 1 == int(code[3:5]) for code, values in scores.items()]
    assert np.mean(right) == pytest.approx(published, abs=0.03)
