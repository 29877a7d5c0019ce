"""Speech corpora: their layouts, their classes, and what is refused."""

from __future__ import annotations

import csv
import lzma
from pathlib import Path

import numpy as np
import pytest
import soundfile

from mer_sdk.errors import DataError, OptionError
from mer_sdk.evaluation.datasets import CORPORA, load_audio, open_dataset, refuse_test_corpora
from mer_sdk.evaluation.datasets.classes import class_of, held_classes, merge_table

SEVEN = ("neutral", "happy", "sad", "angry", "fearful", "disgust", "surprised")
HEADER = ["file", "speaker", "gender", "emotion", "language", "text", "seconds", "use"]


def write_corpus(folder: Path, rows: list[list[str]], header: list[str] = HEADER) -> Path:
    with (folder / "labels.csv").open("w", newline="") as file:
        csv.writer(file).writerows([header, *rows])
    for row in rows:
        soundfile.write(folder / row[0], np.full(1600, 0.25), 16000)
    return folder


def row(name: str, speaker: str, emotion: str, use: str) -> list[str]:
    return [name, speaker, "", emotion, "tr", "a, b", "0.1", use]


def test_one_table_says_what_each_corpus_has() -> None:
    assert class_of("calm", SEVEN) == "neutral"
    assert class_of("calm", ("calm", "neutral")) == "calm"
    assert merge_table(("calm", "sad"), SEVEN) == {"calm": "neutral", "sad": "sad"}
    assert held_classes(("calm", "sad"), SEVEN) == (True, False, True, False, False, False, False)
    with pytest.raises(DataError, match=r"bored.*neutral, happy"):
        class_of("bored", SEVEN)
    with pytest.raises(DataError, match=r"bored, tired.*neutral"):
        merge_table(("sad", "tired", "bored"), SEVEN)
    for facts in CORPORA.values():
        assert any(held_classes(facts.labels, SEVEN))


def test_clips_have_labels_numbered_speakers_and_sound(tmp_path: Path) -> None:
    rows = [
        row("one.wav", "b", "calm", "test"),
        row("two.wav", "a", "sad", "test"),
        row("three.wav", "b", "sad", "test"),
    ]
    corpus = open_dataset(f"turev:{write_corpus(tmp_path, rows)}")
    clips = corpus.clips()
    assert [(clip.id, clip.speaker, clip.label) for clip in clips] == [
        ("one", 2, "calm"),
        ("two", 1, "sad"),
        ("three", 2, "sad"),
    ]
    samples, rate = load_audio(clips[0])
    assert (len(samples), rate) == (1600, 16000)
    assert corpus.facts.language == "Turkish"


def test_broken_tables_are_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"labels\.csv is missing"):
        open_dataset(f"emovo:{tmp_path}")
    write_corpus(tmp_path, [], header=["file", "emotion"])
    with pytest.raises(DataError, match="needed are emotion, file, speaker, use"):
        open_dataset(f"emovo:{tmp_path}")
    write_corpus(tmp_path, [])
    with pytest.raises(DataError, match="no rows"):
        open_dataset(f"emovo:{tmp_path}")
    write_corpus(tmp_path, [row("one.wav", "a", "bored", "test")])
    with pytest.raises(DataError, match=r"labels\.csv:2 has the emotion 'bored'"):
        open_dataset(f"emovo:{tmp_path}")
    write_corpus(tmp_path, [row("one.wav", "a", "sad", "train")])
    with pytest.raises(DataError, match="says use 'train'"):
        open_dataset(f"emovo:{tmp_path}")
    (tmp_path / "labels.csv").write_text(",".join(HEADER) + "\none.wav,a\n")
    with pytest.raises(DataError, match="cut off"):
        open_dataset(f"emovo:{tmp_path}")


@pytest.mark.parametrize("name", ["urdu", "ased", "turev", "tess", "emovo"])
def test_corpora_for_evaluation_are_refused_for_learning(name: str) -> None:
    with pytest.raises(OptionError, match=f"{name}.*evaluation alone.*cremad_logmel, nemo, indian_emospeech"):
        refuse_test_corpora(name, CORPORA[name].use)


@pytest.mark.parametrize("name", ["nemo", "indian_emospeech"])
def test_corpora_to_learn_from_are_not_refused(name: str) -> None:
    refuse_test_corpora(name, CORPORA[name].use)


CREMAD_HEADER = "file,index,clip,speaker,emotion,intensity,frames,seconds,language,use\n"


def write_cremad(folder: Path, index: int = 1, frames: int = 30) -> Path:
    spectra = np.zeros((2, 128, 188), np.uint8)
    spectra[1, :, :frames] = np.arange(128)[:, None] % 81
    with lzma.open(folder / "1001.npy.xz", "wb") as file:
        np.save(file, spectra)
    (folder / "labels.csv").write_text(
        CREMAD_HEADER + f"1001.npy.xz,{index},1001_DFA_ANG_XX,crema_1001,angry,high,{frames},0.48,en,train\n"
    )
    return folder


def test_cremad_spectra_are_columns_of_decibels(tmp_path: Path) -> None:
    (clip,) = open_dataset(f"cremad_logmel:{write_cremad(tmp_path)}").clips()
    assert (clip.id, clip.label, clip.speaker) == ("1001_DFA_ANG_XX", "angry", 1)
    assert clip.decibels.shape == (30, 128)
    assert clip.decibels.dtype == np.float32
    assert clip.decibels[3, 5] == 5


def test_broken_spectra_are_named(tmp_path: Path) -> None:
    for wrong in (write_cremad(tmp_path, index=7), write_cremad(tmp_path, frames=188 + 1)):
        (wrong / "labels.csv").write_text((wrong / "labels.csv").read_text().replace(",1,", ",7,"))
        with pytest.raises(DataError, match=r"labels\.csv:2 points outside 1001\.npy\.xz"):
            open_dataset(f"cremad_logmel:{wrong}").clips()
    write_cremad(tmp_path)
    whole = (tmp_path / "1001.npy.xz").read_bytes()
    (tmp_path / "1001.npy.xz").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(DataError, match=r"1001\.npy\.xz cannot be read"):
        open_dataset(f"cremad_logmel:{tmp_path}").clips()
    with lzma.open(tmp_path / "1001.npy.xz", "wb") as file:
        np.save(file, np.zeros((2, 64, 188), np.uint8))
    with pytest.raises(DataError, match="expected is uint8"):
        open_dataset(f"cremad_logmel:{tmp_path}").clips()
    (tmp_path / "1001.npy.xz").unlink()
    with pytest.raises(DataError, match=r"1001\.npy\.xz is missing"):
        open_dataset(f"cremad_logmel:{tmp_path}").clips()


def test_votes_are_those_on_voices_alone(tmp_path: Path) -> None:
    table = tmp_path / "tabulatedVotes.csv"
    table.write_text('"","A","D","F","H","N","S","fileName"\n"100001",0,0,0,1,3,0,"one"\n"200001",4,0,0,0,0,0,"one"\n')
    shares = open_dataset(f"cremad_votes:{tmp_path}").shares
    assert shares["one"].tolist() == [0.75, 0.25, 0, 0, 0, 0]  # neutral, happy, sad, angry, fearful, disgust
    table.write_text('"","A","D","F","H","N","S","fileName"\n"200001",4,0,0,0,0,0,"one"\n')
    with pytest.raises(DataError, match="no votes on voices"):
        open_dataset(f"cremad_votes:{tmp_path}")
    table.write_text('"","A","D","F","H","N","S","fileName"\n"100001",x,0,0,0,0,0,"one"\n')
    with pytest.raises(DataError, match=r"tabulatedVotes\.csv:2"):
        open_dataset(f"cremad_votes:{tmp_path}")


def test_the_corpora_on_disk_are_as_described(shared_data: Path) -> None:
    counts = {"nemo": 1000, "indian_emospeech": 600, "urdu": 200, "ased": 250, "turev": 200, "tess": 196, "emovo": 210}
    for name, count in counts.items():
        assert len(open_dataset(f"{name}:{shared_data / 'speech' / name}").clips()) == count
    spectra = open_dataset(f"cremad_logmel:{shared_data / 'speech' / 'cremad_logmel'}").clips()
    votes = open_dataset(f"cremad_votes:{shared_data / 'cremad_votes'}").shares
    assert len(spectra) == 2800
    assert {clip.id for clip in spectra} <= set(votes)
