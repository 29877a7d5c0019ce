"""Clips of one's own: tables and folders, what is left out of them, and that a step reads what the sensor reads."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from mer_sdk.errors import DataError, OptionError
from mer_sdk.evaluation.datasets import Clip, OwnClips, load_audio, load_frames, open_dataset
from mer_sdk.evaluation.datasets.clip_files import clip_duration
from mer_sdk.evaluation.features import clip_steps, encode_clip
from mer_sdk.window.engine import StepEngine
from mer_sdk.window.sensor import EmotionSensor

CLASSES = ("neutral", "happy", "sad", "angry", "fearful", "disgust", "surprised")


@pytest.fixture
def folder(tmp_path) -> Path:
    """Six files of which nothing but the size is looked at."""
    for name in ("a.wav", "b.mp4", "c.ogg", "d.wav", "e.wav", "übung.wav"):
        (tmp_path / name).write_bytes(b"x")
    return tmp_path


def table(folder: Path, text: str, encoding: str = "utf-8", name: str = "clips.csv") -> OwnClips:
    (folder / name).write_bytes(text.encode(encoding))
    return OwnClips(folder / name)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32", "latin-1"])
@pytest.mark.parametrize("separator", [",", ";", "\t", "|"])
def test_tables_of_any_office_program(folder, encoding, separator):
    lines = [
        "File;Emotion;Person;split",
        "übung.wav;Joy;Jörg;Training",
        "b.mp4;angry;Ann;validation",
        "a.wav;sad;Ann;test",
    ]
    found = table(folder, "\r\n".join(lines).replace(";", separator) + "\r\n", encoding)
    assert [(clip.id, clip.label, clip.person, clip.split) for clip in found.clips_all] == [
        ("übung.wav", "joy", "Jörg", "train"),
        ("b.mp4", "angry", "Ann", "dev"),
        ("a.wav", "sad", "Ann", "test"),
    ]
    assert [clip.speaker for clip in found.clips_all] == [2, 1, 1]
    assert found.left_out == ()


def test_a_parquet_table_is_read_as_the_csv_table_is(folder):
    pa = pytest.importorskip("pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")
    columns = {
        "file": ["a.wav", "b.mp4", None],
        "label": ["joy", "sad", "sad"],
        "speaker": [7, 8.0, None],
        "end": [1.5, float("nan"), 2],
    }
    parquet.write_table(pa.table({**columns, "speaker": pa.array([7.0, 8.0, None])}), folder / "clips.parquet")
    found = OwnClips(folder)
    csv = table(folder, "file,label,speaker,end\na.wav,joy,7,1.5\nb.mp4,sad,8,\n,sad,,2\n", name="other.csv")
    assert found.clips_all == csv.clips_all
    assert [item.reason for item in found.left_out] == [item.reason for item in csv.left_out] == ["it names no file"]
    (folder / "clips.parquet").write_bytes(b"PAR1 is not all")
    with pytest.raises(DataError, match="cannot be read as parquet"):
        OwnClips(folder)


def test_what_a_row_lacks_is_its_reason_and_the_rest_goes_on(folder):
    (folder / "zero.wav").write_bytes(b"")
    rows = {
        "nowhere.wav,happy,,,": "the file is missing",
        "zero.wav,happy,,,": r"the file is empty \(0 bytes\)",
        "b.mp4,,,,": "it has no label",
        ".,happy,,,": "it is a folder",
        "c.ogg,happy,3,2,": "it ends at 2 s, and begins at 3 s",
        "c.ogg,happy,now,2,": "its start 'now' is no number of seconds",
        "c.ogg,happy,-1,2,": "its start is -1; seconds of 0 or more",
        "c.ogg,happy": "it has 2 cells, the header has 5",
        "a.wav,sad,,,": "line 2 has it already, with the label 'happy' in place of 'sad'",
        "a.wav,happy,,,test": "line 2 has it already, in the split train",
    }
    found = table(folder, "\n".join(["file,label,start,end,split", "a.wav,happy,,,train", *rows, "d.wav,bored,,,"]))
    assert [clip.id for clip in found.clips_all] == ["a.wav", "d.wav"]
    assert len(found.left_out) == len(rows)
    for item, reason in zip(found.left_out, rows.values(), strict=True):
        with pytest.raises(DataError, match=reason):
            raise DataError(item.reason)
    chosen = found.select(CLASSES)
    assert [clip.id for clip in chosen.clips] == ["a.wav"]
    assert chosen.left_out[-1].clip == "d.wav"
    assert "label 'bored' is none of the bundle's: map it with --labels" in chosen.left_out[-1].reason


@pytest.mark.parametrize(("encoding", "told"), [("koi8-r", True), ("utf-8", False), ("utf-16", False)])
def test_letters_of_a_table_that_is_no_unicode_are_told_to_be_a_guess(folder, encoding, told):
    (folder / "clips.csv").write_bytes("file,label\na.wav,радость\nb.mp4,happy\n".encode(encoding))
    (left,) = OwnClips(folder).select(CLASSES).left_out
    assert ("save the table as UTF-8 if these letters look wrong" in left.reason) == told
    assert ("радость" in left.reason) != told


def test_a_path_without_the_prefix_is_told_with_it(folder):
    with pytest.raises(OptionError, match=r"for example clips:PATH or ravdess:PATH; did you mean clips:/\S+\?$"):
        open_dataset(str(folder))
    with pytest.raises(OptionError, match=r"or ravdess:PATH$"):
        open_dataset("absent")


def test_labels_are_mapped_by_a_table_or_by_common_words(folder):
    text = "file,label\na.wav,Joy\nb.mp4, RAGE \nc.ogg,calm\nd.wav,Bored\n"
    (folder / "clips.csv").write_text(text)
    chosen = open_dataset(f"clips:{folder}", {"rage": "angry", "bored": "neutral"}).select(CLASSES)
    assert [clip.label for clip in chosen.clips] == ["happy", "angry", "neutral", "neutral"]
    assert {old: new for old, new in chosen.labels.items() if old != new} == {"joy": "happy", "calm": "neutral"}
    # A bundle may use another word of the same meaning.
    assert [clip.label for clip in OwnClips(folder).select(("joy", "sadness")).clips] == ["joy"]
    with pytest.raises(
        OptionError,
        match=r"joi=\S+: no clip is labelled 'joi'; did you mean joy\? Labels of the clips: bored, calm, joy, rage",
    ):
        OwnClips(folder, {"joi": "happy"})
    with pytest.raises(
        OptionError, match=r"=hapy: 'hapy' is none of the bundle's labels; did you mean happy\? These are "
    ):
        OwnClips(folder, {"joy": "hapy"}).select(CLASSES)
    with pytest.raises(OptionError, match="--labels renames the labels of clips:PATH"):
        open_dataset(f"meld:{folder}", {"joy": "happy"})
    with pytest.raises(DataError, match=r"has no clip to use: .*bored.*--labels bored=neutral"):
        table(folder, "file,label\na.wav,bored\n").select(CLASSES)


def test_splits_keep_the_test_apart(folder):
    found = table(folder, "file,label,split\na.wav,sad,train\nb.mp4,happy,valid\nc.ogg,sad,Test\nd.wav,happy,\n")
    assert found.splits == ("dev", "test", "train")
    assert [clip.id for clip in found.to_test(CLASSES).clips] == ["c.ogg"]
    assert [clip.id for clip in found.to_test(CLASSES, "validation").clips] == ["b.mp4"]
    assert [clip.id for clip in found.to_learn_from(CLASSES).clips] == ["a.wav", "b.mp4", "d.wav"]
    with pytest.raises(OptionError, match=r"--split exam: .* splits there: dev, test, train"):
        found.select(CLASSES, "exam")
    with pytest.raises(DataError, match=r"every clip of .* is of the split test"):
        table(folder, "file,label,split\na.wav,sad,test\n").to_learn_from(CLASSES)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (b"", r"is empty \(0 bytes\)"),
        (b"file,label\n", "has a header and no rows"),
        (b"name,label\na.wav,sad\n", r"has the columns name, label; missing: file \(or path, filename"),
        (b'file,label\n"a.wav,sad\n', "line 2: not csv"),
        (b"\0\1\2", "is not a text file"),
        (b'file,label\n"a\nb.wav",sad\n', r"a\\nb.wav \(line 3\): the file is missing"),
        (b"\xff\xfe\x00", "begins as UTF-16 and is none"),
        (b"file,label\nx.wav,sad\ny.wav,sad\n", r"has no clip that can be used: 2 x the file is missing \(x.wav"),
    ],
)
def test_a_table_that_is_none_is_one_sentence(tmp_path, text, message):
    (tmp_path / "clips.csv").write_bytes(text)
    with pytest.raises(DataError, match=message) as raised:
        OwnClips(tmp_path / "clips.csv")
    assert "\n" not in str(raised.value)


def test_folders_named_by_label(tmp_path):
    for name in ("joy/a.wav", "ann/joy/b.mp4", "train/sad/c.wav", "Test/ben/sad/d.ogg", "sad/face.jpg", "sad/notes.txt",
                 "stray.wav", "x/y/sad/e.wav", ".hidden/sad/f.wav"):  # fmt: skip
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(b"x")
    found = OwnClips(tmp_path)
    assert [(clip.id, clip.label, clip.person, clip.split) for clip in found.clips_all] == [
        ("Test/ben/sad/d.ogg", "sad", "ben", "test"),
        ("ann/joy/b.mp4", "joy", "ann", ""),
        ("joy/a.wav", "joy", "", ""),
        ("sad/face.jpg", "sad", "", ""),
        ("train/sad/c.wav", "sad", "", "train"),
    ]
    assert [(item.clip, item.reason.split(":")[0]) for item in found.left_out] == [
        ("stray.wav", "it lies in no folder that names its label"),
        ("x/y/sad/e.wav", "it lies too deep"),
    ]
    # Nobody knows who speaks: each is a person of its own.
    assert len({clip.speaker for clip in found.clips_all}) == 5
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="holds no sound, video or picture"):
        OwnClips(tmp_path / "empty")
    with pytest.raises(DataError, match=r"is no table of clips; give a \.csv"):
        OwnClips(tmp_path / "stray.wav")


def test_a_step_reads_what_it_reads_in_the_sensor(tiny_bundle, media, tmp_path):
    for path in (
        media["mp4"](tmp_path / "both.mp4", 1.6),
        media["wav"](tmp_path / "s.wav", np.linspace(-0.5, 0.5, 26400)),
    ):
        engine = StepEngine(tiny_bundle)
        steps = encode_clip(Clip("c", "sad", 1, media=path), engine).steps
        with EmotionSensor.open(tiny_bundle) as sensor:
            seen = [sensor.last_features for _ in sensor.stream(path)]
        assert len(steps) == len(seen)
        for mine, theirs in zip(steps, seen, strict=True):
            np.testing.assert_array_equal(mine.audio, theirs.audio)
            np.testing.assert_array_equal(mine.face, theirs.face)


def test_a_part_of_a_file(tiny_bundle, media, tmp_path):
    rate = 16000
    ramp = np.arange(4 * rate) / (8 * rate)
    path = media["wav"](tmp_path / "long.wav", ramp, rate)
    clip = Clip("part", "sad", 1, media=path, start=1.0, end=2.5)
    sound, found = load_audio(clip)
    assert (found, len(sound)) == (rate, 1.5 * rate)
    np.testing.assert_allclose(sound, ramp[rate : int(2.5 * rate)], atol=1e-4)
    assert clip_duration(clip) == pytest.approx(1.5)
    steps = clip_steps(clip, tiny_bundle.manifest)
    assert len(steps) == 6
    np.testing.assert_allclose(steps[3][0][-4000:], ramp[int(1.75 * rate) : 2 * rate], atol=1e-3)
    with pytest.raises(DataError, match="has no sound between 9 s and 10 s"):
        load_audio(Clip("late", "sad", 1, media=path, start=9.0, end=10.0))


def test_a_late_part_of_a_video_begins_with_the_picture_that_is_shown(media, tmp_path):
    path = media["mp4"](tmp_path / "long.mp4", 14.0)
    whole = list(load_frames(Clip("all", "sad", 1, media=path)))
    part = list(load_frames(Clip("part", "sad", 1, media=path, start=12.01, end=12.5)))
    assert [round(time, 2) for time, _ in part[:3]] == [0.0, 0.03, 0.07]
    wanted = [image for time, image in whole if 11.99 < time < 12.5]
    assert len(part) == len(wanted)
    for (_, mine), theirs in zip(part, wanted, strict=True):
        np.testing.assert_array_equal(mine, theirs)


def test_a_still_is_one_step_without_sound(tiny_bundle, media, tmp_path):
    path = media["jpg"](tmp_path / "grey.jpg", np.full((60, 60, 3), 120, np.uint8))
    assert clip_steps(Clip("still", "sad", 1, media=path), tiny_bundle.manifest) == [(None, None)]
