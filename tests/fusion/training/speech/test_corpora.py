"""Corpora beside RAVDESS: what is learned of each, and what is refused."""

import csv
import lzma
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch

from mer_fusion.training.fusion.data import LABELS
from mer_fusion.training.speech.corpora import cremad_corpus, sound_corpus, vote_targets
from mer_fusion.training.speech.cremad_mapping import CremadMapping, published_spectrum
from mer_fusion.training.speech.spectra import log_mel
from mer_sdk.errors import DataError, OptionError
from mer_sdk.evaluation.datasets import CremadLogMel, open_dataset


def speech_like(seed: int, seconds: float = 1.0) -> np.ndarray:
    """Noise of slow random colour and level, so that every band has something to learn from."""
    rng = np.random.default_rng(seed)
    wave = rng.standard_normal(int(16000 * seconds))
    kernel = rng.standard_normal(8) * np.exp(-np.arange(8))
    level = np.interp(np.arange(len(wave)), np.linspace(0, len(wave), 12), 10 ** rng.uniform(-2, 0, 12))
    return (0.05 * np.convolve(wave, kernel, "same") * level).astype(np.float32)


def write_corpus(folder: Path, use: str, emotions: tuple[str, ...], damaged: int = 0) -> Path:
    with (folder / "labels.csv").open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["file", "speaker", "gender", "emotion", "language", "text", "seconds", "use"])
        for number, emotion in enumerate(emotions):
            name = f"clip-{number}.wav"
            soundfile.write(folder / name, speech_like(number), 16000)
            if number < damaged:
                (folder / name).write_bytes(b"RIFF")
            rows.writerow([name, f"person {number % 2}", "", emotion, "pl", "", "1.0", use])
    return folder


def test_a_sound_corpus_keeps_its_classes(tmp_path: Path) -> None:
    corpus = open_dataset(f"nemo:{write_corpus(tmp_path, 'train', ('angry', 'neutral', 'surprised'))}")
    speech = sound_corpus(corpus, LABELS)
    assert [LABELS[label] for label in speech.labels.tolist()] == ["angry", "neutral", "surprised"]
    assert speech.speakers.tolist() == [1, 2, 1]
    assert float(speech.shares[0, LABELS.index("disgust")]) == 0.0
    assert torch.equal(speech.targets.argmax(dim=1), speech.labels)


def test_a_corpus_for_evaluation_is_refused(tmp_path: Path) -> None:
    corpus = open_dataset(f"urdu:{write_corpus(tmp_path, 'test', ('angry', 'sad'))}")
    with pytest.raises(OptionError, match=r"urdu.*evaluation alone"):
        sound_corpus(corpus, LABELS)


def test_damaged_files_are_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    corpus = open_dataset(f"nemo:{write_corpus(tmp_path, 'train', ('angry', 'sad') * 60, damaged=1)}")
    assert len(sound_corpus(corpus, LABELS)) == 119
    assert "clip-0.wav" in capsys.readouterr().out
    for number in range(3):
        (tmp_path / f"clip-{number}.wav").write_bytes(b"RIFF")
    with pytest.raises(DataError, match="3 files of nemo"):
        sound_corpus(corpus, LABELS)


def test_published_spectra_are_mapped_onto_the_grid_of_the_encoder(tmp_path: Path) -> None:
    mapping = CremadMapping([speech_like(seed, 2.0) for seed in range(12)], [speech_like(99, 2.0)])
    assert mapping.correlation > 0.9
    assert mapping.decibels < 5
    wave = speech_like(50)
    spectrum = published_spectrum(wave)
    assert spectrum.max() == 80
    assert spectrum.min() >= 0
    mapped, true = mapping(spectrum), log_mel(wave)
    assert abs(len(mapped) - len(true)) <= 2
    count = min(len(mapped), len(true))
    assert np.corrcoef(mapped[:count].flatten(), true[:count].flatten())[0, 1] > 0.9
    # As published: bands first, three seconds, zeros after the clip.
    whole = np.zeros((1, 128, 188), np.uint8)
    whole[0, :, : len(spectrum)] = spectrum.T
    with lzma.open(tmp_path / "1001.npy.xz", "wb") as file:
        np.save(file, whole)
    (tmp_path / "labels.csv").write_text(
        "file,index,clip,speaker,emotion,intensity,frames,seconds,language,use\n"
        f"1001.npy.xz,0,1001_DFA_ANG_XX,crema_1001,angry,unspecified,{len(spectrum)},1.0,en,train\n"
    )
    votes = {"1001_DFA_ANG_XX": np.array([0.5, 0, 0, 0.5, 0, 0], np.float32)}
    speech = cremad_corpus(CremadLogMel(tmp_path), LABELS, mapping, votes)
    assert speech.lengths.tolist() == [len(mapped)]
    assert speech.targets[0].tolist() == pytest.approx([0.25, 0, 0, 0.75, 0, 0, 0])


def test_targets_without_votes_are_the_label() -> None:
    assert vote_targets(2, None, range(3), 4).tolist() == [0, 0, 1, 0]


def test_the_sound_of_own_clips_is_a_corpus_and_their_test_split_is_none(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = ["file,label,split"]
    for number, (label, split) in enumerate((("joy", ""), ("rage", "train"), ("sad", "test"), ("bored", ""))):
        soundfile.write(tmp_path / f"{number}.wav", speech_like(number), 16000)
        rows.append(f"{number}.wav,{label},{split}")
    (tmp_path / "clips.csv").write_text("\n".join(rows))
    speech = sound_corpus(open_dataset(f"clips:{tmp_path}", {"rage": "angry"}), LABELS)
    assert [LABELS[label] for label in speech.labels.tolist()] == ["happy", "angry"]
    assert "left out: 3.wav: label 'bored' is none of the bundle's" in capsys.readouterr().out
