"""`mer calibrate` on a dialogue model: temperature and threshold from dialogues that nothing learned from."""

from __future__ import annotations

import csv
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from mer_fusion import cli
from mer_fusion.calibration import CONFIDENCE, calibrate
from mer_fusion.checkpoint import load_checkpoint, shipped_checkpoint, write_card
from mer_fusion.dialogue_answers import NOT_FITTED, dialogue_answers, dialogues_to_ask
from mer_fusion.tables import show_calibration
from mer_fusion.torch_bundle import manifest_of
from mer_sdk.contract.manifest import Decision
from mer_sdk.errors import DataError, OptionError

WORDS = ("what a great day", "leave me alone", "I lost him", "the door is there", "oh my god", "yes", "that is awful")


@pytest.fixture
def student(tmp_path: Path) -> Path:
    """A copy of the shipped student, its card as before any fit."""
    path = tmp_path / "talk.safetensors"
    for suffix in (".safetensors", ".json"):
        shutil.copyfile(shipped_checkpoint("amb_dsgdn").with_suffix(suffix), path.with_suffix(suffix))
    notes = (f"It saw the labels of train{NOT_FITTED}.", "rare")
    write_card(replace(load_checkpoint(path).card, decision=Decision(), results={}, notes=notes), path)
    return path


def talks(folder: Path, student: Path, right: float = 0.4, test: int = 0) -> str:
    """Thirty dialogues of six utterances each, labelled with what the student says in a share of them, else not."""
    rng = np.random.default_rng(0)
    labels = load_checkpoint(student).card.labels
    rows = [
        (number, f"{number}-{place}.wav", rng.choice(WORDS), "a" if place % 2 else "b")
        for number in range(30)
        for place in range(6)
    ]

    def write(said: list[str]) -> str:
        with (folder / "labels.csv").open("w", newline="") as file:
            table = csv.writer(file)
            table.writerow(["file", "label", "speaker", "text", "dialogue", "split"])
            for (number, name, text, speaker), label in zip(rows, said, strict=True):
                (folder / name).write_bytes(b"sound")
                table.writerow([name, label, speaker, text, f"talk {number}", "test" if number < test else "dev"])
        return f"clips:{folder / 'labels.csv'}"

    spec = write([labels[index % len(labels)] for index in range(len(rows))])
    asked = dialogues_to_ask(spec, load_checkpoint(student).card, split="dev" if test else "")
    chosen = dialogue_answers(student, asked.dialogues)["text"].logits.argmax(axis=1)
    named = iter(labels[index] if rng.random() < right else labels[(index + 1) % len(labels)] for index in chosen)
    return write([next(named) if row[0] >= test else labels[0] for row in rows])


def test_a_model_that_is_too_sure_learns_to_doubt(student, tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    spec, before = talks(tmp_path, student), student.read_bytes()
    found = calibrate(student, spec)
    assert (found.clips, found.people, found.dialogue) == (180, 30, True)
    assert found.before["text"].covered == 1.0
    assert found.after["text"].ece < 0.5 * found.before["text"].ece
    card = load_checkpoint(student).card
    assert card.decision.of("text").temperature > 1.5
    assert 0 < card.decision.of("text").abstention_threshold <= 1
    assert card.results[CONFIDENCE]["dialogues"] == 30
    assert card.notes == ("It saw the labels of train.", "rare")
    assert manifest_of(load_checkpoint(student)).decision == card.decision  # what bundles take over
    assert student.read_bytes() == before
    show_calibration(found, student)
    out = capsys.readouterr().out
    assert "180 utterances, when they are said, of 30 dialogues; each dialogue by" in out
    assert "temperature" in out
    assert "…" not in out


def test_a_copy_is_written_and_a_shipped_one_stays(student, tmp_path):
    spec, out = talks(tmp_path, student), tmp_path / "runs" / "mine.safetensors"
    card = student.with_suffix(".json").read_text()
    calibrate(student, spec, out=out)
    assert student.with_suffix(".json").read_text() == card
    mine = load_checkpoint(out)
    assert (mine.card.name, list(mine.card.decision.states)) == ("mine", ["text"])
    for name, value in load_checkpoint(student).network.state_dict().items():
        assert torch.equal(value, mine.network.state_dict()[name])
    for name in ("amb_dsgdn-student", "amb_dsgdn"):
        with pytest.raises(OptionError, match="amb_dsgdn-student is shipped and stays as it is; give --out runs/amb"):
            cli.calibrate(name, spec)


def test_the_split_test_is_not_asked(student, tmp_path):
    assert calibrate(student, talks(tmp_path, student, test=10)).people == 20


def test_too_few_of_ones_own_are_refused_and_the_card_stays(student, tmp_path):
    card = student.with_suffix(".json").read_text()
    spec = talks(tmp_path, student, test=27)  # 3 dialogues of 6 utterances are left
    with pytest.raises(DataError, match=r"has 18 utterances to fit to; needed are 20, .*: label more, or keep"):
        calibrate(student, spec)
    assert student.with_suffix(".json").read_text() == card


@pytest.mark.parametrize("split", ["train", "test"])
def test_what_has_taught_it_or_scores_it_is_refused(student, tmp_path, split):
    (tmp_path / "dev_sent_emo.csv").write_text("Dialogue_ID,Speaker,Utterance,Emotion\n0,a,yes,joy\n")
    card = load_checkpoint(student).card
    assert dialogues_to_ask(f"meld:{tmp_path}", card).utterances == 1
    with pytest.raises(OptionError, match="models have learned from MELD train, and MELD test scores them; leave"):
        dialogues_to_ask(f"meld:{tmp_path}", card, split=split)
