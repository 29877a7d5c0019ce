"""Small files of every data set's layout, and how each is read to its end, for `benchmarks.robustness.fuzz.inputs`."""

from __future__ import annotations

import io
import lzma
import pickle
import zipfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import soundfile

from mer_sdk.evaluation import datasets
from mer_sdk.evaluation.datasets import action_units, teacher_scores
from mer_sdk.evaluation.datasets.ferplus import COLUMNS as VOTES

TAKES = ("05-02-01-01-03", "03-01-01-01-08")
SEVEN = ("neutral", "happy", "sad", "angry", "fearful", "disgust", "surprised")


@dataclass(frozen=True)
class SmallSet:
    """A data set on disk.

    Attributes:
        name: of the data set.
        folder: that holds it.
        files: those that are damaged, one at a time.
        use: reads all that there is.
    """

    name: str
    folder: Path
    files: tuple[Path, ...]
    use: Callable[[], object]


def write_all(root: Path) -> list[SmallSet]:
    """Every data set below a folder."""
    makers = (
        _speech, _cremad, _votes, _ravdess, _pairs, _action_units, _teachers, _ferplus_npz, _ferplus_csv, _meld,
        _affwild2, _mmsa, _mosi, _mintrec, _dialogue_features, _own,
    )  # fmt: skip
    found = []
    for make in makers:
        folder = root / make.__name__.strip("_")
        folder.mkdir(parents=True)
        found.append(make(folder))
    return found


def _table(path: Path, header: str, rows: Sequence[str]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join([header, *rows]) + "\n", encoding="utf-8")
    return path


def _wav(path: Path, seconds: float = 0.1) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(str(path), 0.1 * np.sin(np.arange(round(16000 * seconds)) / 9), 16000)
    return path


def _jpeg(value: int = 90) -> bytes:
    return bytes(cv2.imencode(".jpg", np.full((16, 16, 3), value, np.uint8))[1].tobytes())


def _pickle(path: Path, value: Any) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(pickle.dumps(value, protocol=4))
    return path


def _draw(*shape: int) -> np.ndarray:
    return np.random.default_rng(sum(shape)).standard_normal(shape).astype(np.float32)


def _heard(clips: Sequence[Any]) -> None:
    for clip in clips[:2]:
        if clip.audio is not None:
            datasets.load_audio(clip)
        datasets.load_faces(clip)


def _speech(folder: Path) -> SmallSet:
    rows = [f"a/{n}.wav,s{n % 2},f,{SEVEN[n]},Polish,words,0.1,train" for n in range(4)]
    table = _table(folder / "labels.csv", "file,speaker,gender,emotion,language,text,seconds,use", rows)
    sounds = [_wav(folder / f"a/{n}.wav") for n in range(4)]
    return SmallSet(
        "nemo", folder, (table, *sounds[:2]), lambda: _heard(datasets.open_dataset(f"nemo:{folder}").clips())
    )


def _cremad(folder: Path) -> SmallSet:
    rows = [f"1001.npy.xz,{n},c{n},1001,{SEVEN[n]},30,train" for n in range(2)]
    table = _table(folder / "labels.csv", "file,index,clip,speaker,emotion,frames,use", rows)
    held, packed = io.BytesIO(), folder / "1001.npy.xz"
    np.save(held, np.random.default_rng(0).integers(0, 80, (2, 128, 40), np.uint8))
    packed.write_bytes(lzma.compress(held.getvalue()))
    return SmallSet("cremad_logmel", folder, (table, packed), lambda: datasets.CremadLogMel(folder).clips())


def _votes(folder: Path) -> SmallSet:
    rows = [f"{100001 + n},3,0,0,1,2,0,1001_DFA_ANG_XX,1" for n in range(4)]
    table = _table(folder / "tabulatedVotes.csv", ",A,D,F,H,N,S,fileName,numResponses", rows)
    return SmallSet("cremad_votes", folder, (table,), lambda: datasets.CremadVotes(folder).shares)


def _ravdess(folder: Path) -> SmallSet:
    sounds = [_wav(folder / f"03-01-{code}.wav") for code in TAKES]
    pictures = [folder / f"01-01-{TAKES[0]}_{n:02d}.jpg" for n in range(2)]
    for picture in pictures:
        picture.write_bytes(_jpeg())
    table = _table(folder / "labels.csv", "clip,actor,fold", ["a,3,1", "b,8,3"])
    return SmallSet(
        "ravdess", folder, (table, sounds[0], pictures[0]), lambda: _heard(datasets.Ravdess(folder).clips())
    )


def _pairs(folder: Path) -> SmallSet:
    header = "clip,archive,flac,actor,fold,emotion,intensity,frames,first_second,last_second"
    rows = []
    for code, emotion, strength, fold in ((TAKES[0], "angry", "strong", 1), (TAKES[1], "happy", "normal", 3)):
        actor = int(code[-2:])
        rows.append(f"01-01-{code},actor_{actor:02d}.zip,03-01-{code},{actor},{fold},{emotion},{strength},2,0.3,1.3")
        with zipfile.ZipFile(folder / f"actor_{actor:02d}.zip", "w", zipfile.ZIP_DEFLATED) as archive:
            for number in (10, 20):
                archive.writestr(f"01-01-{code}/{number:03d}.jpg", _jpeg())
        _wav(folder / f"03-01-{code}.flac")
    table = _table(folder / "labels.csv", header, rows)
    files = (table, folder / "actor_03.zip", folder / f"03-01-{TAKES[0]}.flac")
    return SmallSet("ravdess_pairs", folder, files, lambda: _heard(datasets.RavdessPairs(folder).clips()))


def _action_units(folder: Path) -> SmallSet:
    rows = [";".join(["0.5"] * len(action_units.COLUMNS) + [f"01-01-{code}"]) for code in TAKES]
    table = _table(folder / action_units.FILE_NAME, ";".join((*action_units.COLUMNS, "name")), rows)
    return SmallSet("action units", folder, (table,), lambda: action_units.read_action_units(folder))


def _teachers(folder: Path) -> SmallSet:
    header = ";".join([*(f"embs{n}" for n in range(8)), "name"])
    rows = [";".join(["0.125"] * 8 + [f"03-01-{code}"]) for code in TAKES]
    files = tuple(_table(folder / f"{kind}_fold0_train.csv", header, rows) for kind in teacher_scores.KINDS)

    def use() -> None:
        for kind in teacher_scores.KINDS:
            teacher_scores.read_teacher_scores(folder, kind, 0, "train")

    return SmallSet("teacher scores", folder, files, use)


def _ferplus_npz(folder: Path) -> SmallSet:
    path = folder / "ferplus_train.npz"
    votes = np.tile(np.array([8, 1, 0, 0, 1, 0, 0, 0, 0, 0], np.uint8), (4, 1))
    images = np.random.default_rng(1).integers(0, 255, (4, 48, 48), np.uint8)
    np.savez(path, images=images, votes=votes, names=np.array(list("abcd")), columns=np.array(VOTES))
    return SmallSet("ferplus, npz", folder, (path,), lambda: datasets.FerPlus(folder).split("train", SEVEN).images)


def _ferplus_csv(folder: Path) -> SmallSet:
    pixels = " ".join(["90"] * 48 * 48)
    faces = _table(folder / "fer2013.csv", "emotion,pixels,Usage", [f"0,{pixels},Training"] * 3)
    rows = [f"Training,fer{n}.png,8,1,0,0,1,0,0,0,0,0" for n in range(3)]
    votes = _table(folder / "fer2013new.csv", ",".join(("Usage", "Image name", *VOTES)), rows)
    return SmallSet(
        "ferplus, csv", folder, (faces, votes), lambda: datasets.FerPlus(folder).split("train", SEVEN).images
    )


def _meld(folder: Path) -> SmallSet:
    header = "Sr No.,Utterance,Speaker,Emotion,Sentiment,Dialogue_ID,Utterance_ID,Season,Episode,StartTime,EndTime"
    rows = [
        f'{n},"Why, really?",Anna,joy,positive,{n // 3},{n % 3},1,2,"00:00:0{n},100","00:00:0{n},900"' for n in range(6)
    ]
    table = _table(folder / "dev_sent_emo.csv", header, rows)
    return SmallSet("meld", folder, (table,), lambda: datasets.Meld(folder).dialogues("dev"))


def _affwild2(folder: Path) -> SmallSet:
    table = _table(folder / "annotations/VA_Set/Train_Set/v.txt", "valence,arousal", ["0.1,0.2", "-5,-5", "0.3,-1"])
    (folder / "cropped_aligned/v").mkdir(parents=True)
    (folder / "cropped_aligned/v/00001.jpg").write_bytes(_jpeg())
    return SmallSet("affwild2", folder, (table,), lambda: datasets.open_dataset(f"affwild2:{folder}").videos("train"))


def _mmsa(folder: Path) -> SmallSet:
    part = {"text": _draw(2, 3, 768), "audio": _draw(2, 4, 5), "vision": _draw(2, 4, 20)}
    part |= {
        "regression_labels": np.array([-1.0, 2.0]),
        "id": ["a", "b"],
        "raw_text": ["x"] * 2,
        "audio_lengths": [4, 2],
    }  # type: ignore[dict-item]
    path = _pickle(folder / "unaligned_50.pkl", dict.fromkeys(("train", "valid", "test"), part))
    return SmallSet("mmsa", folder, (path,), lambda: datasets.open_dataset(f"mmsa:{folder}").split("train"))


def _mosi(folder: Path) -> SmallSet:
    files = []
    for name, width in (("text", 100), ("audio", 73), ("video", 100)):
        rows = [",".join(["0.5"] * width + [str(label)]) for label in (1, 1, 0, 0)]
        files.append(_table(folder / f"{name}.csv", rows[0], rows[1:]))
    return SmallSet("mosi", folder, tuple(files), lambda: datasets.Mosi(folder).utterances())


def _mintrec(folder: Path) -> SmallSet:
    tables = [_table(folder / f"{split}.tsv", "season\tepisode\tclip\ttext\tlabel", ["S04\tE01\t7\tso what\tJoke"])
              for split in ("train", "dev", "test")]  # fmt: skip
    video = _pickle(folder / "video_data/video_feats.pkl", {"S04_E01_7": list(_draw(3, 1, 256))})
    audio = _pickle(folder / "audio_data/audio_feats.pkl", {"S04_E01_7": _draw(2, 768)})
    files = (tables[0], video, audio)
    return SmallSet("mintrec", folder, files, lambda: datasets.open_dataset(f"mintrec:{folder}").split("train"))


def _dialogue_features(folder: Path) -> SmallSet:
    lengths = {"Ses01": 2, "Ses02": 1}

    def each(width: int) -> dict[str, list[np.ndarray]]:
        return {name: list(_draw(count, width)) for name, count in lengths.items()}

    fields = (
        list(lengths),
        {name: ["F", "M"][:count] for name, count in lengths.items()},
        {name: [0, 1][:count] for name, count in lengths.items()},
        *(each(width) for width in (1024, 4, 4, 4, 1582, 342)),
        {name: ["hm"] * count for name, count in lengths.items()},
        ["Ses01"],
        ["Ses02"],
    )
    path = _pickle(folder / "iemocap_multimodal_features.pkl", fields)

    def use() -> None:
        found = datasets.open_dataset(f"iemocap-features:{folder}")
        for split in ("train", "test"):
            found.dialogues(split)

    return SmallSet("iemocap-features", folder, (path,), use)


def _own(folder: Path) -> SmallSet:
    rows = [f"{n}.wav,{SEVEN[n % 3]},anna,0.0,0.05,test,so what,d1" for n in range(3)]
    table = _table(folder / "clips.csv", "file,label,speaker,start,end,split,text,dialogue", rows)
    for n in range(3):
        _wav(folder / f"{n}.wav")

    def use() -> None:
        _heard(datasets.OwnClips(folder).select(SEVEN, "test").clips)

    return SmallSet("clips", folder, (table, folder / "0.wav"), use)
